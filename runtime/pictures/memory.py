"""How much memory a picture takes from its decoding to its written copy, by format and mode.

Measured with `python -m studies memory` (Linux, Pillow 12): the peak of the process beyond what it held before. The
tables are the figures at 17 megapixels, rounded up; at 1 to 10 megapixels up to 25 MB come on top, which are `BANDS`.
What takes most is in some formats the decoder, in others the encoder of the copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from colorrt.runtime.pictures.sixteen_bits import is_cut

if TYPE_CHECKING:
    from PIL import Image

JPEG_PLANES = 2.5
"""Bytes a pixel of a JPEG that goes to JPEG without RGB, beside its coded bytes."""
COPIES_OF_CODED = 2
"""How often these are in memory at a time: as read and taken apart, or taken apart and put together."""
LOSSLESS = 10.0
"""Bytes a pixel of a JPEG whose coefficients are kept; those of a color JPEG are all in memory. Not measured."""

BANDS = 25_200_000
"""Bytes of a picture of any size: rows that are rendered and encoded at a time."""

_GRAY, _GRAY_ALPHA, _RGB, _RGBA, _OTHER = "L", "LA", "RGB", "RGBA", "other"
# JPEG, PNG, TIFF, BMP, GIF, PPM and TGA. Other: inks, palettes, and color that is converted to RGB.
_PLAIN = {_GRAY: 8.0, _GRAY_ALPHA: 9.0, _RGB: 10.5, _RGBA: 15.5, _OTHER: 15.5}
_DEEP = {_GRAY: 8.0, _GRAY_ALPHA: 13.5, _RGB: 20.5, _RGBA: 24.5, _OTHER: 24.5}
_HEAVY = {
    "WEBP": {_RGB: 18.5, _OTHER: 51.0},
    "JPEG2000": {_GRAY: 47.0, _RGB: 47.0, _OTHER: 62.0},
    "AVIF": {_RGB: 38.0, _OTHER: 43.0},
    "JXL": {_GRAY: 9.0, _RGB: 13.5, _OTHER: 20.0},
    # Not measured: no encoder of it was at hand. Read as AVIF is, and written as PNG.
    "HEIF": {_OTHER: 38.0},
}
_GROUP_OF = {"1": _GRAY, "L": _GRAY, "I": _GRAY, "F": _GRAY, "LA": _GRAY_ALPHA, "La": _GRAY_ALPHA, "RGB": _RGB}


def bytes_per_pixel(image: Image.Image | None, pixels: int) -> float:
    """Return what each of its pixels takes at most at a time of an image, open and not loaded, until it is written.

    None: a page of a TIFF that Pillow does not read. pixels: how many there are; of few, each has more of `BANDS`.
    """
    return _levels_of(image) + BANDS / max(1, pixels)


def _levels_of(image: Image.Image | None) -> float:
    if image is None:
        return _DEEP[_OTHER]
    group = _group_of(image)
    heavy = _HEAVY.get(image.format or "")
    if heavy is not None:
        return heavy.get(group, heavy[_OTHER])
    return (_DEEP if is_cut(image) else _PLAIN)[group]


def _group_of(image: Image.Image) -> str:
    if image.mode == "RGBA" or "transparency" in image.info:
        # A level or an entry that means transparent becomes a channel.
        return _RGBA
    return _GRAY if image.mode.startswith("I;16") else _GROUP_OF.get(image.mode, _OTHER)
