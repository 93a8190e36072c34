from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from colorrt.errors import UsageError
from studies.bleeding import bleeding_lines, compare_upsampling, measure_bleeding


def test_color_that_ends_on_the_edge_does_not_bleed() -> None:
    luma = np.full((40, 60), 80.0)
    luma[:, 30:] = 160.0
    sharp = np.stack([np.zeros_like(luma), (luma > 100) * 0.2])
    assert measure_bleeding(luma, sharp) == 0.0


def test_color_that_ends_elsewhere_bleeds_the_more_the_wider_it_spreads() -> None:
    luma = np.full((40, 60), 80.0)
    luma[:, 30:] = 160.0
    across = np.arange(60.0)
    shares = [
        measure_bleeding(luma, np.stack([np.zeros_like(luma), np.broadcast_to(np.clip(ramp, 0, 1), luma.shape)]))
        for ramp in ((across - 25) / 10, (across - 15) / 30, (across - 5) / 10)
    ]
    assert 0.3 < shares[0] < shares[1] < shares[2] == 1.0


def test_gray_does_not_bleed() -> None:
    assert measure_bleeding(np.arange(12.0).reshape(3, 4), np.zeros((2, 3, 4))) == 0.0


def test_picture_without_a_gradient_is_refused() -> None:
    with pytest.raises(ValueError, match="1 x 4 pixels has no gradient"):
        measure_bleeding(np.zeros((1, 4)), np.zeros((2, 1, 4)))


def test_guided_upsampling_comes_nearer_to_the_truth_and_bleeds_less(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for index in range(2):
        picture = np.full((120, 150, 3), 90, np.uint8)
        for _ in range(12):
            top, left = rng.integers(0, 100), rng.integers(0, 130)
            picture[top : top + 30, left : left + 40] = rng.integers(0, 256, 3)
        Image.fromarray(picture).save(tmp_path / f"{index}.png")
    report = compare_upsampling(tmp_path, (32, 64), 2)
    assert [row.size for row in report.rows] == [32, 64]
    for row in report.rows:
        assert row.photos == 2
        assert row.psnr_guided_db > row.psnr_bilinear_db + 0.5
        assert row.original_bleeding < row.bleeding_guided < row.bleeding_bilinear
    assert len(bleeding_lines(report)) == 4


def test_size_that_is_no_render_factor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a square of 100 pixels is no render factor"):
        compare_upsampling(tmp_path, (100,), 2)
