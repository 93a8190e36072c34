"""How work is shared out: one bounded queue, a time limit for each, memory in bytes, and batches of what waits."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from colorrt.runtime.memory_budget import DEFAULT_BYTES
from colorrt.service.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from colorrt.runtime.colorizer import Colorizer, Square

Answer = TypeVar("Answer")

GATHER_SECONDS = 0.005
"""How long a picture waits for others that go through the network with it."""
WORKERS = 2


@dataclass(frozen=True)
class Deadline:
    """When a piece of work has to be done. Threads cannot be ended: they ask between their steps."""

    at: float
    """Of `time.monotonic`."""
    stopped: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raise ProblemError when the time is over, or nobody waits any more."""
        if self.stopped.is_set() or time.monotonic() > self.at:
            raise too_long()


def too_long() -> ProblemError:
    """Return what a client is told whose picture takes longer than the limit."""
    return ProblemError(504, "the picture took longer than this service allows; reduce it, or raise --time-limit")


def is_full() -> ProblemError:
    """Return what a client is told when no place is left."""
    return ProblemError(503, "all places are taken; try again in a moment", {"Retry-After": "1"})


class Desk:
    """Takes work while there is room for it, and lets a few threads do it."""

    def __init__(self, places: int, seconds: float, workers: int = WORKERS) -> None:
        self._places = places
        self._seconds = seconds
        self._pool = ThreadPoolExecutor(workers, "color")
        self.inside = 0
        """Pieces of work that are being done or wait."""

    @property
    def full(self) -> bool:
        """Whether no place is left."""
        return self.inside >= self._places

    async def do(self, work: Callable[[Deadline], Answer]) -> Answer:
        """Do it in a thread. Raises ProblemError when all places are taken or the time is over, and what it raises.

        A place is taken until the thread is through, whether or not somebody still waits.
        """
        if self.full:
            raise is_full()
        self.inside += 1
        deadline = Deadline(time.monotonic() + self._seconds)
        future = asyncio.get_running_loop().run_in_executor(self._pool, work, deadline)
        future.add_done_callback(self._leave)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self._seconds)
        except asyncio.TimeoutError:
            raise too_long() from None
        finally:
            deadline.stopped.set()

    def _leave(self, future: asyncio.Future[Answer]) -> None:
        self.inside -= 1
        if not future.cancelled():
            # Asked for, lest the loop complains of an error that nobody waited for.
            future.exception()

    def close(self) -> None:
        """Let what is under way end; nothing new begins."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Memory:
    """Bytes of pictures under way: a very large one goes alone."""

    def __init__(self, size: int = DEFAULT_BYTES) -> None:
        self._size = size
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def share(self, deadline: Deadline) -> Iterator[Callable[[float], None]]:
        """Lend a function that waits for so many bytes in place of those that it was asked for before.

        What is held is given back first, so that two of several pages never wait for each other.
        """
        held = 0

        def take(size: float) -> None:
            nonlocal held
            self._give(held)
            held = 0
            with self._changed:
                while self._taken and self._taken + size > self._size:
                    deadline.check()
                    self._changed.wait(0.1)
                self._taken += int(size)
                held = int(size)

        try:
            yield take
        finally:
            self._give(held)

    def _give(self, size: int) -> None:
        with self._changed:
            self._taken -= size
            self._changed.notify_all()


@dataclass(eq=False)
class _Waiting:
    square: Square
    chroma: NDArray[np.float32] | None = None
    error: Exception | None = None
    done: bool = False


class Network:
    """One model, asked by several threads: squares of one size that wait together go through it together."""

    def __init__(self, colorizer: Colorizer) -> None:
        self.colorizer = colorizer
        self._waiting: list[_Waiting] = []
        self._changed = threading.Condition()
        self._turn = threading.Lock()

    def guess(self, square: Square) -> NDArray[np.float32]:
        """Return the chroma (2 x S x S) of a square. Raises ModelError."""
        own = _Waiting(square)
        with self._changed:
            self._waiting.append(own)
            self._changed.notify_all()
        # Whoever comes first runs it for all who wait; the others find theirs done.
        with self._turn:
            if not own.done:
                self._run(self._gather(own))
        if own.error is not None:
            raise own.error
        assert own.chroma is not None
        return own.chroma

    def run(self, luma: NDArray[np.float32]) -> NDArray[np.float32]:
        """Guess chroma (N x 2 x S x S) of luma (N x 1 x S x S, 0..1) as it is. Raises UsageError, ModelError."""
        with self._turn:
            return self.colorizer.run(luma)

    def _gather(self, own: _Waiting) -> list[_Waiting]:
        best = self.colorizer.best_batch
        until = time.monotonic() + GATHER_SECONDS
        with self._changed:
            while best > 1:
                left = until - time.monotonic()
                if left <= 0 or len(self._like(own)) >= best:
                    break
                self._changed.wait(left)
            others = [one for one in self._like(own) if one is not own]
            batch = [own, *others[: best - 1]]
            self._waiting = [one for one in self._waiting if all(one is not taken for taken in batch)]
            return batch

    def _like(self, own: _Waiting) -> list[_Waiting]:
        return [one for one in self._waiting if _sizes(one.square) == _sizes(own.square)]

    def _run(self, batch: list[_Waiting]) -> None:
        try:
            for one, chroma in zip(batch, self.colorizer.guess([one.square for one in batch]), strict=True):
                one.chroma = chroma
        except Exception as error:
            for one in batch:
                one.error = error
        for one in batch:
            one.done = True


def _sizes(square: Square) -> tuple[int, ...]:
    return (*(len(small) for small in square.smaller), len(square.small))
