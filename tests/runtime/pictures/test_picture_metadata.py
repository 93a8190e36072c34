"""What comes with the pixels: orientation is applied, tags, profile and resolution are carried."""

from __future__ import annotations

import struct
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from picture_files import ALPHA, COLOR, DEEP, GRAY, assert_sound, saved
from PIL import Image, ImageCms

from colorrt.runtime.pictures.reading import read_picture

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ORIENTATION = 0x0112
EXIF_FOLDER = 0x8769
GPS_FOLDER = 0x8825


def upright_by_definition(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """EXIF 2.3, tag 0x0112: where the zeroth row and the zeroth column of the stored picture are when seen."""
    row_side, column_side = {
        1: ("top", "left"),
        2: ("top", "right"),
        3: ("bottom", "right"),
        4: ("bottom", "left"),
        5: ("left", "top"),
        6: ("right", "top"),
        7: ("right", "bottom"),
        8: ("left", "bottom"),
    }[orientation]
    rows, columns = stored.shape[:2]
    swapped = row_side in ("left", "right")
    seen = np.empty((columns, rows, *stored.shape[2:]) if swapped else stored.shape, stored.dtype)
    for row in range(rows):
        for column in range(columns):
            across = rows - 1 - row if row_side in ("right", "bottom") else row
            along = columns - 1 - column if column_side in ("right", "bottom") else column
            seen[(along, across) if swapped else (across, along)] = stored[row, column]
    return seen


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["gray.png", "deep.png", "color.png", "gray.tif", "color.tif", "deep.tif"])
def test_orientation_is_applied(tmp_path: Path, name: str, orientation: int) -> None:
    stored = {"gray": GRAY, "deep": DEEP, "color": COLOR}[name.split(".", maxsplit=1)[0]]
    tags = Image.Exif()
    tags[ORIENTATION] = orientation

    picture = read_picture(saved(tmp_path, name, Image.fromarray(stored), exif=tags.tobytes()))

    expected = upright_by_definition(stored, orientation)
    assert_sound(picture.pixels, stored.dtype.type, expected.shape)
    assert np.array_equal(picture.pixels, expected)


def test_orientation_of_jpeg_is_applied(tmp_path: Path) -> None:
    stored = np.zeros((16, 32), np.uint8)
    stored[:8, :8] = 255
    tags = Image.Exif()
    tags[ORIENTATION] = 6

    picture = read_picture(saved(tmp_path, "a.jpg", Image.fromarray(stored), exif=tags, quality=100))

    assert picture.pixels.shape == (32, 16)
    assert picture.pixels[:8, 8:].min() > 250
    assert picture.pixels[8:].max() < 5


def test_orientation_turns_alpha_and_resolution(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[ORIENTATION] = 8
    image = Image.fromarray(np.dstack([GRAY, ALPHA]))

    picture = read_picture(saved(tmp_path, "a.png", image, exif=tags, dpi=(100, 300)))

    assert np.array_equal(picture.alpha, upright_by_definition(ALPHA, 8))
    assert picture.dpi == pytest.approx((300, 100), abs=0.02)


def test_senseless_orientation_is_ignored(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[ORIENTATION] = 77

    picture = read_picture(saved(tmp_path, "a.png", Image.fromarray(GRAY), exif=tags.tobytes()))

    assert np.array_equal(picture.pixels, GRAY)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_descriptive_tags_are_carried_without_orientation_and_storage(tmp_path: Path, name: str) -> None:
    tags = Image.Exif()
    tags[0x010F] = "Maker"
    tags[0x013B] = "Artist"
    tags[ORIENTATION] = 6
    tags[0x0128] = 2
    # With it, a pointer to the folder of interoperability, which lies elsewhere in another file.
    tags[EXIF_FOLDER] = {0x9003: "1936:02:01 00:00:00", 0xA005: {1: "R98"}}
    tags[GPS_FOLDER] = {1: "N"}
    image = Image.fromarray(np.zeros((16, 24, 3), np.uint8))

    picture = read_picture(saved(tmp_path, name, image, exif=tags.tobytes()))

    assert picture.exif is not None
    assert picture.exif.startswith(b"Exif\0\0")
    carried = Image.Exif()
    carried.load(picture.exif)
    assert set(carried) == {0x010F, 0x013B, EXIF_FOLDER, GPS_FOLDER}
    assert carried[0x010F] == "Maker"
    assert carried.get_ifd(EXIF_FOLDER) == {0x9003: "1936:02:01 00:00:00"}
    assert carried.get_ifd(GPS_FOLDER) == {1: "N"}


def test_picture_without_tags_carries_none(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[ORIENTATION] = 3
    for name, options in (("plain.png", {}), ("turned.jpg", {"exif": tags}), ("plain.tif", {})):
        picture = read_picture(saved(tmp_path, name, Image.fromarray(GRAY), **options))

        assert picture.exif is None
        assert picture.icc_profile is None


def test_damaged_tags_do_not_cost_the_picture(tmp_path: Path) -> None:
    # A folder of 200 entries that are not there; a JPEG without density is asked for it at once.
    block = b"Exif\0\0II*\0\x08\0\0\0\xc8\0" + b"\x0f\x01\x02\0\xff\xff\0\0\x40\0\0\0"
    path = saved(tmp_path, "a.jpg", Image.fromarray(GRAY), exif=block)
    jfif = path.read_bytes()
    path.write_bytes(jfif[:2] + jfif[20:])
    with pytest.warns(UserWarning, match="EXIF|Skipping tag|Truncated"), Image.open(path) as image:
        image.getexif()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = read_picture(path)

    assert picture.pixels.shape == GRAY.shape
    assert picture.exif is None


def profile_of(space: bytes) -> bytes:
    header = bytearray(132)
    header[:4] = struct.pack(">I", 132)
    header[16:20] = space
    return bytes(header)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_tags_beyond_ascii_keep_their_bytes(tmp_path: Path, name: str) -> None:
    tags = Image.Exif()
    tags[0x8298] = "© Müller".encode()

    picture = read_picture(saved(tmp_path, name, Image.fromarray(GRAY), exif=tags.tobytes()))

    assert picture.exif is not None
    assert "© Müller".encode() in picture.exif


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_rgb_profile_is_carried(tmp_path: Path, name: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    picture = read_picture(saved(tmp_path, name, Image.fromarray(COLOR), icc_profile=profile))

    assert picture.icc_profile == profile


def test_profiles_of_gray_and_ink_are_dropped(tmp_path: Path) -> None:
    gray = saved(tmp_path, "gray.jpg", Image.fromarray(GRAY), icc_profile=profile_of(b"GRAY"))
    inks = Image.fromarray(COLOR).convert("CMYK")
    ink = saved(tmp_path, "ink.tif", inks, icc_profile=profile_of(b"CMYK"))

    assert read_picture(gray).icc_profile is None
    assert read_picture(ink).icc_profile is None


def test_resolution_is_carried(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "a.tif"):
        picture = read_picture(saved(tmp_path, name, Image.fromarray(GRAY), dpi=(600, 300)))

        assert picture.dpi == pytest.approx((600, 300), abs=0.02)


def test_first_of_several_pages_is_read(tmp_path: Path) -> None:
    first, second = Image.fromarray(GRAY), Image.fromarray(GRAY[::-1].copy())
    for name in ("a.tif", "a.gif", "a.png"):
        path = saved(tmp_path, name, first, save_all=True, append_images=[second])

        assert np.array_equal(read_picture(path).pixels, GRAY)
