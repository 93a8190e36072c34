"""Pictures of every kind that a program may hold, as levels: paths, encoded bytes, Pillow's images, arrays."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorrt.errors import UsageError
from colorrt.runtime.pictures.guards import picture_errors, pillow_limit_lifted
from colorrt.runtime.pictures.levels import read_levels, upright
from colorrt.runtime.pictures.memory import bytes_per_pixel
from colorrt.runtime.pictures.metadata import read_metadata
from colorrt.runtime.pictures.reading import DEFAULT_MAX_PIXELS, Pages, open_pages

PictureLike: TypeAlias = str | Path | bytes | Image.Image | NDArray[Any]
"""What `Colorizer.colorize` takes."""

_IN_MEMORY = Path("picture in memory")


def levels_of(picture: PictureLike, reserve: Callable[..., None] | None = None) -> NDArray[Any]:
    """Return the levels of a picture: (H, W) or (H, W, 3), uint8 or uint16, upright; of several pages the first.

    picture: a path; the bytes of a file of any format that `read_picture` reads; an image of Pillow, turned upright if
    its EXIF says how; or an array, of which floats (0..1) are spread to 16 bits, to the nearest level. Other arrays are
    returned as they are. reserve: called with the number of pixels before they are decoded, `each`: the bytes that one
    takes.

    Raises PictureError for what cannot be read or has more than 150 million pixels, UsageError for floats that are NaN
    or outside 0..1.
    """
    if isinstance(picture, str | Path):
        with open_pages(Path(picture), DEFAULT_MAX_PIXELS) as pages:
            return _first(pages, reserve)
    if isinstance(picture, bytes):
        with picture_errors(_IN_MEMORY):
            if not picture:
                raise ValueError("it has 0 bytes")
            with pillow_limit_lifted:
                pages = Pages(io.BytesIO(picture), _IN_MEMORY, DEFAULT_MAX_PIXELS)
            return _first(pages, reserve)
    if isinstance(picture, Image.Image):
        if reserve is not None:
            reserve(picture.width * picture.height, each=bytes_per_pixel(picture, picture.width * picture.height))
        with picture_errors(_IN_MEMORY), pillow_limit_lifted:
            picture.load()
            levels, _ = read_levels(picture)
            return upright(levels, read_metadata(picture, gray=levels.ndim == 2)[1])
    if reserve is not None:
        # Levels, luma and the rendered picture, of which floats are made in the end.
        reserve(int(np.prod(np.shape(picture)[:2])), each=10.0 * picture.dtype.itemsize)
    return from_floats(picture) if is_float(picture) else picture


def is_float(picture: object) -> bool:
    """Whether this is an array of floats."""
    return isinstance(picture, np.ndarray) and np.issubdtype(picture.dtype, np.floating)


def from_floats(levels: NDArray[Any]) -> NDArray[np.uint16]:
    """Spread floats (0..1) to 16 bits, to the nearest level. Raises UsageError for NaN and what is outside 0..1."""
    # Not the other way round, which NaN would pass.
    if levels.size and not (levels.min() >= 0 and levels.max() <= 1):
        raise UsageError(
            f"this is not a picture: floats have to lie in 0..1, and these reach from {levels.min():g} to "
            f"{levels.max():g}; divide them by their white"
        )
    return np.rint(levels.astype(np.float64, copy=False) * 65535).astype(np.uint16)


def to_floats(levels: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return levels of 16 bits as floats, 0..1."""
    floats: NDArray[Any] = (levels / np.float64(65535)).astype(dtype)
    return floats


def _first(pages: Pages, reserve: Callable[..., None] | None) -> NDArray[Any]:
    pixels = pages.pixels(0)
    if reserve is not None:
        reserve(pixels, each=pages.bytes_per_pixel(0))
    return pages.read(0).pixels
