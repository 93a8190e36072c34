from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorrt.kernels import luma, render_rgb, resize_luma, resize_plane, thread_limit

if TYPE_CHECKING:
    from types import ModuleType

SIDES = st.sampled_from([1, 2, 3, 7, 16, 31, 64, 97])
SEEDS = st.integers(0, 2**32)
DTYPES = st.sampled_from([np.uint8, np.uint16])


def make_case(seed: int, size: tuple[int, int], small: tuple[int, int], dtype: Any, strength: float = 0.15) -> Any:
    """A luma plane, with a good share of black and white, chroma of a small picture, and a guide that is its own."""
    rng = np.random.default_rng(seed)
    white = np.iinfo(dtype).max
    plane = np.clip(rng.integers(-white // 4, white + white // 4, size), 0, white).astype(dtype)
    guide = np.clip(rng.normal(0.5, 0.3, small), 0, 1).astype(np.float32)
    # Chroma that partly depends on luma, so that there are slopes.
    noise = rng.normal(0, strength, (2, *small))
    return plane, (noise + strength * rng.normal(0, 2, (2, 1, 1)) * guide).astype(np.float32), guide


@settings(max_examples=80, deadline=None)
@given(
    seed=SEEDS,
    size=st.tuples(SIDES, SIDES),
    small=st.tuples(SIDES, SIDES),
    saturation=st.sampled_from([0.0, 0.3, 1.0, 1.7]),
    dtype=DTYPES,
)
def test_guided_picture_is_the_formula(
    reference: ModuleType, seed: int, size: tuple[int, int], small: tuple[int, int], saturation: float, dtype: Any
) -> None:
    plane, chroma, guide = make_case(seed, size, small, dtype)
    picture = render_rgb(plane, chroma, saturation, guide=guide)
    expected = reference.render_guided(plane, chroma, guide, saturation)
    # Rounding to nearest, and float32 on top: a few millionths of white.
    assert np.abs(picture - expected).max() <= 0.5 + 1e-5 * np.iinfo(dtype).max


@settings(max_examples=80, deadline=None)
@given(
    seed=SEEDS,
    size=st.tuples(SIDES, SIDES),
    small=st.tuples(SIDES, SIDES),
    strength=st.sampled_from([0.1, 1.0, 1e3, 1e9, 1e37, 1e-40]),
    holes=st.booleans(),
    saturation=st.sampled_from([0.0, 1e-300, 1.0, 1e3, 1.7e308]),
    dtype=DTYPES,
)
def test_guided_output_keeps_luma_whatever_the_chroma_and_the_guide(
    seed: int,
    size: tuple[int, int],
    small: tuple[int, int],
    strength: float,
    holes: bool,
    saturation: float,
    dtype: Any,
) -> None:
    with np.errstate(over="ignore"):
        plane, chroma, guide = make_case(seed, size, small, dtype, strength)
    if holes:
        rng = np.random.default_rng(seed)
        for array in (chroma, guide):
            bad = rng.random(array.shape) < 0.3
            array[bad] = rng.choice([np.nan, np.inf, -np.inf, 3.4e38, -3.4e38, 0.0], bad.sum())
    picture = render_rgb(plane, chroma, saturation, guide=guide)
    assert np.abs(luma(picture).astype(np.int64) - plane).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("saturation", [0.0, 1.0])
def test_gray_stays_exactly_gray(dtype: Any, saturation: float) -> None:
    plane, chroma, guide = make_case(3, (45, 61), (16, 16), dtype)
    if saturation:
        chroma[:] = 0.0
    picture = render_rgb(plane, chroma, saturation, guide=guide)
    np.testing.assert_array_equal(picture, np.stack([plane] * 3, axis=-1))


@settings(max_examples=40, deadline=None)
@given(
    seed=SEEDS,
    size=st.tuples(SIDES, SIDES),
    small=st.tuples(SIDES, SIDES),
    rows=st.integers(1, 40),
    guided=st.booleans(),
    dtype=DTYPES,
)
def test_bands_are_the_rows_of_the_whole(
    seed: int, size: tuple[int, int], small: tuple[int, int], rows: int, guided: bool, dtype: Any
) -> None:
    plane, chroma, guide = make_case(seed, size, small, dtype)
    options = {"guide": guide if guided else None}
    whole = render_rgb(plane, chroma, 1.2, **options)
    height = size[0]
    together = np.zeros_like(whole)
    for top in range(0, height, rows):
        band = together[top : top + rows]
        assert render_rgb(plane[top : top + rows], chroma, 1.2, out=band, top=top, height=height, **options) is band
    np.testing.assert_array_equal(together, whole)


@pytest.mark.parametrize("guided", [False, True])
@pytest.mark.parametrize("shape", [(1, 65_535), (2, 65_535), (65_535, 1), (3, 2048), (5, 2049), (2, 4099)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_long_pictures_are_the_formula(reference: ModuleType, shape: tuple[int, int], dtype: Any, guided: bool) -> None:
    plane, chroma, guide = make_case(5, shape, (8, 8), dtype)
    expected = reference.render_guided(plane, chroma, guide, 1.0) if guided else reference.render(plane, chroma, 1.0)
    picture = render_rgb(plane, chroma, guide=guide if guided else None)
    # At 65,535 pixels a place between two of the chroma is exact to some hundred-thousandths.
    assert np.abs(picture - expected).max() <= 0.5 + 4e-5 * np.iinfo(dtype).max


def test_results_do_not_depend_on_the_number_of_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 8)
    plane, chroma, guide = make_case(6, (211, 157), (64, 48), np.uint8)
    pictures = []
    for count in (1, 2, 8):
        with thread_limit(count):
            pictures.append(render_rgb(plane, chroma, guide=guide))
    np.testing.assert_array_equal(pictures[0], pictures[1])
    np.testing.assert_array_equal(pictures[0], pictures[2])


def test_picture_of_the_fields_own_size_keeps_its_chroma() -> None:
    plane, chroma, _ = make_case(7, (64, 48), (64, 48), np.uint16, 0.02)
    plane = (plane // 2 + 16000).astype(np.uint16)
    guide = (plane / 65535).astype(np.float32)
    guided = render_rgb(plane, chroma, guide=guide).astype(int)
    assert np.abs(guided - render_rgb(plane, chroma)).max() <= 1


def test_color_stops_at_the_edge_of_the_object() -> None:
    # A gray ground and a lighter, red object; the edge lies within a pixel of the small picture.
    plane = np.full((120, 160), 90, np.uint8)
    plane[:, 83:] = 170
    true_v = np.where(plane == 170, 0.15, 0.0).astype(np.float32)
    guide = resize_luma(plane, 16)
    chroma = np.zeros((2, 16, 16), np.float32)
    chroma[1] = resize_plane(true_v, 16, 16)
    wanted = render_rgb(plane, np.stack([np.zeros_like(true_v), true_v])).astype(int)
    bled, kept = (
        np.abs(render_rgb(plane, chroma, guide=chosen).astype(int) - wanted)[..., 0] for chosen in (None, guide)
    )
    assert (bled > 8).sum(axis=1).min() >= 8
    assert kept.sum() < 0.5 * bled.sum()
    assert (kept > 8).sum() < 0.4 * (bled > 8).sum()


def test_guide_of_another_shape_or_dtype_is_refused() -> None:
    plane, chroma, guide = make_case(8, (9, 9), (4, 4), np.uint8)
    with pytest.raises(ValueError, match=r"guide has to be \(4, 4\) as chroma is, got shape \(4, 3\)"):
        render_rgb(plane, chroma, guide=guide[:, :3])
    with pytest.raises(TypeError, match="guide has to be float32, got float64"):
        render_rgb(plane, chroma, guide=guide.astype(float))


@pytest.mark.parametrize(("top", "height"), [(-1, 20), (12, 20), (0, 8), (1, None)])
def test_rows_outside_the_picture_are_refused(top: int, height: int | None) -> None:
    plane, chroma, _ = make_case(9, (9, 9), (4, 4), np.uint8)
    with pytest.raises(ValueError, match=f"rows {top} to {top + 9} do not lie within a picture of {height or 9} rows"):
        render_rgb(plane, chroma, top=top, height=height)


def test_unfit_place_for_the_result_is_refused() -> None:
    plane, chroma, _ = make_case(10, (9, 9), (4, 4), np.uint8)
    with pytest.raises(TypeError, match="out has to be uint8 as luma is, got uint16"):
        render_rgb(plane, chroma, out=np.empty((9, 9, 3), np.uint16))  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ValueError, match=r"out has to be \(9, 9, 3\), got shape \(9, 3, 9\)"):
        render_rgb(plane, chroma, out=np.empty((9, 3, 9), np.uint8))
    locked = np.empty((9, 9, 3), np.uint8)
    locked.flags.writeable = False
    for out in (np.empty((9, 9, 6), np.uint8)[..., ::2], locked):
        with pytest.raises(ValueError, match="out has to be C-contiguous, aligned and writable"):
            render_rgb(plane, chroma, out=out)
