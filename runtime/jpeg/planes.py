"""Planes of luma and chroma to a baseline JPEG, on several threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import simplejpeg

from colorrt.runtime.jpeg.segments import (
    DRI,
    EOI,
    RST0,
    Segment,
    frame_segment,
    join_segments,
    read_frame,
    split_segments,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 8
_LONGEST_INTERVAL = 65535
# Pixels; smaller pictures are encoded in less time than threads take to start and join.
_WORTH_BANDS = 1_000_000


def encode_planes(
    luma: NDArray[np.uint8],
    cb: NDArray[np.uint8],
    cr: NDArray[np.uint8],
    step: tuple[int, int],
    quality: int,
    threads: int = 1,
) -> bytes:
    """Encode planes as a baseline JPEG without metadata but JFIF's.

    luma: (H, W); cb, cr: (ceil(H / down), ceil(W / across)) for the step (down, across); uint8. Large pictures are cut
    into a band for each of `threads`; the coefficients are those of the picture encoded whole, and a restart marker
    stands between the bands.
    """
    tops = _tops(luma.shape, step, threads)
    if len(tops) == 1:
        return _encoded(luma, cb, cr, step, quality)
    height = tops[1]

    def band(top: int) -> bytes:
        chroma = slice(top // step[0], (top + height) // step[0])
        return _encoded(luma[top : top + height], cb[chroma], cr[chroma], step, quality)

    with ThreadPoolExecutor(len(tops)) as pool:
        bands = list(pool.map(band, tops))
    header = split_segments(bands[0], header_only=True)
    frame = read_frame(header)
    whole = frame_segment(replace(frame, height=luma.shape[0]))
    per_row = -(-luma.shape[1] // (_BLOCK * step[1]))
    interval = height // (_BLOCK * step[0]) * per_row
    start = len(join_segments(header)) - 2
    parts: list[bytes | memoryview] = [
        join_segments(whole if part.marker == frame.marker else part for part in header)[:-2],
        join_segments([Segment(DRI, interval.to_bytes(2, "big"))])[2:-2],
    ]
    # Headers are alike but for the height, and end with the start of the scan.
    scan = start + 2 + int.from_bytes(bands[0][start + 2 : start + 4], "big")
    parts += [bands[0][start:scan], memoryview(bands[0])[scan:-2]]
    for number, encoded in enumerate(bands[1:]):
        parts += [bytes((0xFF, RST0 + number % 8)), memoryview(encoded)[scan:-2]]
    return b"".join([*parts, bytes((0xFF, EOI))])


def _tops(shape: tuple[int, ...], step: tuple[int, int], threads: int) -> list[int]:
    """Return the first rows of the bands: whole rows of MCUs, as many in all bands but the last, one for a thread."""
    height, width = shape
    unit = _BLOCK * step[0]
    rows = -(-height // unit)
    each = -(-rows // max(1, threads))
    tops = list(range(0, height, each * unit))
    # Of a band as low as a single value of chroma, the encoder would not know the step.
    fits = each * -(-width // (_BLOCK * step[1])) <= _LONGEST_INTERVAL and height - tops[-1] > step[0]
    return tops if height * width >= _WORTH_BANDS and fits else [0]


def _encoded(
    luma: NDArray[np.uint8], cb: NDArray[np.uint8], cr: NDArray[np.uint8], step: tuple[int, int], quality: int
) -> bytes:
    height, width = luma.shape
    over = (-height % step[0], -width % step[1])
    if any(over):
        # The encoder reads luma up to a multiple of the step, beyond the array. A view into a larger one gives it
        # something to read there: the pixels of the edge, as libjpeg itself repeats them.
        luma = np.pad(luma, ((0, over[0]), (0, over[1])), mode="edge")[:height, :width]
    encoded: bytes = simplejpeg.encode_jpeg_yuv_planes(luma, cb, cr, quality)
    return encoded
