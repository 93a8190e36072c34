"""TIFF and PNG of 16 bits, written band by band, are what another decoder reads."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from colorrt.runtime.paint import Paint
from colorrt.runtime.pictures import colored as bands_module
from colorrt.runtime.pictures import tiff_writing as tiff_module
from colorrt.runtime.pictures.colored import Colored
from colorrt.runtime.pictures.reading import Picture, read_picture
from colorrt.runtime.pictures.tiff_writing import TiffPages
from colorrt.runtime.pictures.writing import write_picture

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

GENERATOR = np.random.default_rng(0)
RGB = GENERATOR.integers(0, 65536, (61, 43, 3)).astype(np.uint16)
ALPHA = GENERATOR.integers(0, 65536, (61, 43)).astype(np.uint16)
PAINT = Paint(GENERATOR.normal(0, 0.2, (2, 16, 16)).astype(np.float32), 1.0, GENERATOR.random((16, 16), np.float32))


@pytest.fixture(params=[1, 2000, 1 << 24], ids=["row by row", "in bands", "at once"])
def band(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands of any height."""
    monkeypatch.setattr(bands_module, "_BAND", request.param)


def decoded_png(data: bytes) -> NDArray[np.uint16]:
    """Decode a PNG of filters none, Sub and Up by definition, checking every CRC."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    place, packed, names = 8, b"", []
    while place < len(data):
        (size,) = struct.unpack_from(">I", data, place)
        name, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + size]
        assert struct.unpack_from(">I", data, place + 8 + size) == (zlib.crc32(name + body),)
        if name == b"IHDR":
            width, height, depth, kind, *rest = struct.unpack(">IIBBBBB", body)
            assert (depth, rest) == (16, [0, 0, 0])
        packed += body if name == b"IDAT" else b""
        names.append(name)
        place += 12 + size
    assert names[0], names[-1] == (b"IHDR", b"IEND")
    pixel = 2 * {2: 3, 6: 4}[kind]
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + pixel * width).astype(np.uint8)
    out = np.zeros((height + 1, pixel * width), np.uint8)
    for y, row in enumerate(rows):
        assert row[0] in (1, 2)
        if row[0] == 2:
            out[y + 1] = row[1:] + out[y]
        else:
            out[y + 1] = np.add.accumulate(row[1:].reshape(-1, pixel), axis=0, dtype=np.uint8).ravel()
    return out[1:].reshape(height, width, pixel).view(">u2").astype(np.uint16)


@pytest.mark.usefixtures("band")
@pytest.mark.parametrize("alpha", [None, ALPHA], ids=["opaque", "alpha"])
def test_deep_png_is_exact(tmp_path: Path, alpha: NDArray[Any] | None) -> None:
    path = tmp_path / "a.png"
    write_picture(path, RGB, Picture(RGB[..., 0], alpha=alpha))
    expected = RGB if alpha is None else np.dstack([RGB, alpha])
    assert np.array_equal(decoded_png(path.read_bytes()), expected)
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), expected >> 8)


@pytest.mark.usefixtures("band")
@pytest.mark.parametrize("alpha", [None, ALPHA], ids=["opaque", "alpha"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("strip", [1, 1 << 20])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_is_exact_for_both_decoders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alpha: Any, compressed: bool, strip: int, dtype: type[Any]
) -> None:
    monkeypatch.setattr(tiff_module, "_STRIP", strip)
    path = tmp_path / "a.tif"
    rgb = RGB.astype(dtype)
    write_picture(path, rgb, Picture(rgb[..., 0], alpha=alpha, compressed=compressed))
    scaled = alpha if alpha is None or dtype is np.uint16 else (alpha * 255.0 / 65535 + 0.49999).astype(np.uint8)
    assert np.array_equal(tifffile.imread(path), rgb if alpha is None else np.dstack([rgb, scaled]))
    again = read_picture(path)
    assert np.array_equal(again.pixels, rgb)
    assert again.compressed == compressed


@pytest.mark.usefixtures("band")
@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.bmp"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_picture_rendered_in_bands_is_the_picture_rendered_whole(tmp_path: Path, name: str, dtype: type[Any]) -> None:
    luma = RGB[..., 0].astype(dtype)
    write_picture(tmp_path / name, Colored(luma, PAINT), Picture(luma))
    write_picture(tmp_path / f"whole-{name}", PAINT.rgb(luma), Picture(luma))
    assert np.array_equal(read_picture(tmp_path / name).pixels, read_picture(tmp_path / f"whole-{name}").pixels)


@pytest.mark.parametrize("size", [0, 1 << 32])
def test_big_tiff_carries_what_a_small_one_does(tmp_path: Path, size: int) -> None:
    tags = Image.Exif()
    tags[0x010F] = "Maker Größe".encode()
    tags[0x8769] = {0x9003: "1936:02:01 00:00:00", 0x829A: (1, 250)}
    tags[0x8825] = {1: "N", 2: (54.0, 10.0, 5.5)}
    path = tmp_path / "a.tif"
    picture = Picture(RGB[..., 0], exif=tags.tobytes(), dpi=(300.0, 600.0), xmp=b"<x:xmpmeta/>", iptc=b"\x1c\x02\0\0\0")
    with TiffPages(path, size) as file:
        file.add(RGB, picture)
        file.add(RGB[:7], picture)
    assert path.read_bytes()[2] == (42 if size == 0 else 43)
    with Image.open(path) as image:
        for frame in range(2):
            image.seek(frame)
            exif = image.getexif()
            assert exif.get_ifd(0x8769)[0x9003] == "1936:02:01 00:00:00"
            assert exif.get_ifd(0x8825)[2] == (54.0, 10.0, 5.5)
            assert image.info["dpi"] == (300, 600)
    again = read_picture(path)
    assert np.array_equal(again.pixels, RGB)
    assert again.exif is not None
    assert "Maker Größe".encode() in again.exif
    assert (again.xmp, again.iptc) == (picture.xmp, picture.iptc)
