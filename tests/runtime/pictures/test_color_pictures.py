"""Pictures in color, of palettes, inks and other color spaces too, are read as RGB with their alpha apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from picture_files import ALPHA, COLOR, assert_sound, saved
from PIL import Image, ImageCms, features

from colorrt.runtime.pictures.reading import read_picture

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.ppm", "a.tga"])
def test_color_is_exact(tmp_path: Path, name: str) -> None:
    picture = read_picture(saved(tmp_path, name, Image.fromarray(COLOR)))

    assert_sound(picture.pixels, np.uint8, (3, 4, 3))
    assert np.array_equal(picture.pixels, COLOR)
    assert picture.alpha is None


def test_color_alpha_is_split(tmp_path: Path) -> None:
    image = Image.fromarray(np.dstack([COLOR, ALPHA]))

    for name in ("a.png", "a.tif", "a.tga"):
        picture = read_picture(saved(tmp_path, name, image))

        assert picture.alpha is not None
        assert_sound(picture.pixels, np.uint8, (3, 4, 3))
        assert_sound(picture.alpha, np.uint8, (3, 4))
        assert np.array_equal(picture.pixels, COLOR)
        assert np.array_equal(picture.alpha, ALPHA)


@pytest.mark.skipif(not features.check("webp"), reason="this Pillow has no WebP")
def test_webp_with_alpha_is_exact(tmp_path: Path) -> None:
    image = Image.fromarray(np.dstack([COLOR, ALPHA]))

    picture = read_picture(saved(tmp_path, "a.webp", image, lossless=True, exact=True))

    assert picture.format == "WEBP"
    assert np.array_equal(picture.pixels, COLOR)
    assert np.array_equal(picture.alpha, ALPHA)


def test_transparent_color_becomes_alpha(tmp_path: Path) -> None:
    key = tuple(int(level) for level in COLOR[1, 2])
    path = saved(tmp_path, "a.png", Image.fromarray(COLOR), transparency=key)

    picture = read_picture(path)

    assert np.array_equal(picture.pixels, COLOR)
    assert np.array_equal(picture.alpha, 255 * (key != COLOR).any(axis=-1))


def palette_image(colors: list[tuple[int, int, int]]) -> tuple[Image.Image, NDArray[np.uint8]]:
    indices = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette([level for color in colors for level in color])
    return image, np.array(colors, np.uint8)[indices]


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.gif", "a.bmp"])
def test_palette_becomes_color(tmp_path: Path, name: str) -> None:
    image, expected = palette_image([(255, 0, 3), (1, 2, 3), (40, 200, 9)])

    picture = read_picture(saved(tmp_path, name, image))

    assert_sound(picture.pixels, np.uint8, (2, 3, 3))
    assert np.array_equal(picture.pixels, expected)
    assert picture.alpha is None


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.gif", "a.bmp"])
def test_palette_of_grays_becomes_gray(tmp_path: Path, name: str) -> None:
    image, expected = palette_image([(255, 255, 255), (2, 2, 2), (90, 90, 90)])

    picture = read_picture(saved(tmp_path, name, image))

    assert_sound(picture.pixels, np.uint8, (2, 3))
    assert np.array_equal(picture.pixels, expected[..., 0])


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize(
    ("name", "transparency", "alphas"),
    [("a.png", bytes([255, 90, 0]), [255, 90, 0]), ("a.png", 1, [255, 0, 255]), ("a.gif", 2, [255, 255, 0])],
)
def test_transparent_palette_becomes_alpha(
    tmp_path: Path, name: str, transparency: bytes | int, alphas: list[int], gray: bool
) -> None:
    colors = [(9, 9, 9), (2, 2, 2), (80, 80, 80)] if gray else [(255, 0, 3), (1, 2, 3), (40, 200, 9)]
    image, expected = palette_image(colors)

    picture = read_picture(saved(tmp_path, name, image, transparency=transparency))

    assert picture.alpha is not None
    assert picture.alpha.tolist() == [alphas, alphas[::-1]]
    opaque = picture.alpha > 0
    assert picture.pixels.ndim == (2 if gray else 3)
    assert np.array_equal(picture.pixels[opaque], (expected[..., 0] if gray else expected)[opaque])


def test_cmyk_tiff_is_converted_as_pillow_does(tmp_path: Path) -> None:
    image = Image.fromarray(COLOR).convert("CMYK")

    picture = read_picture(saved(tmp_path, "a.tif", image))

    assert_sound(picture.pixels, np.uint8, (3, 4, 3))
    assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))


def test_cmyk_jpeg_is_no_negative(tmp_path: Path) -> None:
    # Pillow writes Adobe's inverted ink.
    inks = np.zeros((16, 32, 4), np.uint8)
    inks[:, 16:, 3] = 255
    path = saved(tmp_path, "a.jpg", cmyk(inks), quality=100)

    picture = read_picture(path)

    assert picture.pixels.shape == (16, 32, 3)
    assert picture.pixels[:, :8].min() > 250
    assert picture.pixels[:, -8:].max() < 5


def cmyk(inks: NDArray[np.uint8]) -> Image.Image:
    return Image.frombytes("CMYK", (inks.shape[1], inks.shape[0]), inks.tobytes())


def test_ycbcr_tiff_becomes_rgb(tmp_path: Path) -> None:
    image = Image.fromarray(COLOR).convert("YCbCr")

    # Compressed, because Pillow 10 does not read its own uncompressed YCbCr.
    picture = read_picture(saved(tmp_path, "a.tif", image, compression="tiff_lzw"))

    assert_sound(picture.pixels, np.uint8, (3, 4, 3))
    assert np.abs(picture.pixels.astype(int) - np.asarray(image.convert("RGB"))).max() <= 2


def test_lab_tiff_becomes_rgb(tmp_path: Path) -> None:
    gentle = (COLOR // 4 + 90).astype(np.uint8)
    transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    image = ImageCms.applyTransform(Image.fromarray(gentle), transform)
    assert image is not None
    assert image.mode == "LAB"

    picture = read_picture(saved(tmp_path, "a.tif", image))

    assert_sound(picture.pixels, np.uint8, (3, 4, 3))
    assert np.abs(picture.pixels.astype(int) - gentle).max() <= 2
