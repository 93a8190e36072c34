"""Bombs, files that are cut off and decoders that fail are refused in one sentence."""

from __future__ import annotations

import io
import logging
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from picture_files import GRAY, assert_sentence, png_bytes, png_chunk, refusal, saved, tiff_bytes
from PIL import Image, ImageFile
from tifffile import TiffFile

from colorrt.errors import PictureError
from colorrt.runtime.pictures.reading import PICTURE_SUFFIXES, read_picture
from colorrt.runtime.stills import open_still

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("name", [b"iTXt", b"zTXt", b"iCCP"])
def test_text_that_unpacks_to_a_bomb_is_refused(tmp_path: Path, name: bytes) -> None:
    packed = zlib.compress(bytes(8_000_000), 1)
    body = {b"iTXt": b"a\0\1\0\0\0", b"zTXt": b"a\0\0", b"iCCP": b"a\0\0"}[name] + packed
    whole = png_bytes(4, 8, 0, [bytes(4)] * 3)
    place = whole.index(b"IDAT") - 4
    path = tmp_path / "a.png"
    path.write_bytes(whole[:place] + png_chunk(name, body) + whole[place:])

    assert "like a bomb; save it again without metadata" in refusal(path)


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


def photograph(**options: Any) -> bytes:
    """A JPEG of 800 x 600, mostly smooth, as photographs are."""
    rng = np.random.default_rng(0)
    levels = np.add.outer(np.arange(600), np.arange(800)) // 6 + rng.normal(0, 8, (600, 800))
    stream = io.BytesIO()
    Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=90, **options)
    return stream.getvalue()


def half_with_its_end(whole: bytes) -> bytes:
    return whole[: len(whole) // 2] + b"\xff\xd9"


def with_a_hole(whole: bytes) -> bytes:
    place = len(whole) // 5
    return whole[:place] + bytes(5000) + whole[place + 5000 :]


@pytest.mark.parametrize("damage", [half_with_its_end, with_a_hole])
@pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 1}, {"progressive": True}], ids=str)
@pytest.mark.parametrize("target", ["a-color.jpg", "a-color.png"])
def test_jpeg_that_would_be_gray_in_part_is_refused(
    tmp_path: Path, damage: Callable[[bytes], bytes], options: dict[str, Any], target: str
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(photograph(**options))
    open_still(path, tmp_path / target)

    path.write_bytes(damage(photograph(**options)))

    with pytest.raises(PictureError, match=r"damaged or cut off \(Corrupt JPEG data") as caught:
        open_still(path, tmp_path / target)
    assert_sentence(caught.value, path)
    assert "Corrupt JPEG data" in refusal(path)


@pytest.mark.parametrize("padding", [b"\0", b"\0" * 50, b"abc"])
def test_padding_in_front_of_the_end_of_a_jpeg_is_no_damage(tmp_path: Path, padding: bytes) -> None:
    whole = photograph()
    path = tmp_path / "a.jpg"
    path.write_bytes(whole)
    levels = read_picture(path).pixels

    path.write_bytes(whole[:-2] + padding + whole[-2:])

    assert np.array_equal(read_picture(path).pixels, levels)
    still = open_still(path, tmp_path / "a-color.jpg")
    assert np.array_equal(still.luma, levels)


def test_inks_are_checked_too(tmp_path: Path) -> None:
    stream = io.BytesIO()
    noise(256).convert("CMYK").save(stream, "JPEG")
    path = tmp_path / "a.jpg"
    path.write_bytes(stream.getvalue())
    read_picture(path)

    path.write_bytes(half_with_its_end(stream.getvalue()))

    assert "premature end" in refusal(path)


def test_tifffile_says_nothing_of_its_own(tmp_path: Path) -> None:
    whole = bytearray(tiff_bytes(bytes(96), (4, 3), bits=16, photometric=42303))
    # A type that there is not.
    place = whole.index(struct.pack("<HHI", 278, 4, 1))
    whole[place + 2 : place + 4] = struct.pack("<H", 1025)
    path = tmp_path / "a.tif"
    path.write_bytes(whole)
    logger = logging.getLogger("tifffile")
    heard: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]  # a handler of its own is longer
    logger.addHandler(handler)
    try:
        refusal(path)
        assert heard == []
        with pytest.raises(ValueError, match="not a TIFF"):
            TiffFile(io.BytesIO(b"no TIFF at all"))
        logger.warning("what others read")
        assert heard == ["what others read"]
    finally:
        logger.removeHandler(handler)


def test_reason_of_several_kilobytes_is_cut_to_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, "a.png", Image.fromarray(GRAY))

    def failing(self: object) -> None:
        raise ValueError("a table of numbers: " + "\n".join(map(str, range(3000))) + "\x1b[31m")

    monkeypatch.setattr(ImageFile.ImageFile, "load", failing)
    message = refusal(path)

    assert len(message) < len(str(path)) + 300
    assert "a table of numbers: 0 1 2" in message


def test_tiff_of_an_unknown_color_has_a_short_reason(tmp_path: Path) -> None:
    whole = bytearray(tiff_bytes(bytes(4096), (4, 3), bits=64))
    # Photometric: a thousand numbers instead of one.
    place = whole.index(struct.pack("<HHI", 262, 3, 1))
    whole[place : place + 12] = struct.pack("<HHII", 262, 3, 1000, 140)
    path = tmp_path / "a.tif"
    path.write_bytes(whole)

    message = refusal(path)
    assert "photometric (" in message
    assert len(message) < len(str(path)) + 300
