"""A budget of memory for pictures under way: small ones go side by side, a very large one goes alone."""

from __future__ import annotations

import threading

DEFAULT_BYTES = 2_500_000_000
"""How many bytes of pictures are under way at a time, unless a single picture takes more."""


class MemoryBudget:
    """A number of bytes, of which pictures take a share before they are read, and give it back when they are written.

    Turns keep them in order: an input takes its share only after all before it have taken theirs. So what waits for
    its share never holds back what it waits for.
    """

    def __init__(self, size: int = DEFAULT_BYTES) -> None:
        self._size = size
        self._taken = 0
        self._turn = 0
        self._closed = False
        self._changed = threading.Condition()

    def take(self, turn: int, size: int, *, more: bool = False) -> int:
        """Wait for turn number `turn` (from 0), then until `size` bytes fit. Returns `size`.

        `more`: the turn goes on, for an input of several pictures; the last of them ends it.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or (turn == self._turn and (not self._taken or self._fits(size)))
            )
            self._turn += not more
            self._taken += size
            self._changed.notify_all()
        return size

    def give(self, size: int) -> None:
        """Give back what was taken."""
        with self._changed:
            self._taken -= size
            self._changed.notify_all()

    def close(self) -> None:
        """Let all through who wait, for the work was broken off."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _fits(self, size: int) -> bool:
        return self._taken + size <= self._size
