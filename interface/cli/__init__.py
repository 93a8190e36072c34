"""The command line: it reads options, calls the rooms, prints. Heavy imports happen inside the commands."""

from __future__ import annotations

import sys

try:
    from colorrt.cli.signals import (
        INTERRUPTED,
        catch_signals,
        end_catching,
        exit_code,
        has_come,
        was_told,
        word,
    )
except KeyboardInterrupt:
    # Some milliseconds in which Ctrl-C is not caught yet.
    print("interrupted before any work was done", file=sys.stderr)
    sys.exit(130)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typer

__all__ = ["load_commands", "main"]


def main() -> None:
    """Run the command line; the entry point of `colorrt`."""
    try:
        # First of all: what is imported below takes most of the first second.
        catch_signals()
        _show_any_name()
        load_commands()()
    except KeyboardInterrupt as interrupt:
        # While modules are loaded; later the commands say it themselves.
        _exit_early(interrupt)
    except SystemExit as end:
        if end.code == INTERRUPTED and not was_told():
            # The parser of the command line has caught it.
            _exit_early(KeyboardInterrupt())
        raise
    except Exception as error:
        if has_come():
            # What was being imported has made something else of it.
            _exit_early(KeyboardInterrupt())
        if not isinstance(error, OSError):
            raise
        import os

        # On a full disk the interpreter would complain once more as it flushes what it still holds.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"error: the output cannot be written ({error.strerror or error}); free some space", file=sys.stderr)
        sys.exit(1)
    finally:
        end_catching()


def _exit_early(interrupt: KeyboardInterrupt) -> None:
    print(f"{word(interrupt)} before any work was done", file=sys.stderr)
    sys.exit(exit_code(interrupt))


def _show_any_name() -> None:
    import io

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks the letters of a file's name must not cost the command.
            stream.reconfigure(errors="backslashreplace")


def load_commands() -> typer.Typer:
    """Return the application with all of its commands."""
    # Each import registers its commands; --help lists them in this order.
    from colorrt.cli import app, run, serve, page, journal  # noqa: F401, I001 (imported to register; the order is that of --help)
    from colorrt.cli import train, export, data, build, package  # noqa: F401 (imported to register; the order is that of --help)
    from colorrt.cli import evaluate, verify, bench, about, doctor  # noqa: F401 (imported to register; the order is that of --help)

    return app.app
