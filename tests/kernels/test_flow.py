from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorrt.kernels.flow import (
    LEAST_SIDE,
    LEVELS,
    NOISE,
    PATCH,
    REACH,
    ROUNDS,
    SETTLED,
    STRIDE,
    find_flow,
    find_flows,
)


def waves(height: int, width: int, seed: int, down: float = 0.0, across: float = 0.0) -> Any:
    """A smooth picture whose things lie `down` and `across` pixels further."""
    rows, columns = np.mgrid[:height, :width].astype(float)
    random = np.random.default_rng(seed)
    picture = np.zeros((height, width))
    for _ in range(30):
        fast_down, fast_across, phase = *random.normal(0, 0.25, 2), random.uniform(0, 6)
        picture += np.sin(fast_down * (rows - down) + fast_across * (columns - across) + phase)
    return (0.5 + picture / 30).astype(np.float32)


def reference(first: Any, second: Any) -> Any:
    sizes = [(first.astype(float), second.astype(float))]
    while len(sizes) < LEVELS and min(sizes[-1][0].shape) >= 2 * LEAST_SIDE:
        sizes.append(tuple(halved(plane) for plane in sizes[-1]))  # type: ignore[arg-type]  # two planes stay two
    flow = None
    for here, there in reversed(sizes):
        flow = reference_of_size(here, there, flow)
    return flow


def halved(plane: Any) -> Any:
    rows, columns = plane.shape[0] // 2, plane.shape[1] // 2
    return plane[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).mean(axis=(1, 3))


def reference_of_size(here: Any, there: Any, coarse: Any) -> Any:
    short = [max(PATCH - side, 0) for side in here.shape]
    whole = np.pad(here, [(0, short[0]), (0, short[1])], mode="edge")
    wide = np.pad(there, [(REACH, short[0] + REACH), (REACH, short[1] + REACH)], mode="edge")
    height, width = whole.shape
    edged = np.pad(whole, 1, mode="edge")
    slopes = np.stack([(edged[2:, 1:-1] - edged[:-2, 1:-1]) / 2, (edged[1:-1, 2:] - edged[1:-1, :-2]) / 2])
    tops = sorted({*range(0, height - PATCH + 1, STRIDE), height - PATCH})
    lefts = sorted({*range(0, width - PATCH + 1, STRIDE), width - PATCH})

    def look(top: int, left: int, way: Any) -> Any:
        whole_way = np.floor(way).astype(int)
        part = way - whole_way
        y, x = top + REACH + whole_way[0], left + REACH + whole_way[1]
        corner = wide[y : y + PATCH + 1, x : x + PATCH + 1]
        over = corner[:, :-1] + part[1] * (corner[:, 1:] - corner[:, :-1])
        return over[:-1] + part[0] * (over[1:] - over[:-1])

    def inside(way: Any, top: int, left: int) -> Any:
        low = np.array([-REACH - top, -REACH - left])
        return np.clip(way, low, [height + REACH - 1 - PATCH - top, width + REACH - 1 - PATCH - left])

    found = np.zeros((2, len(tops), len(lefts)))
    sums, weights = np.zeros((2, height, width)), np.zeros((height, width))
    for i, top in enumerate(tops):
        for j, left in enumerate(lefts):
            part = np.s_[top : top + PATCH, left : left + PATCH]
            patch = whole[part]
            slope = slopes[(slice(None), *part)]
            slope = slope - slope.mean(axis=(1, 2), keepdims=True)

            def error(way: Any, patch: Any = patch, top: int = top, left: int = left) -> float:
                return float((look(top, left, way) - patch).var() * PATCH**2)

            choice = [np.zeros(2)]
            if coarse is not None:
                y = min((top + PATCH // 2) // 2, coarse.shape[1] - 1)
                x = min((left + PATCH // 2) // 2, coarse.shape[2] - 1)
                choice.append(2 * coarse[:, y, x])
            choice += [found[:, i, j - 1]] if j else []
            choice += [found[:, i - 1, j]] if i else []
            begin = min((inside(way, top, left) for way in choice), key=error)
            square = np.einsum("kyx,lyx->kl", slope, slope) + PATCH**2 * NOISE**2 * np.eye(2)
            way = begin
            for _ in range(ROUNDS):
                difference = look(top, left, way) - patch
                step = np.linalg.solve(square, np.einsum("kyx,yx->k", slope, difference))
                way = inside(way - step, top, left)
                if np.abs(step).max() < SETTLED:
                    break
            if error(way) > error(begin):
                way = begin
            if error(np.zeros(2)) - error(way) < PATCH**2 * NOISE**2:
                way = np.zeros(2)
            found[:, i, j] = way
            weight = 1 / np.maximum(np.abs(look(top, left, way) - patch), NOISE)
            weights[part] += weight
            sums[(slice(None), *part)] += weight * way[:, None, None]
    return (sums / weights)[:, : here.shape[0], : here.shape[1]]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    height=st.sampled_from([1, 2, 7, 8, 9, 16, 31, 33, 64]),
    width=st.sampled_from([1, 3, 8, 13, 16, 32, 47, 64]),
    down=st.floats(-3, 3),
    across=st.floats(-3, 3),
)
def test_flow_is_inverse_search_from_coarse_to_fine(
    seed: int, height: int, width: int, down: float, across: float
) -> None:
    first, second = waves(height, width, seed), waves(height, width, seed, down, across)
    flow = find_flow(first, second)
    assert flow.dtype == np.float32
    assert flow.shape == (2, height, width)
    # Where two beginnings are equally good, rounding decides, and steps beside SETTLED may be one more or fewer.
    difference = np.abs(flow - reference(first, second)).max(axis=0)
    assert np.quantile(difference, 0.9) < 0.05


@pytest.mark.parametrize(("down", "across"), [(0.3, 0.2), (1.5, -2.2), (4.0, 3.0), (-7.0, 5.0), (10.0, 2.0)])
def test_flow_finds_how_far_a_picture_moved(down: float, across: float) -> None:
    for seed in range(3):
        flow = find_flow(waves(64, 64, seed), waves(64, 64, seed, down, across))
        error = np.abs(flow - np.array([down, across])[:, None, None])[:, 12:-12, 12:-12]
        assert np.median(error) < 0.06
        assert np.quantile(error, 0.9) < 0.5


def test_flow_of_parts_that_move_apart() -> None:
    second = waves(64, 64, 1)
    second[:, 32:] = waves(64, 64, 1, 0.0, 3.0)[:, 32:]
    flow = find_flow(waves(64, 64, 1), second)
    assert np.abs(flow[:, :, :24]).max() < 0.1
    assert np.abs(flow[1, 8:-8, 44:56] - 3).mean() < 0.2


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), height=st.integers(1, 70), width=st.integers(1, 70))
def test_what_did_not_change_has_no_flow_at_all(seed: int, height: int, width: int) -> None:
    picture = np.random.default_rng(seed).random((height, width), np.float32)
    assert not find_flow(picture, picture.copy()).any()


def test_grain_moves_nothing() -> None:
    random = np.random.default_rng(0)
    first, second = (np.float32(0.5) + random.normal(0, 0.5 / 255, (64, 64)).astype(np.float32) for _ in range(2))
    assert not find_flow(first, second).any()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), height=st.integers(1, 70), width=st.integers(1, 70))
def test_flow_of_any_two_pictures_is_finite_and_bounded(seed: int, height: int, width: int) -> None:
    random = np.random.default_rng(seed)
    flow = find_flow(random.random((height, width), np.float32), random.random((height, width), np.float32))
    assert np.isfinite(flow).all()
    assert np.abs(flow).max() <= max(height, width, PATCH) + REACH


def test_layout_does_not_matter() -> None:
    first, second = waves(40, 50, 2), waves(40, 50, 2, 1.0, 1.0)
    twisted = find_flow(np.asfortranarray(first), np.repeat(second, 2, axis=1)[:, ::2])
    np.testing.assert_array_equal(twisted, find_flow(first, second))


def test_wrong_arrays_are_refused() -> None:
    good = np.zeros((8, 8), np.float32)
    with pytest.raises(TypeError, match="second has to be float32"):
        find_flow(good, good.astype(np.float64))
    with pytest.raises(ValueError, match="at least one pixel"):
        find_flow(np.zeros((0, 8), np.float32), good)
    with pytest.raises(ValueError, match="of one shape"):
        find_flow(good, np.zeros((8, 9), np.float32))


@pytest.mark.parametrize("size", [(64, 64), (40, 50), (5, 9)])
def test_flows_of_both_ways_are_those_of_each(size: tuple[int, int]) -> None:
    first, second = waves(*size, 2), waves(*size, 2, 1.3, -0.7)
    for one, other in ((first, second), (first, first.copy())):
        onward, back = find_flows(one, other)
        np.testing.assert_array_equal(onward, find_flow(one, other))
        np.testing.assert_array_equal(back, find_flow(other, one))
