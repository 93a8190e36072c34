"""What a folder of pictures costs: each stage for itself, and the whole run with all that goes on side by side."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorrt.bench.cold import peak_rss
from colorrt.bench.machine import describe_machine, title_of
from colorrt.bench.pictures import write_scaled
from colorrt.errors import PictureError
from colorrt.runtime.folder import Outcome, PicturePassage, Settings, color_jobs, make_making
from colorrt.runtime.history import History, Journals
from colorrt.runtime.jobs import Job, Names, plan_jobs
from colorrt.runtime.render_factors import as_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.journal import Identity, Row

STAGES = ("digest", "read", "network", "write", "journal")
"""SHA-256 of the source; file to luma and its square; square to chroma; chroma to a file on the disk; its digest and a
row for it."""

MIXED = ((4000, 3000), (1920, 1080), (1920, 1080))
"""Sizes of synthesized pictures, in turn: 12 and 2 megapixels."""


@dataclass
class Spent:
    """Seconds by the host clock, and of all cores together."""

    wall: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.wall + other.wall, self.cpu + other.cpu)

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.wall - other.wall, self.cpu - other.cpu)

    @contextmanager
    def more(self) -> Iterator[None]:
        """Add what the block takes."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.wall += time.perf_counter() - wall
            self.cpu += time.process_time() - cpu


@dataclass(frozen=True)
class FolderReport:
    """What was measured of a folder.

    `stages`: each for itself, one picture after another; the network and the pixel kernels on the threads that they
    take. `whole`: the same pictures as `colorrt run` colors them. `memory`: bytes, the most that the process held
    after a quarter of the pictures of the whole run, and at its end.
    """

    pictures: int
    megapixels: float
    model: str
    render_factor: int | list[int]
    stages: dict[str, Spent]
    whole: Spent
    memory: tuple[int, int]
    machine: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return it as `json.dumps` takes it."""
        return asdict(self)

    @property
    def slowest(self) -> str:
        """The stage that takes the longest by the host clock."""
        return max(self.stages, key=lambda name: self.stages[name].wall)

    @property
    def bound(self) -> float:
        """Seconds that the work of all stages takes at least, spread over all cores without a gap."""
        cores: int = self.machine["cores"]
        return sum(spent.cpu for spent in self.stages.values()) / cores


@dataclass
class _Timed(History):
    """A history that notes what digests and rows cost."""

    journals: Journals
    colorizer: Colorizer
    settings: Settings
    digest: Spent = field(default_factory=Spent)
    journal: Spent = field(default_factory=Spent)
    announced: Spent = field(default_factory=Spent)

    def __post_init__(self) -> None:
        super().__init__(self.journals, make_making(self.colorizer, self.settings))

    def identify(self, job: Job) -> Identity | None:
        with self.digest.more():
            return super().identify(job)

    def announce(self, job: Job, part: Path, seconds: float, source: Identity | None, kept: int = 0) -> None:
        with self.announced.more():
            super().announce(job, part, seconds, source, kept)

    def enter(
        self, job: Job, outcome: str, reason: str | None, seconds: float, source: Identity | None, kept: int = 0
    ) -> Row | None:
        with self.journal.more():
            return super().enter(job, outcome, reason, seconds, source, kept)


def write_mixed(folder: Path, count: int) -> None:
    """Write `count` gray JPEGs of the photographs that ship into `folder`, of the sizes of `MIXED` in turn."""
    made = {size: write_scaled(folder, size) for size in dict.fromkeys(MIXED)}
    for number in range(count):
        several = made[MIXED[number % len(MIXED)]]
        shutil.copyfile(several[number // len(MIXED) % len(several)], folder / f"scan-{number:05}.jpg")
    for path in {path for several in made.values() for path in several}:
        path.unlink()


def measure_folder(colorizer: Colorizer, folder: Path) -> FolderReport:
    """Color all pictures of a folder twice, stage after stage and as `colorrt run` does; the results are thrown away.

    Raises PictureError for the first picture that cannot be colored, ModelError as coloring does.
    """
    with tempfile.TemporaryDirectory(prefix="colorrt-") as place:
        first, second = Path(place) / "stages", Path(place) / "whole"
        jobs = _jobs_of(folder, first)
        settings = Settings(recolor=True)
        # Loads kernels, fills caches.
        _time_stages(colorizer, jobs[:3], Settings(overwrite=True, recolor=True))
        stages = _time_stages(colorizer, jobs, Settings(overwrite=True, recolor=True))
        shutil.rmtree(first)
        whole, memory = _time_whole(colorizer, _jobs_of(folder, second), settings)
    megapixels = sum(_megapixels(job.source) for job in jobs)
    model = colorizer.contract.model
    return FolderReport(
        len(jobs), megapixels, model, as_value(colorizer.render_factors), stages, whole, memory, describe_machine()
    )


def _jobs_of(folder: Path, target: Path) -> list[Job]:
    jobs = plan_jobs([str(folder)], target)
    for job in jobs:
        if job.problem is not None:
            raise PictureError(f"{job.source}: {job.problem}")
    return jobs


def _time_stages(colorizer: Colorizer, jobs: Sequence[Job], settings: Settings) -> dict[str, Spent]:
    journals = Journals()
    history = _Timed(journals, colorizer, settings)
    names = Names((job.source for job in jobs), history.is_taken)
    read, network, write = Spent(), Spent(), Spent()
    try:
        for job in jobs:
            passage = PicturePassage(colorizer, job, settings, names, history)
            with read.more():
                frames = list(passage.frames(_reserve_nothing))
            passage.admit(frames[0])
            with network.more():
                chroma = [colorizer.guess([frame.square])[0] for frame in frames]
            with write.more():
                passage.write(iter(list(zip(frames, chroma, strict=True))))
            passage.end(None)
    finally:
        journals.close()
    # The digest is taken on the way to the pixels.
    read = read - history.digest
    # The result is announced, with its digest, before it gets its name.
    write = write - history.announced
    spent = (history.digest, read, network, write, history.journal + history.announced)
    return dict(zip(STAGES, spent, strict=True))


def _time_whole(colorizer: Colorizer, jobs: Sequence[Job], settings: Settings) -> tuple[Spent, tuple[int, int]]:
    spent, early = Spent(), 0
    journals = Journals()
    with spent.more():
        for number, result in enumerate(color_jobs(colorizer, jobs, settings, journals)):
            if result.outcome is not Outcome.DONE:
                raise PictureError(result.reason or f"{result.job.source}: not colored")
            if number == len(jobs) // 4:
                early = peak_rss()
        journals.close()
    return spent, (early, peak_rss())


def _megapixels(path: Path) -> float:
    from PIL import Image

    with Image.open(path) as image:
        return image.width * image.height / 1e6


def _reserve_nothing(pixels: int, *, more: bool = False, each: float = 0.0) -> None:
    """One picture is under way at a time."""


def folder_lines(report: FolderReport) -> list[str]:
    """Return the report as a table, line by line."""
    whole, slowest = report.whole, report.stages[report.slowest]
    alone = sum(spent.wall for spent in report.stages.values())
    cores: int = report.machine["cores"]
    early, late = (size / 2**20 for size in report.memory)
    lines = [
        f"{report.pictures} pictures, {report.megapixels:.0f} megapixels, {report.model}, "
        f"render factor {report.render_factor}",
        title_of(report.machine),
        "",
        "each stage for itself: seconds by the host clock, of all cores together, and the share of all",
    ]
    lines += [
        f"{name:<8} {spent.wall:8.2f} {spent.cpu:8.2f}  {spent.wall / alone:6.1%}"
        for name, spent in report.stages.items()
    ]
    return [
        *lines,
        f"{'sum':<8} {alone:8.2f} {sum(spent.cpu for spent in report.stages.values()):8.2f}",
        "",
        f"{'run':<8} {whole.wall:8.2f} {whole.cpu:8.2f}  {report.pictures / whole.wall:.1f} pictures a second",
        f"the run takes {whole.wall / slowest.wall:.2f} times its slowest stage ({report.slowest}), "
        f"{whole.wall / alone:.2f} times the sum of the stages, "
        f"{whole.wall / report.bound:.2f} times their work spread over {cores} cores without a gap",
        f"most memory: {early:.0f} MiB after a quarter of the pictures, {late:.0f} MiB at the end",
    ]
