"""Many pictures: read, network, write side by side, with every failure kept to its own picture."""

from __future__ import annotations

import enum
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from colorrt.errors import PictureError, UsageError
from colorrt.runtime.colorizer import Colorizer, Square
from colorrt.runtime.jobs import Job, Names, exists
from colorrt.runtime.pictures import DEFAULT_MAX_PIXELS, Picture, output_suffix, read_picture, write_picture

# Pictures in each queue between two stages: enough to keep the slowest stage busy, few enough for 100-megapixel
# scans to fit in memory.
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
    """How pictures are colored and written. `saturation`: None takes the model's own. `quality`: 1..100."""

    saturation: float | None = None
    quality: int = 95
    overwrite: bool = False
    max_pixels: int | None = DEFAULT_MAX_PIXELS

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise UsageError(f"quality {self.quality} is outside 1..100; 95 suits photographs")


@dataclass(frozen=True)
class _Loaded:
    job: Job
    picture: Picture
    square: Square
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

    def end(result: Result) -> None:
        results.append(result)
        report(result)

    with ThreadPoolExecutor(2, "read") as readers, ThreadPoolExecutor(2, "write") as writers:
        try:
            writing: deque[Future[Result]] = deque()
            for loaded in _read_ahead(colorizer, jobs, settings, readers):
                # Here and not in the readers, so that of two pictures the first gets a name that both would have.
                writing.append(_color(colorizer, _settle(loaded, names, settings), settings, writers))
                while writing and (len(writing) > DEPTH or writing[0].done()):
                    end(writing.popleft().result())
            for future in writing:
                end(future.result())
        except BaseException:
            readers.shutdown(cancel_futures=True)
            writers.shutdown(cancel_futures=True)
            raise
    return results


def _read_ahead(
    colorizer: Colorizer, jobs: Sequence[Job], settings: Settings, readers: ThreadPoolExecutor
) -> Iterator[_Loaded | Result]:
    reading: deque[Future[_Loaded | Result]] = deque()
    for job in jobs:
        reading.append(readers.submit(_load, colorizer, job, settings))
        if len(reading) > DEPTH:
            yield reading.popleft().result()
    for future in reading:
        yield future.result()


def _load(colorizer: Colorizer, job: Job, settings: Settings) -> _Loaded | Result:
    started = time.perf_counter()
    if job.problem is not None:
        return Result(job, Outcome.FAILED, f"{job.source}: {job.problem}")
    if _is_finished(job.target, settings):
        return Result(job, Outcome.SKIPPED, f"{job.target} exists")
    try:
        picture = read_picture(job.source, settings.max_pixels)
        return _Loaded(job, picture, colorizer.see(picture.pixels), started)
    except PictureError as error:
        return Result(job, Outcome.FAILED, str(error))
    except MemoryError:
        return Result(job, Outcome.FAILED, f"{job.source}: {TOO_LARGE}")


def _settle(loaded: _Loaded | Result, names: Names, settings: Settings) -> _Loaded | Result:
    """Give the output the suffix that can hold the picture, unless that name is spoken for or there already."""
    if isinstance(loaded, Result):
        return loaded
    job = loaded.job
    suffix = output_suffix(loaded.picture, job.target.suffix)
    if suffix == job.target.suffix:
        return loaded
    job = replace(job, target=job.target.with_suffix(suffix))
    problem = names.claim(job.target, job.source)
    if problem is not None:
        return Result(job, Outcome.FAILED, f"{job.source}: {problem}")
    if _is_finished(job.target, settings):
        return Result(job, Outcome.SKIPPED, f"{job.target} exists")
    return replace(loaded, job=job)


def _color(
    colorizer: Colorizer, loaded: _Loaded | Result, settings: Settings, writers: ThreadPoolExecutor
) -> Future[Result]:
    if isinstance(loaded, Result):
        ended: Future[Result] = Future()
        ended.set_result(loaded)
        return ended
    chroma = colorizer.guess([loaded.square])[0]

    def write() -> Result:
        job = loaded.job
        try:
            rgb = colorizer.render(loaded.square, chroma, settings.saturation)
        except PictureError as error:
            return Result(job, Outcome.FAILED, f"{job.source}: {error}")
        except MemoryError:
            return Result(job, Outcome.FAILED, f"{job.source}: {TOO_LARGE}")
        try:
            make_folder(job.target.parent)
            write_picture(job.target, rgb, loaded.picture, settings.quality)
        except PictureError as error:
            return Result(job, Outcome.FAILED, str(error))
        except MemoryError:
            return Result(job, Outcome.FAILED, f"{job.source}: {TOO_LARGE}")
        return Result(job, Outcome.DONE, None, time.perf_counter() - loaded.started)

    return writers.submit(write)


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
