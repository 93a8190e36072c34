"""What is in color and what is only toned: told by how chroma spreads around a curve over luma."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import in_many_colors
from PIL import Image

from colorrt.photos.shipped import shipped_photos
from colorrt.runtime.jpeg.chroma_look import is_jpeg_in_color
from colorrt.runtime.jpeg.segments import read_frame, split_segments
from colorrt.runtime.pictures.color_spread import CELLS, is_in_color, measure_spread, reduce_to_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])
GRAY = "nipomo-1936.jpg"


def photo(name: str) -> NDArray[np.uint8]:
    with Image.open(shipped_photos() / name) as image:
        return np.asarray(image.convert("RGB"))


def colorful() -> NDArray[np.uint8]:
    return in_many_colors(photo(GRAY)[..., 0])


def levels(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.rint(values.clip(0, 255)).astype(np.uint8)


def toned(strength: float) -> NDArray[np.uint8]:
    gray = photo(GRAY).astype(float)
    return levels(gray * (1 - strength) + strength * gray @ SEPIA.T)


def jpeg(rgb: NDArray[np.uint8], quality: int = 90, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=quality, **options)
    return stream.getvalue()


def is_color_jpeg(encoded: bytes) -> bool:
    return is_jpeg_in_color(encoded, read_frame(split_segments(encoded, header_only=True)))


@pytest.mark.parametrize("quality", [30, 75, 95])
@pytest.mark.parametrize("progressive", [False, True])
def test_photograph_in_color_is_told_in_every_jpeg(quality: int, progressive: bool) -> None:
    assert is_in_color(colorful())
    large = np.asarray(Image.fromarray(colorful()).resize((1200, 1200)))
    for rgb in (colorful(), large):
        assert is_color_jpeg(jpeg(rgb, quality, progressive=progressive))


@pytest.mark.parametrize("strength", [0, 0.3, 1])
@pytest.mark.parametrize("quality", [30, 75, 95])
def test_gray_and_sepia_are_not_in_color_in_any_jpeg(strength: float, quality: int) -> None:
    rgb = toned(strength)
    assert not is_in_color(rgb)
    large = np.asarray(Image.fromarray(rgb).resize((1200, 900)))
    for progressive in (False, True):
        assert not is_color_jpeg(jpeg(rgb, quality, progressive=progressive))
        assert not is_color_jpeg(jpeg(large, quality, progressive=progressive))


def test_split_tones_and_stains_are_not_in_color() -> None:
    gray = photo(GRAY).astype(float)
    luma = gray[..., 0]
    split = np.stack(
        [np.interp(luma, (0, 115, 255), band) for band in ((10, 110, 255), (15, 110, 240), (50, 115, 190))], -1
    )
    across = np.linspace(-1, 1, gray.shape[1])[None, :, None]
    assert not is_in_color(levels(split))
    assert not is_in_color(levels(gray + across * [12, 0, -12]))


def test_stamp_target_and_mount_do_not_make_a_gray_picture_one_in_color() -> None:
    gray = photo(GRAY)
    height, width = gray.shape[:2]
    stamp = gray.copy()
    stamp[10 : 10 + height // 5, 10 : 10 + width // 5] = (200, 30, 40)
    target = gray.copy()
    target[-height // 8 :] = np.random.default_rng(0).integers(0, 256, (width, 3))
    mount = np.full_like(gray, (40, 90, 60))
    side = height // 8
    mount[side:-side, side:-side] = gray[side:-side, side:-side]
    assert not any(map(is_in_color, (stamp, target, mount)))


def test_sixteen_bits_are_told_as_eight_are() -> None:
    assert is_in_color(colorful() * np.uint16(257))
    assert not is_in_color(toned(1) * np.uint16(257))
    assert not is_in_color(photo(GRAY)[..., 0])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_pictures_of_any_shape_are_measured(height: int, width: int, seed: int) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    cells = reduce_to_cells(rgb)
    assert max(cells.shape[:2]) <= CELLS
    assert min(cells.shape[:2]) >= 1
    assert np.isfinite([measure_spread(cells).spread, measure_spread(cells).tint]).all()
    assert is_in_color(rgb) in (True, False)
    gray = np.repeat(rgb[..., :1], 3, -1)
    assert not is_in_color(gray)


def test_cells_are_the_means_of_small_pictures() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (64, 128, 3)).astype(np.uint8)
    means = rgb.reshape(16, 4, 32, 4, 3).mean((1, 3))
    assert np.allclose(reduce_to_cells(rgb), means, atol=1e-3)


def test_jpeg_that_cannot_be_decoded_is_left_to_its_reader() -> None:
    encoded = jpeg(colorful())
    frame = read_frame(split_segments(encoded, header_only=True))
    assert not is_jpeg_in_color(encoded[:300], frame)
    assert not is_color_jpeg(jpeg(photo(GRAY)[..., 0]))
