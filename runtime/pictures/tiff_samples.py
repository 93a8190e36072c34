"""The samples of a TIFF page, decoded strip by strip or tile by tile into no more memory than they take."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tifffile import TiffPage

_UNCOMPRESSED, _PACKBITS = 1, 32773
_DEFLATE = frozenset({8, 32946})
_NO_PREDICTOR, _HORIZONTAL = 1, 2
_MSB_FIRST = 1

COMPRESSIONS = frozenset({_UNCOMPRESSED, _PACKBITS}) | _DEFLATE
"""What `read_samples` decodes, as the tag Compression has it."""


def can_read(page: TiffPage) -> bool:
    """Whether `read_samples` decodes this page."""
    return (
        int(page.compression) in COMPRESSIONS
        and int(page.predictor) in (_NO_PREDICTOR, _HORIZONTAL)
        and int(page.fillorder) == _MSB_FIRST
    )


def read_samples(stream: BinaryIO, page: TiffPage) -> NDArray[Any]:
    """Return the samples (H, W, channels) of a page, in its dtype and this machine's byte order.

    page: of 8 or 16 bits, with `can_read`. Raises ValueError when its tables or its data are damaged.
    Source: TIFF 6.0, sections 3, 9 (PackBits), 14 (predictor), 15 (tiles); TIFF Technical Note for Adobe Photoshop 2002
    (deflate).
    """
    height, width, channels = page.imagelength, page.imagewidth, page.samplesperpixel
    apart = int(page.planarconfig) == 2 and channels > 1
    down, across = (page.tilelength, page.tilewidth) if page.is_tiled else (min(page.rowsperstrip, height), width)
    if down < 1 or across < 1:
        raise ValueError("its strips or tiles have no pixels")
    tops, lefts = range(0, height, down), range(0, width, across)
    planes = range(channels) if apart else range(1)
    deep = 1 if apart else channels
    count = len(planes) * len(tops) * len(lefts)
    if len(page.dataoffsets) < count or len(page.databytecounts) < count:
        raise ValueError(f"it has {len(page.dataoffsets)} strips or tiles, and needs {count}")
    dtype = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
    samples = np.empty((height, width, channels), dtype.newbyteorder("="))
    places = ((plane, top, left) for plane in planes for top in tops for left in lefts)
    for index, (plane, top, left) in enumerate(places):
        rows = down if page.is_tiled else min(down, height - top)
        size = rows * across * deep * dtype.itemsize
        data = _decoded(stream, page.dataoffsets[index], page.databytecounts[index], size, int(page.compression))
        if len(data) < size:
            raise ValueError(f"strip or tile {index + 1} of {count} ends early")
        block = np.frombuffer(data, dtype, rows * across * deep).reshape(rows, across, deep).astype(samples.dtype)
        if int(page.predictor) == _HORIZONTAL:
            # Numbers wrap, as TIFF asks.
            np.cumsum(block, axis=1, dtype=block.dtype, out=block)
        shown = block[: height - top, : width - left]
        channel = slice(plane, plane + 1) if apart else slice(None)
        samples[top : top + down, left : left + across, channel] = shown
    return samples


def _decoded(stream: BinaryIO, place: int, length: int, size: int, compression: int) -> bytes:
    """Return at most `size` bytes of what `length` bytes at `place` stand for."""
    if length == 0:
        return bytes(size) if place == 0 else b""
    stream.seek(place)
    if compression == _UNCOMPRESSED:
        return stream.read(min(length, size))
    # No compression makes data longer by more than this.
    packed = stream.read(min(length, size + size // 8 + 4096))
    if compression == _PACKBITS:
        return _unpack_bits(packed, size)
    return zlib.decompressobj().decompress(packed, size)


def _unpack_bits(packed: bytes, size: int) -> bytes:
    unpacked = bytearray()
    place = 0
    while place < len(packed) and len(unpacked) < size:
        head = packed[place]
        if head < 128:
            unpacked += packed[place + 1 : place + 2 + head]
            place += 2 + head
        elif head > 128:
            unpacked += packed[place + 1 : place + 2] * (257 - head)
            place += 2
        else:
            place += 1
    return bytes(unpacked[:size])
