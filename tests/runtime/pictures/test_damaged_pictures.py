"""Bombs, files that are cut off and decoders that fail are refused in one sentence."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from picture_files import GRAY, png_bytes, png_chunk, refusal, saved, tiff_bytes
from PIL import Image, ImageFile

from colorrt.runtime.pictures.reading import PICTURE_SUFFIXES, read_picture

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
