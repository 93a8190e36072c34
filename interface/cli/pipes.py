"""One picture through standard input and output: `colorrt run - -o -`."""

from __future__ import annotations

import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from colorrt.errors import PictureError, UsageError

if TYPE_CHECKING:
    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.folder import Result, Settings
    from colorrt.runtime.history import Journals
    from colorrt.runtime.jobs import Job

PIPE = "-"
_INPUT, _OUTPUT = "standard input", "standard output"
_EXAMPLE = "colorrt run - -o - < old.jpg > new.jpg"
_CHUNK = 1 << 20
# A picture of the most pixels, four channels of 16 bits, and all that it may carry.
_BYTES_PER_PIXEL, _BYTES_AT_LEAST = 8, 64 << 20


@dataclass(frozen=True)
class Pipe:
    """A picture on its way through pipes. `job`: from file to file, which lie in a folder of their own where there is
    a pipe. `source`, `target`: what people know them as; None is the name of the file itself."""

    job: Job
    source: Path | None
    target: Path | None

    def color(
        self, colorizer: Colorizer, pictures: Sequence[Job], settings: Settings, journals: Journals
    ) -> Iterator[Result]:
        """Color the picture and pass it on. What came through a pipe has no name that a journal could keep."""
        from colorrt.runtime.folder import color_jobs

        for result in color_jobs(colorizer, pictures, settings):
            yield self.tell(self.pass_on(result))

    def tell(self, result: Result) -> Result:
        """Return the result with the names that people know."""
        reason = result.reason
        # What names no file has no target of its own.
        target = None if result.job.target == result.job.source else self.target
        for file, name in ((result.job.source, self.source), (result.job.target, target)):
            if name is not None and reason is not None:
                reason = reason.replace(str(file), str(name)).replace(file.name, str(name))
        job = replace(result.job, source=self.source or result.job.source, target=self.target or result.job.target)
        return replace(result, job=job, reason=reason)

    def pass_on(self, result: Result) -> Result:
        """Write what became of the picture to standard output: the result, or the picture itself if it is in color.

        result: as the job has it. Returns it, failed when nobody reads it or there is no room for it.
        """
        from colorrt.runtime.folder import Outcome
        from colorrt.runtime.history import Skip

        if self.target is None:
            return result
        try:
            if result.outcome is Outcome.DONE:
                _write(result.job.target)
            elif result.skip is Skip.IN_COLOR:
                _write(result.job.source)
        except PictureError as error:
            return replace(result, outcome=Outcome.FAILED, reason=str(error), skip=None, notes=())
        return result


def is_piped(sources: Sequence[str], output: str | None) -> bool:
    """Whether a picture is to come from standard input, or to go to standard output."""
    return PIPE in sources or output == PIPE


def check_pipes(sources: Sequence[str], output: str | None, files: dict[str, object]) -> None:
    """Raise UsageError, before anything is read, for what does not go through pipes.

    files: the options that need files, and what they were given.
    """
    from colorrt.runtime.film.suffixes import is_film
    from colorrt.runtime.pictures.formats import PICTURE_SUFFIXES

    if PIPE in sources:
        if len(sources) > 1:
            raise UsageError("-: standard input is one picture, and others are named beside it; color them apart")
        if output is None:
            raise UsageError("-: what comes from standard input has no name; say where it goes: -o FILE, or -o -")
        if output != PIPE and (Path(output).is_dir() or Path(output).suffix.lower() not in PICTURE_SUFFIXES):
            raise UsageError(f"{output}: what comes from standard input has no name; name a file, such as -o new.png")
    elif len(sources) > 1 or glob.has_magic(sources[0]) or Path(sources[0]).is_dir():
        raise UsageError("-o -: standard output takes one picture; name one file, or a folder for the results")
    elif is_film(Path(sources[0])):
        raise UsageError("-o -: a film cannot be piped; name a file for the result")
    for option, given in files.items():
        if given is not None:
            raise UsageError(f"{option} is of files, and one picture goes through a pipe; leave it out")
    if PIPE in sources and sys.stdin.isatty():
        raise UsageError(f"-: standard input is a terminal; send a picture into it: {_EXAMPLE}")
    if output == PIPE and sys.stdout.isatty():
        raise UsageError(f"-o -: standard output is a terminal, which shows no picture; send it on: {_EXAMPLE}")


@contextmanager
def open_pipe(source: str, output: str | None, max_pixels: int) -> Iterator[Pipe]:
    """Take what comes from standard input, and lend files to color from and to; they are removed in the end.

    max_pixels: bounds how much is taken. Raises PictureError when that is nothing, or more.
    """
    from colorrt.runtime.jobs import plan_jobs

    with tempfile.TemporaryDirectory(prefix="colorrt-") as place:
        folder = Path(place)
        piped = source == PIPE
        file = _take(folder, _BYTES_AT_LEAST + _BYTES_PER_PIXEL * max_pixels) if piped else Path(source)
        target = folder / f"standard-output{_suffix_for(file)}" if output == PIPE else Path(output or "")
        # Planned like any other: what is no picture by its name is refused in the same words.
        (job,) = plan_jobs([str(file)], target)
        yield Pipe(job, Path(_INPUT) if piped else None, Path(_OUTPUT) if output == PIPE else None)


def _take(folder: Path, most: int) -> Path:
    """Write standard input to a file whose suffix tells its format."""
    path = folder / "standard-input"
    taken = 0
    try:
        with path.open("wb") as file:
            while chunk := sys.stdin.buffer.read(_CHUNK):
                taken += len(chunk)
                if taken > most:
                    raise PictureError(
                        f"{_INPUT}: it is larger than {most >> 20:,} MB, more than the most pixels take; if you trust "
                        "it, raise the limit with --max-pixels"
                    )
                file.write(chunk)
    except OSError as error:
        raise PictureError(
            f"{_INPUT}: it cannot be kept in {folder.parent} ({error.strerror or error}); free some space, or choose "
            "another folder with the variable TMPDIR"
        ) from error
    if not taken:
        raise PictureError(f"{_INPUT}: it is empty (0 bytes); check the command that sends it")
    from colorrt.runtime.pictures.formats import suffix_of

    with path.open("rb") as file:
        suffix = suffix_of(file)
    return path.rename(path.with_suffix(suffix))


def _suffix_for(file: Path) -> str:
    """Return the suffix that a result gets: that of the picture, or of what is in it where that says nothing."""
    from colorrt.runtime.pictures.formats import PICTURE_SUFFIXES, suffix_of

    if file.suffix.lower() in PICTURE_SUFFIXES or not file.is_file():
        return file.suffix
    try:
        with file.open("rb") as stream:
            return suffix_of(stream)
    except OSError:
        # Told where it is read.
        return ".png"


def _write(path: Path) -> None:
    out = sys.stdout.buffer
    try:
        with path.open("rb") as file:
            shutil.copyfileobj(file, out, _CHUNK)
        out.flush()
    except OSError as error:
        # What is still held would be flushed once more, and complained of, at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            reason = "it was closed before the whole picture was written; check what reads it"
        else:
            reason = f"it cannot be written ({error.strerror or error}); free some space, or name a file with -o"
        raise PictureError(f"{_OUTPUT}: {reason}") from error
