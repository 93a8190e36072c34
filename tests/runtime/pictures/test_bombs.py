"""Files that are small and ask for much: refused with no more time and memory than a picture of their size needs."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_files import png_bytes, refusal, tiff_bytes
from PIL import Image, ImageFile, features

from colorrt.errors import PictureError
from colorrt.runtime.pictures import jpeg_checks
from colorrt.runtime.pictures.declared_size import declared_size
from colorrt.runtime.pictures.formats import mark_of
from colorrt.runtime.pictures.metered import HEADER_BYTES, MeteredStream, ReadTooMuchError
from colorrt.runtime.pictures.reading import open_pages, read_picture
from colorrt.runtime.pictures.tiff_layout import MOST_PAGES, read_layout

LEVELS = np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8)


def encoded(kind: str, levels: Any = LEVELS, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, kind, **options)
    return stream.getvalue()


def peak_of_refusal(path: Path) -> tuple[str, int]:
    """What the refusal says, and the most bytes that Python held at a time."""
    tracemalloc.start()
    try:
        return refusal(path), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def head_of(kind: str) -> bytes:
    """The beginning of a file whose own lengths lead into the zeros that follow."""
    if kind == "png":
        return png_bytes(4, 8, 0, [bytes(4)] * 3)[:33] + struct.pack(">I4s", 1 << 30, b"iTXt")
    if kind == "gif":
        return encoded("GIF")[:13]
    if kind == "webp":
        return b"RIFF" + struct.pack("<I", 1 << 30) + encoded("WEBP")[8:30]
    if kind == "tif":
        # The table of strips lies in the zeros.
        whole = bytearray(tiff_bytes(b"", (4, 3)))
        place = whole.index(struct.pack("<HHI", 273, 4, 1))
        whole[place : place + 12] = struct.pack("<HHII", 273, 4, 250_000_000, 8)
        return bytes(whole)
    if kind == "avif":
        return encoded("AVIF", np.dstack([LEVELS] * 3))[:300]
    if kind == "jpg":
        return encoded("JPEG")[:20]
    return encoded("JPEG")[: encoded("JPEG").index(b"\xff\xda") + 12]


KINDS = [
    "avif" if features.check("avif") else pytest.param("avif", marks=pytest.mark.skip("this Pillow reads no AVIF")),
    *("png", "gif", "webp", "tif", "jpg", "scan.jpg"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_header_and_a_gigabyte_of_zeros_take_little_memory(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes(head_of(kind))
    os.truncate(path, 1 << 30)

    _, peak = peak_of_refusal(path)

    assert peak < 2 * HEADER_BYTES


def test_metered_stream_ends_readers_that_go_byte_by_byte() -> None:
    stream = MeteredStream(io.BytesIO(bytes(4 << 20)))
    with pytest.raises(ReadTooMuchError):
        all(len(stream.read(1)) for _ in range(4 << 20))
    assert stream.tell() < 2 << 20


def test_metered_stream_gives_a_picture_what_it_needs() -> None:
    data = np.random.default_rng(0).bytes(1000)
    stream = MeteredStream(io.BytesIO(data))
    stream.allow(1 << 20)
    assert stream.read() == data
    assert stream.read(5) == b""
    stream.seek(10)
    assert stream.read(3) == data[10:13]
    stream.hidden = {11: b"??"}
    stream.seek(8)
    assert stream.read(6) == data[8:11] + b"??" + data[13:14]
    stream.seek(12)
    assert stream.read(2) == b"?" + data[13:14]


def test_fill_bytes_of_a_jpeg_are_not_gone_over_one_by_one(tmp_path: Path) -> None:
    whole = encoded("JPEG")
    path = tmp_path / "a.jpg"
    path.write_bytes(whole[:20] + b"\xff" * (20 << 20) + whole[20:])
    assert "fill bytes, as in a bomb" in refusal(path)

    path.write_bytes(whole[:20] + b"\xff" * 999 + whole[20:])
    assert np.array_equal(read_picture(path).pixels, np.asarray(Image.open(io.BytesIO(whole))))


def test_jpeg_of_a_thousand_scans_is_refused_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encoded("JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    path = tmp_path / "a.jpg"
    path.write_bytes(whole[:-2] + whole[last:-2] * 1000 + whole[-2:])

    def never(*_: object, **__: object) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", never)
    monkeypatch.setattr(jpeg_checks.simplejpeg, "decode_jpeg", never)

    assert "more than 100 scans, as in a bomb" in refusal(path)


def test_jpeg_with_a_film_behind_it_is_read_to_its_own_end(tmp_path: Path) -> None:
    from colorrt.runtime.jpeg.still import read_bytes

    whole = encoded("JPEG")
    path = tmp_path / "a.jpg"
    path.write_bytes(whole + b"\0\0\0\x18ftypmp42" + bytes(5 << 20))

    assert read_bytes(path) == whole
    assert read_picture(path).pixels.shape == LEVELS.shape


def deflate_bomb(size: tuple[int, int], claimed: int) -> bytes:
    """A planar TIFF of 16 bits whose strips unpack to far more than its pixels."""
    packer = zlib.compressobj(9)
    packed = b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(claimed >> 20)), packer.flush()])
    bits, places, counts = 8, 8 + 6, 8 + 6 + 12
    body = struct.pack("<3H3I3I", 16, 16, 16, *[8 + 6 + 24] * 3, *[len(packed)] * 3) + packed
    tags = [
        *((256, 4, 1, size[0]), (257, 4, 1, size[1]), (258, 3, 3, bits), (259, 3, 1, 8), (262, 3, 1, 2)),
        *((273, 4, 3, places), (277, 3, 1, 3), (278, 4, 1, size[1]), (279, 4, 3, counts), (284, 3, 1, 2)),
    ]
    folder = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + folder


def test_strips_are_unpacked_no_further_than_their_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(deflate_bomb((64, 64), 512 << 20))
    tracemalloc.start()

    pixels = read_picture(path).pixels

    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
    assert pixels.shape == (64, 64, 3)
    assert not pixels.any()


def pages_sharing_a_strip(count: int, size: tuple[int, int], strip: bytes) -> bytes:
    data = b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip
    for number in range(count):
        tags = {256: size[0], 257: size[1], 258: 8, 259: 8, 262: 1, 273: 8, 277: 1, 278: size[1], 279: len(strip)}
        folder = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in tags)
        data += folder + struct.pack("<I", 0 if number == count - 1 else len(data) + len(folder) + 4)
    return data


def test_pages_that_share_their_pixels_are_refused_beyond_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(pages_sharing_a_strip(40, (100, 100), zlib.compress(bytes(10_000))))
    with open_pages(path, max_pixels=400_000) as pages:
        assert len(pages) == 40

    assert "share what they are stored in, as in a bomb" in refusal(path, max_pixels=100_000)


def test_pages_of_their_own_are_read_though_all_are_beyond_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pages = [Image.fromarray(LEVELS + np.uint8(k)) for k in range(3)]
    pages[0].save(path, save_all=True, append_images=pages[1:], compression="tiff_lzw")

    with open_pages(path, max_pixels=LEVELS.size) as opened:
        assert [int(opened.read(k).pixels[0, 0]) for k in range(3)] == [
            int(LEVELS[0, 0] + np.uint8(k)) for k in range(3)
        ]


def test_tiff_of_very_many_pages_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    empty = b"".join(struct.pack("<HI", 0, 8 + 6 * (k + 1)) for k in range(MOST_PAGES + 1))
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + empty)

    assert "more than 10,000 pages" in refusal(path)


def test_large_private_tags_cost_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    layers = 40 << 20
    info = {37724: bytes(layers)}
    Image.fromarray(LEVELS).save(path, tiffinfo=info)
    assert path.stat().st_size > layers
    with path.open("rb") as stream:
        assert len(read_layout(stream).hidden) == 1
    tracemalloc.start()

    pixels = read_picture(path).pixels

    assert tracemalloc.get_traced_memory()[1] < layers // 4
    tracemalloc.stop()
    assert np.array_equal(pixels, LEVELS)


def modern(kind: str, size: tuple[int, int], **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (90, 120, 30)).save(stream, kind, **options)
    return stream.getvalue()


SIZES = [(1, 1), (37, 21), (256, 64), (64, 64), (300, 200), (513, 1), (8, 2000)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["WEBP lossy", "WEBP lossless", "WEBP extended", "AVIF", "JXL", "HEIF"])
def test_declared_size_is_that_of_the_picture(kind: str, size: tuple[int, int]) -> None:
    name, _, way = kind.partition(" ")
    if name == "JXL":
        pytest.importorskip("pillow_jxl")
    if name == "HEIF":
        pytest.skip("nothing here writes HEIF")
    if name == "AVIF" and (not features.check("avif")):
        pytest.skip("this Pillow writes no AVIF")
    options: dict[str, Any] = {"lossless": True} if way == "lossless" else {}
    if way == "extended":
        options["icc_profile"] = bytes(200)
    stream = io.BytesIO(modern(name, size, **options))

    assert declared_size(stream, mark_of(stream)) == size
    assert stream.tell() == 0


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "JXL"])
def test_modern_formats_are_refused_before_their_decoder_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "JXL":
        pytest.importorskip("pillow_jxl")
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(modern(kind, (300, 200)))

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a decoder was started")

    monkeypatch.setattr(Image, "open", never)

    assert "300 x 200 = 60,000 pixels are more than the limit" in refusal(path, max_pixels=59_999)


@pytest.mark.parametrize("data", [b"", b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), b"RIFF\0\0\0\0WEBPVP8 "])
def test_declared_size_of_a_stump_is_unknown(data: bytes) -> None:
    for mark in ("WEBP", "JXL", "AVIF", "HEIF", None):
        found = declared_size(io.BytesIO(data), mark)
        assert found is None or found[0] * found[1] >= 0


def test_page_without_width_is_refused_and_has_no_levels(tmp_path: Path) -> None:
    body = struct.pack("<HHH", 16, 16, 16) + bytes(18)
    tags = {257: 4, 258: 8, 259: 1, 262: 2, 273: 16, 277: 3, 278: 4, 279: 16, 284: 2}
    folder = struct.pack("<H", len(tags))
    for tag, value in tags.items():
        folder += struct.pack("<HHII", tag, 4 if tag in (257, 273, 278, 279) else 3, 3 if tag == 258 else 1, value)
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(body)) + body + folder + bytes(4))

    assert "it has no pixels (0 x 4)" in refusal(path)
    with open_pages(path) as pages, pytest.raises(PictureError, match="it has no pixels"):
        pages.read(0)
