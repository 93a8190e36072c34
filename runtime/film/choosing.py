"""Which pictures of a film the network is asked for, and which are scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from colorrt.kernels.cuts import Summary, sum_up
from colorrt.kernels.resize import resize_plane
from colorrt.kernels.steady import SIDE, must_guess

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from colorrt.kernels.steady import Memory

CALM = 1.5 / 255.0
"""Mean change of luma (white is 1) since the last guess up to which a picture need not be guessed. Chosen by
`python -m studies film`: true color that was made to flicker stays within 2.5 levels."""

LONGEST = 3
"""Of what stands still, one picture in so many is guessed all the same: the grain of each has its own guess."""

PERIOD, SCORED, DENSE = 48, 12, 6
"""Of each PERIOD pictures, the first SCORED are scored, and of these the first DENSE are all guessed, so that guesses
can be compared with what becomes of them."""


def is_scored(number: int) -> bool:
    """Return whether a picture, by its number in the film, is scored."""
    return number % PERIOD < SCORED


class Choice:
    """Chooses which pictures of a film the network is asked for; the same ones however often the film was stopped.

    every: one in so many, and what begins a shot; None: as much as changes. number: of the next picture in the film.
    memory: what the filter knows of those before (`colorrt.kernels.steady.Memory`).
    """

    def __init__(self, every: int | None, number: int = 0, memory: Memory | None = None) -> None:
        self._every = every
        self._number = number
        self._last: Summary | None = None
        self._guessed: NDArray[np.float32] | None = None
        self._since = 0
        if memory is None:
            return
        lumas = memory.planes[..., 2]
        self._last = sum_up(np.ascontiguousarray(lumas[-1]))
        # The last LONGEST are always among them.
        found = np.flatnonzero(memory.guessed)
        if found.size:
            self._guessed, self._since = lumas[found[-1]].copy(), len(lumas) - 1 - int(found[-1])

    def asks(self, small: NDArray[np.float32]) -> bool:
        """Return whether the next picture is to be guessed. small: S x S float32, 0..1, what the network would see."""
        if self._every == 1:
            return True
        side = min(len(small), SIDE)
        luma = resize_plane(small, side, side)
        this = sum_up(luma)
        if self._every is not None:
            asked = must_guess(self._number, self._every, self._last, this)
        else:
            asked = must_guess(self._number % PERIOD, PERIOD, self._last, this) or self._needs(luma)
        self._last, self._number, self._since = this, self._number + 1, self._since + 1
        if asked:
            self._guessed, self._since = luma, 0
        return asked

    def _needs(self, luma: NDArray[np.float32]) -> bool:
        if self._guessed is None or self._since + 1 >= LONGEST or self._number % PERIOD < DENSE:
            return True
        change = luma - self._guessed
        # Light that flickers changes no color.
        return bool(np.abs(change - change.mean()).mean() > CALM)
