from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from colorrt.kernels import luma, resize_luma, resize_plane

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

SIDES = st.sampled_from([1, 2, 3, 5, 16, 31, 64, 97, 131])
INPUTS = ["gray_L_400x300", "landscape_rgb_480x320", "odd_rgb_333x517", "portrait_rgb_320x410"]


def random_levels(seed: int, shape: tuple[int, ...], dtype: Any) -> Any:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def photo_like(seed: int, height: int, width: int) -> Any:
    """Blurred noise over a gradient, in color: smooth parts, edges, and a little grain."""
    noise = Image.fromarray(random_levels(seed, (height, width, 3), np.uint8)).filter(ImageFilter.GaussianBlur(3))
    picture = (np.asarray(noise).astype(float) - 128) * 4 + np.linspace(40, 215, width)[:, None]
    picture[height // 3 : height // 2, width // 4 :] += 90
    grain = np.random.default_rng(seed + 1).normal(0, 4, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def pillow_square(picture: Any, size: int) -> Any:
    square = Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(square.convert("L")).astype(float)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    height=SIDES,
    width=SIDES,
    size=st.sampled_from([1, 2, 16, 37, 64, 80]),
    dtype=st.sampled_from([np.uint8, np.uint16]),
)
def test_square_is_the_triangle_filter(
    *, reference: ModuleType, seed: int, height: int, width: int, size: int, dtype: Any
) -> None:
    plane = random_levels(seed, (height, width), dtype)
    square = resize_luma(plane, size)
    assert square.dtype == np.float32
    assert square.shape == (size, size)
    assert square.flags.c_contiguous
    expected = reference.resize(plane, size, size) / np.iinfo(dtype).max
    np.testing.assert_allclose(square, expected, atol=1e-6, rtol=0)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), height=SIDES, width=SIDES, new_height=SIDES, new_width=SIDES)
def test_plane_is_resized_by_the_triangle_filter(
    *, reference: ModuleType, seed: int, height: int, width: int, new_height: int, new_width: int
) -> None:
    plane = np.random.default_rng(seed).normal(0, 1, (height, width)).astype(np.float32)
    resized = resize_plane(plane, new_height, new_width)
    assert resized.dtype == np.float32
    expected = reference.resize(plane, new_height, new_width)
    np.testing.assert_allclose(resized, expected, atol=3e-6, rtol=0)


@pytest.mark.parametrize("size", [64, 80, 160, 256])
@pytest.mark.parametrize("shape", [(1080, 1920), (333, 217), (150, 151), (97, 600)])
def test_square_is_within_a_level_of_pillow_on_photo_like_pictures(size: int, shape: tuple[int, int]) -> None:
    picture = photo_like(size, *shape)
    difference = np.abs(np.rint(resize_luma(luma(picture), size) * 255) - pillow_square(picture, size))
    # Pillow rounds three times, after each pass and at the gray: where little is averaged, that can add up.
    assert (difference <= 1).mean() > 0.9999
    assert difference.max() <= 2


@pytest.mark.parametrize("size", [64, 80, 160, 256])
@pytest.mark.parametrize("name", INPUTS)
def test_square_is_within_a_level_of_pillow_on_photographs(shared: Path, name: str, size: int) -> None:
    picture = np.asarray(Image.open(shared / "reference" / "inputs" / f"{name}.png"))
    difference = np.abs(np.rint(resize_luma(luma(picture), size) * 255) - pillow_square(picture, size))
    assert difference.max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (64, 64), (1237, 769)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_black_stays_zero_and_white_stays_one(shape: tuple[int, int], dtype: Any) -> None:
    white = resize_luma(np.full(shape, np.iinfo(dtype).max, dtype), 64)
    assert white.max() <= 1.0
    np.testing.assert_allclose(white, 1.0, atol=1e-6)
    assert not resize_luma(np.zeros(shape, dtype), 64).any()


def test_square_of_its_own_size_is_unchanged() -> None:
    plane = random_levels(5, (48, 48), np.uint16)
    np.testing.assert_allclose(resize_luma(plane, 48), plane / 65535, atol=1e-7)


def test_memory_layout_does_not_change_the_square() -> None:
    plane = random_levels(6, (90, 70), np.uint8)
    for view in (plane[::3, ::-2], plane.T, np.asfortranarray(plane)):
        np.testing.assert_array_equal(resize_luma(view, 32), resize_luma(np.ascontiguousarray(view), 32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("inputs", "outputs"), [(16, 16), (16, 64), (9, 31), (48, 16), (49, 15)])
def test_bad_value_stays_under_its_triangle(reference: ModuleType, value: float, inputs: int, outputs: int) -> None:
    for at in range(inputs):
        plane = np.zeros((inputs, inputs), np.float32)
        plane[at, inputs // 2] = value
        rows = reference.triangle_matrix(inputs, outputs)
        reached = np.outer(rows[:, at] > 0, rows[:, inputs // 2] > 0)
        np.testing.assert_array_equal(~np.isfinite(resize_plane(plane, outputs, outputs)), reached)


def test_wrong_arguments_are_refused() -> None:
    plane = np.zeros((4, 4), np.uint8)
    with pytest.raises(ValueError, match="at least 1 pixel"):
        resize_luma(plane, 0)
    with pytest.raises(ValueError, match="at least 1 pixel"):
        resize_plane(np.zeros((4, 4), np.float32), 3, -1)
    with pytest.raises(ValueError, match=r"luma has to be \(H, W\).*shape \(0, 4\)"):
        resize_luma(plane[:0], 8)
    with pytest.raises(ValueError, match=r"luma has to be \(H, W\).*shape \(4, 4, 3\)"):
        resize_luma(np.zeros((4, 4, 3), np.uint8), 8)
    with pytest.raises(TypeError, match="luma has to be uint8 or uint16, got float32"):
        resize_luma(np.zeros((4, 4), np.float32), 8)  # type: ignore[type-var]  # wrong on purpose
    with pytest.raises(TypeError, match="plane has to be float32, got float64"):
        resize_plane(np.zeros((4, 4)), 8, 8)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(TypeError, match="integer"):
        resize_luma(plane, 8.5)  # type: ignore[arg-type]  # wrong on purpose
