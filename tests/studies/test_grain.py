from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorrt.errors import PictureError
from studies.grain import measure_grain

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@settings(max_examples=20, deadline=None)
@given(sigma=st.floats(0.5, 12.0), seed=st.integers(0, 2**32), deep=st.booleans())
def test_grain_on_a_slope_is_found_again(sigma: float, seed: int, deep: bool) -> None:
    rng = np.random.default_rng(seed)
    levels = np.linspace(60, 190, 400)[None] + sigma * rng.standard_normal((300, 400))
    dtype, scale = (np.uint16, 257) if deep else (np.uint8, 1)
    found = measure_grain(np.rint(levels * scale).astype(dtype))
    # The quarter of the blocks where it is smallest lies somewhat below the mean.
    assert 0.82 * sigma < found < 1.05 * sigma


def test_texture_is_not_taken_for_grain() -> None:
    rows, columns = np.mgrid[:320, :320]
    levels = 120 + np.where(rows < 160, 0, 60 * np.sin(columns * 1.7))
    assert measure_grain(np.rint(levels).astype(np.uint8)) == 0


def test_clipped_parts_do_not_count() -> None:
    levels = 120 + 5 * np.random.default_rng(0).standard_normal((320, 320))
    levels[:, :209] = 255
    assert measure_grain(np.rint(levels).astype(np.uint8)) > 4


@pytest.mark.parametrize("picture", [np.full((300, 300), 255, np.uint8), np.full((9, 300), 120, np.uint8)])
def test_picture_without_middle_gray_is_refused(picture: np.ndarray) -> None:
    with pytest.raises(PictureError, match="grain"):
        measure_grain(picture)
