"""The pipeline: order is kept, frames overlap, batches form, a broken passage hurts nobody, the budget comes back."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from colorrt.errors import ModelError
from colorrt.runtime.colorizer import Square
from colorrt.runtime.memory_budget import MemoryBudget
from colorrt.runtime.passage import Frame, Reserve, StoppedError
from colorrt.runtime.pipeline import run_passages

WAIT = 30.0


@dataclass
class Strip:
    """A passage of `count` frames of ten bytes each, told where to break."""

    name: int
    count: int = 1
    fails: str = ""
    fails_at: int = 0
    written: list[int] = field(default_factory=list)
    ended: list[BaseException | None] = field(default_factory=list)
    wait_before_write: threading.Event | None = None

    def frames(self, reserve: Reserve) -> Generator[Frame[int], None, None]:
        for number in range(self.count):
            reserve(5, more=number + 1 < self.count, each=2)
            if (self.fails, self.fails_at) == ("read", number):
                raise ValueError("read")
            value = np.full((16, 16), self.name + number / 100, np.float32)
            yield Frame(Square(np.zeros((2, 5), np.uint8), value), number)

    def admit(self, first: Frame[int]) -> None:
        assert first.content == 0
        if self.fails == "admit":
            raise ValueError("admit")

    def write(self, colored: Iterator[tuple[Frame[int], NDArray[np.float32]]]) -> None:
        for frame, chroma in colored:
            if self.wait_before_write is not None:
                assert self.wait_before_write.wait(WAIT)
            if (self.fails, self.fails_at) == ("write", frame.content):
                raise ValueError("write")
            # The chroma of this very frame, and no other's.
            np.testing.assert_allclose(chroma, -(self.name + frame.content / 100), rtol=1e-6)
            self.written.append(frame.content)

    def end(self, error: Exception | None) -> tuple[int, str | None]:
        self.ended.append(error)
        return self.name, None if error is None else str(error)


class Network:
    """Answers the negative of what it sees, and notes how many squares came at a time."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, squares: list[Square]) -> NDArray[np.float32]:
        self.batches.append(len(squares))
        return -np.stack([np.stack([square.small] * 2) for square in squares])


def left_of(budget: MemoryBudget) -> int:
    return budget._taken


STRIPS = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["", "", "read", "admit", "write"]), st.integers(0, 4)), max_size=9
)


@settings(deadline=None, max_examples=60)
@given(STRIPS, st.integers(1, 5), st.integers(1, 60))
def test_every_passage_ends_once_in_order_with_all_its_frames(
    plan: list[tuple[int, str, int]], batch: int, size: int
) -> None:
    strips = [Strip(number, count, fails, at) for number, (count, fails, at) in enumerate(plan)]
    network, budget = Network(), MemoryBudget(size)
    ended = list(run_passages(iter(strips), network, batch, budget))
    assert [name for name, _ in ended] == list(range(len(strips)))
    for strip, (_, reason) in zip(strips, ended, strict=True):
        broken = strip.fails_at < strip.count and strip.fails in ("read", "write")
        broken |= strip.fails == "admit" and strip.count > 0
        assert reason == (strip.fails if broken else None)
        assert len(strip.ended) == 1
        if not broken:
            assert strip.written == list(range(strip.count))
    assert all(1 <= size <= batch for size in network.batches)
    assert left_of(budget) == 0


def test_batches_span_passages_and_frames_when_they_are_there() -> None:
    class Slow(Network):
        def __call__(self, squares: list[Square]) -> NDArray[np.float32]:
            # While this batch is guessed, the next ones are read.
            threading.Event().wait(0.1)
            return super().__call__(squares)

    network = Slow()
    strips = [Strip(0), *(Strip(number) for number in range(1, 9)), Strip(9, 8)]
    assert len(list(run_passages(strips, network, 4))) == 10
    assert sum(network.batches) == 17
    assert max(network.batches) == 4
    assert len(network.batches) <= 8


def test_nothing_waits_for_a_batch_to_fill() -> None:
    network = Network()
    assert list(run_passages([Strip(0)], network, 8)) == [(0, None)]
    assert network.batches == [1]


def test_pages_are_read_while_earlier_ones_are_written() -> None:
    # The first page is written only once the third has been read: without overlap this would wait forever.
    third_is_read = threading.Event()

    class Document(Strip):
        def frames(self, reserve: Reserve) -> Generator[Frame[int], None, None]:
            for frame in super().frames(reserve):
                if frame.content == 2:
                    third_is_read.set()
                yield frame

    document = Document(0, 6, wait_before_write=third_is_read)
    assert list(run_passages([document], Network())) == [(0, None)]
    assert document.written == list(range(6))


def test_pictures_under_way_stay_within_the_budget() -> None:
    most = 0

    class Watched(MemoryBudget):
        def take(self, turn: int, size: int, *, more: bool = False) -> int:
            nonlocal most
            taken = super().take(turn, size, more=more)
            most = max(most, self._taken)
            return taken

    budget = Watched(25)
    list(run_passages([Strip(number, 3) for number in range(6)], Network(), 2, budget))
    assert 0 < most <= 25
    assert left_of(budget) == 0


def test_failing_network_ends_the_run_and_lets_full_sinks_finish() -> None:
    class Fails(Network):
        def __call__(self, squares: list[Square]) -> NDArray[np.float32]:
            if len(self.batches) == 3:
                raise ModelError("the network failed")
            return super().__call__(squares)

    strips = [Strip(0), Strip(1, 9), Strip(2)]
    with pytest.raises(ModelError, match="the network failed"):
        list(run_passages(strips, Fails()))
    assert strips[0].written == [0]
    # The second had two of its nine frames: it is told to stop, and writes no half file.
    assert strips[1].written in ([], [0], [0, 1])
    assert all(isinstance(error, StoppedError) for error in strips[1].ended)


def test_what_ends_while_a_run_is_broken_off_is_told_before_it_ends() -> None:
    going_on = threading.Event()

    class Interrupted(Network):
        def __call__(self, squares: list[Square]) -> NDArray[np.float32]:
            if len(self.batches) == 2:
                going_on.set()
                raise KeyboardInterrupt
            return super().__call__(squares)

    # Two are held back in their sinks until the interrupt has come.
    strips = [Strip(number, wait_before_write=going_on) for number in range(2)] + [Strip(2)]
    told: list[tuple[int, str | None]] = []
    with pytest.raises(KeyboardInterrupt):
        told += run_passages(strips, Interrupted())  # list.__iadd__ keeps what came before an exception.
    assert told == [(0, None), (1, None)]
    assert [strip.written for strip in strips[:2]] == [[0], [0]]
    assert strips[2].written == []


def test_caller_that_stops_listening_ends_the_run() -> None:
    strips = [Strip(number, 4) for number in range(50)]
    results: Any = run_passages(iter(strips), Network())
    assert next(results) == (0, None)
    results.close()
    assert sum(len(strip.ended) for strip in strips) < 50
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(("read_", "write_"))]


def test_inputs_are_asked_for_only_as_they_are_needed() -> None:
    asked = 0

    def endless() -> Iterator[Strip]:
        nonlocal asked
        while True:
            asked += 1
            yield Strip(asked)

    results: Any = run_passages(endless(), Network())
    for number in range(1, 6):
        assert next(results) == (number, None)
    results.close()
    assert asked < 15
