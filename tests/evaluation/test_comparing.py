"""Two artifacts on the same photographs: figures that can be worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from colorrt.errors import ModelError, UsageError
from colorrt.evaluation.comparing import Difference, Seen, agree_render_factor, compare_artifacts
from colorrt.evaluation.difference_picture import DifferencePicture, amplification, draw_difference
from colorrt.runtime.artifact import read_artifact

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Path]

STEP = 0.02


@pytest.fixture
def pair(make_onnx: Make, tmp_path: Path) -> tuple[Path, Path]:
    """Two artifacts, the second of which answers 0.02 more in U, everywhere."""
    return (
        make_onnx(tmp_path / "a.onnx", offset=(-0.1, 0.1)),
        make_onnx(tmp_path / "b.onnx", offset=(-0.1 + STEP, 0.1)),
    )


def compare(a: Path, b: Path, photos: Path | None = None, **options: object) -> Difference:
    return compare_artifacts(a, b, photos, device="cpu", threads=1, **options)  # type: ignore[arg-type]  # options of several types


def test_error_is_in_levels_over_both_planes(pair: tuple[Path, Path]) -> None:
    found = compare(*pair, render_factor=2)
    assert found.photos == len(found.per_photo) == 6
    assert found.mean == pytest.approx(255 * STEP / 2, rel=1e-4)
    assert found.worst == pytest.approx(255 * STEP, rel=1e-4)
    assert found.p99 == pytest.approx(255 * STEP, rel=1e-3)
    assert all(row.p99 == pytest.approx(255 * STEP, rel=1e-4) for row in found.per_photo)
    # A hundredth of blue more is a difference that nobody sees, but there is one.
    assert 0.2 < found.de2000 < 5
    assert found.de2000 == pytest.approx(np.mean([row.de2000 for row in found.per_photo]))


def test_an_artifact_equals_itself(pair: tuple[Path, Path]) -> None:
    found = compare(pair[0], pair[0], render_factor=1)
    assert (found.mean, found.p99, found.worst, found.de2000) == (0, 0, 0, 0)


def test_photographs_of_a_folder_are_taken_and_bad_ones_told(
    pair: tuple[Path, Path], save_gray: Make, tmp_path: Path
) -> None:
    save_gray(tmp_path / "photos/good.png", size=(40, 30))
    (tmp_path / "photos/bad.jpg").write_bytes(b"Dear all,")
    skipped = []
    found = compare(*pair, tmp_path / "photos", render_factor=1, on_skip=lambda name, _: skipped.append(name))
    assert [row.name for row in found.per_photo] == ["good.png"]
    assert skipped == ["bad.jpg"]


def test_graph_of_any_size_takes_the_render_factor_of_the_other(make_onnx: Make, tmp_path: Path) -> None:
    free = read_artifact(make_onnx(tmp_path / "free.onnx"))
    fixed = read_artifact(make_onnx(tmp_path / "fixed.onnx", render_factor=3))
    assert agree_render_factor(free, fixed, None) == agree_render_factor(fixed, free, 3) == 3
    assert agree_render_factor(free, free, None) == 16
    assert agree_render_factor(free, free, 5) == 5
    with pytest.raises(UsageError, match="was made for render factor 3, not 5; leave --render-factor out"):
        agree_render_factor(free, fixed, 5)


def test_different_render_factors_are_refused_with_a_sentence(make_onnx: Make, tmp_path: Path) -> None:
    paths = [make_onnx(tmp_path / f"rf{factor}.onnx", render_factor=factor) for factor in (2, 3)]
    with pytest.raises(UsageError, match=r"rf2\.onnx was made for render factor 2 and .*rf3\.onnx for 3") as caught:
        compare(*paths)
    assert "\n" not in str(caught.value)


def test_numbers_that_are_not_finite_name_artifact_and_photograph(make_onnx: Make, tmp_path: Path) -> None:
    good = make_onnx(tmp_path / "good.onnx")
    broken = make_onnx(tmp_path / "broken.onnx", weight=(float("nan"), 0.0))
    with pytest.raises(ModelError, match=r"broken\.onnx: returns values that are not finite on astronaut\.jpg"):
        compare(good, broken, render_factor=1)


@pytest.mark.parametrize(("peak", "factor"), [(0.0, 4096), (0.25, 1), (0.2, 1), (0.01, 16), (0.6, 1)])
def test_amplification_is_the_power_of_two_that_stays_visible(peak: float, factor: int) -> None:
    assert amplification([np.full((2, 4, 4), -peak, np.float32)]) == factor


def test_difference_is_gray_where_both_agree_and_blue_where_b_is_bluer() -> None:
    difference = np.zeros((2, 32, 32), np.float32)
    difference[0, :, 16:] = 0.05
    drawn = draw_difference(difference, 4, (64, 96))
    assert drawn.shape == (64, 96, 3)
    assert (drawn[:, :30] == 128).all()
    assert (drawn[:, 66:, 2].astype(int) - drawn[:, 66:, 0] > 80).all()


def test_picture_holds_at_most_so_many_rows_spread_over_all(tmp_path: Path) -> None:
    picture = DifferencePicture(60)
    gray = np.full((20, 30, 3), 90, np.uint8)
    chroma = np.zeros((2, 16, 16), np.float32)
    for index in range(60):
        picture.add(Seen(f"{index}.jpg", gray, gray, chroma, chroma + np.float32(0.01)))
    assert picture.write(tmp_path / "difference.png") == 16
    with Image.open(tmp_path / "difference.png") as image:
        # 24 rows in two columns, 240 pixels each and more.
        assert 12 * 240 < image.height < 12 * 260
