"""More saturation spreads colors apart, and leaves their mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colorrt import Colorizer
from colorrt.runtime.mean_color import keep_mean


def _guess(seed: int, height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((2, height, width)) + [[[0.05]], [[-0.08]]]).astype(np.float32)


@given(st.integers(0, 2**32 - 1), st.integers(1, 24), st.integers(1, 24), st.floats(1, 10, exclude_min=True, width=32))
def test_the_mean_stays_and_what_lies_around_it_is_multiplied(
    seed: int, height: int, width: int, saturation: float
) -> None:
    chroma = _guess(seed, height, width)
    shown = saturation * keep_mean(chroma, saturation).astype(np.float64)
    exact = chroma.astype(np.float64)
    mean = exact.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(shown, mean + saturation * (exact - mean), atol=2e-6)


@pytest.mark.parametrize("saturation", [0.0, 0.5, 1.0])
def test_less_saturation_only_multiplies(saturation: float) -> None:
    chroma = _guess(1, 4, 4)
    assert keep_mean(chroma, saturation) is chroma


def test_what_is_not_finite_counts_nothing_and_stays() -> None:
    chroma = _guess(2, 4, 4)
    chroma[0, 0, 0], chroma[1, 2, 3] = np.nan, np.inf
    zeroed = np.nan_to_num(chroma, nan=0.0, posinf=0.0)
    kept = keep_mean(chroma, 2.0)
    finite = np.isfinite(chroma)
    np.testing.assert_array_equal(np.isfinite(kept), finite)
    np.testing.assert_allclose(kept[finite], keep_mean(zeroed, 2.0)[finite])


def test_a_guess_of_one_color_stays_as_it_is_guessed() -> None:
    chroma = np.full((2, 16, 16), 0.1, np.float32)
    luma = np.full((32, 32), 128, np.uint8)
    with Colorizer(render_factor=1) as colorizer:
        square = colorizer.see(luma)
        plain, more = (colorizer.render(square, chroma, saturation) for saturation in (1.0, 3.0))
        less = colorizer.render(square, chroma, 0.5)
    np.testing.assert_array_equal(more, plain)
    assert np.ptp(less[0, 0].astype(int)) < np.ptp(plain[0, 0].astype(int))
