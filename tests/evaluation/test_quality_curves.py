from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from colorrt.errors import BackendError
from colorrt.evaluation.curves import CurvePoint, saturation_curve, write_curves
from colorrt.evaluation.quality import PSNR_CAP_DB, colorfulness, gray_of, psnr

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

POINTS = (CurvePoint(0.0, 22.0, 0.0), CurvePoint(0.5, 24.0, 15.0), CurvePoint(1.0, 23.5, 30.0))


def originals() -> list[NDArray[np.uint8]]:
    generator = np.random.default_rng(0)
    # Far from black and white, so that mixing with gray rounds but never clips.
    return [generator.integers(60, 200, (10, 8 + index, 3), dtype=np.uint8) for index in range(3)]


class Oracle:
    """Knows the originals and mixes them with gray, as saturation is meant to."""

    def __init__(self, pictures: list[NDArray[np.uint8]]) -> None:
        self.known = {gray_of(picture)[..., 0].tobytes(): picture for picture in pictures}
        self.asked: list[int] = []

    def __call__(self, gray: NDArray[np.uint8], saturation: float) -> NDArray[np.uint8]:
        self.asked.append(id(gray))
        original = self.known[gray.tobytes()]
        mixed = gray[..., np.newaxis] + saturation * (original - gray[..., np.newaxis].astype(np.float64))
        return np.rint(mixed).astype(np.uint8)


def test_curve_runs_from_gray_to_the_original() -> None:
    pictures = originals()
    curve = saturation_curve(iter(pictures), Oracle(pictures), [0.0, 0.5, 1.0])
    assert [point.saturation for point in curve] == [0.0, 0.5, 1.0]
    assert curve[0].psnr_db == pytest.approx(np.mean([psnr(one, gray_of(one)) for one in pictures]))
    assert curve[0].colorfulness == 0.0
    assert curve[0].psnr_db < curve[1].psnr_db < curve[2].psnr_db
    assert curve[2].psnr_db == PSNR_CAP_DB
    assert curve[2].colorfulness == pytest.approx(np.mean([colorfulness(one) for one in pictures]))


def test_one_picture_is_asked_for_at_all_saturations_in_a_row() -> None:
    pictures = originals()
    oracle = Oracle(pictures)
    saturation_curve(pictures, oracle, [1.0, 0.2])
    assert len(oracle.asked) == 6
    assert oracle.asked[0::2] == oracle.asked[1::2]


def test_nothing_to_measure_is_refused() -> None:
    pictures = originals()
    with pytest.raises(ValueError, match="no saturations"):
        saturation_curve(pictures, Oracle(pictures), [])
    with pytest.raises(ValueError, match="no pictures"):
        saturation_curve([], Oracle([]), [1.0])


def test_plot_is_written_as_a_png(tmp_path: Path) -> None:
    path = tmp_path / "curves.png"
    write_curves(path, {"ours": POINTS, "theirs": POINTS[:2]}, original_colorfulness=41.0)
    with Image.open(path) as plot:
        plot.load()
        assert plot.format == "PNG"
        assert plot.size == (1200, 800)
        assert len(set(plot.convert("L").tobytes())) > 10
    assert [file.name for file in tmp_path.iterdir()] == ["curves.png"]


def test_missing_matplotlib_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(BackendError, match=r"pip install 'colorrt\[eval\]'"):
        write_curves(tmp_path / "curves.png", {"ours": POINTS})
    assert list(tmp_path.iterdir()) == []


def test_plot_without_curves_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no curves"):
        write_curves(tmp_path / "curves.png", {})
