"""Chroma error by luma band, stability under small changes, and the page that shows them."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from colorrt.cli import load_commands
from colorrt.evaluation.luma_bands import BandErrors, chroma_levels
from colorrt.evaluation.quality import gray_of
from colorrt.evaluation.report import make_report, write_report
from colorrt.evaluation.stability import (
    Stability,
    compare_guesses,
    compare_sizes,
    disturb,
    measure_stability,
    summarize_stability,
)
from colorrt.runtime.colorizer import Colorizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def flat(color: tuple[int, int, int], size: int = 8) -> NDArray[np.uint8]:
    return np.full((size, size, 3), color, np.uint8)


def test_chroma_is_that_of_the_contract() -> None:
    u, v = chroma_levels(flat((200, 100, 50), 1))[:, 0]
    y = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    assert (u, v) == pytest.approx((0.492 * (50 - y), 0.877 * (200 - y)), abs=1e-9)


def test_each_pixel_falls_into_the_band_of_its_luma() -> None:
    errors = BandErrors()
    dark, bright = flat((30, 10, 10)), flat((250, 240, 200))
    original = np.concatenate([dark, bright, bright])
    colored = np.concatenate([dark, gray_of(np.concatenate([bright, bright]))])
    errors.add(original, colored)
    bands = errors.bands()
    shares = {band.first: band.share for band in bands if band.share}
    assert shares == {0: pytest.approx(1 / 3), 224: pytest.approx(2 / 3)}
    assert bands[0].error == 0
    assert bands[0].gray_error is not None
    assert bands[0].gray_error > 5
    assert bands[-1].error == pytest.approx(bands[-1].gray_error, abs=1e-6)
    assert bands[3].error is None


def test_bias_has_the_sign_of_colored_minus_original() -> None:
    errors = BandErrors()
    errors.add(flat((120, 120, 120)), flat((120, 115, 160)))
    (band,) = [band for band in errors.bands() if band.share]
    assert band.bias_u is not None
    assert band.bias_u > 10
    with pytest.raises(ValueError, match="no pictures"):
        BandErrors().bands()


def photo_luma() -> NDArray[np.uint8]:
    rows = np.linspace(40, 200, 32)[:, None] + 20 * np.sin(np.arange(48) / 4)[None, :]
    return rows.astype(np.uint8)


def test_disturbances_are_small_and_always_the_same() -> None:
    plane = photo_luma()
    first, again, other = disturb(plane, "a"), disturb(plane, "a"), disturb(plane, "b")
    np.testing.assert_array_equal(first["noise"][0], again["noise"][0])
    assert not np.array_equal(first["noise"][0], other["noise"][0])
    assert 3 < float(np.std(first["noise"][0].astype(float) - plane)) < 5
    np.testing.assert_array_equal(first["shift"][0][:, 1:], plane[:, :-1])
    np.testing.assert_array_equal(first["shift"][1][1:], plane[:-1])
    low, high = (float(np.std(one.astype(float))) / float(np.std(plane.astype(float))) for one in first["contrast"])
    assert (low, high) == pytest.approx((0.95, 1.05), abs=0.01)


def squeeze(plane: NDArray[np.uint8]) -> NDArray[np.float32]:
    small = Image.fromarray(plane).resize((16, 16), Image.Resampling.BOX)
    return np.asarray(small, np.float32) / 255


def test_guess_that_hears_nothing_is_perfectly_stable() -> None:
    def constant(planes: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        return np.full((len(planes), 2, 16, 16), 0.1, np.float32)

    found = compare_guesses(photo_luma(), "a", constant)
    assert (found.noise, found.shift, found.contrast) == pytest.approx((0, 0, 0), abs=1e-4)
    assert found.chroma == pytest.approx(25.5)


def test_guess_that_moves_with_the_picture_is_not_blamed_for_the_shift() -> None:
    def proportional(planes: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        small = np.stack([squeeze(plane) for plane in planes])
        return np.stack([0.2 * small, -0.2 * small], axis=1)

    def jumpy(planes: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        sums = [float(plane.astype(np.int64).sum() % 7) / 7 for plane in planes]
        return np.stack([np.full((2, 16, 16), value, np.float32) for value in sums])

    smooth, wild = compare_guesses(photo_luma(), "a", proportional), compare_guesses(photo_luma(), "a", jumpy)
    assert smooth.shift < 0.5
    assert smooth.contrast > 0.1
    assert wild.shift > 5 * smooth.shift


@pytest.mark.parametrize(("large", "small"), [(12, 6), (9, 6), (6, 6), (5, 3)])
def test_guesses_of_two_sizes_are_compared_by_means_over_areas(large: int, small: int) -> None:
    generator = np.random.default_rng(large)
    one, other = (generator.normal(0, 0.1, (2, size, size)).astype(np.float32) for size in (large, small))
    fine = large * small
    reduced = one.astype(np.float64).repeat(small, axis=1).repeat(small, axis=2)
    reduced = reduced.reshape(2, small, fine // small, small, fine // small).mean(axis=(2, 4))
    expected = 255 * np.abs(reduced - other).mean()
    assert compare_sizes(one, other) == pytest.approx(expected, rel=1e-4)
    assert compare_sizes(other, one) == pytest.approx(expected, rel=1e-4)


def test_render_factors_are_compared_where_any_can_be_taken(make_onnx: Callable[..., Path], tmp_path: Path) -> None:
    rgb = np.repeat(photo_luma()[..., None], 3, axis=2)
    with Colorizer(make_onnx(tmp_path / "any.onnx", weight=(0.3, -0.2)), render_factor=2, device="cpu") as colorizer:
        found = measure_stability(colorizer, rgb)
        own = colorizer.chroma(photo_luma())
        others = [colorizer.guess([colorizer.see(photo_luma(), factor)])[0] for factor in (8, 16, 24)]
    expected = sum(compare_sizes(own, other) for other in others) / 3
    assert found.render_factor == pytest.approx(expected)
    assert expected > 0
    with Colorizer(make_onnx(tmp_path / "one.onnx", render_factor=2), device="cpu") as colorizer:
        assert measure_stability(colorizer, rgb).render_factor is None


def test_score_is_the_mean_of_the_three() -> None:
    rows = [
        compare_guesses(photo_luma(), name, lambda planes: np.zeros((len(planes), 2, 4, 4), np.float32))
        for name in "ab"
    ]
    assert summarize_stability(rows).pictures == 2
    assert Stability(1, 1.0, 2.0, 6.0, 12.0).score == 3
    assert Stability(1, 1.0, 2.0, 6.0, 12.0).relative == 0.25
    assert summarize_stability(rows).relative == 0
    with pytest.raises(ValueError, match="no pictures"):
        summarize_stability([])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    generator = np.random.default_rng(3)
    for index in range(2):
        small = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(small).resize((48, 36)).save(folder / f"<{index}>.png")
    return folder


def test_evaluation_writes_one_page_with_everything_inside(photos: Path, tiny_onnx: Path, tmp_path: Path) -> None:
    arguments = [
        "eval",
        str(photos),
        "--engine",
        str(tiny_onnx),
        "--render-factor",
        "2",
        "--stability",
        "--device",
        "cpu",
    ]
    arguments += ["--report", str(tmp_path / "page.html"), "--json", str(tmp_path / "figures.json")]
    result = CliRunner().invoke(load_commands(), arguments)
    assert result.exit_code == 0, result.output
    assert re.search(r"noise of 4 levels +0\.00 +0%", result.output)
    assert re.search(r"other render factors of 8, 16, 24 +0\.00 +0%", result.output)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("data:image/png;base64,") == 2
    assert all(sign not in page for sign in ("http:", "https:", "<script", "<link", "url("))
    # Names come from files, and files from anywhere.
    assert "&lt;0&gt;.png" in page
    assert "<0>" not in page
    table = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert {"psnr_db", "per_picture", "bands", "colors", "stability", "curve"} <= table.keys()
    assert table["stability"]["render_factor"] == pytest.approx(0, abs=1e-4)
    assert "chroma over original&#x27;s" in page
    assert "frechet" not in table
    assert sum(band["share"] for band in table["bands"]) == pytest.approx(1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json", "page.html", "photos"]


def plain_figures(name: str) -> dict[str, Any]:
    row = {"name": name, "psnr_db": 24.0, "gray_psnr_db": 22.0, "colorfulness": 20.0, "colorfulness_original": 40.0}
    figures = {**row, "model": "lite", "render_factor": 16, "saturation": 1.2, "pictures": 1, "weights_sha256": "0"}
    return figures | {"ab_mae": 9.0, "gray_ab_mae": 11.0, "de2000": 10.0, "gray_de2000": 11.5, "per_picture": [row]}


def test_page_is_written_whatever_bytes_are_in_a_name(tmp_path: Path) -> None:
    write_report(tmp_path / "page.html", plain_figures("łódź \udce9.png"), None, None)
    assert "<td>łódź \\udce9.png</td>" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_page_does_without_what_was_not_measured() -> None:
    figures = plain_figures("a")
    page = make_report(figures, None, None)
    assert "24.00" in page
    assert "+2.00" in page
    assert all(word not in page for word in ("Stability", "Frechet", "base64", "by luma"))
    picture = io.BytesIO()
    Image.new("RGB", (2, 2)).save(picture, "PNG")
    assert "base64" in make_report(figures, picture.getvalue(), None)
