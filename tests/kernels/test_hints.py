from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorrt.kernels.hints import CHROMA_REACH, LUMA_REACH, NOISE, PLACE_REACH, spread_hints


def by_definition(chroma: np.ndarray, guide: np.ndarray, places: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """The formula of the docstring, pixel by pixel, in float64."""
    height, width = guide.shape
    planes = np.stack([guide, *chroma]).astype(np.float64)
    scale = np.array([PLACE_REACH, PLACE_REACH, LUMA_REACH, CHROMA_REACH, CHROMA_REACH])

    def mean(row: int, column: int) -> np.ndarray:
        rows = [min(max(row + d, 0), height - 1) for d in (-1, 0, 1)]
        columns = [min(max(column + d, 0), width - 1) for d in (-1, 0, 1)]
        return np.mean([planes[:, r, c] for r in rows for c in columns], axis=0)

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return (1 + np.sqrt((((a - b) / scale) ** 2).sum()) / 8) ** -8

    seen = [mean(min(int(d * height), height - 1), min(int(a * width), width - 1)) for d, a in places]
    points = [np.concatenate([place, one]) for place, one in zip(places.astype(np.float64), seen, strict=True)]
    matrix = np.array([[k(a, b) for b in points] for a in points]) + NOISE * np.eye(len(points))
    weights = np.linalg.solve(matrix, colors - np.array(seen)[:, 1:])
    added = np.zeros((2, height, width))
    for y in range(height):
        for x in range(width):
            pixel = np.concatenate([[(y + 0.5) / height, (x + 0.5) / width], planes[:, y, x]])
            added[:, y, x] = sum(w * k(pixel, point) for w, point in zip(weights, points, strict=True))
    return added


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32), height=st.integers(1, 9), width=st.integers(1, 9), count=st.integers(1, 6))
def test_hints_are_spread_by_the_formula(seed: int, height: int, width: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    chroma = rng.normal(0, 0.1, (2, height, width)).astype(np.float32)
    guide = rng.uniform(0, 1, (height, width)).astype(np.float32)
    places = rng.uniform(0, 1, (count, 2)).astype(np.float32)
    colors = rng.normal(0, 0.2, (count, 2)).astype(np.float32)
    expected = by_definition(chroma, guide, places, colors)
    np.testing.assert_allclose(spread_hints(chroma, guide, places, colors), expected, atol=2e-5)


def test_a_hint_stays_on_its_side_of_an_edge() -> None:
    guide = np.full((64, 64), 0.2, np.float32)
    guide[:, 32:] = 0.8
    chroma = np.zeros((2, 64, 64), np.float32)
    added = spread_hints(chroma, guide, np.array([[0.5, 0.4]], np.float32), np.array([[0.0, 0.3]], np.float32))
    assert added[1, 32, 25] > 0.25
    assert added[1, 32, 31] > 4 * added[1, 32, 32] > 0


def test_a_shorter_reach_is_the_same_hint_over_less() -> None:
    guide, chroma = np.full((64, 64), 0.5, np.float32), np.zeros((2, 64, 64), np.float32)
    place, color = np.full((1, 2), 32.5 / 64, np.float32), np.array([[0.2, 0.3]], np.float32)
    far, near = (spread_hints(chroma, guide, place, color, reach) for reach in (1.0, 0.25))
    assert near[1, 32, 32] == pytest.approx(far[1, 32, 32], rel=0.1)
    assert 0 < near[1, 2, 2] < far[1, 2, 2] / 5


def test_without_hints_nothing_is_added() -> None:
    none = np.zeros((0, 2), np.float32)
    assert not spread_hints(np.ones((2, 4, 4), np.float32), np.ones((4, 4), np.float32), none, none).any()


def test_what_is_not_finite_in_a_guess_does_not_spread() -> None:
    chroma = np.zeros((2, 8, 8), np.float32)
    chroma[:, 4, 4] = np.nan
    place = np.array([[0.55, 0.55]], np.float32)
    assert np.isfinite(spread_hints(chroma, np.zeros((8, 8), np.float32), place, place)).all()


@pytest.mark.parametrize(
    ("chroma", "places", "colors", "reach", "error"),
    [
        (np.zeros((2, 4, 4)), np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32), 1.0, TypeError),
        (np.zeros((2, 4, 5), np.float32), np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32), 1.0, ValueError),
        (np.zeros((2, 4, 4), np.float32), np.zeros((2, 2), np.float32), np.zeros((1, 2), np.float32), 1.0, ValueError),
        (np.zeros((2, 4, 4), np.float32), np.full((1, 2), np.nan, "f4"), np.zeros((1, 2), np.float32), 1.0, ValueError),
        (np.zeros((2, 4, 4), np.float32), np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32), 0.0, ValueError),
    ],
)  # fmt: skip
def test_wrong_arrays_are_refused(
    chroma: np.ndarray, places: np.ndarray, colors: np.ndarray, reach: float, error: type[Exception]
) -> None:
    with pytest.raises(error):
        spread_hints(chroma, np.zeros((4, 4), np.float32), places, colors, reach)
