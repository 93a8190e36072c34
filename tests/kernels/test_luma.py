from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from colorrt.kernels import luma

if TYPE_CHECKING:
    from types import ModuleType

SIDES = st.sampled_from([1, 2, 3, 7, 16, 31, 64, 97])


def random_picture(seed: int, shape: tuple[int, ...], dtype: Any) -> Any:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), height=SIDES, width=SIDES, dtype=st.sampled_from([np.uint8, np.uint16]))
def test_luma_is_the_integer_formula(reference: ModuleType, seed: int, height: int, width: int, dtype: Any) -> None:
    picture = random_picture(seed, (height, width, 3), dtype)
    plane = luma(picture)
    assert plane.dtype == dtype
    assert plane.flags.c_contiguous
    np.testing.assert_array_equal(plane, reference.luma(picture))


def test_luma_equals_pillow() -> None:
    picture = random_picture(1, (301, 203, 3), np.uint8)
    np.testing.assert_array_equal(luma(picture), np.asarray(Image.fromarray(picture).convert("L")))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_gray_level_is_its_own_luma(dtype: Any) -> None:
    levels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(16, -1)
    np.testing.assert_array_equal(luma(np.stack([levels] * 3, axis=-1)), levels)


def test_gray_picture_is_returned_itself() -> None:
    plane = random_picture(2, (5, 7), np.uint16)
    assert luma(plane) is plane


def test_gray_picture_with_gaps_is_made_contiguous() -> None:
    plane = random_picture(3, (10, 14), np.uint8)[::2, ::-2]
    result = luma(plane)
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result, plane)


def test_memory_layout_does_not_change_luma(reference: ModuleType) -> None:
    picture = random_picture(4, (12, 18, 3), np.uint8)
    locked = picture.copy()
    locked.flags.writeable = False
    shifted = np.empty(picture.size * 2 + 1, np.uint8)[1:].view(np.uint16).reshape(picture.shape)
    shifted[...] = picture
    for view in (picture[::2, 1::3], picture.transpose(1, 0, 2), picture[..., ::-1], locked, shifted):
        np.testing.assert_array_equal(luma(view), reference.luma(view))
    np.testing.assert_array_equal(luma(np.asfortranarray(picture)), reference.luma(picture))


@pytest.mark.parametrize("shape", [(3,), (2, 2, 1), (2, 2, 4), (2, 2, 2, 3), (0, 4), (4, 0, 3), (0, 0), ()])
def test_shape_that_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"picture has to be \(H, W.* got shape"):
        luma(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint32", "bool", ">u2"])
def test_dtype_that_is_no_level_is_refused(dtype: str) -> None:
    with pytest.raises(TypeError, match=r"uint8 or uint16, got .*; convert"):
        luma(np.zeros((2, 2), dtype))


def test_list_is_refused() -> None:
    with pytest.raises(TypeError, match="numpy array, got list"):
        luma([[1, 2], [3, 4]])  # type: ignore[arg-type]  # wrong on purpose
