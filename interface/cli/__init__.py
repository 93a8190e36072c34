"""The command line: it reads options, calls the rooms, prints. Heavy imports happen inside the commands."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

from colorrt.cli.signals import INTERRUPTED, TERMINATED, catch_termination, exit_code, was_terminated, word

if TYPE_CHECKING:
    import typer

__all__ = ["load_commands", "main"]


def main() -> None:
    """Run the command line; the entry point of `colorrt`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks the letters of a file's name must not cost the command.
            stream.reconfigure(errors="backslashreplace")
    try:
        catch_termination()
        load_commands()()
    except KeyboardInterrupt as interrupt:
        # While modules are loaded; later the commands say it themselves.
        print(f"{word(interrupt)} before any work was done", file=sys.stderr)
        sys.exit(exit_code(interrupt))
    except SystemExit as end:
        if end.code == INTERRUPTED and was_terminated():
            sys.exit(TERMINATED)
        raise
    except OSError as error:
        # On a full disk the interpreter would complain once more as it flushes what it still holds.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"error: the output cannot be written ({error.strerror or error}); free some space", file=sys.stderr)
        sys.exit(1)


def load_commands() -> typer.Typer:
    """Return the application with all of its commands."""
    # Each import registers its commands; --help lists them in this order.
    from colorrt.cli import app, run, journal, train, export, build, evaluate, verify, bench, about, doctor  # noqa: F401, I001 (imported to register; the order is that of --help)

    return app.app
