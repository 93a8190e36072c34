"""A JPEG file read: the bytes of its first picture, what its header says, and its luma plane."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

import simplejpeg
from PIL import Image

from colorrt.runtime.jpeg.segments import (
    APP2,
    BASELINE,
    EXTENDED,
    PROGRESSIVE,
    Frame,
    Segment,
    chroma_step,
    is_luma_and_chroma,
    is_metadata,
    join_segments,
    split_segments,
)
from colorrt.runtime.pictures.jpeg_checks import decode_strictly, measure_jpeg, reduced_size
from colorrt.runtime.pictures.metadata import Metadata, read_metadata

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

JPEG_SUFFIXES = frozenset({".jfif", ".jpe", ".jpeg", ".jpg"})
"""Lower case, with dot."""

GRAY_STEP = (2, 2)
"""Chroma of what was gray: 4:2:0, which nearly all JPEGs have."""

_MULTI_PICTURE = b"MPF\0"
# Times the network's square. Of less, half of the pixels shift its edges: 1.3 levels on average at 4, 0.05 at 8.
_LARGE = 8


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


def decode_luma(encoded: bytes, frame: Frame, reduction: int = 1) -> NDArray[np.uint8]:
    """Decode the luma plane as it is stored: (H, W), or (ceil(H / 2), ceil(W / 2)) for a `reduction` of 2.

    A plane of half the size is decoded at that size (libjpeg's scaled inverse DCT, 4 x 4 of the 8 x 8 coefficients);
    the entropy decoder goes over every byte all the same.

    Raises JpegDamageError when a part of it is missing, ValueError when it cannot be decoded.
    """
    return decode_strictly(encoded, size=reduced_size(frame, reduction))[..., 0]


def reduction_of(frame: Frame, step: tuple[int, int], side: int | None) -> int:
    """Return by what luma may be reduced where its own pixels are not needed: 2, or 1 where it may not.

    step: of the chroma, which is rendered at half the size then. side: that of the network's square, None if not known;
    only a picture much larger gives the same square from half of its pixels.
    """
    halves = step == (2, 2) and side is not None and min(frame.height, frame.width) >= _LARGE * side
    return 2 if halves else 1


def is_decodable(encoded: bytes) -> bool:
    """Whether simplejpeg knows the kind of a JPEG: its sampling factors above all. Only its header is read."""
    try:
        simplejpeg.decode_jpeg_header(encoded)
    except ValueError:
        return False
    return True


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
