"""The application that commands register with, and how errors leave it."""

from __future__ import annotations

import functools
import gc
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer

from colorrt.cli.layout import Command, Group
from colorrt.cli.signals import exit_code, word
from colorrt.errors import BackendError, ColorrtError, UsageError

P = ParamSpec("P")

# Objects made before garbage is looked for, and how often the older ones are looked through, too: 700, 10, 10 else.
_RARELY = (50_000, 20, 20)

# Panels of --help, in its order.
COLORIZE, MAKE, MEASURE, INSPECT = "Colorize", "Make models", "Measure", "Inspect"

app = typer.Typer(
    name="colorrt",
    cls=Group,
    help="Colorize gray pictures on any machine, with DeOldify-style networks.",
    epilog="colorrt run photos/ -o out/\ncolorrt run --help",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def command(
    panel: str | None, *examples: str, name: str | None = None, group: typer.Typer = app
) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Register a command of `group`, guarded; `--help` lists it in `panel` and ends with the examples."""

    def register(function: Callable[P, None]) -> Callable[P, None]:
        options: dict[str, Any] = {} if panel is None else {"rich_help_panel": panel}
        add = group.command(name, cls=Command, epilog="\n".join(examples), **options)
        return add(guarded(function))

    return register


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Turn errors into one line on the terminal and an exit code; an interrupt into 130."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except ColorrtError as error:
            say(f"error: {error}")
            raise typer.Exit(error.exit_code) from None
        except MemoryError:
            say("error: there is not enough memory; close other programs, or use a smaller --render-factor")
            raise typer.Exit(ColorrtError.exit_code) from None
        except KeyboardInterrupt as interrupt:
            say(f"{word(interrupt)}: finished results are kept, nothing is half-written")
            raise typer.Exit(exit_code(interrupt)) from None
        except BrokenPipeError:
            raise typer.Exit(0) from None

    return run


def say(message: str, *, err: bool = True) -> None:
    """Print one line, whatever file names are in it: line breaks and the like are escaped."""
    typer.echo("".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in message), err=err)


def say_table(rows: Sequence[tuple[str, str]]) -> None:
    """Print names and what belongs to them, in two columns."""
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        say(f"{name:<{width}}  {value}", err=False)


def write_json(path: Path | None, table: Any) -> None:
    """Write a table as JSON, whole or not at all. Raises UsageError when that is not possible."""
    from colorrt.atomic import atomic_path

    if path is not None:
        with atomic_path(path, UsageError) as part:
            part.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def announce_compiling() -> None:
    """Tell the terminal when the pixel kernels have to be compiled: the first run after an install waits for it."""
    from colorrt.kernels import on_first_compile

    on_first_compile(lambda: say("compiling the pixel kernels for this machine: a few seconds, the first time only"))


def compile_ahead(target: Path) -> None:
    """Let a second process help to compile the kernels that a first result of this name needs, if none is cached."""
    from colorrt import kernels
    from colorrt.runtime.jpeg.reading import JPEG_SUFFIXES

    if kernels.compile_ahead(planes=target.suffix.lower() in JPEG_SUFFIXES) is not None:
        # This one compiles the rest, for which garbage is looked for far too often: a seventh of the time.
        gc.set_threshold(*_RARELY)


def check_result_file(path: Path | None, inputs: Iterable[Path] = (), to_be_made: Path | None = None) -> None:
    """Raise UsageError when a file that the command writes at its end could not be written, or is an input.

    `to_be_made`: a folder that the command makes before.
    """
    if path is None:
        return
    try:
        if not path.parent.is_dir() and path.parent != to_be_made:
            raise UsageError(f"{path}: cannot be written: there is no folder {path.parent}; make it first")
        if path.is_dir():
            raise UsageError(f"{path}: cannot be written: it is a folder; name a file in it")
        if path.exists() and any(source.exists() and path.samefile(source) for source in inputs):
            raise UsageError(f"{path}: cannot be written: it is one of the inputs; name another file")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}; choose another name") from error


def needs(extra: str, error: ImportError) -> BackendError:
    """Say which extra brings the package that is missing."""
    return BackendError(
        f"{error.name or 'a package'} is not installed, and this command needs it: pip install 'colorrt[{extra}]'"
    )


@app.callback(invoke_without_command=True)
def _colorrt(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from colorrt import __version__

        typer.echo(f"colorrt {__version__}")
        raise typer.Exit
