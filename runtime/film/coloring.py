"""A film on its way: decoded, guessed, steadied, colored, encoded piece by piece, joined."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorrt.atomic import in_one_line, printable
from colorrt.errors import ColorrtError, PictureError, UsageError
from colorrt.kernels.film import see_film
from colorrt.kernels.steadiness import Scores, Steadiness
from colorrt.kernels.steady import Memory, Steadied, Steadier
from colorrt.runtime.colorizer import Colorizer, Square
from colorrt.runtime.film.codecs import FilmCoding, Output, Tags, check_container, choose_output
from colorrt.runtime.film.decoding import Decoder, Picture, Span
from colorrt.runtime.film.encoding import PieceEncoder, fill_frame
from colorrt.runtime.film.joining import Carried, join_film, plan_carrying
from colorrt.runtime.film.opening import FilmFacts, import_av, open_film
from colorrt.runtime.film.packets import write_packets
from colorrt.runtime.film.state import FilmState, Piece, Progress, identify
from colorrt.runtime.passage import Chroma, Frame, Reserve
from colorrt.runtime.pipeline import run_passages
from colorrt.runtime.render_factors import as_value

STEADY = ("on", "off", "causal")

PIECE_SECONDS = 10
"""Length of a piece: what a crash costs at most."""

CUT_SECONDS = 4
"""Length from which on a piece ends at a cut."""

PIECE_PIXELS = 500_000_000
"""Pixels of a piece at most: its packets are kept in memory until it is done."""

_NO_SPAN = Span()


@dataclass(frozen=True)
class FilmSettings:
    """How a film is colored.

    `saturation`: None takes the model's own. `steady`: "on", "off", or "causal", which uses no later frames. `begin`,
    `end`: seconds from the first picture on, for a part of the film; None: all of it.
    """

    coding: FilmCoding = field(default_factory=FilmCoding)
    saturation: float | None = None
    steady: str = "on"
    begin: float | None = None
    end: float | None = None

    def __post_init__(self) -> None:
        if self.steady not in STEADY:
            raise UsageError(f"--steady is {', '.join(STEADY)}, not {self.steady!r}")
        if self.begin is not None and self.end is not None and self.begin >= self.end:
            raise UsageError(f"--from {self.begin:g} s is not before --to {self.end:g} s")


@dataclass(frozen=True)
class FilmStep:
    """How far a film is. `frames` done of `total` (None: not known); `seconds`: time of the last picture."""

    frames: int
    total: int | None
    seconds: float
    resumed: int


@dataclass(frozen=True)
class FilmResult:
    """What became of a film.

    `raw`, `steadied`: scores, None with --steady off. `resumed`: frames that an earlier run had done. `notes`: what is
    to be known of it, a line each: what was not carried, damage.
    """

    source: Path
    target: Path
    frames: int
    shots: int
    resumed: int
    raw: Scores | None
    steadied: Scores | None
    notes: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class FilmPlan:
    """A film, and all that is settled before the first picture is guessed."""

    facts: FilmFacts
    target: Path
    output: Output
    tags: Tags
    span: Span
    carried: Carried
    state: FilmState


def plan_film(colorizer: Colorizer, source: Path, target: Path, settings: FilmSettings) -> FilmPlan:
    """Look at a film and settle how it is written; nothing is written yet.

    Raises PictureError for films that cannot be read or written so, UsageError for settings that do not go together.
    """
    check_container(target, settings.coding)
    facts = open_film(source)
    try:
        output = choose_output(settings.coding, facts.layout, facts.coding, (facts.height, facts.width))
    except PictureError as error:
        raise PictureError(f"{printable(source)}: {error}") from error
    tags = Tags(
        facts.width,
        facts.height,
        facts.time_base,
        facts.rate,
        facts.matrix,
        facts.primaries,
        facts.transfer,
        facts.coding.full,
        facts.aspect,
    )
    span = _span(facts, settings)
    carried = plan_carrying(facts, output, tags, target, target.parent)
    state = FilmState(target.with_name(target.stem + ".colorrt"), _identity(colorizer, source, settings, output))
    return FilmPlan(facts, target, output, tags, span, carried, state)


def color_film(
    colorizer: Colorizer,
    plan: FilmPlan,
    settings: FilmSettings,
    report: Callable[[FilmStep], None] = lambda step: None,
) -> FilmResult:
    """Color a film; go on where an earlier run of the same command was stopped. `report` hears of each picture.

    Raises PictureError where the film cannot be read to its end or written, ModelError when the network fails.
    What is done then stays, and so it does after an interrupt.
    """
    passage = FilmPassage(colorizer, plan, settings, report)
    for result in run_passages([passage], colorizer.guess):
        if isinstance(result, FilmResult):
            return result
        raise result
    raise PictureError(f"{printable(plan.facts.path)}: it was not colored; start the same command again")


class FilmPassage:
    """A film as the pipeline takes it (`colorrt.runtime.passage.Passage`)."""

    def __init__(
        self, colorizer: Colorizer, plan: FilmPlan, settings: FilmSettings, report: Callable[[FilmStep], None]
    ) -> None:
        self._colorizer = colorizer
        self._plan = plan
        self._settings = settings
        self._report = report
        self._saturation = colorizer.choose_saturation(settings.saturation)
        self._decoder = Decoder(plan.facts, plan.span)
        self._before = plan.state.progress
        self._writer: _Writer | None = None
        self._started = time.perf_counter()

    def frames(self, reserve: Reserve) -> Generator[Frame[Picture], None, None]:
        """Read picture after picture, from the first that is not done yet."""
        if self._before.complete:
            return
        facts, size = self._plan.facts, self._colorizer.size
        pictures = self._decoder.pictures(self._before.frames, self._before.pts)
        while True:
            reserve(facts.width * facts.height, more=True)
            picture = next(pictures, None)
            if picture is None:
                return
            small = see_film(picture.luma, size, facts.coding)
            yield Frame(Square(picture.luma, small), picture)

    def admit(self, first: Frame[Picture]) -> None:
        """Nothing depends on other inputs."""

    def write(self, colored: Iterator[tuple[Frame[Picture], Chroma]]) -> None:
        """Take the pictures with their chroma, in order, and write them."""
        self._plan.state.begin()
        writer = self._writer = _Writer(self._plan, self._settings, self._colorizer, self._saturation, self._step)
        for frame, chroma in colored:
            if not np.isfinite(chroma).any():
                raise PictureError("the network answered with no finite number; is its file damaged?")
            writer.add(frame, chroma)
            del frame, chroma
        writer.finish(self._decoder.damaged)

    def end(self, error: Exception | None) -> FilmResult | ColorrtError:
        """Join the film when all of it is done."""
        plan, source = self._plan, printable(self._plan.facts.path)
        try:
            if error is not None:
                raise error
            progress = plan.state.progress
            if not progress.complete:
                raise PictureError(f"{source}: there are no pictures in this part of it; choose another")
            pieces = [plan.state.folder / piece.name for piece in progress.pieces]
            join_film(plan.facts, plan.output, plan.tags, pieces, plan.target, plan.carried, plan.span)
        except ColorrtError as caught:
            return type(caught)(f"{caught}{self._rest()}")
        except MemoryError:
            return PictureError(f"{source}: there is not enough memory; close other programs{self._rest()}")
        except Exception as caught:
            return PictureError(
                f"{source}: it could not be colored ({type(caught).__name__}: {in_one_line(caught)}), which colorrt "
                f"did not foresee; a report with this film would help{self._rest()}"
            )
        sums = plan.state.recall()[1]
        steadiness = Steadiness(sums) if sums is not None and self._settings.steady != "off" else None
        plan.state.remove()
        return FilmResult(
            plan.facts.path,
            plan.target,
            progress.frames,
            progress.shots,
            self._before.frames,
            steadiness.raw if steadiness else None,
            steadiness.steadied if steadiness else None,
            (*plan.carried.lost, *self._damage(progress)),
            time.perf_counter() - self._started,
        )

    def _rest(self) -> str:
        kept = self._plan.state.progress.frames
        return f"; {kept} pictures are done, and the same command goes on from there" if kept else ""

    def _damage(self, progress: Progress) -> Iterator[str]:
        if progress.damaged:
            yield f"{progress.damaged} damaged pieces of the source gave no picture"
        if self._decoder.mended:
            yield f"{self._decoder.mended} pictures had no time, or one that did not go up; they follow the one before"

    def _step(self, frames: int, pts: int) -> None:
        facts, span = self._plan.facts, self._plan.span
        total = facts.frames
        if total is not None and span != _NO_SPAN:
            whole = total / float(facts.rate)
            first = float((span.start - facts.start) * facts.time_base) if span.start is not None else 0.0
            last = float((span.stop - facts.start) * facts.time_base) if span.stop is not None else whole
            total = max(round((min(last, whole) - first) * float(facts.rate)), 1)
        self._report(FilmStep(frames, total, float((pts - facts.start) * facts.time_base), self._before.frames))


class _Writer:
    """Steadies, colors and encodes pictures, and keeps what is done."""

    def __init__(
        self,
        plan: FilmPlan,
        settings: FilmSettings,
        colorizer: Colorizer,
        saturation: float,
        step: Callable[[int, int], None],
    ) -> None:
        self._plan = plan
        self._saturation = saturation
        self._guided = colorizer.upsample == "guided"
        self._step = step
        memory, sums = plan.state.recall()
        steady = settings.steady
        self._steadier = None if steady == "off" else Steadier(colorizer.size, causal=steady == "causal", memory=memory)
        self._steadiness = Steadiness(sums)
        self._waiting: deque[Picture] = deque()
        self._progress = plan.state.progress
        self._piece: PieceEncoder | None = None
        self._piece_start = 0

    def add(self, frame: Frame[Picture], chroma: NDArray[np.float32]) -> None:
        self._waiting.append(frame.content)
        if self._steadier is None:
            self._write(chroma, frame.square.small, begins_shot=False, memory=None)
            return
        memory = self._memory()
        for steadied in self._steadier.push(frame.square.small, chroma):
            self._take(steadied, memory)

    def finish(self, damaged: int) -> None:
        """Write what still waits, and end the last piece."""
        if self._steadier is not None:
            rest = self._steadier.flush()
            while self._waiting:
                memory = self._memory()
                self._take(next(rest), memory)
        self._progress = replace(self._progress, damaged=self._progress.damaged + damaged)
        if self._piece is not None:
            self._end_piece(None, None, complete=True)
        elif self._progress.frames:
            self._keep(replace(self._progress, complete=True), None)

    def _memory(self) -> Memory | None:
        """Return what the filter knows, if a piece may end before the picture that comes next."""
        if self._steadier is None or self._piece is None:
            return None
        if self._age(self._waiting[0].pts) < CUT_SECONDS and not self._is_full(self._piece):
            return None
        return self._steadier.memory

    def _age(self, pts: int) -> Fraction:
        return (pts - self._piece_start) * self._plan.facts.time_base

    def _is_full(self, piece: PieceEncoder) -> bool:
        return piece.frames * self._plan.facts.width * self._plan.facts.height >= PIECE_PIXELS

    def _take(self, steadied: Steadied, memory: Memory | None) -> None:
        self._write(steadied.chroma, steadied.luma, begins_shot=steadied.begins_shot, memory=memory)
        self._steadiness.add(steadied)
        if steadied.begins_shot:
            self._progress = replace(self._progress, shots=self._progress.shots + 1)

    def _write(
        self, chroma: NDArray[np.float32], small: NDArray[np.float32], *, begins_shot: bool, memory: Memory | None
    ) -> None:
        picture = self._waiting.popleft()
        if self._piece is not None:
            age = self._age(picture.pts)
            if age >= PIECE_SECONDS or (begins_shot and age >= CUT_SECONDS) or self._is_full(self._piece):
                self._end_piece(picture.pts, memory)
        if self._piece is None:
            self._piece, self._piece_start = PieceEncoder(self._plan.output, self._plan.tags), picture.pts
        guide = small if self._guided else None
        plan = self._plan
        self._piece.add(fill_frame(picture, plan.facts.layout, plan.output, chroma, self._saturation, guide))
        self._step(self._progress.frames + self._piece.frames, picture.pts)

    def _end_piece(self, pts: int | None, memory: Memory | None, *, complete: bool = False) -> None:
        piece, self._piece = self._piece, None
        if piece is None:
            return
        path = self._plan.state.piece_path(len(self._progress.pieces))
        write_packets(path, piece.finish())
        pieces = (*self._progress.pieces, Piece(path.name, piece.frames))
        frames = self._progress.frames + piece.frames
        self._keep(replace(self._progress, pieces=pieces, frames=frames, pts=pts, complete=complete), memory)

    def _keep(self, progress: Progress, memory: Memory | None) -> None:
        # A resumed film could not compare the pictures on both sides.
        self._steadiness.part()
        self._plan.state.keep(progress, memory, self._steadiness.sums)
        self._progress = progress


def _span(facts: FilmFacts, settings: FilmSettings) -> Span:
    def place(seconds: float | None) -> int | None:
        return None if seconds is None else facts.start + round(Fraction(seconds) / facts.time_base)

    if settings.begin is not None and facts.seconds is not None and settings.begin >= facts.seconds:
        raise UsageError(f"{printable(facts.path)}: --from lies behind its end, which is at {facts.seconds:.1f} s")
    return Span(place(settings.begin), place(settings.end))


def _identity(colorizer: Colorizer, source: Path, settings: FilmSettings, output: Output) -> dict[str, Any]:
    """Return all that the result depends on."""
    contract = colorizer.contract
    return {
        "source": identify(source),
        "model": [
            contract.model,
            contract.weights_sha256,
            contract.precision,
            as_value(colorizer.render_factors),
            colorizer.upsample,
        ],
        "settings": asdict(settings),
        "output": [output.encoder, output.pixel_format, output.options],
        "av": import_av().__version__,
    }
