"""PNG files of 16 bits in color, which Pillow does not write."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from colorrt.runtime.pictures.colored import Colored, bands_of, with_alpha

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from colorrt.runtime.pictures.picture import Picture

_RGB, _RGBA = 2, 6
_SUB, _UP = 1, 2
_METERS_PER_INCH = 0.0254
_XMP_KEYWORD = b"XML:com.adobe.xmp"


def write_deep_png(stream: BinaryIO, rgb: NDArray[Any] | Colored, picture: Picture, level: int) -> None:
    """Write a PNG of 16 bits per channel.

    `rgb`: (H, W, 3) uint16. `picture`: the source; its alpha, icc_profile, dpi, exif and xmp are written. `level`: of
    zlib, 0..9. Each row is filtered by Sub or Up, whichever leaves the smaller sum of differences.
    Source: W3C, Portable Network Graphics (Third Edition).
    """
    height, width = rgb.shape[:2]
    stream.write(b"\x89PNG\r\n\x1a\n")
    kind = _RGB if picture.alpha is None else _RGBA
    _chunk(stream, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
    if picture.icc_profile is not None:
        _chunk(stream, b"iCCP", b"ICC Profile\0\0" + zlib.compress(picture.icc_profile))
    if picture.dpi is not None:
        across, down = (int(dpi / _METERS_PER_INCH + 0.5) for dpi in picture.dpi)
        _chunk(stream, b"pHYs", struct.pack(">IIB", across, down, 1))
    if picture.exif is not None:
        _chunk(stream, b"eXIf", picture.exif.removeprefix(b"Exif\0\0"))
    if picture.xmp is not None:
        _chunk(stream, b"iTXt", _XMP_KEYWORD + bytes(5) + picture.xmp)
    packer = zlib.compressobj(level)
    above: NDArray[np.uint8] | None = None
    for top, band in bands_of(rgb):
        rows = with_alpha(band, picture.alpha, top).astype(">u2").view(np.uint8).reshape(len(band), -1)
        _chunk(stream, b"IDAT", packer.compress(_filtered(rows, above, 2 * (3 if kind == _RGB else 4)).data))
        above = rows[-1].copy()
    _chunk(stream, b"IDAT", packer.flush())
    _chunk(stream, b"IEND", b"")


def _filtered(rows: NDArray[np.uint8], above: NDArray[np.uint8] | None, pixel: int) -> NDArray[np.uint8]:
    """Return rows, each behind the number of its filter. `above`: the row before the first. `pixel`: its bytes."""
    sub = rows.copy()
    sub[:, pixel:] -= rows[:, :-pixel]
    up = rows.copy()
    up[1:] -= rows[:-1]
    if above is not None:
        up[0] -= above
    filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    for y in range(len(rows)):
        is_up = _size(up[y]) < _size(sub[y])
        filtered[y, 0] = _UP if is_up else _SUB
        filtered[y, 1:] = up[y] if is_up else sub[y]
    return filtered


def _size(differences: NDArray[np.uint8]) -> int:
    # Of -128, the one number without a positive twin, 128 is left, as unsigned.
    return int(np.abs(differences.view(np.int8)).view(np.uint8).sum(dtype=np.int64))


def _chunk(stream: BinaryIO, name: bytes, data: bytes) -> None:
    if name == b"IDAT" and not data:
        return
    stream.write(struct.pack(">I", len(data)))
    stream.write(name)
    stream.write(data)
    stream.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(name))))
