"""JPEG to JPEG without RGB: the luma plane is decoded alone, and encoded again with two planes of chroma."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from colorrt.atomic import atomic_path, printable
from colorrt.errors import PictureError, UsageError
from colorrt.kernels.compiling import threads
from colorrt.runtime.jpeg.chroma_look import is_jpeg_in_color
from colorrt.runtime.jpeg.planes import encode_planes
from colorrt.runtime.jpeg.segments import (
    APP0,
    APP2,
    APP15,
    BASELINE,
    COM,
    EXTENDED,
    PROGRESSIVE,
    Frame,
    Segment,
    chroma_step,
    is_luma_and_chroma,
    is_metadata,
    join_segments,
    read_frame,
    split_segments,
)
from colorrt.runtime.pictures.color_spread import InColorError
from colorrt.runtime.pictures.encoding import encode
from colorrt.runtime.pictures.guards import picture_errors
from colorrt.runtime.pictures.jpeg_checks import JpegDamageError, decode_strictly, measure_jpeg
from colorrt.runtime.pictures.levels import upright
from colorrt.runtime.pictures.memory import JPEG_PLANES
from colorrt.runtime.pictures.metadata import Metadata, read_metadata
from colorrt.runtime.pictures.picture import Picture
from colorrt.runtime.pictures.reading import read_picture
from colorrt.runtime.provenance.mark import marked_xmp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from colorrt.runtime.paint import Paint
    from colorrt.runtime.provenance.mark import Mark

JPEG_SUFFIXES = frozenset({".jfif", ".jpe", ".jpeg", ".jpg"})
"""Lower case, with dot."""

LONGEST_SIDE = 65500
"""Pixels; the limit of libjpeg."""

GRAY_STEP = (2, 2)
"""Chroma of what was gray: 4:2:0, which nearly all JPEGs have."""

# What the encoder of planes knows: 4:4:4, 4:2:2, 4:4:0, 4:2:0 and 4:1:1.
_STEPS = frozenset({(1, 1), (1, 2), (2, 1), (2, 2), (1, 4)})
_MULTI_PICTURE = b"MPF\0"


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

    def save(self, path: Path, paint: Paint, quality: int) -> None:
        """Write luma and the planes of chroma. Raises what `write_planes` raises."""
        write_planes(path, self, *paint.planes(self.luma, self.step), quality)


def open_jpeg(
    source: Path, target: Path, max_pixels: int | None, reserve: Callable[..., None], *, recolor: bool = True
) -> JpegStill | Picture | None:
    """Decode the luma plane of a JPEG, bit for bit what libjpeg decodes of it, if the target is a JPEG too.

    reserve: called with the number of pixels before they are decoded, `each`: the bytes that one takes. recolor: False
    raises InColorError for a JPEG that is in color already.

    Returns None, without `reserve` called, for all that takes the ordinary way, or is refused there with its own
    words: other formats, JPEGs of inks, of R, G, B, of 12 bits, with arithmetic coding or reduced luma, cut off, too
    large. Returns a `Picture` if the luma plane cannot be decoded alone. Raises PictureError if a part of it is
    missing.
    """
    if target.suffix.lower() not in JPEG_SUFFIXES:
        return None
    try:
        encoded = read_bytes(source)
        segments = split_segments(encoded, header_only=True)
        frame = read_frame(segments)
        step = luma_step(segments, frame)
        if step is None or (max_pixels is not None and frame.width * frame.height > max_pixels):
            return None
        metadata, orientation = metadata_of(segments, frame)
    except (OSError, ValueError, MemoryError):
        return None
    reserve(frame.width * frame.height, each=JPEG_PLANES)
    if not recolor and is_jpeg_in_color(encoded, frame):
        raise InColorError(source)
    try:
        luma = upright(decode_luma(encoded), orientation)
    except JpegDamageError as error:
        with picture_errors(source):
            raise JpegDamageError(str(error)) from error
    except ValueError:
        return read_picture(source, max_pixels)
    if orientation >= 5:
        step = (step[1], step[0])
    carried = {field.name: getattr(metadata, field.name) for field in fields(metadata)}
    return JpegStill(Picture(luma, format="JPEG", **carried), step if step in _STEPS else GRAY_STEP)


def read_bytes(path: Path) -> bytes:
    """Return the first picture of a file that begins as a JPEG, and nothing of what lies behind it.

    Raises OSError, and ValueError when it does not, or is what `measure_jpeg` refuses.
    """
    if not path.is_file():
        raise ValueError("it is not a regular file")
    with path.open("rb") as stream:
        if stream.read(3) != b"\xff\xd8\xff":
            raise ValueError("it does not begin like a JPEG")
        size = measure_jpeg(stream)
        stream.seek(0)
        return stream.read(size)


def luma_step(segments: list[Segment], frame: Frame) -> tuple[int, int] | None:
    """Return the chroma step of a JPEG that has a luma plane of full size, None for other JPEGs."""
    if frame.marker not in (BASELINE, EXTENDED, PROGRESSIVE) or frame.precision != 8:
        return None
    if len(frame.components) == 1:
        return GRAY_STEP
    return chroma_step(frame) if is_luma_and_chroma(segments, frame) else None


def decode_luma(encoded: bytes) -> NDArray[np.uint8]:
    """Decode the luma plane, (H, W), as it is stored. Raises ValueError when the file is damaged or cut off."""
    return decode_strictly(encoded)[..., 0]


def metadata_of(segments: list[Segment], frame: Frame) -> tuple[Metadata, int]:
    """Return what goes on to the colored copy, and the EXIF orientation (1 to 8), as for any picture."""
    gray = len(frame.components) == 1
    # Pillow reads metadata of images only: one of a pixel spares it the pixels. It would look for the further
    # pictures of an MPO behind the first.
    kept = [part for part in segments if is_metadata(part) and not is_multi_picture(part)]
    with Image.open(io.BytesIO(join_segments([*kept, *_one_pixel()]))) as image:
        return read_metadata(image, gray=gray)


def is_multi_picture(segment: Segment) -> bool:
    """Whether the segment tells where further pictures of the file are."""
    return segment.marker == APP2 and segment.payload.startswith(_MULTI_PICTURE)


@lru_cache(maxsize=1)
def _one_pixel() -> tuple[Segment, ...]:
    stream = io.BytesIO()
    Image.new("L", (1, 1)).save(stream, "JPEG")
    return tuple(part for part in split_segments(stream.getvalue()) if not is_metadata(part))


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
