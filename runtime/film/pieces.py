"""Pictures of a film steadied, colored and coded, piece by piece; each piece is kept as soon as it is whole."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from colorrt.kernels.steadiness import Steadiness
from colorrt.kernels.steady import Memory, Steadied, Steadier
from colorrt.runtime.film.choosing import is_scored
from colorrt.runtime.film.encoding import PieceEncoder, fill_frame
from colorrt.runtime.film.packets import write_packets
from colorrt.runtime.film.state import Piece, Progress
from colorrt.runtime.mean_color import keep_mean

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    import numpy as np
    from numpy.typing import NDArray

    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.film.decoding import Picture
    from colorrt.runtime.film.plan import FilmPlan, FilmSettings
    from colorrt.runtime.passage import Frame

PIECE_SECONDS = 10
"""Length of a piece: what a crash costs at most."""

CUT_SECONDS = 4
"""Length from which on a piece ends at a cut."""

PIECE_PIXELS = 500_000_000
"""Pixels of a piece at most: its packets are kept in memory until it is done."""


class PieceWriter:
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
        """Take the next picture with its chroma (2 x S x S; none where the network was not asked)."""
        self._waiting.append(frame.content)
        if self._steadier is None:
            self._write(chroma, frame.square.small, begins_shot=False, memory=None)
            return
        memory = self._memory()
        for steadied in self._steadier.push(frame.square.small, chroma if frame.asks else None):
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
        number = self._progress.frames + (self._piece.frames if self._piece is not None else 0)
        self._write(steadied.chroma, steadied.luma, begins_shot=steadied.begins_shot, memory=memory)
        if is_scored(number):
            self._steadiness.add(steadied)
        else:
            self._steadiness.part()
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
        chroma = keep_mean(chroma, self._saturation)
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
