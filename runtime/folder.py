"""Many pictures: each a passage through the pipeline, with every failure kept to its own picture."""

from __future__ import annotations

import enum
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from colorrt.atomic import in_one_line, printable, remove_parts, telling_moves
from colorrt.errors import PictureError, UsageError
from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.hints import Hints
from colorrt.runtime.history import History, Journals, Skip
from colorrt.runtime.jobs import Job, Names
from colorrt.runtime.journal import Identity, Making, Row
from colorrt.runtime.marking import mark_of
from colorrt.runtime.notes import Note, note_first_frame, note_of_before, note_pages_in_color, note_unmarked
from colorrt.runtime.paint import Paint
from colorrt.runtime.passage import Frame, Reserve, StoppedError
from colorrt.runtime.pictures.color_spread import InColorError
from colorrt.runtime.pictures.reading import DEFAULT_MAX_PIXELS
from colorrt.runtime.pictures.writing import format_without_mark
from colorrt.runtime.pipeline import run_passages
from colorrt.runtime.provenance.mark import Mark
from colorrt.runtime.render_factors import as_value
from colorrt.runtime.stills import Sheet, read_stills, write_stills

if TYPE_CHECKING:
    from colorrt.runtime.signing import Credentials

BEST_QUALITY = 95
"""Of what is encoded, where no other is asked for."""

TOO_LARGE = "there is not enough memory for a picture of this size; close other programs or reduce it first"


class Outcome(enum.Enum):
    """What became of a picture."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class Result:
    """What became of one job, and why when it is not done."""

    job: Job
    outcome: Outcome
    reason: str | None = None
    seconds: float = 0.0
    skip: Skip | None = None
    """Of a skipped one."""
    row: Row | None = None
    """What the journal says of it; None where it keeps none."""
    notes: tuple[Note, ...] = ()
    """What else is to be said of it."""


@dataclass(frozen=True)
class Settings:
    """How pictures are colored and written.

    `saturation`: None takes the model's own. `quality`: 1..100; None keeps the coded luma of gray JPEGs that go to JPEG
    bit for bit, and is `BEST_QUALITY` for all that is encoded. `lossless_luma`: all JPEGs keep their coded luma, and
    only JPEGs are colored. `mark`: results say in their XMP that they were colored, see `marked_xmp`.
    `credentials`: who signs them, see `load_credentials`; None signs nothing. `recolor`: color what is in color
    already, too. `hints`: colors that are wanted at some places of every picture.
    """

    saturation: float | None = None
    quality: int | None = None
    overwrite: bool = False
    max_pixels: int | None = DEFAULT_MAX_PIXELS
    lossless_luma: bool = False
    mark: bool = True
    credentials: Credentials | None = None
    recolor: bool = False
    hints: Hints | None = None

    def __post_init__(self) -> None:
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise UsageError(f"quality {self.quality} is outside 1..100; {BEST_QUALITY} suits photographs")


def color_jobs(
    colorizer: Colorizer, jobs: Sequence[Job], settings: Settings, journals: Journals | None = None
) -> Iterator[Result]:
    """Color every job; yield what became of each as it ends, in the order of the jobs.

    journals: of the folders of results. With them, results that are there are skipped only where they were made of the
    same source with the same settings; the result of a source that was replaced is made anew. Without, all that are
    there are skipped.

    No exception but KeyboardInterrupt and the model's own failures (ModelError) leaves this function: a picture
    that cannot be read, colored or written becomes a failed result. Interrupted, it lets the writes under way end.

    Raises UsageError, before the first picture, for an impossible saturation.
    """
    colorizer.choose_saturation(settings.saturation)
    for folder in {job.target.parent for job in jobs if job.problem is None}:
        remove_parts(folder)
    history = History(journals, make_making(colorizer, settings), recolor=settings.recolor)
    names = Names((job.source for job in jobs), history.is_taken)
    passages = (PicturePassage(colorizer, job, settings, names, history) for job in names.settle(jobs))
    return run_passages(passages, colorizer.guess, colorizer.best_batch)


def make_making(colorizer: Colorizer, settings: Settings) -> Making:
    """Return what decides how the results of these settings look."""
    contract = colorizer.contract
    return Making(
        colorizer.network_name,
        contract.weights_sha256,
        as_value(colorizer.render_factors),
        colorizer.choose_saturation(settings.saturation),
        str(colorizer.upsample),
        settings.quality,
        settings.lossless_luma,
        settings.mark,
        settings.credentials is not None,
        version("colorrt"),
        hints="" if settings.hints is None else settings.hints.digest,
    )


class SkippedError(Exception):
    """Ends the passage of an input whose result is there already."""

    def __init__(self, why: Skip, target: Path) -> None:
        super().__init__(f"{target} exists" if why is Skip.FOREIGN else f"{target}: {why.value}")
        self.why = why


def check_target(job: Job, history: History, *, overwrite: bool) -> None:
    """Raise SkippedError where a result is there that stays."""
    skip = history.why_skip(job) if not overwrite and history.has_result(job) else None
    if skip is not None:
        raise SkippedError(skip, job.target)


def skipped_result(job: Job, error: SkippedError) -> Result:
    """Return what became of an input whose result is there already."""
    return Result(job, Outcome.SKIPPED, str(error), skip=error.why)


def left_result(job: Job, history: History, reason: str, seconds: float, source: Identity | None) -> Result:
    """Return what became of an input that is in color already. It is entered, unless `source` is None: the run before
    has done that."""
    before = history.of_before(job)
    notes = () if before is None else (note_of_before(printable(before)),)
    result = Result(job, Outcome.SKIPPED, reason, seconds, Skip.IN_COLOR, notes=notes)
    if source is None:
        return result
    return replace(result, row=history.enter(job, Outcome.SKIPPED.value, reason, seconds, source))


class PicturePassage:
    """A picture file on its way to its colored copy, page by page where it has several."""

    def __init__(self, colorizer: Colorizer, job: Job, settings: Settings, names: Names, history: History) -> None:
        self._history = history
        self._source: Identity | None = None
        self._colorizer = colorizer
        self._job = job
        self._settings = settings
        self._names = names
        self._started = 0.0
        self._kept = 0
        self._pages = 1
        self._animation = 1

    def frames(self, reserve: Reserve) -> Generator[Frame[Sheet], None, None]:
        """Read the picture, or its pages. Raises PictureError."""
        self._started = time.perf_counter()
        job, settings = self._job, self._settings
        if job.problem is not None:
            raise PictureError(f"{printable(job.source)}: {job.problem}")
        self._check_target()
        if self._history.stays_in_color(job):
            raise InColorError(job.source)
        self._source = self._history.identify(job)
        sheets = read_stills(
            job.source,
            job.target,
            settings.max_pixels,
            reserve,
            lossless_luma=settings.lossless_luma,
            encode_luma=settings.quality is not None,
            recolor=settings.recolor,
            side=self._colorizer.size,
        )
        for sheet in sheets:
            self._kept += sheet.kept is not None
            self._pages = sheet.page.count if sheet.page else 1
            self._animation = sheet.frames
            yield Frame(self._colorizer.see(sheet.still.luma), sheet)

    def admit(self, first: Frame[Sheet]) -> None:
        """Give the output the suffix that can hold the picture, unless that name is spoken for or there already.

        Here and not in `frames`, so that of two pictures the first gets a name that both would have.
        """
        target = self._job.target
        suffix = target.suffix if first.content.page else first.content.still.suffix(target.suffix)
        if suffix == target.suffix:
            return
        job = self._job = self._names.claim(replace(self._job, target=target.with_suffix(suffix)))
        if job.problem is not None:
            raise PictureError(f"{printable(job.source)}: {job.problem}")
        self._check_target()

    def write(self, colored: Iterator[tuple[Frame[Sheet], NDArray[np.float32]]]) -> None:
        """Write the copy, whole or not at all. Raises PictureError."""
        make_folder(self._job.target.parent)
        mark = mark_of(self._colorizer, self._job.source, self._settings.saturation, self._settings.hints)
        with telling_moves(self._announce), self._signed(mark) as path:
            quality = self._settings.quality or BEST_QUALITY
            write_stills(path, (self._paint(*one, mark) for one in colored), quality)

    def _signed(self, mark: Mark) -> AbstractContextManager[Path]:
        target, credentials = self._job.target, self._settings.credentials
        if credentials is None:
            return nullcontext(target)
        # Most runs sign nothing, and start sooner without it.
        from colorrt.runtime.signing import signed

        return signed(target, self._job.source, mark, credentials)

    def end(self, error: Exception | None) -> Result:
        """Tell what became of the picture, and enter it into the journal."""
        job = self._job
        if isinstance(error, SkippedError):
            return skipped_result(job, error)
        if isinstance(error, InColorError):
            # Identified now, or by the run that wrote the row, which need not be written again.
            seconds = time.perf_counter() - self._started
            return left_result(job, self._history, str(error), seconds, self._source)
        outcome, reason = (Outcome.DONE, None) if error is None else (Outcome.FAILED, self._why(error))
        seconds = time.perf_counter() - self._started if self._started else 0.0
        result = Result(job, outcome, reason, seconds, notes=self._notes() if error is None else ())
        if isinstance(error, StoppedError):
            return result
        row = self._history.enter(job, outcome.value, reason, seconds, self._source, self._kept)
        return replace(result, row=row)

    def _notes(self) -> tuple[Note, ...]:
        unmarked = format_without_mark(self._job.target.suffix) if self._settings.mark else None
        notes = [
            note_pages_in_color(self._kept, self._pages) if self._kept else None,
            note_first_frame(self._animation) if self._animation != 1 else None,
            note_unmarked(unmarked) if unmarked else None,
        ]
        return tuple(note for note in notes if note is not None)

    def _announce(self, part: Path, path: Path) -> None:
        if path == self._job.target:
            # Another run in the same folder may have made it since: its result stays.
            self._check_target()
            seconds = time.perf_counter() - self._started
            self._history.announce(self._job, part, seconds, self._source, self._kept)

    def _why(self, error: Exception) -> str:
        if isinstance(error, PictureError):
            return str(error)
        if isinstance(error, MemoryError):
            return f"{printable(self._job.source)}: {TOO_LARGE}"
        return f"{printable(self._job.source)}: {_unforeseen(error)}"

    def _paint(self, frame: Frame[Sheet], chroma: NDArray[np.float32], mark: Mark) -> tuple[Sheet, Paint]:
        try:
            paint = self._colorizer.paint(frame.square, chroma, self._settings.saturation, self._settings.hints)
        except PictureError as error:
            page = frame.content.page
            where = "" if page is None else f"page {page.number + 1} of {page.count}: "
            raise PictureError(f"{printable(self._job.source)}: {where}{error}") from error
        if not self._settings.mark:
            return frame.content, paint
        return frame.content.marked(mark), paint

    def _check_target(self) -> None:
        check_target(self._job, self._history, overwrite=self._settings.overwrite)


def _unforeseen(error: Exception) -> str:
    return (
        f"it could not be colored ({type(error).__name__}: {in_one_line(error)}), which colorrt did not foresee; "
        "the others go on, and a report with this picture would help"
    )


def make_folder(folder: Path) -> None:
    """Make a folder for results, and those above it. Raises PictureError when that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise PictureError(
            f"{folder}: cannot be made a folder because a file has that name; name another with -o"
        ) from error
    except OSError as error:
        raise PictureError(
            f"{folder}: this folder cannot be created ({error.strerror or error}); name another with -o"
        ) from error
