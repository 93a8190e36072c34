from __future__ import annotations

import errno
import os
import struct
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile, features

from colorrt.errors import PictureError
from colorrt.runtime.pictures import PICTURE_SUFFIXES, read_picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ORIENTATION = 0x0112
EXIF_FOLDER = 0x8769
GPS_FOLDER = 0x8825

GRAY = np.array([[0, 10, 200, 255], [1, 77, 128, 254], [3, 4, 5, 6]], np.uint8)
DEEP = np.array([[0, 1, 255, 256], [257, 32767, 32768, 65534], [65535, 4095, 9, 1000]], np.uint16)
COLOR = np.stack([GRAY, GRAY[::-1], GRAY[:, ::-1]], axis=-1)
ALPHA = np.array([[0, 1, 2, 3], [128, 127, 9, 8], [255, 254, 253, 0]], np.uint8)


def saved(folder: Path, name: str, image: Image.Image, **options: Any) -> Path:
    path = folder / name
    image.save(path, **options)
    return path


def assert_sound(levels: NDArray[Any], dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    assert levels.dtype == dtype
    assert levels.dtype.isnative
    assert levels.shape == shape
    assert levels.flags.c_contiguous


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_bytes(width: int, depth: int, color: int, rows: list[bytes], key: bytes = b"") -> bytes:
    """A PNG of kinds that Pillow does not write: 16 bits with alpha, few bits with a transparent level."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, color, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + (png_chunk(b"tRNS", key) if key else b"")
        + png_chunk(b"IDAT", packed)
        + png_chunk(b"IEND", b"")
    )


def tiff_bytes(data: bytes, size: tuple[int, int], **tags: int) -> bytes:
    """A one-strip TIFF of one channel whose tags stand before its pixels."""
    numbers = {"bits": 258, "compression": 259, "photometric": 262, "samples": 339}
    entries = {256: size[0], 257: size[1], 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: size[1], 279: len(data)}
    entries |= {numbers[name]: value for name, value in tags.items()}
    entries[273] = 8 + 2 + 12 * len(entries) + 4
    folder = struct.pack("<H", len(entries))
    for tag in sorted(entries):
        folder += struct.pack("<HHII", tag, 4 if tag in (256, 257, 273, 278, 279) else 3, 1, entries[tag])
    return b"II*\0" + struct.pack("<I", 8) + folder + struct.pack("<I", 0) + data


# Gray


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


# 16 bits, integers and floats


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


# Color


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


# What comes with the pixels


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


# Refusals


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(PictureError) as caught:
        read_picture(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    # What is wrong, then what to do.
    assert "; " in message
    return message


def test_missing_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "missing.png")
    (tmp_path / "file").touch()
    assert "no folder" in refusal(tmp_path / "file" / "a.png")


def test_folder_is_refused(tmp_path: Path) -> None:
    assert "it is a folder" in refusal(tmp_path)


def test_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.touch()

    assert "0 bytes" in refusal(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.png"
    os.mkfifo(path)

    assert "not a regular file" in refusal(path)


def test_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, "a.png", Image.fromarray(GRAY))

    # chmod does not keep root out.
    def denied(self: Path, *_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", denied)

    assert "no permission" in refusal(path)


@pytest.mark.parametrize("content", [b"Dear diary,\n" * 9, bytes(500), b"%PDF-1.7\n", b"\xff\xd8"])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.jpg"
    path.write_bytes(content)

    assert "its content is none of" in refusal(path)


def test_tga_is_told_by_its_name_alone(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.tga", Image.fromarray(GRAY)).rename(tmp_path / "a.jpg")

    assert "TGA" not in refusal(path)
    assert np.array_equal(read_picture(path.rename(tmp_path / "A.TGA")).pixels, GRAY)


def test_name_of_two_lines_makes_one_line(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"two\\nlines\.png: there is no such file") as caught:
        read_picture(tmp_path / "two\nlines.png")
    assert "\n" not in str(caught.value)


def test_picture_without_width_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes(0, 8, 0, [b""]))

    assert "begins as PNG" in refusal(path)


def test_tiff_of_unknown_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff_bytes(bytes(24), (4, 3), bits=16, samples=3))

    assert "a TIFF of 16 bits, 1 channels, photometric 1, is not read; convert it to PNG" in refusal(path)


@pytest.mark.parametrize("name", [b"iTXt", b"zTXt", b"iCCP"])
def test_text_that_unpacks_to_a_bomb_is_refused(tmp_path: Path, name: bytes) -> None:
    packed = zlib.compress(bytes(8_000_000), 1)
    body = {b"iTXt": b"a\0\1\0\0\0", b"zTXt": b"a\0\0", b"iCCP": b"a\0\0"}[name] + packed
    whole = png_bytes(4, 8, 0, [bytes(4)] * 3)
    place = whole.index(b"IDAT") - 4
    path = tmp_path / "a.png"
    path.write_bytes(whole[:place] + png_chunk(name, body) + whole[place:])

    assert "as in a bomb; save it anew without metadata" in refusal(path)


def test_sides_of_any_length_are_read(tmp_path: Path) -> None:
    for name, size in (("a.png", (65535, 1)), ("a.tif", (1, 65535)), ("b.tif", (65535, 2)), ("b.png", (1, 1))):
        path = saved(tmp_path, name, Image.new("I;16", size, 257))

        assert read_picture(path).pixels.shape == size[::-1]


def noise(size: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8))


SAVERS: dict[str, Callable[[Path], Path]] = {
    "baseline.jpg": lambda folder: saved(folder, "baseline.jpg", noise(), quality=90),
    "progressive.jpg": lambda folder: saved(folder, "progressive.jpg", noise(), progressive=True),
    "a.png": lambda folder: saved(folder, "a.png", noise()),
    "raw.tif": lambda folder: saved(folder, "raw.tif", noise()),
    "lzw.tif": lambda folder: saved(folder, "lzw.tif", noise(), compression="tiff_lzw"),
    "a.bmp": lambda folder: saved(folder, "a.bmp", noise()),
    "a.gif": lambda folder: saved(folder, "a.gif", noise()),
    "a.ppm": lambda folder: saved(folder, "a.ppm", noise()),
    "a.tga": lambda folder: saved(folder, "a.tga", noise()),
    "a.webp": lambda folder: saved(folder, "a.webp", noise()),
    "a.jp2": lambda folder: saved(folder, "a.jp2", noise()),
    "a.avif": lambda folder: saved(folder, "a.avif", noise()),
}


@pytest.mark.parametrize("name", [name for name in SAVERS if Path(name).suffix in PICTURE_SUFFIXES])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9, 0.98])
def test_cut_off_file_is_refused(tmp_path: Path, name: str, share: float) -> None:
    path = SAVERS[name](tmp_path)
    whole = path.read_bytes()
    read_picture(path)

    path.write_bytes(whole[: int(share * len(whole))])

    refusal(path)


@pytest.mark.parametrize("compression", [1, 8])
def test_tiff_with_its_tags_first_is_refused_when_cut_off(tmp_path: Path, compression: int) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    packed = zlib.compress(levels.tobytes()) if compression == 8 else levels.tobytes()
    whole = tiff_bytes(packed, (64, 64), compression=compression)
    path = tmp_path / "a.tif"
    path.write_bytes(whole)
    assert np.array_equal(read_picture(path).pixels, levels)

    path.write_bytes(whole[:-1000])

    assert "cut off" in refusal(path)


def test_any_exception_of_a_decoder_becomes_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, "a.png", Image.fromarray(GRAY))

    for error, words in ((RecursionError("a\nb"), "(a b)"), (MemoryError(), "not enough memory")):

        def failing(self: object, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(ImageFile.ImageFile, "load", failing)
        assert words in refusal(path)


# The limit of pixels


def test_too_many_pixels_are_refused_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, "a.png", Image.fromarray(GRAY))
    assert read_picture(path, max_pixels=12).pixels.shape == (3, 4)

    def never(self: object) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", never)
    message = refusal(path, max_pixels=11)

    assert "4 x 3 = 12 pixels" in message
    assert "--max-pixels" in message


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_limit_of_pillow_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = saved(tmp_path, name, Image.fromarray(GRAY))
    for limit in (1, 11):
        # Pillow refuses above twice its limit and warns above it.
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)

        assert read_picture(path, max_pixels=None).pixels.shape == (3, 4)
        assert limit == Image.MAX_IMAGE_PIXELS


def test_limit_of_pillow_is_put_back_by_the_last_of_many_readers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, "a.png", Image.fromarray(GRAY))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    started = threading.Barrier(4)

    def read_some(_: int) -> None:
        started.wait(30)
        for _ in range(25):
            assert np.array_equal(read_picture(path).pixels, GRAY)
            with pytest.raises(PictureError):
                read_picture(path, max_pixels=1)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(read_some, range(4)))

    assert Image.MAX_IMAGE_PIXELS == 1


def test_suffixes_are_those_of_formats_that_this_build_reads() -> None:
    assert {".jpg", ".jpeg", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".gif", ".pgm"} <= PICTURE_SUFFIXES
    assert (".webp" in PICTURE_SUFFIXES) == features.check("webp")
    # Those of plugins are registered when the first such picture is read.
    plugged = {".heic", ".heif", ".hif", ".jxl"}
    assert all(Image.registered_extensions()[suffix] in Image.OPEN for suffix in PICTURE_SUFFIXES - plugged)


def test_format_is_told_by_content_and_not_by_name(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.jpg", Image.fromarray(GRAY), format="PNG")

    picture = read_picture(path)

    assert picture.format == "PNG"
    assert np.array_equal(picture.pixels, GRAY)
