"""Memory for pictures under way is given in turn, and never held back by what waits for it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from colorrt.runtime.memory_budget import MemoryBudget


def test_share_is_waited_for_until_room_is_given_back() -> None:
    room = MemoryBudget(100)
    room.take(0, 80)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(room.take, 1, 30)
        assert not waiting.done()
        room.give(80)
        assert waiting.result(30) == 30


def test_turns_are_kept_even_by_what_would_fit() -> None:
    room = MemoryBudget(100)
    room.take(0, 80)
    order: list[int] = []

    def take(turn: int, size: int) -> None:
        room.take(turn, size)
        order.append(turn)

    with ThreadPoolExecutor(2) as threads:
        later = threads.submit(take, 2, 1)
        sooner = threads.submit(take, 1, 90)
        assert not later.done()
        room.give(80)
        sooner.result(30)
        later.result(30)
    assert order == [1, 2]


def test_picture_larger_than_the_room_goes_alone() -> None:
    room = MemoryBudget(100)
    assert room.take(0, 5000) == 5000
    room.give(5000)
    assert room.take(1, 5000) == 5000


def test_closed_room_lets_all_through() -> None:
    room = MemoryBudget(100)
    room.take(0, 100)
    started = threading.Barrier(3)

    def take(turn: int) -> int:
        started.wait(30)
        return room.take(turn, 50)

    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(take, turn) for turn in (1, 7)]
        started.wait(30)
        room.close()
        assert [future.result(30) for future in waiting] == [50, 50]
