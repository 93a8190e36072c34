from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorrt.kernels.anchor import STILL
from colorrt.kernels.enlarging import add_enlarged, move_enlarged
from colorrt.kernels.resize import resize_plane

SIDES = st.sampled_from([1, 2, 3, 8, 17, 32])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), height=SIDES, width=SIDES, down=st.sampled_from([1, 2, 3, 4.5]))
def test_what_is_added_is_enlarged_by_the_triangle_filter(seed: int, height: int, width: int, down: float) -> None:
    random = np.random.default_rng(seed)
    size = int(height * down), int(width * 4)
    planes = random.normal(0, 1, (2, *size)).astype(np.float32)
    small = random.normal(0, 1, (2, height, width)).astype(np.float32)
    expected = planes + np.stack([resize_plane(plane, *size) for plane in small])
    np.testing.assert_allclose(add_enlarged(planes, small), expected, atol=3e-6)


def reference_move(planes: Any, back: Any) -> Any:
    planes = np.nan_to_num(planes.astype(float))
    _, height, width = planes.shape
    _, rows, columns = back.shape
    moved = np.zeros_like(planes)
    for y, x in np.ndindex(height, width):
        way = back[:, y * rows // height, x * columns // width].astype(float)
        if (way**2).sum() < STILL**2:
            way = np.zeros(2)
        down = min(max(y + way[0] * height / rows, 0.0), height - 1.0)
        across = min(max(x + way[1] * width / columns, 0.0), width - 1.0)
        top, left = int(down), int(across)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        over = planes[:, top, left] + (across - left) * (planes[:, top, right] - planes[:, top, left])
        under = planes[:, bottom, left] + (across - left) * (planes[:, bottom, right] - planes[:, bottom, left])
        moved[:, y, x] = over + (down - top) * (under - over)
    return moved


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    height=SIDES,
    width=SIDES,
    times=st.sampled_from([1, 2, 4]),
    motion=st.sampled_from([0.0, 0.1, 1.0, 5.0]),
)
def test_planes_move_along_the_flow(seed: int, height: int, width: int, times: int, motion: float) -> None:
    random = np.random.default_rng(seed)
    planes = random.normal(0, 1, (2, times * height, times * width)).astype(np.float32)
    back = random.normal(0, motion, (2, height, width)).astype(np.float32)
    difference = np.abs(move_enlarged(planes, back) - reference_move(planes, back))
    # Whether a pixel stands is decided by rounding for one in a million.
    assert np.quantile(difference, 0.99) < 1e-4


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_does_not_go_along(value: float) -> None:
    planes = np.ones((2, 8, 8), np.float32)
    planes[0, 3, 3] = value
    moved = move_enlarged(planes, np.zeros((2, 4, 4), np.float32))
    assert moved[0, 3, 3] == 0
    assert moved.sum() == 2 * 64 - 1
