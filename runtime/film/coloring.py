"""A film on its way: decoded, guessed, steadied, colored, encoded piece by piece, joined."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from colorrt.atomic import Told, in_one_line, printable, telling_moves
from colorrt.errors import ColorrtError, PictureError
from colorrt.kernels.film import see_film
from colorrt.kernels.steadiness import Scores, Steadiness
from colorrt.runtime.colorizer import Colorizer, Square
from colorrt.runtime.film.choosing import Choice
from colorrt.runtime.film.decoding import Decoder, Picture, Span
from colorrt.runtime.film.joining import join_film
from colorrt.runtime.film.pieces import PieceWriter
from colorrt.runtime.film.plan import FilmPlan, FilmSettings
from colorrt.runtime.film.state import Progress
from colorrt.runtime.marking import mark_of
from colorrt.runtime.passage import Chroma, Frame, Reserve
from colorrt.runtime.pipeline import run_passages
from colorrt.runtime.provenance.mark import Mark

_NO_SPAN = Span()


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

    `raw`, `steadied`: scores of those that are scored (`colorrt.runtime.film.choosing`), None with --steady off; `raw`
    is None where only one in so many was guessed. `resumed`: frames
    that an earlier run had done. `notes`: what is to be known of it, a line each: what was not carried, damage.
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


def color_film(
    colorizer: Colorizer,
    plan: FilmPlan,
    settings: FilmSettings,
    report: Callable[[FilmStep], None] = lambda step: None,
    announce: Told = lambda part, path: None,
) -> FilmResult:
    """Color a film; go on where an earlier run of the same command was stopped. `report` hears of each picture.

    announce: called with the file of the whole film, and the name that it is about to get.

    Raises PictureError where the film cannot be read to its end or written, ModelError when the network fails.
    What is done then stays, and so it does after an interrupt.
    """
    with closing(plan.state):
        # Nobody else may color it, and what another run has done since is not done again.
        plan.state.begin()
        passage = FilmPassage(colorizer, plan, settings, report, announce)
        for result in run_passages([passage], colorizer.guess, colorizer.best_batch):
            if isinstance(result, FilmResult):
                return result
            raise result
    raise PictureError(f"{printable(plan.facts.path)}: it was not colored; start the same command again")


class FilmPassage:
    """A film as the pipeline takes it (`colorrt.runtime.passage.Passage`)."""

    def __init__(
        self,
        colorizer: Colorizer,
        plan: FilmPlan,
        settings: FilmSettings,
        report: Callable[[FilmStep], None],
        announce: Told,
    ) -> None:
        self._announce = announce
        self._colorizer = colorizer
        self._plan = plan
        self._settings = settings
        self._report = report
        self._saturation = colorizer.choose_saturation(settings.saturation)
        self._decoder = Decoder(plan.facts, plan.span)
        self._before = plan.state.progress
        self._writer: PieceWriter | None = None
        self._started = time.perf_counter()

    def frames(self, reserve: Reserve) -> Generator[Frame[Picture], None, None]:
        """Read picture after picture, from the first that is not done yet."""
        if self._before.complete:
            return
        facts, size = self._plan.facts, self._colorizer.size
        pictures = self._decoder.pictures(self._before.frames, self._before.pts)
        every = 1 if self._settings.steady == "off" else self._settings.guess_every
        choice = Choice(every, self._before.frames, self._plan.state.recall()[0])
        while True:
            reserve(facts.width * facts.height, more=True)
            picture = next(pictures, None)
            if picture is None:
                return
            small = see_film(picture.luma, size, facts.coding)
            yield Frame(Square(picture.luma, small), picture, choice.asks(small))

    def admit(self, first: Frame[Picture]) -> None:
        """Nothing depends on other inputs."""

    def write(self, colored: Iterator[tuple[Frame[Picture], Chroma]]) -> None:
        """Take the pictures with their chroma, in order, and write them."""
        writer = self._writer = PieceWriter(self._plan, self._settings, self._colorizer, self._saturation, self._step)
        for frame, chroma in colored:
            if frame.asks and not np.isfinite(chroma).any():
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
            mark = mark_of(self._colorizer, plan.facts.path, self._settings.saturation)
            with telling_moves(self._tell), self._signed(mark) as path:
                said = mark if self._settings.mark else None
                join_film(plan.facts, plan.output, plan.tags, pieces, path, plan.carried, plan.span, said)
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
            steadiness.raw if steadiness and self._settings.guess_every in (None, 1) else None,
            steadiness.steadied if steadiness else None,
            (*plan.notes, *self._damage(progress)),
            time.perf_counter() - self._started,
        )

    def _signed(self, mark: Mark) -> AbstractContextManager[Path]:
        target, credentials = self._plan.target, self._settings.credentials
        if credentials is None:
            return nullcontext(target)
        # Most runs sign nothing, and start sooner without it.
        from colorrt.runtime.signing import signed

        return signed(target, self._plan.facts.path, mark, credentials)

    def _tell(self, part: Path, path: Path) -> None:
        # Not of the film that is still to be signed.
        if path == self._plan.target:
            self._announce(part, path)

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
