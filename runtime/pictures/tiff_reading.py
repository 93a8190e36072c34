"""TIFF pages that Pillow does not read, or only in part: gray with alpha in 16 bits, planes stored apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image

from colorrt.runtime.pictures.metadata import Metadata, descriptive, read_dpi, read_xmp
from colorrt.runtime.pictures.profiles import profile_of_copy
from colorrt.runtime.pictures.sixteen_bits import Levels, unpremultiply

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB = 0, 1, 2
_PREMULTIPLIED, _STRAIGHT = 1, 2
_CENTIMETERS = 3

REDUCED_OR_MASK = 0b101
"""Bits of NewSubfileType (tag 254): the page is another one in small, or tells where it is transparent."""


class NotReadError(ValueError):
    """This page is of a kind that nobody here reads. The message says which, without a period."""


def page_numbers(stream: BinaryIO) -> list[int]:
    """Return the numbers of the pages that are neither previews nor masks of others."""
    from tifffile import TiffFile

    stream.seek(0)
    with TiffFile(stream) as file:
        kinds = [int(page.aspage().subfiletype) for page in file.pages]
    return [number for number, kind in enumerate(kinds) if number == 0 or not kind & REDUCED_OR_MASK]


def size_of_page(stream: BinaryIO, number: int) -> tuple[int, int]:
    """Return width and height of a page (counted from 0). Raises NotReadError if `read_page` cannot read it."""
    from tifffile import TiffFile

    # tifffile takes the place where it finds the stream for the beginning of the file.
    stream.seek(0)
    with TiffFile(stream) as file:
        page = _page(file, number)
        return page.imagewidth, page.imagelength


def read_page(stream: BinaryIO, number: int) -> tuple[Levels, Metadata, int]:
    """Return levels, metadata and orientation still to be applied of a page (counted from 0).

    Reads gray and RGB of 8 or 16 bits with or without alpha, uncompressed, deflate and PackBits; other compressions
    if the package imagecodecs is there. Raises NotReadError for others, and anything for damaged ones.
    """
    from tifffile import TiffFile

    # tifffile takes the place where it finds the stream for the beginning of the file.
    stream.seek(0)
    with TiffFile(stream) as file:
        page = _page(file, number)
        levels = _levels(page)
        tags = Image.Exif()
        tags.endian, tags.bigtiff = file.byteorder, file.is_bigtiff
        tags.load_from_fp(stream, page.offset)
        resolution = [page.tags.valueof(tag, (0, 1)) for tag in (282, 283)]
        inch = 2.54 if page.tags.valueof(296) == _CENTIMETERS else 1.0
        dpi = read_dpi([inch * up / down if down else 0 for up, down in resolution])
        orientation = int(page.tags.valueof(274, 1))
        orientation = orientation if orientation in range(1, 9) else 1
        if dpi is not None and orientation >= 5:
            dpi = (dpi[1], dpi[0])
        profile = profile_of_copy(page.tags.valueof(34675), gray=levels.pixels.ndim == 2)
        packet = read_xmp(page.tags.valueof(700))
        return levels, Metadata(descriptive(tags), dpi, profile, packet), orientation


def _page(file: TiffFile, number: int) -> TiffPage:
    page: TiffPage = file.pages[number].aspage()
    kind = f"{'/'.join(map(str, {page.bitspersample}))} bits, {page.samplesperpixel} channels"
    if page.dtype not in (np.uint8, np.uint16) or page.photometric not in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB):
        raise NotReadError(f"a TIFF of {kind}, photometric {page.photometric}, is not read")
    if page.imagedepth != 1 or page.samplesperpixel > 5:
        raise NotReadError(f"a TIFF of {kind} and depth {page.imagedepth} is not read")
    return page


def _levels(page: TiffPage) -> Levels:
    try:
        array = page.asarray()
    except ValueError as error:
        if "imagecodecs" in str(error):
            name = getattr(page.compression, "name", page.compression)
            raise NotReadError(
                f"its compression {name} in a TIFF of {page.samplesperpixel} channels of "
                f"{page.bitspersample} bits needs the package imagecodecs"
            ) from error
        raise
    samples = array.reshape(page.imagelength, page.imagewidth, -1) if page.axes != "SYX" else np.moveaxis(array, 0, -1)
    samples = samples.astype(samples.dtype.newbyteorder("="), copy=False)
    colors = 3 if page.photometric == _RGB else 1
    pixels = np.ascontiguousarray(samples[..., :colors] if colors == 3 else samples[..., 0])
    if page.photometric == _MIN_IS_WHITE:
        pixels = ~pixels
    kinds = tuple(int(kind) for kind in page.extrasamples)
    extra = kinds[0] if kinds else None
    if extra not in (_PREMULTIPLIED, _STRAIGHT) or samples.shape[2] <= colors:
        return Levels(pixels, None)
    alpha = np.ascontiguousarray(samples[..., colors])
    return Levels(unpremultiply(pixels, alpha) if extra == _PREMULTIPLIED else pixels, alpha)
