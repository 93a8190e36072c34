"""The levels of a decoded picture: what each of Pillow's modes becomes, and which way is up."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, TiffImagePlugin

_BITS_TAG = 258
_PHOTOMETRIC_TAG = 262
_SAMPLE_FORMAT_TAG = 339
_WHITE_IS_ZERO = 0
_UNSIGNED = (1,)

# Pixels that are copied at a time.
_BAND = 1 << 22


def read_levels(image: Image.Image) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return pixels and alpha of a loaded image, not yet turned upright.

    Pixels: (H, W) uint8 or uint16 of a gray picture, else (H, W, 3) uint8. Alpha: (H, W), or None without transparency.
    `colorrt.runtime.pictures.reading.read_picture` tells what each mode becomes.
    """
    if image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16"):
        gray = _gray_levels(image)
        return gray, _keyed(gray, image)
    if image.mode in ("LA", "La"):
        straight = _converted(image, "LA")
        return np.asarray(straight.getchannel("L")), np.asarray(straight.getchannel("A"))
    if image.mode == "CMYK":
        image = _by_profile(image)
    indexed = image.mode in ("P", "PA")
    alpha = None
    if image.has_transparency_data:
        image = _converted(image, "RGBA")
        alpha = np.asarray(image.getchannel("A"))
    rgb = np.asarray(_converted(image, "RGB"))
    if indexed and (rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all():
        return rgb[..., 0], alpha
    return rgb, alpha


def _by_profile(image: Image.Image) -> Image.Image:
    """Convert inks to sRGB as their ICC profile says; return the image itself if it has none that works."""
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or profile[16:20] != b"CMYK":
        return image
    try:
        inks = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, inks, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return image if converted is None else converted


def _gray_levels(image: Image.Image) -> NDArray[Any]:
    if image.mode == "I":
        return _from_integers(image)
    if image.mode == "F":
        return _from_floats(image)
    if image.mode in ("1", "L"):
        return _array(_converted(image, "L"), np.uint8)
    return _sixteen_bits(image)


def _converted(image: Image.Image, mode: str) -> Image.Image:
    # Pillow's convert copies even where there is nothing to convert.
    return image if image.mode == mode else image.convert(mode)


def _keyed(gray: NDArray[Any], image: Image.Image) -> NDArray[Any] | None:
    """Return the alpha of a gray picture in which one level means transparent, None for others."""
    key = image.info.get("transparency")
    if not isinstance(key, int):
        return None
    if image.mode == "1":
        # Pillow 10 tells the level as 0 or 1, later ones as 0 or 255.
        key = 255 * bool(key)
    white = np.iinfo(gray.dtype).max
    return np.where(gray == key, 0, white).astype(gray.dtype)


def _sixteen_bits(image: Image.Image) -> NDArray[np.uint16]:
    levels = _array(image, np.uint16)
    if _tag(image, _BITS_TAG) == (12,):
        levels = levels << np.uint16(4) | levels >> np.uint16(8)
    # Pillow turns negatives round at 8 bits, not at 16.
    return ~levels if _tag(image, _PHOTOMETRIC_TAG) == _WHITE_IS_ZERO else levels


def _array(image: Image.Image, dtype: type[np.uint8] | type[np.uint16]) -> NDArray[Any]:
    """Return the levels of a gray image, copied band by band: asked for all at once, Pillow holds them twice more."""
    levels = np.empty((image.height, image.width), dtype)
    rows = max(1, _BAND // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        levels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return levels


def _from_integers(image: Image.Image) -> NDArray[Any]:
    values = np.asarray(image)
    if _tag(image, _BITS_TAG) == (32,) and _tag(image, _SAMPLE_FORMAT_TAG, _UNSIGNED) == _UNSIGNED:
        values = values.view(np.uint32)
    largest = int(values.max())
    if largest > 65535:
        return np.rint(values.clip(0) * (65535 / largest)).astype(np.uint16)
    if largest <= 255 and isinstance(image, TiffImagePlugin.TiffImageFile):
        return values.clip(0).astype(np.uint8)
    return values.clip(0).astype(np.uint16)


def _from_floats(image: Image.Image) -> NDArray[np.uint16]:
    values = np.asarray(image)
    largest = float(values.max(initial=0, where=np.isfinite(values)))
    # Sharpening and resampling overshoot white a little, never to twice of it.
    white = next((white for white in (1.0, 255.0, 65535.0) if largest < 2 * white), largest)
    levels = np.nan_to_num(values / np.float32(white), nan=0.0).clip(0, 1)
    if _tag(image, _PHOTOMETRIC_TAG) == _WHITE_IS_ZERO:
        levels = 1 - levels
    return np.rint(levels * np.float32(65535)).astype(np.uint16)


def _tag(image: Image.Image, tag: int, default: object = None) -> object:
    return image.tag_v2.get(tag, default) if isinstance(image, TiffImagePlugin.TiffImageFile) else None


def upright(levels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Apply an EXIF orientation, 1 to 8: rows and columns swapped from 5 on, then mirrored. C-contiguous."""
    if orientation >= 5:
        levels = levels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        levels = levels[::-1]
    if orientation in (2, 3, 6, 7):
        levels = levels[:, ::-1]
    return np.ascontiguousarray(levels)
