"""The command line: it reads options, calls the rooms, prints. Heavy imports happen inside the commands."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from colorrt.cli.app import app

if TYPE_CHECKING:
    import typer

__all__ = ["app", "load_commands", "main"]


def main() -> None:
    """Run the command line; the entry point of `colorrt`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks the letters of a file's name must not cost the command.
            stream.reconfigure(errors="backslashreplace")
    load_commands()()


def load_commands() -> typer.Typer:
    """Return the application with all of its commands."""
    # Each import registers its commands; --help lists them in this order.
    from colorrt.cli import run, train, export, build, evaluate, verify, bench, about, doctor  # noqa: F401, I001 (imported to register; the order is that of --help)

    return app
