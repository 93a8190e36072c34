from __future__ import annotations

import itertools
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorrt.errors import BackendError
from colorrt.evaluation.quality import (
    PSNR_CAP_DB,
    PictureQuality,
    colorfulness,
    gray_of,
    lab_distance,
    lab_errors,
    measure,
    psnr,
    summarize,
)
from colorrt.photos.reading import read_rgb_photos

if TYPE_CHECKING:
    from numpy.typing import NDArray

EVALUATION_PHOTOS = Path(__file__).resolve().parents[2].parent / "shared" / "photos" / "eval256.tar"

# Pairs of Lab colors and their dE2000, from the test data published with Sharma, Wu, Dalal (2005): those that
# tell a wrong hue mean, a wrong hue difference, a missing rotation term and a missing gray correction apart.
PUBLISHED_DE2000 = [
    ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
    ((50.0, 3.1571, -77.2803), (50.0, 0.0, -82.7485), 2.8615),
    ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0000),
    ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
    ((50.0, 2.4900, -0.0010), (50.0, -2.4900, 0.0009), 7.1792),
    ((50.0, 2.4900, -0.0010), (50.0, -2.4900, 0.0011), 7.2195),
    ((50.0, -0.0010, 2.4900), (50.0, 0.0011, -2.4900), 4.7461),
    ((50.0, 2.5, 0.0), (50.0, 0.0, -2.5), 4.3065),
    ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
    ((50.0, 2.5, 0.0), (56.0, -27.0, -3.0), 31.9030),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((90.9257, -0.5406, -0.9208), (88.6381, -0.8985, -0.7239), 1.5381),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


def flat(color: tuple[int, int, int], height: int = 6, width: int = 9) -> NDArray[np.uint8]:
    return np.full((height, width, 3), color, np.uint8)


def noise(height: int = 40, width: int = 50, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_psnr_of_a_known_difference() -> None:
    a = flat((100, 100, 100))
    assert psnr(a, flat((110, 110, 110))) == pytest.approx(20 * math.log10(255 / 10))
    # One channel of three is off by 30: the mean square is 300.
    assert psnr(a, flat((100, 70, 100))) == pytest.approx(10 * math.log10(65025 / 300))


def test_psnr_of_black_and_white_is_zero() -> None:
    assert psnr(flat((0, 0, 0)), flat((255, 255, 255))) == 0.0
    assert psnr(flat((255, 255, 255)), flat((0, 0, 0))) == 0.0


def test_psnr_of_equal_pictures_is_capped_and_finite() -> None:
    assert psnr(noise(), noise()) == PSNR_CAP_DB
    almost = np.zeros((1500, 1500, 3), np.uint8)
    other = almost.copy()
    other[0, 0, 0] = 1
    # Without the cap, 116 dB: it would score higher than equality.
    assert psnr(almost, other) == PSNR_CAP_DB


@given(st.tuples(*[st.integers(0, 255)] * 6))
def test_psnr_is_symmetric(values: tuple[int, ...]) -> None:
    a = np.array(values[:3], np.uint8).reshape(1, 1, 3)
    b = np.array(values[3:], np.uint8).reshape(1, 1, 3)
    assert psnr(a, b) == psnr(b, a)


@pytest.mark.parametrize("level", [0, 97, 255])
def test_gray_has_no_colorfulness(level: int) -> None:
    assert colorfulness(flat((level, level, level))) == 0.0
    assert colorfulness(gray_of(noise())) == 0.0


def test_flat_color_counts_by_its_distance_from_gray_alone() -> None:
    # rg = 200 - 100 = 100, yb = 150 - 50 = 100, nothing varies.
    assert colorfulness(flat((200, 100, 50))) == pytest.approx(0.3 * math.sqrt(20000))


def test_colorfulness_of_two_colors_follows_the_formula() -> None:
    # A quarter red, three quarters blue, worked out with the variances of two-point distributions.
    picture = np.concatenate([flat((255, 0, 0), 2, 4), flat((0, 0, 255), 6, 4)])
    share = 0.25
    rg, yb = (255.0, 0.0), (127.5, -255.0)
    variance = share * (1 - share) * ((rg[0] - rg[1]) ** 2 + (yb[0] - yb[1]) ** 2)
    mean_rg = share * rg[0] + (1 - share) * rg[1]
    mean_yb = share * yb[0] + (1 - share) * yb[1]
    expected = math.sqrt(variance) + 0.3 * math.sqrt(mean_rg**2 + mean_yb**2)
    assert colorfulness(picture) == pytest.approx(expected)


@pytest.mark.parametrize(("a", "b", "expected"), PUBLISHED_DE2000)
def test_de2000_agrees_with_the_published_test_data(
    a: tuple[float, float, float], b: tuple[float, float, float], expected: float
) -> None:
    first, second = np.array([a]), np.array([b])
    assert lab_distance(first, second)[1] == pytest.approx(expected, abs=5.1e-5)
    assert lab_distance(second, first)[1] == pytest.approx(expected, abs=5.1e-5)


def test_ab_error_leaves_lightness_out() -> None:
    a = np.array([[50.0, 10.0, -20.0], [70.0, 0.0, 0.0]])
    b = np.array([[90.0, 13.0, -15.0], [10.0, 0.0, 0.0]])
    assert lab_distance(a, b)[0] == pytest.approx((3 + 5 + 0 + 0) / 4)


def test_lab_errors_take_pictures_as_srgb_under_d65() -> None:
    # sRGB red lies at a* = 80.09, b* = 67.20; mid-gray at 0, 0.
    ab_mae, _ = lab_errors(flat((255, 0, 0)), flat((128, 128, 128)))
    assert ab_mae == pytest.approx((80.09 + 67.20) / 2, abs=0.02)


def test_lab_errors_do_not_depend_on_where_batches_end() -> None:
    # More than one batch, the last one not full, and colors that differ from batch to batch.
    original, colored = noise(150, 131), noise(150, 131, seed=1)
    original[100:] //= 3
    halves = [lab_errors(original[:75], colored[:75]), lab_errors(original[75:], colored[75:])]
    assert lab_errors(original, colored) == pytest.approx(tuple(np.mean(halves, axis=0)))


def test_equal_pictures_have_no_errors() -> None:
    row = measure(noise(), noise(), "same")
    assert (row.psnr_db, row.ab_mae, row.de2000) == (PSNR_CAP_DB, 0.0, 0.0)
    assert row.colorfulness == row.colorfulness_original


def test_gray_picture_is_the_integer_luma_three_times() -> None:
    red, green, blue = (int(value) for value in (250, 3, 77))
    level = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
    assert np.array_equal(gray_of(flat((red, green, blue))), flat((level, level, level)))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_gray_figures_are_those_of_measuring_the_gray_picture(seed: int) -> None:
    original, colored = noise(8, 7, seed), noise(8, 7, seed + 1)
    row = measure(original, colored)
    as_gray = measure(original, gray_of(original))
    assert (row.gray_psnr_db, row.gray_ab_mae, row.gray_de2000) == (
        as_gray.psnr_db,
        as_gray.ab_mae,
        as_gray.de2000,
    )
    assert as_gray.colorfulness == 0.0
    assert row.ab_mae == pytest.approx(lab_errors(original, colored)[0])


def test_pictures_are_taken_in_any_memory_layout() -> None:
    original, colored = noise(), noise(seed=1)
    turned = measure(original[:, ::-1], colored[:, ::-1])
    assert turned == measure(original[:, ::-1].copy(), colored[:, ::-1].copy())


def row_of(name: str, value: float) -> PictureQuality:
    return PictureQuality(name, value, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)


def test_summary_is_the_mean_over_pictures() -> None:
    summary = summarize([row_of("a", 20.0), row_of("b", 30.0), row_of("c", 40.0)])
    assert summary.pictures == 3
    assert summary.psnr_db == pytest.approx(30.0)
    assert summary.gray_de2000 == 7.0


def test_share_of_the_pictures_that_end_farther_from_the_original_than_gray() -> None:
    rows = [replace(row_of("a", 20.0), de2000=de2000, gray_de2000=10.0) for de2000 in (9.0, 10.0, 11.0, 12.0)]
    assert summarize(rows).farther_than_gray == 0.5


def test_summary_goes_through_json_with_all_its_keys() -> None:
    read_back = json.loads(json.dumps(summarize([row_of("a", 20.0)]).as_json(), allow_nan=False))
    assert set(read_back) == {
        "ab_mae",
        "colorfulness",
        "colorfulness_original",
        "de2000",
        "farther_than_gray",
        "gray_ab_mae",
        "gray_de2000",
        "gray_psnr_db",
        "per_picture",
        "pictures",
        "psnr_db",
    }
    assert read_back["per_picture"][0]["name"] == "a"
    assert set(read_back["per_picture"][0]) == set(read_back) - {"farther_than_gray", "per_picture", "pictures"} | {
        "name"
    }


def test_no_pictures_have_no_summary() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        summarize([])


def test_pictures_of_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="equal shape"):
        measure(noise(4, 5), noise(5, 4))


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 4), (0, 5, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(H, W, 3\)"):
        colorfulness(np.zeros(shape, np.uint8))


def test_floats_are_refused() -> None:
    with pytest.raises(TypeError, match="uint8"):
        psnr(noise(), noise().astype(np.float64))  # type: ignore[arg-type]  # wrong on purpose


def test_missing_scikit_image_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(BackendError, match=r"pip install 'colorrt\[eval\]'"):
        lab_errors(noise(), noise())


@pytest.mark.skipif(not EVALUATION_PHOTOS.is_file(), reason="the shared evaluation photos are not here")
def test_gray_of_the_evaluation_photos_scores_what_it_is_known_to_score() -> None:
    # Every tenth of the 200, whose gray pictures score 22.15 dB together. The figures were worked out apart,
    # with Pillow's luma and float64.
    tenth = [picture for _, picture in itertools.islice(read_rgb_photos(EVALUATION_PHOTOS), 0, None, 10)]
    assert len(tenth) == 20
    assert np.mean([psnr(one, gray_of(one)) for one in tenth]) == pytest.approx(21.54301, abs=1e-5)
    assert np.mean([colorfulness(one) for one in tenth]) == pytest.approx(44.13581, abs=1e-5)
