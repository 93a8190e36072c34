"""Colored pictures to files: which suffix holds them, and writing them whole or not at all."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import features

from colorrt.atomic import atomic_path, in_one_line, printable
from colorrt.errors import PictureError, UsageError
from colorrt.runtime.pictures.encoding import PNG_LEVEL, as_image, encode
from colorrt.runtime.pictures.png_writing import write_deep_png
from colorrt.runtime.pictures.tiff_writing import TiffPages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from colorrt.runtime.pictures.colored import Colored
    from colorrt.runtime.pictures.picture import Picture

# What holds RGB. BMP can hold alpha too, but few programs look at it there.
_FORMAT_OF = {
    ".bmp": "BMP",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".pnm": "PPM",
    ".ppm": "PPM",
    ".tga": "TGA",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
if features.check("webp"):
    _FORMAT_OF[".webp"] = "WEBP"
if features.check("jpg_2000"):
    _FORMAT_OF[".jp2"] = "JPEG2000"
# Pillow 11.3 brought AVIF; asking an older one about it is answered with a warning.
if "avif" in features.modules and features.check("avif"):
    _FORMAT_OF[".avif"] = "AVIF"

_WITH_ALPHA = frozenset({"AVIF", "JPEG2000", "PNG", "TGA", "TIFF", "WEBP"})
_WITHOUT_XMP = frozenset({"BMP", "PPM", "TGA"})
_LOSSLESS_OF_8_BITS = frozenset({"JPEG2000", "PPM"})
_LONGEST_SIDE = {"JPEG": 65500, "TGA": 65535, "WEBP": 16383}


def output_suffix(picture: Picture, suffix: str) -> str:
    """Return the suffix under which `picture` can be saved in color: `suffix` itself, or else ".png".

    suffix: with its dot, in any case; that of the input, mostly. ".png" replaces suffixes of formats that
    hold no RGB (.gif, .pgm), that this build does not write, and, if the picture has alpha, that hold none
    (.jpg), or if it has 16 bits and is lossless, that hold 8 (.jp2, .ppm).
    """
    kind = _FORMAT_OF.get(suffix.lower())
    if kind is None or (picture.alpha is not None and kind not in _WITH_ALPHA):
        return ".png"
    if picture.pixels.dtype == np.uint16 and kind in _LOSSLESS_OF_8_BITS:
        return ".png"
    return suffix


def format_without_mark(suffix: str) -> str | None:
    """Return the name of the format of this suffix if its files cannot hold a mark (XMP), None if they can."""
    kind = _FORMAT_OF.get(suffix.lower())
    return kind if kind in _WITHOUT_XMP else None


def holds_pages(suffix: str) -> bool:
    """Whether files of this suffix hold several pages."""
    return _FORMAT_OF.get(suffix.lower()) == "TIFF"


def write_picture(path: Path, rgb: NDArray[Any] | Colored, picture: Picture, quality: int = 95) -> None:
    """Save a colored picture with what its source carried, in the format that the suffix of `path` names.

    rgb: (H, W, 3), uint8 or uint16; `Colored` is rendered as it is written, TIFF and PNG of 16 bits without ever being
    whole. TIFF and PNG keep 16 bits; for other formats they are rounded to (255 x + 32767) // 65535.
    picture: the source; its alpha, exif, dpi, icc_profile, xmp and iptc are saved where the format can hold them, and
    left out where it cannot: to keep the alpha, choose the path by `output_suffix`.
    quality: 1..100, for JPEG, WebP and AVIF. JPEG and AVIF keep chroma at full size from 90 on. PNG, TIFF and
    JPEG 2000 are lossless.

    The file appears whole or not at all, see `atomic_path`.

    Raises PictureError, "PATH: reason; advice" in one line, if the suffix names no format for RGB, the
    picture is too large for the format, or the file cannot be written; UsageError for another quality;
    ValueError or TypeError for another rgb.
    """
    kind = _FORMAT_OF.get(path.suffix.lower())
    if kind is None:
        raise PictureError(
            f"{printable(path)}: cannot be written: '{printable(path.suffix)}' names no format for color pictures; "
            f"use one of {', '.join(sorted(_FORMAT_OF))}"
        )
    if not 1 <= quality <= 100:
        raise UsageError(f"{printable(path)}: the quality has to be 1 to 100, got {quality}; 95 suits photos")
    _check(rgb, picture)
    height, width = rgb.shape[:2]
    limit = _LONGEST_SIDE.get(kind)
    if limit is not None and max(width, height) > limit:
        raise PictureError(
            f"{printable(path)}: cannot be written: {width} x {height} pixels are too many "
            f"for {kind}, which holds {limit} a side; save it as .png or .tif"
        )
    if kind == "TIFF":
        write_pages(path, [(rgb, picture)], size_of(rgb.shape, rgb.dtype, picture))
        return
    with atomic_path(path, PictureError) as part:
        if kind == "PNG" and rgb.dtype == np.uint16:
            with part.open("wb") as stream, _told(path, kind, rgb):
                write_deep_png(stream, rgb, picture, PNG_LEVEL)
            return
        with _told(path, kind, rgb):
            data = encode(as_image(rgb, picture.alpha if kind in _WITH_ALPHA else None), kind, picture, quality)
        part.write_bytes(data)


def write_pages(path: Path, pages: Iterable[tuple[NDArray[Any] | Colored, Picture]], size: int, count: int = 1) -> None:
    """Save one or more colored pictures as the pages of a TIFF, each written as it comes.

    pages: what `write_picture` takes, one by one; they may differ in size, depth and alpha. What they raise passes
    through, and leaves no file. size: bytes of all pages at most, see `size_of`. count: how many there will be.
    Raises what `write_picture` raises.
    """
    with atomic_path(path, PictureError) as part, TiffPages(part, size) as file:
        for number, (rgb, picture) in enumerate(pages):
            _check(rgb, picture)
            with _told(path, "TIFF", rgb):
                file.add(rgb, picture, (number, count) if count > 1 else None)


def size_of(shape: tuple[int, ...], dtype: np.dtype[Any], picture: Picture) -> int:
    """Return the bytes that a picture of this shape takes uncompressed, with alpha if its source has it."""
    return shape[0] * shape[1] * (3 if picture.alpha is None else 4) * dtype.itemsize


@contextmanager
def _told(path: Path, kind: str, rgb: NDArray[Any] | Colored) -> Iterator[None]:
    """Turn what goes wrong in an encoder into a PictureError; errors of the disk are left to `atomic_path`."""
    try:
        yield
    except MemoryError:
        raise PictureError(
            f"{printable(path)}: cannot be written: there is not enough memory for "
            f"{rgb.shape[1]} x {rgb.shape[0]} pixels; close other programs or work on fewer pictures at a time"
        ) from None
    except PictureError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise PictureError(
            f"{printable(path)}: cannot be written: the {kind} encoder failed ({in_one_line(error)}); "
            "save it in another format"
        ) from error


def _check(rgb: NDArray[Any] | Colored, picture: Picture) -> None:
    if len(rgb.shape) != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise ValueError(f"rgb has to be (H, W, 3) with at least one pixel, got shape {rgb.shape}")
    alpha = picture.alpha
    for name, dtype in (("rgb", rgb.dtype), ("alpha", rgb.dtype if alpha is None else alpha.dtype)):
        if dtype not in (np.uint8, np.uint16):
            raise TypeError(f"{name} has to be uint8 or uint16, got {dtype}; convert it with astype")
    if alpha is not None and alpha.shape != rgb.shape[:2]:
        raise ValueError(f"alpha has to be as large as rgb, got shapes {alpha.shape} and {rgb.shape}")
