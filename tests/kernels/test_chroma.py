from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorrt.kernels import luma, render_rgb

if TYPE_CHECKING:
    from types import ModuleType

DTYPES = st.sampled_from([np.uint8, np.uint16])
SIDES = st.sampled_from([1, 2, 3, 7, 16, 31, 64, 97])
SEEDS = st.integers(0, 2**32)
SATURATIONS = st.sampled_from([0.0, 0.3, 1.0, 1.7, 40.0])

# float32 arithmetic on top of rounding to nearest, in levels.
ROUNDING = {np.uint8: 0.501, np.uint16: 0.55}


def random_luma(seed: int, shape: tuple[int, int], dtype: Any) -> Any:
    """Levels of all heights, with a good share of black and white."""
    rng = np.random.default_rng(seed)
    white = np.iinfo(dtype).max
    return np.clip(rng.integers(-white // 4, white + white // 4, shape), 0, white).astype(dtype)


def random_chroma(seed: int, shape: tuple[int, int], strength: float = 0.2) -> Any:
    return np.random.default_rng(seed + 1).normal(0, strength, (2, *shape)).astype(np.float32)


def levels_apart(one: Any, other: Any) -> int:
    return int(np.abs(one.astype(np.int64) - other.astype(np.int64)).max())


@settings(max_examples=80, deadline=None)
@given(seed=SEEDS, height=SIDES, width=SIDES, h=SIDES, w=SIDES, saturation=SATURATIONS, dtype=DTYPES)
def test_picture_is_the_formula(
    *,
    reference: ModuleType,
    seed: int,
    height: int,
    width: int,
    h: int,
    w: int,
    saturation: float,
    dtype: Any,
) -> None:
    plane, chroma = random_luma(seed, (height, width), dtype), random_chroma(seed, (h, w))
    picture = render_rgb(plane, chroma, saturation)
    assert picture.dtype == dtype
    assert picture.shape == (height, width, 3)
    assert picture.flags.c_contiguous
    expected = reference.render(plane, chroma, saturation)
    assert np.abs(picture - expected).max() <= ROUNDING[dtype] + 0.01 * saturation


@settings(max_examples=80, deadline=None)
@given(
    seed=SEEDS,
    height=SIDES,
    width=SIDES,
    h=SIDES,
    w=SIDES,
    strength=st.sampled_from([0.1, 1.0, 1e3, 1e9, 1e37, 1e-40]),
    holes=st.booleans(),
    saturation=st.sampled_from([0.0, 1e-300, 0.5, 1.0, 1e3, 1e30, 1.7e308]),
    dtype=DTYPES,
)
def test_output_keeps_luma_whatever_the_chroma(
    *,
    seed: int,
    height: int,
    width: int,
    h: int,
    w: int,
    strength: float,
    holes: bool,
    saturation: float,
    dtype: Any,
) -> None:
    plane = random_luma(seed, (height, width), dtype)
    chroma = random_chroma(seed, (h, w), strength)
    if holes:
        rng = np.random.default_rng(seed)
        bad = rng.random(chroma.shape) < 0.3
        chroma[bad] = rng.choice([np.nan, np.inf, -np.inf, 3.4e38, -3.4e38, 0.0], bad.sum())
    assert levels_apart(luma(render_rgb(plane, chroma, saturation)), plane) <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_output_keeps_every_level_of_luma(dtype: Any) -> None:
    plane = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 256)
    for seed in range(6):
        chroma = random_chroma(seed, (61, 67), 0.05 * 3**seed)
        assert levels_apart(luma(render_rgb(plane, chroma)), plane) <= 1


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, strength=st.sampled_from([0.05, 0.3, 3.0, 1e4]), dtype=DTYPES)
def test_colors_out_of_gamut_keep_their_hue_and_lose_only_saturation(
    reference: ModuleType, seed: int, strength: float, dtype: Any
) -> None:
    white = np.iinfo(dtype).max
    plane, chroma = random_luma(seed, (41, 29), dtype), random_chroma(seed, (5, 6), strength)
    wanted = reference.differences(chroma, 41, 29, saturation=1.0, white=white)
    picture = render_rgb(plane, chroma)
    got = picture.astype(float) - plane[..., None]

    share = (got * wanted).sum(axis=-1) / np.maximum((wanted**2).sum(axis=-1), 1e-9)
    # Rounding moves each channel by half a level.
    assert np.abs(got - share[..., None] * wanted).max() <= 2 * ROUNDING[dtype]
    length = np.linalg.norm(wanted, axis=-1)
    assert (share >= -0.9 / np.maximum(length, 1e-9)).all()
    assert (share * length <= length + 0.9).all()

    # Saturation gives way only where a channel arrives at black or white.
    reduced = (share * length < length - 0.9) & (share < 0.999)
    at_the_edge = np.any((picture <= 1) | (picture >= white - 1), axis=-1, keepdims=True)[..., 0]
    assert at_the_edge[reduced].all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_saturation_zero_is_exactly_gray(dtype: Any) -> None:
    plane = random_luma(7, (33, 45), dtype)
    chroma = random_chroma(7, (8, 8), 1e30)
    chroma[:, 2, 2] = np.nan, np.inf
    np.testing.assert_array_equal(render_rgb(plane, chroma, 0.0), np.stack([plane] * 3, axis=-1))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_chroma_zero_is_exactly_gray(dtype: Any) -> None:
    plane = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(16, -1)
    picture = render_rgb(plane, np.zeros((2, 3, 3), np.float32), 1e9)
    np.testing.assert_array_equal(picture, np.stack([plane] * 3, axis=-1))


def test_saturation_multiplies_chroma() -> None:
    plane, chroma = random_luma(8, (40, 40), np.uint16), random_chroma(8, (9, 9))
    assert levels_apart(render_rgb(plane, chroma, 1.5), render_rgb(plane, chroma * np.float32(1.5))) <= 1


@pytest.mark.parametrize("shape", [(6, 6), (48, 48), (5, 48)])
@pytest.mark.parametrize("bad", [(np.nan, 0.1), (0.1, np.nan), (np.inf, -np.inf), (0.0, np.inf)])
def test_pixel_that_is_not_finite_counts_as_gray(shape: tuple[int, int], bad: tuple[float, float]) -> None:
    plane, chroma = random_luma(9, shape, np.uint8), random_chroma(9, (12, 12))
    gray = chroma.copy()
    gray[:, 4, 7] = 0.0
    chroma[:, 4, 7] = bad
    np.testing.assert_array_equal(render_rgb(plane, chroma), render_rgb(plane, gray))


def test_chroma_without_a_finite_pixel_is_gray() -> None:
    plane = random_luma(10, (9, 9), np.uint8)
    picture = render_rgb(plane, np.full((2, 4, 4), np.nan, np.float32), 2.0)
    np.testing.assert_array_equal(picture, np.stack([plane] * 3, axis=-1))


@pytest.mark.parametrize("angle", np.linspace(0, 2 * np.pi, 13))
def test_huge_chroma_has_the_hue_of_its_direction(angle: float) -> None:
    plane = random_luma(11, (20, 20), np.uint8)
    direction = np.array([np.cos(angle), np.sin(angle)], np.float32).reshape(2, 1, 1)
    huge, large = direction * np.float32(3e38), direction * np.float32(100)
    assert levels_apart(render_rgb(plane, huge), render_rgb(plane, large)) <= 1
    assert levels_apart(render_rgb(plane, direction, 1.7e308), render_rgb(plane, large)) <= 1


def test_memory_layout_does_not_change_the_picture() -> None:
    plane, chroma = random_luma(12, (60, 44), np.uint8), random_chroma(12, (20, 16))
    locked = chroma.copy()
    locked.flags.writeable = False
    for luma_view in (plane[::2, ::-3], plane.T, np.asfortranarray(plane)):
        for chroma_view in (chroma[:, ::2, ::-1], chroma.transpose(0, 2, 1), chroma[::-1], locked):
            np.testing.assert_array_equal(
                render_rgb(luma_view, chroma_view),
                render_rgb(np.ascontiguousarray(luma_view), np.ascontiguousarray(chroma_view)),
            )


def test_inputs_are_left_as_they_were() -> None:
    plane, chroma = random_luma(13, (20, 20), np.uint8), random_chroma(13, (20, 20), 1e9)
    plane_before, chroma_before = plane.copy(), chroma.copy()
    picture = render_rgb(plane, chroma)
    picture[...] = 0
    np.testing.assert_array_equal(plane, plane_before)
    np.testing.assert_array_equal(chroma, chroma_before)
    assert plane.flags.writeable
    assert chroma.flags.writeable


@pytest.mark.parametrize("saturation", [-0.1, -1e-9, np.nan, np.inf, -np.inf])
def test_saturation_that_is_no_amount_is_refused(saturation: float) -> None:
    with pytest.raises(ValueError, match="saturation has to be finite and not negative"):
        render_rgb(np.zeros((2, 2), np.uint8), np.zeros((2, 2, 2), np.float32), saturation)


@pytest.mark.parametrize("shape", [(2, 2), (1, 2, 2), (3, 2, 2), (2, 2, 2, 2), (2, 0, 2), (2, 2, 0)])
def test_shape_that_is_no_chroma_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"chroma has to be \(2, h, w\).*got shape"):
        render_rgb(np.zeros((2, 2), np.uint8), np.zeros(shape, np.float32))


@pytest.mark.parametrize("shape", [(2,), (2, 2, 3), (0, 2), (2, 0)])
def test_shape_that_is_no_luma_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"luma has to be \(H, W\).*got shape"):
        render_rgb(np.zeros(shape, np.uint8), np.zeros((2, 2, 2), np.float32))


def test_other_dtypes_are_refused() -> None:
    with pytest.raises(TypeError, match="luma has to be uint8 or uint16, got float32"):
        render_rgb(np.zeros((2, 2), np.float32), np.zeros((2, 2, 2), np.float32))  # type: ignore[type-var]  # wrong on purpose
    with pytest.raises(TypeError, match="chroma has to be float32, got float64"):
        render_rgb(np.zeros((2, 2), np.uint8), np.zeros((2, 2, 2)))  # type: ignore[arg-type]  # wrong on purpose
