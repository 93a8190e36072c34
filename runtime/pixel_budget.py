"""A budget of pixels under way: small pictures go side by side, a very large one goes alone."""

from __future__ import annotations

import threading

DEFAULT_PIXELS = 400_000_000
"""How many pixels are under way at a time, unless a single picture has more: 2 to 3 GB when all have 16 bits."""


class PixelBudget:
    """A number of pixels that pictures take when they are read and give back when they are written.

    Turns keep them in order: an input takes its share only after all before it have taken theirs. So what waits for
    its share never holds back what it waits for.
    """

    def __init__(self, pixels: int = DEFAULT_PIXELS) -> None:
        self._pixels = pixels
        self._taken = 0
        self._turn = 0
        self._closed = False
        self._changed = threading.Condition()

    def take(self, turn: int, pixels: int, *, more: bool = False) -> int:
        """Wait for turn number `turn` (from 0), then until `pixels` fit. Returns `pixels`.

        `more`: the turn goes on, for an input of several pictures; the last of them ends it.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or (turn == self._turn and (not self._taken or self._fits(pixels)))
            )
            self._turn += not more
            self._taken += pixels
            self._changed.notify_all()
        return pixels

    def give(self, pixels: int) -> None:
        """Give back what was taken."""
        with self._changed:
            self._taken -= pixels
            self._changed.notify_all()

    def close(self) -> None:
        """Let all through who wait, for the work was broken off."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _fits(self, pixels: int) -> bool:
        return self._taken + pixels <= self._pixels
