"""Color and transparency of 16 bits, which Pillow opens but cuts to 8: both bytes of each level."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# How Pillow names what it decodes: channels, and in which order the two bytes of a level lie in memory.
_RAWMODE = re.compile(r"(LA|RGB|RGBA|RGBX|RGBa);16([BLN])")
_NATIVE = "L" if sys.byteorder == "little" else "B"
_PLANAR_TAG = 284
_SEPARATE = 2


class Levels(NamedTuple):
    """Decoded levels, not yet turned upright."""

    pixels: NDArray[Any]
    """(H, W) gray or (H, W, 3) RGB, uint8 or uint16."""
    alpha: NDArray[Any] | None
    """(H, W), not multiplied into the pixels; None without transparency."""


def is_cut(image: Image.Image) -> bool:
    """Whether loading this image, which is open but not loaded, would lose the lower of two bytes."""
    return _rawmode(image) is not None


def read_both_bytes(image: Image.Image, again: Callable[[], Image.Image]) -> Levels:
    """Return all 16 bits of an image of which `is_cut` is true.

    Pillow unpacks two bytes of a level by taking the higher; asked for the other byte order, it takes the lower. So
    the file is decoded twice by Pillow's own decoders. `again`: opens the same image anew.
    """
    found = _rawmode(image)
    if found is None:
        raise ValueError("this image has no more than 8 bits")
    channels, order = found
    key = image.info.get("transparency")
    if channels == "LA":
        # As four channels of 8 bits, gray and alpha give all their bytes at once.
        both = _loaded(image, "RGBA").view(">u2").astype(np.uint16)
        return Levels(both[..., 0], both[..., 1])
    premultiplied = channels == "RGBa"
    # Dividing is left to us, for it needs all bits.
    plain = "RGBA" if premultiplied else channels
    order = _NATIVE if order == "N" else order
    levels = _loaded(image, f"{plain};16{order}").astype(np.uint16)
    levels <<= np.uint16(8)
    levels |= _loaded(again(), f"{plain};16{'B' if order == 'L' else 'L'}")
    rgb = np.ascontiguousarray(levels[..., :3])
    if levels.shape[2] == 4:
        alpha = np.ascontiguousarray(levels[..., 3])
        return Levels(unpremultiply(rgb, alpha) if premultiplied else rgb, alpha)
    if isinstance(key, tuple) and len(key) == 3:
        opaque = (rgb != np.asarray(key, np.uint16)).any(axis=-1)
        return Levels(rgb, opaque * np.uint16(65535))
    return Levels(rgb, None)


def unpremultiply(pixels: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """Return pixels that had been multiplied by their alpha as they were before; where it is 0, black."""
    white = np.iinfo(pixels.dtype).max
    straight = np.empty_like(pixels)
    for y in range(len(pixels)):
        part = alpha[y].astype(np.uint64)[(...,) + (None,) * (pixels.ndim - 2)]
        whole = np.maximum(part, 1)
        straight[y] = np.where(part == 0, 0, np.minimum((pixels[y] * np.uint64(white) + whole // 2) // whole, white))
    return straight


def _rawmode(image: Image.Image) -> tuple[str, str] | None:
    if not isinstance(image, ImageFile.ImageFile) or image.format not in ("PNG", "TIFF"):
        return None
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_PLANAR_TAG) == _SEPARATE:
        return None
    tiles: list[Any] = list(image.tile)
    names = {tile[3] if isinstance(tile[3], str) else tile[3][0] for tile in tiles}
    if len(names) != 1:
        return None
    match = _RAWMODE.fullmatch(names.pop())
    return (match[1], match[2]) if match else None


def _loaded(image: Image.Image, rawmode: str) -> NDArray[np.uint8]:
    assert isinstance(image, ImageFile.ImageFile)
    found: list[Any] = list(image.tile)
    tiles: list[Any] = []
    for tile in found:
        arguments = rawmode if isinstance(tile[3], str) else (rawmode, *tile[3][1:])
        # A plain tuple in Pillow 10, a named one later.
        fields = (*tile[:3], arguments)
        tiles.append(type(tile)(*fields) if hasattr(tile, "_fields") else fields)
    image.tile = tiles
    # A color that means transparent is looked for later, in all 16 bits.
    image.info.pop("transparency", None)
    image.load()
    return np.asarray(image)
