"""Many pictures: read, network, write side by side, with every failure kept to its own picture."""

from __future__ import annotations

import enum
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from colorrt.atomic import printable
from colorrt.errors import PictureError, UsageError
from colorrt.runtime.colorizer import Colorizer, Square
from colorrt.runtime.jobs import Job, Names, exists
from colorrt.runtime.pictures.reading import DEFAULT_MAX_PIXELS
from colorrt.runtime.pixel_budget import PixelBudget
from colorrt.runtime.stills import Document, Still, color_document, open_still

# Pictures in each queue between two stages: enough to keep the slowest stage busy. Large ones are fewer: PixelBudget.
DEPTH = 2
TOO_LARGE = "there is not enough memory for a picture of this size; close other programs or reduce it first"


class Outcome(enum.Enum):
    """What became of a picture."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Result:
    """What became of one job, and why when it is not done."""

    job: Job
    outcome: Outcome
    reason: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Settings:
    """How pictures are colored and written.

    `saturation`: None takes the model's own. `quality`: 1..100. `lossless_luma`: JPEGs keep their coded luma bit for
    bit, and only JPEGs are colored.
    """

    saturation: float | None = None
    quality: int = 95
    overwrite: bool = False
    max_pixels: int | None = DEFAULT_MAX_PIXELS
    lossless_luma: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise UsageError(f"quality {self.quality} is outside 1..100; 95 suits photographs")


@dataclass(frozen=True)
class _Loaded:
    """A picture with what the network sees of it, or a document, which is seen page by page."""

    job: Job
    still: Still | Document
    square: Square | None
    pixels: int
    started: float


def color_jobs(
    colorizer: Colorizer, jobs: Sequence[Job], settings: Settings, report: Callable[[Result], None]
) -> list[Result]:
    """Color every job; `report` hears of each as it ends, in the order of the jobs.

    No exception but KeyboardInterrupt and the model's own failures (ModelError) leaves this function: a picture
    that cannot be read, colored or written becomes a failed result. Interrupted, it lets the writes under way end.

    Raises UsageError, before the first picture, for an impossible saturation.
    """
    colorizer.choose_saturation(settings.saturation)
    names = Names(job.source for job in jobs)
    jobs = names.settle(jobs)
    results: list[Result] = []
    budget = PixelBudget()

    def end(result: Result) -> None:
        results.append(result)
        report(result)

    with ThreadPoolExecutor(2, "read") as readers, ThreadPoolExecutor(2, "write") as writers:
        try:
            writing: deque[Future[Result]] = deque()
            for loaded in _read_ahead(colorizer, jobs, settings, readers, budget):
                # Here and not in the readers, so that of two pictures the first gets a name that both would have.
                writing.append(_color(colorizer, _settle(loaded, names, settings, budget), settings, writers, budget))
                # Or else its luma would stay in memory while the next one waits for budget.
                del loaded
                while writing and (len(writing) > DEPTH or writing[0].done()):
                    end(writing.popleft().result())
            for future in writing:
                end(future.result())
        except BaseException:
            budget.close()
            readers.shutdown(cancel_futures=True)
            writers.shutdown(cancel_futures=True)
            raise
    return results


def _read_ahead(
    colorizer: Colorizer, jobs: Sequence[Job], settings: Settings, readers: ThreadPoolExecutor, budget: PixelBudget
) -> Iterator[_Loaded | Result]:
    reading: deque[Future[_Loaded | Result]] = deque()
    for turn, job in enumerate(jobs):
        reading.append(readers.submit(_load, colorizer, job, settings, budget, turn))
        if len(reading) > DEPTH:
            yield reading.popleft().result()
    while reading:
        yield reading.popleft().result()


def _load(colorizer: Colorizer, job: Job, settings: Settings, budget: PixelBudget, turn: int) -> _Loaded | Result:
    started = time.perf_counter()
    taken: list[int] = []

    def reserve(pixels: int) -> None:
        taken.append(budget.take(turn, pixels))

    def ended(outcome: Outcome, reason: str) -> Result:
        budget.give(sum(taken))
        return Result(job, outcome, reason)

    try:
        if job.problem is not None:
            return ended(Outcome.FAILED, f"{printable(job.source)}: {job.problem}")
        if _is_finished(job.target, settings):
            return ended(Outcome.SKIPPED, f"{job.target} exists")
        still = open_still(job.source, job.target, settings.max_pixels, reserve, lossless_luma=settings.lossless_luma)
        square = None if isinstance(still, Document) else colorizer.see(still.luma)
        return _Loaded(job, still, square, sum(taken), started)
    except PictureError as error:
        return ended(Outcome.FAILED, str(error))
    except MemoryError:
        return ended(Outcome.FAILED, f"{printable(job.source)}: {TOO_LARGE}")
    finally:
        # Those behind this one wait for its turn to be over.
        if not taken:
            reserve(0)


def _settle(loaded: _Loaded | Result, names: Names, settings: Settings, budget: PixelBudget) -> _Loaded | Result:
    """Give the output the suffix that can hold the picture, unless that name is spoken for or there already."""
    if isinstance(loaded, Result) or isinstance(loaded.still, Document):
        return loaded
    job = loaded.job
    suffix = loaded.still.suffix(job.target.suffix)
    if suffix == job.target.suffix:
        return loaded
    job = replace(job, target=job.target.with_suffix(suffix))
    problem = names.claim(job.target, job.source)
    if problem is None and not _is_finished(job.target, settings):
        return replace(loaded, job=job)
    budget.give(loaded.pixels)
    if problem is not None:
        return Result(job, Outcome.FAILED, f"{printable(job.source)}: {problem}")
    return Result(job, Outcome.SKIPPED, f"{job.target} exists")


def _color(
    colorizer: Colorizer, loaded: _Loaded | Result, settings: Settings, writers: ThreadPoolExecutor, budget: PixelBudget
) -> Future[Result]:
    if isinstance(loaded, Result):
        return _ended(loaded)
    if isinstance(loaded.still, Document):
        # On this thread, for no other may run the network.
        return _ended(_write(loaded, _document(colorizer, loaded.still, loaded.job, settings), budget))
    assert loaded.square is not None
    return writers.submit(_write, loaded, _still(colorizer, loaded.still, loaded.square, loaded.job, settings), budget)


def _ended(result: Result) -> Future[Result]:
    future: Future[Result] = Future()
    future.set_result(result)
    return future


def _document(colorizer: Colorizer, document: Document, job: Job, settings: Settings) -> Callable[[], None]:
    return lambda: color_document(colorizer, document, job.target, settings.saturation, settings.max_pixels)


def _still(colorizer: Colorizer, still: Still, square: Square, job: Job, settings: Settings) -> Callable[[], None]:
    chroma = colorizer.guess([square])[0]

    def save() -> None:
        try:
            paint = colorizer.paint(square, chroma, settings.saturation)
        except PictureError as error:
            raise PictureError(f"{printable(job.source)}: {error}") from error
        still.save(job.target, paint, settings.quality)

    return save


def _write(loaded: _Loaded, save: Callable[[], None], budget: PixelBudget) -> Result:
    job = loaded.job
    try:
        make_folder(job.target.parent)
        save()
    except PictureError as error:
        return Result(job, Outcome.FAILED, str(error))
    except MemoryError:
        return Result(job, Outcome.FAILED, f"{printable(job.source)}: {TOO_LARGE}")
    finally:
        budget.give(loaded.pixels)
    return Result(job, Outcome.DONE, None, time.perf_counter() - loaded.started)


def make_folder(folder: Path) -> None:
    """Make a folder for results, and those above it. Raises PictureError when that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise PictureError(
            f"{folder}: cannot be made a folder, for there is a file in its place; name another with -o"
        ) from error
    except OSError as error:
        raise PictureError(
            f"{folder}: this folder cannot be made ({error.strerror or error}); name another with -o"
        ) from error


def _is_finished(target: Path, settings: Settings) -> bool:
    return not settings.overwrite and exists(target)
