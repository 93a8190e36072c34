"""The size that a picture of a modern format declares, read before its decoder takes the whole file."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

# Where these formats keep what describes the picture.
_HEAD = 1 << 20
_ISPE = re.compile(rb"ispe\0\0\0\0(.{8})", re.DOTALL)
_JXL_CONTAINER = b"\0\0\0\x0cJXL "
_RATIOS = ((1, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def declared_size(stream: BinaryIO, mark: str | None) -> tuple[int, int] | None:
    """Return width and height as the head of a WebP, JPEG XL, HEIF or AVIF file has them, None if that is not found.

    mark: what `colorrt.runtime.pictures.formats.mark_of` says. Of HEIF and AVIF, the largest of its pictures.
    Sources: RFC 9649, 2.5 to 2.7 (WebP); ISO/IEC 18181-1, D.2, and 18181-2, 9 (JPEG XL); ISO/IEC 23008-12, 6.5.3.
    """
    stream.seek(0)
    head = stream.read(_HEAD)
    stream.seek(0)
    try:
        if mark == "WEBP":
            return _webp(head)
        if mark == "JXL":
            codestream = head if head.startswith(b"\xff\x0a") else _codestream(stream)
            return None if codestream is None else _jxl(codestream)
        if mark in ("HEIF", "AVIF"):
            sizes = [struct.unpack(">II", found) for found in _ISPE.findall(head)]
            return max(sizes, key=lambda size: size[0] * size[1], default=None)
    except (struct.error, IndexError):
        return None
    finally:
        stream.seek(0)
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8X":
        return (1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little"))
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 ":
        across, down = struct.unpack_from("<HH", head, 26)
        return (across & 0x3FFF, down & 0x3FFF)
    return None


def _codestream(stream: BinaryIO) -> bytes | None:
    """Return the beginning of the codestream in a container of boxes."""
    place = len(_JXL_CONTAINER) + 4
    # More boxes than this ahead of the picture make no sense.
    for _ in range(1000):
        stream.seek(place)
        header = stream.read(16)
        if len(header) < 8:
            return None
        size, kind = struct.unpack_from(">I4s", header)
        skipped = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", header, 8)
            skipped = 16
        if kind in (b"jxlc", b"jxlp"):
            stream.seek(place + skipped + (4 if kind == b"jxlp" else 0))
            return stream.read(64)
        if size < skipped:
            return None
        place += size
    return None


def _jxl(codestream: bytes) -> tuple[int, int] | None:
    if not codestream.startswith(b"\xff\x0a"):
        return None
    bits = _Bits(codestream[2:32])
    small = bits.take(1)
    height = 8 * (1 + bits.take(5)) if small else 1 + bits.take((9, 13, 18, 30)[bits.take(2)])
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio]
        return (height * across // down, height)
    width = 8 * (1 + bits.take(5)) if small else 1 + bits.take((9, 13, 18, 30)[bits.take(2)])
    return (width, height)


class _Bits:
    """Bits of bytes, the least significant first."""

    def __init__(self, data: bytes) -> None:
        self._rest = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        value = self._rest & (1 << count) - 1
        self._rest >>= count
        return value
