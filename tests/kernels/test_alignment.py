from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorrt.kernels.alignment import LEAST_WEIGHT, OWN_WEIGHT, SIGMA, STILL
from colorrt.kernels.alignment import align_mean as align_planes
from colorrt.kernels.anchor import FADING, MOVING, PATIENCE, begin_memory, hold_color
from colorrt.kernels.anchor import STILL as STANDING

SIDES = st.sampled_from([1, 2, 3, 8, 17, 32])
ALL = np.ones(9, np.bool_)


def align_mean(planes: Any, onward: Any, back: Any, *rest: Any) -> Any:
    """Of pixels that hold their planes, as the reference reads them."""
    return align_planes(*(np.ascontiguousarray(np.moveaxis(array, -1, 1)) for array in (planes, onward, back)), *rest)


def at(plane: Any, y: float, x: float) -> Any:
    """(h, w, ...): what lies at (y, x), interpolated linearly; beyond the edge, the edge."""
    height, width = plane.shape[:2]
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    over = plane[top, left] + (x - left) * (plane[top, right] - plane[top, left])
    under = plane[bottom, left] + (x - left) * (plane[bottom, right] - plane[bottom, left])
    return over + (y - top) * (under - over)


def reference_mean(
    planes: Any, onward: Any, back: Any, before: list[int], after: list[int], middle: int, guessed: Any
) -> Any:
    planes, onward, back = (array.astype(float) for array in (planes, onward, back))
    _, height, width, _ = planes.shape
    mean = np.zeros((2, height, width))
    for y in range(height):
        for x in range(width):
            own = planes[middle, y, x]
            weights = 1.0 if guessed[middle] else OWN_WEIGHT
            total = weights * own[:2]
            for frames, flows in ((after, onward), (before, back)):
                place, last = np.array([y, x], float), middle
                for frame in frames:
                    place = place + at(flows[last], *place)
                    last = frame
                    if (place < -0.5).any() or (place > np.array([height, width]) - 0.5).any():
                        break
                    if not guessed[frame]:
                        continue
                    near = math.dist(place, (y, x)) < STILL
                    there = planes[frame, y, x] if near else at(planes[frame], *place)
                    weight = math.exp(-(((there[2] - own[2]) / SIGMA) ** 2))
                    if not guessed[middle]:
                        weight = max(weight, LEAST_WEIGHT)
                    total += weight * there[:2]
                    weights += weight
            mean[:, y, x] = total / weights
    return mean


def film(seed: int, height: int, width: int, frames: int, motion: float) -> Any:
    random = np.random.default_rng(seed)
    planes = random.normal(0, 0.1, (frames, height, width, 3)).astype(np.float32)
    planes[..., 2] = 0.5 + random.normal(0, SIGMA, (frames, height, width))
    flows = random.normal(0, motion, (2, frames, height, width, 2)).astype(np.float32)
    return planes, flows[0], flows[1]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    height=SIDES,
    width=SIDES,
    motion=st.sampled_from([0.0, 0.1, 1.0, 5.0]),
    standing=st.lists(st.booleans(), min_size=9, max_size=9),
    before=st.integers(0, 4),
    after=st.integers(0, 4),
    guessed=st.lists(st.booleans(), min_size=9, max_size=9),
)
def test_mean_follows_its_definition(
    seed: int,
    height: int,
    width: int,
    motion: float,
    standing: list[bool],
    before: int,
    after: int,
    guessed: list[bool],
) -> None:
    planes, onward, back = film(seed, height, width, 9, motion)
    # All of some frames stands, and half of all: rows that stand go another way.
    onward[standing], back[standing] = 0.0, 0.0
    onward[:, : height // 2], back[:, : height // 2] = 0.0, 0.0
    # A ring begins anywhere.
    slots = np.roll(np.arange(9), seed % 9)
    earlier, later = slots[4 - before : 4][::-1], slots[5 : 5 + after]
    mean = align_mean(planes, onward, back, earlier.copy(), later.copy(), int(slots[4]), np.array(guessed))
    expected = reference_mean(planes, onward, back, list(earlier), list(later), int(slots[4]), guessed)
    # Where a way ends, or counts as standing, is decided by rounding for one pixel in a million.
    assert np.quantile(np.abs(mean - expected), 0.99) < 1e-4


def test_mean_of_things_that_stand_is_the_plain_mean() -> None:
    planes, _, _ = film(0, 8, 8, 5, 0.0)
    planes[..., 2] = 0.5
    still = np.full((5, 8, 8, 2), 0.05, np.float32)
    mean = align_mean(planes, still, still, np.array([1, 0]), np.array([3, 4]), 2, ALL)
    np.testing.assert_allclose(mean, planes[..., :2].mean(axis=0).transpose(2, 0, 1), atol=1e-6)


def test_mean_takes_color_from_where_a_thing_has_moved_to() -> None:
    rows, columns = np.mgrid[:32, :32].astype(np.float32)
    frames = []
    for t in range(5):
        u = np.float32(0.01) * (columns - 2 * t)
        frames.append(np.stack([u, -u, np.full_like(rows, 0.5)], axis=-1))
    planes = np.stack(frames)
    onward, back = np.zeros((2, 5, 32, 32, 2), np.float32)
    onward[..., 1], back[..., 1] = 2.0, -2.0
    mean = align_mean(planes, onward, back, np.array([1, 0]), np.array([3, 4]), 2, ALL)
    np.testing.assert_allclose(mean[0][:, 4:-4], planes[2, :, 4:-4, 0], atol=1e-6)


def test_other_luma_has_no_say() -> None:
    planes = np.zeros((3, 4, 4, 3), np.float32)
    planes[0], planes[2] = (1.0, 1.0, 0.8), (1.0, 1.0, 0.2)
    planes[1, ..., 2] = 0.5
    none = np.zeros((3, 4, 4, 2), np.float32)
    assert np.abs(align_mean(planes, none, none, np.array([0]), np.array([2]), 1, ALL)).max() < 1e-6


def test_frames_that_were_not_guessed_have_no_say() -> None:
    planes, onward, back = film(3, 32, 32, 9, 1.0)
    guessed = np.array([True, False, True, False, True, True, False])
    way = np.array([3, 2, 1]), np.array([5, 6]), 4
    mean = align_mean(planes, onward, back, *way, guessed)
    planes[~np.append(guessed, [True, True]), ..., :2] = np.nan
    np.testing.assert_array_equal(align_mean(planes, onward, back, *way, guessed), mean)


def test_frame_that_was_not_guessed_takes_color_from_its_neighbors_whatever_their_luma() -> None:
    planes = np.zeros((3, 4, 4, 3), np.float32)
    planes[0], planes[1], planes[2] = (0.1, -0.1, 0.8), (9.0, 9.0, 0.5), (0.3, -0.3, 0.2)
    none = np.zeros((3, 4, 4, 2), np.float32)
    mean = align_mean(planes, none, none, np.array([0]), np.array([2]), 1, np.array([True, False, True]))
    np.testing.assert_allclose(mean[0], 0.2, atol=0.01)
    np.testing.assert_allclose(mean[1], -0.2, atol=0.01)


def reference_hold(memory: Any, luma: Any, chroma: Any, back: Any) -> Any:
    memory, luma, chroma, back = (array.astype(float) for array in (memory, luma, chroma, back))
    held, kept = np.zeros_like(chroma), np.zeros_like(memory)
    for y, x in np.ndindex(luma.shape):
        way, own = back[:, y, x], chroma[:, y, x]
        past = memory[:, y, x].copy()
        if math.hypot(*way) >= STANDING:
            past = at(memory.transpose(1, 2, 0), y + way[0], x + way[1])
            past[3] = min(past[3], MOVING)
        change, count = luma[y, x] - past[2], past[3]
        if abs(change) < SIGMA:
            share = count / (count + PATIENCE) * math.exp(-((change / SIGMA) ** 2))
            held[:, y, x] = own + share * (past[:2] - own)
            kept[:2, y, x] = (past[:2] * count + own) / (count + 1)
            kept[2:, y, x] = past[2] + change / min(count + 1, FADING), count + 1
        else:
            held[:, y, x], kept[:, y, x] = own, [*own, luma[y, x], 1]
    return held, kept


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), height=SIDES, width=SIDES, motion=st.sampled_from([0.0, 0.1, 2.0, 9.0]))
def test_memory_follows_its_definition(seed: int, height: int, width: int, motion: float) -> None:
    planes, _, back = film(seed, height, width, 12, motion)
    frames = [(plane[..., 2].copy(), plane[..., :2].transpose(2, 0, 1).copy()) for plane in planes]
    memory = begin_memory(*frames[0])
    for t in range(1, 12):
        flow = back[t].transpose(2, 0, 1).copy()
        expected = reference_hold(memory, *frames[t], flow)
        held, memory = hold_color(memory, *frames[t], flow)
        assert np.quantile(np.abs(held - expected[0]), 0.99) < 1e-4
        assert np.quantile(np.abs(memory - expected[1]), 0.99) < 1e-3


def test_long_shot_does_not_drift() -> None:
    """Guesses of a still shot that drift by 20 levels over 2000 frames: what is held stays far nearer."""
    luma, none = np.full((8, 8), 0.4, np.float32), np.zeros((2, 8, 8), np.float32)
    memory = begin_memory(luma, none)
    for t in range(2000):
        chroma = np.full((2, 8, 8), t * 0.01 / 255, np.float32)
        held, memory = hold_color(memory, luma, chroma, none)
    assert held.max() * 255 < 10.5


def test_memory_lets_go_where_luma_changes() -> None:
    none = np.zeros((2, 4, 4), np.float32)
    memory = begin_memory(np.full((4, 4), 0.2, np.float32), none + np.float32(0.3))
    held, memory = hold_color(memory, np.full((4, 4), 0.3, np.float32), none, none)
    assert not held.any()
    assert memory[3].max() == 1


@pytest.mark.parametrize("step", [0.002, -0.002])
def test_memory_follows_slow_changes_of_light(step: float) -> None:
    none = np.zeros((2, 4, 4), np.float32)
    memory = begin_memory(np.full((4, 4), 0.5, np.float32), none)
    for t in range(150):
        luma = np.full((4, 4), 0.5 + step * min(t, 10), np.float32)
        _, memory = hold_color(memory, luma, none, none)
    assert memory[3].min() == 151
    np.testing.assert_allclose(memory[2], 0.5 + step * 10, atol=0.002)
