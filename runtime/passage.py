"""One input on its way to one output: what the pipeline asks of it, and its two queues."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from colorrt.runtime.colorizer import Square
from colorrt.runtime.memory_budget import MemoryBudget

Content = TypeVar("Content")
Ended = TypeVar("Ended")
Ended_co = TypeVar("Ended_co", covariant=True)
Chroma = NDArray[np.float32]

BYTES_PER_PIXEL = 6.0
"""What a frame takes at most at a time from its decoding to its end, where its source does not say: luma of 16 bits,
and planes or bands of its copy."""


class Reserve(Protocol):
    """How a source announces what it is about to decode."""

    def __call__(self, pixels: int, *, more: bool = False, each: float = BYTES_PER_PIXEL) -> None:
        """Wait until a frame of `pixels`, of `each` bytes, may be under way. `more`: another frame follows."""


@dataclass(frozen=True, eq=False)
class Frame(Generic[Content]):
    """One picture under way. `content`: what its sink needs beside luma and chroma. `asks`: whether the network is to
    guess it; a sink gets NOT_GUESSED of one that does not ask."""

    square: Square
    content: Content
    asks: bool = True


NOT_GUESSED = np.zeros((2, 0, 0), np.float32)
"""Chroma of a frame that the network was not asked for."""


class Passage(Protocol[Content, Ended_co]):
    """A source and its sink: a still is one frame, a TIFF a frame for each page, a film one for each picture."""

    def frames(self, reserve: Reserve) -> Generator[Frame[Content], None, None]:
        """Read frame after frame, `reserve` called for each before it is decoded. Runs in a reader's thread."""

    def admit(self, first: Frame[Content]) -> None:
        """Settle what depends on the order of the inputs, before the first frame is guessed. Runs in the caller's
        thread; what it raises ends the passage."""

    def write(self, colored: Iterator[tuple[Frame[Content], Chroma]]) -> None:
        """Take the frames with their chroma (2 x S x S), in order, and write them. Runs in a writer's thread."""

    def end(self, error: Exception | None) -> Ended_co:
        """Return what became of the input. `error`: what `frames`, `admit` or `write` raised. Runs last, once."""


@dataclass(frozen=True, eq=False)
class Read(Generic[Content]):
    """A frame with its share of the budget."""

    frame: Frame[Content]
    size: int
    """Bytes."""


@dataclass(frozen=True)
class End:
    """What lies behind the last frame of a source."""

    error: Exception | None


class StoppedError(Exception):
    """Ends a sink that waits for frames of a run that was broken off."""


class Track(Generic[Content, Ended]):
    """A passage under way: frames that are read and not guessed yet, and guessed and not written yet.

    depth: the most frames in each of the two queues.
    """

    def __init__(self, passage: Passage[Content, Ended], turn: int, budget: MemoryBudget, depth: int) -> None:
        self.passage = passage
        self.admitted = False
        self._turn = turn
        self._budget = budget
        self._depth = depth
        self._changed = threading.Condition()
        self._read: deque[Read[Content]] = deque()
        self._guessed: deque[tuple[Read[Content], Chroma]] = deque()
        self._source_end: End | None = None
        self._sink_end: End | None = None
        self._closed = False
        self._reserved = 0
        self._turn_over = False

    @property
    def closed(self) -> bool:
        """Whether nobody writes frames any more: the sink has ended, or is to."""
        return self._closed

    def read(self) -> None:
        """Read the source to its end, or until the track is closed. Runs in a reader's thread."""
        error: Exception | None = None
        try:
            with contextlib.closing(self.passage.frames(self._reserve)) as frames:
                while not self._closed and (frame := next(frames, None)) is not None:
                    self._put(frame)
                    del frame
        except Exception as caught:
            error = caught
        self._budget.give(self._reserved)
        # Those behind this one wait for its turn to be over.
        if not self._turn_over:
            self._budget.take(self._turn, 0)
        with self._changed:
            self._source_end = End(error)
            self._changed.notify_all()

    def take(self, *, wait: bool) -> Read[Content] | End | None:
        """Return what was read next; None: nothing yet, and the caller would not wait."""
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._read or self._source_end)
            if not self._read:
                return self._source_end
            self._changed.notify_all()
            return self._read.popleft()

    def deliver(self, read: Read[Content], chroma: Chroma | None) -> None:
        """Hand a frame to the sink when it has a place for it. `chroma`: None where the frame was not guessed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._guessed) < self._depth)
            if chroma is not None and not self._closed:
                self._guessed.append((read, chroma))
                self._changed.notify_all()
                return
        self._budget.give(read.size)

    def finish(self, end: End) -> None:
        """Tell the sink that all frames were delivered."""
        with self._changed:
            self._sink_end = end
            self._changed.notify_all()

    def close(self) -> None:
        """Let the source end as soon as it can, and a sink that waits for frames too."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def write(self) -> Ended:
        """Let the sink take the frames, and return what became of the passage. Runs in a writer's thread.

        Raises StoppedError, after the passage's `end`, where the run was broken off.
        """
        error: Exception | None = None
        colored = self._colored()
        try:
            self.passage.write(colored)
        except Exception as caught:
            error = caught
        colored.close()
        # The sink may have ended before its source: on a full disk.
        with self._changed:
            self._closed = True
            left = sum(read.size for read, _ in self._guessed)
            self._guessed.clear()
            self._changed.notify_all()
        self._budget.give(left)
        ended = self.passage.end(error)
        if isinstance(error, StoppedError):
            raise error
        return ended

    def _colored(self) -> Generator[tuple[Frame[Content], Chroma], None, None]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._guessed or self._sink_end or self._closed)
                if not self._guessed:
                    error = StoppedError() if self._sink_end is None else self._sink_end.error
                    if error is None:
                        return
                    raise error
                read, chroma = self._guessed.popleft()
                self._changed.notify_all()
            size = read.size
            try:
                yield read.frame, chroma
            finally:
                # Or else its luma would stay in memory while the next one is waited for.
                del read, chroma
                self._budget.give(size)

    def _put(self, frame: Frame[Content]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._read) < self._depth)
            if not self._closed:
                self._read.append(Read(frame, self._reserved))
                self._reserved = 0
                self._changed.notify_all()

    def _reserve(self, pixels: int, *, more: bool = False, each: float = BYTES_PER_PIXEL) -> None:
        self._reserved += self._budget.take(self._turn, ceil(pixels * each), more=more)
        self._turn_over = not more
