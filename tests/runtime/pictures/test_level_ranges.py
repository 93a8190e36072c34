"""Gray levels of up to 32 bits, integers and floats: exact where 16 bits hold them, with the white that they mean."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from picture_files import DEEP, GRAY, assert_sound, saved, tiff_bytes
from PIL import Image

from colorrt.runtime.pictures.reading import read_picture

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bit_gray_is_exact(tmp_path: Path, name: str, compression: str | None) -> None:
    picture = read_picture(saved(tmp_path, name, Image.fromarray(DEEP), compression=compression))

    assert_sound(picture.pixels, np.uint16, (3, 4))
    assert np.array_equal(picture.pixels, DEEP)
    assert picture.alpha is None


def test_big_endian_tiff_is_exact(tmp_path: Path) -> None:
    image = Image.frombytes("I;16B", (4, 3), DEEP.astype(">u2").tobytes())
    path = saved(tmp_path, "a.tif", image)
    assert path.read_bytes()[:2] == b"MM"

    picture = read_picture(path)

    assert_sound(picture.pixels, np.uint16, (3, 4))
    assert np.array_equal(picture.pixels, DEEP)


def test_sixteen_bit_pgm_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 4 3 65535\n" + DEEP.astype(">u2").tobytes())

    picture = read_picture(path)

    assert_sound(picture.pixels, np.uint16, (3, 4))
    assert np.array_equal(picture.pixels, DEEP)


def test_tiff_whose_white_is_zero_is_no_negative(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for levels in (GRAY, DEEP):
        raw = levels.astype(levels.dtype.newbyteorder("<")).tobytes()
        path.write_bytes(tiff_bytes(raw, (4, 3), bits=8 * levels.itemsize, photometric=0))

        assert np.array_equal(read_picture(path).pixels, np.iinfo(levels.dtype).max - levels)


def test_float_tiff_whose_white_is_zero_is_no_negative(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    raw = struct.pack("<2f", 0.0, 0.75)
    path.write_bytes(tiff_bytes(raw, (2, 1), bits=32, samples=3, photometric=0))

    assert read_picture(path).pixels.tolist() == [[65535, 16384]]


def test_twelve_bit_tiff_spreads_to_sixteen(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    # 0x000, 0xfff, 0x800, 0x001: two to three bytes.
    path.write_bytes(tiff_bytes(bytes.fromhex("000fff800001"), (4, 1), bits=12))

    picture = read_picture(path)

    assert_sound(picture.pixels, np.uint16, (1, 4))
    assert picture.pixels.tolist() == [[0, 65535, 0x8008, 0x0010]]


@pytest.mark.parametrize(
    ("values", "levels", "dtype"),
    [
        ([-5, 0, 17, 255], [0, 0, 17, 255], np.uint8),
        ([-5, 0, 256, 65535], [0, 0, 256, 65535], np.uint16),
        ([-5, 0, 1 << 29, 1 << 30], [0, 0, 32768, 65535], np.uint16),
    ],
)
def test_white_of_integer_tiff_is_found(
    tmp_path: Path, values: list[int], levels: list[int], dtype: type[np.generic]
) -> None:
    path = saved(tmp_path, "a.tif", Image.fromarray(np.array([values], np.int32)))

    picture = read_picture(path)

    assert_sound(picture.pixels, dtype, (1, 4))
    assert picture.pixels.tolist() == [levels]


def test_unsigned_32_bit_tiff_has_no_negative_values(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff_bytes(struct.pack("<2I", 2**31, 2**32 - 1), (2, 1), bits=32))

    assert read_picture(path).pixels.tolist() == [[32768, 65535]]


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ([0.0, 0.5, 1.0, 1.2], [0, 32768, 65535, 65535]),
        ([0.0, 51.0, 255.0, 280.0], [0, 13107, 65535, 65535]),
        ([0.0, 600.0, 40000.0, 65535.0], [0, 600, 40000, 65535]),
        ([0.0, 1e6, 5e5, 0.0], [0, 65535, 32768, 0]),
        ([-1.0, np.nan, np.inf, 1.0], [0, 0, 65535, 65535]),
        ([0.0, 0.0, 0.0, 0.0], [0, 0, 0, 0]),
    ],
)
def test_white_of_float_tiff_is_found(tmp_path: Path, values: list[float], levels: list[int]) -> None:
    path = saved(tmp_path, "a.tif", Image.fromarray(np.array([values], np.float32)))

    picture = read_picture(path)

    assert_sound(picture.pixels, np.uint16, (1, 4))
    assert picture.pixels.tolist() == [levels]
