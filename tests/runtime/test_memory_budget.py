"""Memory for pictures under way is given in turn, and never held back by what waits for it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from colored_files import DONE, outcomes
from PIL import Image

from colorrt.runtime import pipeline
from colorrt.runtime.folder import Settings, color_jobs
from colorrt.runtime.jobs import Job
from colorrt.runtime.memory_budget import MemoryBudget
from colorrt.runtime.pictures.memory import bytes_per_pixel
from colorrt.runtime.pictures.picture import Picture
from colorrt.runtime.pictures.reading import Pages, open_pages
from colorrt.runtime.pictures.writing import write_picture

if TYPE_CHECKING:
    from pathlib import Path

    from colorrt.runtime.colorizer import Colorizer


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


def save_deep(path: Path, side: int) -> Path:
    """A picture of four channels of 16 bits: it takes six times the memory of a gray one."""
    levels = np.random.default_rng(side).integers(0, 65536, (side, side, 4)).astype(np.uint16)
    rgb = np.ascontiguousarray(levels[..., :3])
    write_picture(path, rgb, Picture(rgb, alpha=np.ascontiguousarray(levels[..., 3])))
    return path


@pytest.mark.parametrize(("share", "together"), [(1.5, 1), (2.5, 2)])
def test_pictures_that_together_take_too_much_are_not_decoded_side_by_side(
    colorizer: Colorizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, together: int
) -> None:
    jobs = [Job(save_deep(tmp_path / f"{number}.png", 120), tmp_path / f"out/{number}.png") for number in range(4)]
    with open_pages(jobs[0].source) as pages:
        one = pages.bytes_per_pixel(0) * pages.pixels(0)
    budget = MemoryBudget(round(share * one))
    monkeypatch.setattr(pipeline, "MemoryBudget", lambda: budget)
    under_way: list[int] = []
    real = Pages.read

    def read(self: Pages, number: int) -> Picture:
        under_way.append(round(budget._taken / one))
        # The other reader gets its chance.
        threading.Event().wait(0.2)
        return real(self, number)

    monkeypatch.setattr(Pages, "read", read)
    assert outcomes(list(color_jobs(colorizer, jobs, Settings(recolor=True)))) == [DONE] * 4
    assert max(under_way) == together
    assert budget._taken == 0


def test_plan_goes_by_format_depth_and_transparency(tmp_path: Path) -> None:
    def planned(path: Path, image: Image.Image, **options: Any) -> float:
        image.save(path, **options)
        with open_pages(path) as pages:
            return pages.bytes_per_pixel(0)

    gray = Image.new("L", (8, 8))
    order = [
        planned(tmp_path / "a.png", gray),
        planned(tmp_path / "b.png", gray.convert("RGB")),
        planned(tmp_path / "c.png", gray.convert("RGB"), transparency=(0, 0, 0)),
        planned(tmp_path / "d.webp", gray.convert("RGB"), lossless=True),
        planned(tmp_path / "e.webp", Image.new("RGBA", (8, 8), (9, 9, 9, 9)), lossless=True),
    ]
    assert order == sorted(set(order))
    with open_pages(save_deep(tmp_path / "deep.png", 8)) as pages:
        assert pages.bytes_per_pixel(0) > order[2] + 8
    assert bytes_per_pixel(None, 10**9) > 20
