"""JPEG to JPEG without RGB: luma stays as it is coded, or is decoded alone and encoded again beside two planes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from PIL import Image

from colorrt.atomic import atomic_path, printable
from colorrt.errors import PictureError, UsageError
from colorrt.kernels.compiling import threads
from colorrt.runtime.jpeg.chroma_look import is_jpeg_in_color
from colorrt.runtime.jpeg.lossless import LosslessStill, keep_gray
from colorrt.runtime.jpeg.planes import encode_planes
from colorrt.runtime.jpeg.reading import (
    GRAY_STEP,
    JPEG_SUFFIXES,
    decode_luma,
    is_decodable,
    luma_step,
    metadata_of,
    read_bytes,
)
from colorrt.runtime.jpeg.segments import (
    APP0,
    APP15,
    COM,
    is_metadata,
    join_segments,
    read_frame,
    split_segments,
)
from colorrt.runtime.pictures.color_spread import InColorError
from colorrt.runtime.pictures.encoding import encode
from colorrt.runtime.pictures.guards import picture_errors
from colorrt.runtime.pictures.jpeg_checks import JpegDamageError
from colorrt.runtime.pictures.levels import upright
from colorrt.runtime.pictures.memory import COPIES_OF_CODED, JPEG_PLANES
from colorrt.runtime.pictures.picture import Picture
from colorrt.runtime.pictures.reading import read_picture
from colorrt.runtime.provenance.mark import marked_xmp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from colorrt.runtime.paint import Paint
    from colorrt.runtime.provenance.mark import Mark

LONGEST_SIDE = 65500
"""Pixels; the limit of libjpeg."""

# What the encoder of planes knows: 4:4:4, 4:2:2, 4:4:0, 4:2:0 and 4:1:1.
_STEPS = frozenset({(1, 1), (1, 2), (2, 1), (2, 2), (1, 4)})


@dataclass(frozen=True, eq=False)
class JpegStill:
    """A JPEG of which the luma plane alone was decoded, to be colored into a JPEG. A `Still` of the pipeline."""

    picture: Picture
    """Its pixels are luma, (H, W) uint8, upright."""

    step: tuple[int, int]
    """Pixels (down, across) that one value of chroma stands for: as in the file if that is in color."""

    @property
    def luma(self) -> NDArray[np.uint8]:
        """(H, W) uint8, upright."""
        return self.picture.pixels

    def suffix(self, wanted: str) -> str:
        """Return the suffix that was wanted: a JPEG was opened for a JPEG."""
        return wanted

    def marked(self, mark: Mark) -> JpegStill:
        """Return this still with a mark in its XMP."""
        return replace(self, picture=replace(self.picture, xmp=marked_xmp(self.picture.xmp, mark)))

    def planes(self, paint: Paint) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return Cb and Cr from `paint`, see `Paint.planes`."""
        return paint.planes(self.luma, self.step)

    def write(self, path: Path, cb: NDArray[np.uint8], cr: NDArray[np.uint8], quality: int) -> None:
        """Write luma and the planes of chroma, see `write_planes`."""
        write_planes(path, self, cb, cr, quality)

    def save(self, path: Path, paint: Paint, quality: int) -> None:
        """Write the JPEG in color, see `write_planes`."""
        self.write(path, *self.planes(paint), quality)


def open_jpeg(
    source: Path,
    target: Path,
    max_pixels: int | None,
    reserve: Callable[..., None],
    *,
    recolor: bool = True,
    encode_luma: bool = True,
    side: int | None = None,
) -> LosslessStill | JpegStill | Picture | None:
    """Open a JPEG to be colored into a JPEG: luma as it is coded, or its plane, bit for bit what libjpeg decodes.

    reserve: called with the number of pixels before they are decoded, `each`: the bytes that one takes. recolor: False
    raises InColorError for a JPEG that is in color already. encode_luma: whether a gray JPEG, too, is to be encoded
    again; its coded luma stays else, see `keep_gray`, which takes `side`.

    Returns None, without `reserve` called, for all that takes the ordinary way, or is refused there with its own
    words: other formats, JPEGs of inks, of R, G, B, of 12 bits, with arithmetic coding, reduced luma or odd sampling
    factors, cut off, too large. Returns a `Picture` if the luma plane cannot be decoded alone. Raises PictureError if a
    part of it is missing.
    """
    if target.suffix.lower() not in JPEG_SUFFIXES:
        return None
    try:
        encoded = read_bytes(source)
        segments = split_segments(encoded, header_only=True)
        frame = read_frame(segments)
        step = luma_step(segments, frame)
        pixels = frame.width * frame.height
        if step is None or (max_pixels is not None and pixels > max_pixels) or not is_decodable(encoded):
            return None
        metadata, orientation = metadata_of(segments, frame)
    except (OSError, ValueError, MemoryError):
        return None
    reserve(pixels, each=JPEG_PLANES + COPIES_OF_CODED * len(encoded) / pixels)
    if not recolor and is_jpeg_in_color(encoded, frame):
        raise InColorError(source)
    kept = None if encode_luma else keep_gray(encoded, frame, orientation, side)
    if kept is not None:
        return kept
    try:
        luma = upright(decode_luma(encoded, frame), orientation)
    except JpegDamageError as error:
        with picture_errors(source):
            raise JpegDamageError(str(error)) from error
    except ValueError:
        return read_picture(source, max_pixels)
    if orientation >= 5:
        step = (step[1], step[0])
    carried = {field.name: getattr(metadata, field.name) for field in fields(metadata)}
    return JpegStill(Picture(luma, format="JPEG", **carried), step if step in _STEPS else GRAY_STEP)


def write_planes(path: Path, still: JpegStill, cb: NDArray[np.uint8], cr: NDArray[np.uint8], quality: int = 95) -> None:
    """Save luma and chroma planes as a JPEG, with what the source carried, as `write_picture` does.

    cb, cr: ceil(H / down) x ceil(W / across) uint8, JPEG's full range; (down, across) is the still's step.
    quality: 1..100.

    Raises PictureError when the picture is too large for a JPEG or cannot be written, UsageError for another quality.
    """
    if not 1 <= quality <= 100:
        raise UsageError(f"{printable(path)}: the quality has to be 1 to 100, got {quality}; 95 suits photos")
    height, width = still.luma.shape
    if max(height, width) > LONGEST_SIDE:
        raise PictureError(
            f"{printable(path)}: cannot be written: {width} x {height} pixels are too many for JPEG, "
            f"which holds {LONGEST_SIDE} a side; save it as .png or .tif"
        )
    encoded = encode_planes(still.luma, cb, cr, still.step, quality, threads())
    # What Pillow writes ahead of a picture of one pixel is what `write_picture` writes ahead of this one.
    one_pixel = split_segments(encode(Image.new("RGB", (1, 1)), "JPEG", still.picture, quality), header_only=True)
    header = join_segments(segment for segment in one_pixel if is_metadata(segment))[:-2]
    with atomic_path(path, PictureError) as part, part.open("wb") as stream:
        stream.write(header)
        stream.write(memoryview(encoded)[body_of(encoded) :])


def body_of(encoded: bytes) -> int:
    """Return where in a JPEG the metadata at its beginning end."""
    place = 2
    while encoded[place] == 0xFF and (APP0 <= encoded[place + 1] <= APP15 or encoded[place + 1] == COM):
        place += 2 + int.from_bytes(encoded[place + 2 : place + 4], "big")
    return place
