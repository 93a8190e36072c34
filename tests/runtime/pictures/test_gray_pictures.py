"""Gray pictures of 1 and 8 bits are read exactly, stay gray, and keep their alpha."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from picture_files import ALPHA, COLOR, GRAY, assert_sound, png_bytes, saved
from PIL import Image

from colorrt.runtime.pictures.reading import read_picture

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.pgm", "a.gif", "a.tga"])
def test_gray_levels_are_exact_and_stay_gray(tmp_path: Path, name: str) -> None:
    picture = read_picture(saved(tmp_path, name, Image.fromarray(GRAY)))

    assert_sound(picture.pixels, np.uint8, (3, 4))
    assert np.array_equal(picture.pixels, GRAY)
    assert picture.alpha is None


def test_gray_jpeg_stays_gray(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.jpg", Image.fromarray(np.full((20, 30), 90, np.uint8)), quality=100)

    picture = read_picture(path)

    assert_sound(picture.pixels, np.uint8, (20, 30))
    assert np.array_equal(picture.pixels, np.full((20, 30), 90))
    assert picture.format == "JPEG"


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pbm", "a.bmp"])
def test_bits_become_black_and_white(tmp_path: Path, name: str) -> None:
    bits = GRAY > 100

    picture = read_picture(saved(tmp_path, name, Image.fromarray(bits)))

    assert np.array_equal(picture.pixels, bits * np.uint8(255))
    assert_sound(picture.pixels, np.uint8, (3, 4))


def test_gray_alpha_is_split(tmp_path: Path) -> None:
    image = Image.fromarray(np.dstack([GRAY, ALPHA]))

    for name in ("a.png", "a.tif"):
        picture = read_picture(saved(tmp_path, name, image))

        assert picture.alpha is not None
        assert_sound(picture.pixels, np.uint8, (3, 4))
        assert_sound(picture.alpha, np.uint8, (3, 4))
        assert np.array_equal(picture.pixels, GRAY)
        assert np.array_equal(picture.alpha, ALPHA)


@pytest.mark.parametrize("depth", [1, 8, 16])
def test_transparent_level_of_gray_png_becomes_alpha(tmp_path: Path, depth: int) -> None:
    rows, level = {
        1: ([b"\xa0"], 1),
        8: ([bytes([9, 0, 9, 1])], 9),
        16: ([struct.pack(">4H", 5000, 136, 5000, 0)], 5000),
    }[depth]
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes(4, depth, 0, rows, key=struct.pack(">H", level)))

    picture = read_picture(path)

    white = 65535 if depth == 16 else 255
    assert picture.alpha is not None
    assert picture.alpha.dtype == picture.pixels.dtype
    assert picture.alpha.tolist() == [[0, white, 0, white]]


def test_opaque_alpha_is_no_alpha(tmp_path: Path) -> None:
    image = Image.fromarray(np.dstack([COLOR, np.full_like(GRAY, 255)]))

    picture = read_picture(saved(tmp_path, "a.png", image))

    assert picture.alpha is None
    assert np.array_equal(picture.pixels, COLOR)
