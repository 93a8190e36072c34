"""What a film costs: each stage for itself on one thread, and the whole passage with all that runs side by side."""

from __future__ import annotations

import tempfile
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorrt.bench.machine import describe_machine, title_of
from colorrt.bench.timing import Times, summarize_times
from colorrt.errors import PictureError
from colorrt.kernels import thread_limit
from colorrt.kernels.film import see_film
from colorrt.kernels.steadiness import Steadiness
from colorrt.kernels.steady import WINDOW, Steadied, Steadier
from colorrt.runtime.colorizer import Square
from colorrt.runtime.film.choosing import Choice, is_scored
from colorrt.runtime.film.coloring import color_film
from colorrt.runtime.film.decoding import Decoder
from colorrt.runtime.film.encoding import PieceEncoder, fill_frame
from colorrt.runtime.film.plan import FilmPlan, FilmSettings, plan_film
from colorrt.runtime.render_factors import as_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.film.decoding import Picture

CODEC = ("decode", "encode")
"""Stages that are the codec's. In the whole passage its own threads run them side by side."""


@dataclass(frozen=True)
class FilmReport:
    """What was measured of a film.

    `stages`: ms of a picture, by the host clock; those of ours and the codec's on one thread, the network on those that
    it takes. `costs`: what each takes of a picture, ms, the mean over all. `shares`: of the stages that not every
    picture goes through, the part of the pictures that did.
    `pictures`: how many the whole passage colored, `seconds`: what it took.
    """

    film: str
    width: int
    height: int
    model: str
    render_factor: int | list[int]
    codec: str
    stages: dict[str, Times]
    costs: dict[str, float]
    shares: dict[str, float]
    pictures: int
    seconds: float
    machine: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return it as `json.dumps` takes it."""
        return asdict(self)

    @property
    def own_ms(self) -> float:
        """The sum of what is neither codec nor network, ms of a picture."""
        return sum(cost for name, cost in self.costs.items() if name not in (*CODEC, "network"))


def measure_film(colorizer: Colorizer, film: Path, settings: FilmSettings, pictures: int) -> FilmReport:
    """Measure the first `pictures` of a film; what is written is thrown away.

    Raises PictureError for films that cannot be colored, or of fewer than three pictures.
    """
    # A film in color costs what a gray one does.
    settings = replace(settings, recolor=True)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "film.mp4"
        plan = plan_film(colorizer, film, target, settings)
        # Loads kernels, fills caches.
        _measure_stages(colorizer, plan, settings, WINDOW + 2)
        taken = _measure_stages(colorizer, plan, settings, pictures)
        part = replace(settings, end=float(pictures / plan.facts.rate))
        begun = time.perf_counter()
        result = color_film(colorizer, plan_film(colorizer, film, target, part), part)
        seconds = time.perf_counter() - begun
    facts, contract, seen = plan.facts, colorizer.contract, len(taken["see"])
    return FilmReport(
        film.name,
        facts.width,
        facts.height,
        contract.model,
        as_value(colorizer.render_factors),
        settings.coding.codec,
        {name: summarize_times(times) for name, times in taken.items()},
        {name: sum(times) / seen for name, times in taken.items()},
        {name: len(taken[name]) / seen for name in ("network", "score")},
        result.frames,
        seconds,
        describe_machine(),
    )


def _measure_stages(
    colorizer: Colorizer, plan: FilmPlan, settings: FilmSettings, pictures: int
) -> dict[str, list[float]]:
    facts, taken = (
        plan.facts,
        {name: list[float]() for name in ("decode", "see", "network", "steady", "score", "render", "encode")},
    )

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        taken[name].append(1000 * (time.perf_counter() - begun))

    steadier, steadiness, choice = Steadier(colorizer.size), Steadiness(), Choice(settings.guess_every)
    # On one thread, or else most of it is done behind the clock's back.
    encoder = PieceEncoder(plan.output, plan.tags, threads=1)
    waiting: deque[Picture] = deque()
    decoded = islice(Decoder(facts, plan.span, threads=1).pictures(), pictures)

    def write(steadied: Steadied) -> None:
        if is_scored(len(taken["render"])):
            with timed("score"):
                steadiness.add(steadied)
        else:
            steadiness.part()
        with timed("render"):
            layout, saturation = facts.layout, colorizer.choose_saturation(None)
            frame = fill_frame(waiting.popleft(), layout, plan.output, steadied.chroma, saturation, steadied.luma)
        with timed("encode"):
            encoder.add(frame)

    with thread_limit(1):
        while True:
            with timed("decode"):
                picture = next(decoded, None)
            if picture is None:
                break
            with timed("see"):
                small = see_film(picture.luma, colorizer.size, facts.coding)
                asks = choice.asks(small)
            chroma = None
            if asks:
                with timed("network"):
                    chroma = colorizer.guess([Square(picture.luma, small)])[0]
            waiting.append(picture)
            with timed("steady"):
                due = steadier.push(small, chroma)
            for steadied in due:
                write(steadied)
        for steadied in steadier.flush():
            write(steadied)
    with timed("encode"):
        deque(encoder.finish(), maxlen=0)
    if len(taken["see"]) < 3:
        raise PictureError(f"{facts.path}: it has too few pictures to measure; take a longer film")
    return taken


def film_lines(report: FilmReport) -> list[str]:
    """Return the report as a table, line by line."""
    whole = sum(report.costs.values())
    codec = sum(report.costs[name] for name in CODEC)
    lines = [
        f"{report.film}: {report.width} x {report.height}, {report.model}, render factor {report.render_factor}, "
        f"{report.codec}",
        title_of(report.machine),
        "",
        "one picture, stage after stage; ms by the host clock: p50 / p90, mean of all pictures, share",
    ]
    lines += [
        f"{name:<8}  {times.p50_ms:7.2f} / {times.p90_ms:7.2f}  {report.costs[name]:7.2f}  "
        f"{report.costs[name] / whole:4.0%}"
        + (f"  of {report.shares[name]:.0%} of the pictures" if name in report.shares else "")
        for name, times in report.stages.items()
    ]
    return [
        *lines,
        f"neither codec nor network: {report.own_ms:.2f} ms on one thread; "
        f"codec: {codec:.2f} ms, {codec / whole:.0%} of all",
        "",
        f"the whole passage, side by side: {report.pictures} pictures in {report.seconds:.1f} s, "
        f"{report.pictures / report.seconds:.1f} a second",
    ]
