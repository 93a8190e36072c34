"""Whether a JPEG is in color already, told before its luma is decoded: from a copy an eighth as large."""

from __future__ import annotations

from typing import TYPE_CHECKING

from colorrt.runtime.jpeg.segments import PROGRESSIVE, SOS, Segment, join_segments, split_segments
from colorrt.runtime.pictures.color_spread import CELLS, is_in_color
from colorrt.runtime.pictures.jpeg_checks import decode_strictly, reduced_size

if TYPE_CHECKING:
    from colorrt.runtime.jpeg.segments import Frame

_PIXELS_PER_CELL = 4
_REDUCTIONS = (8, 4, 2, 1)


def is_jpeg_in_color(encoded: bytes, frame: Frame) -> bool:
    """Whether a JPEG of luma and chroma is in color, see `is_in_color`. Gray ones cost nothing.

    encoded: the whole file. frame: what its start of frame says. A progressive JPEG is decoded from its first scans
    alone, which hold the mean of each block, and once more if these are in color. Says False of what is damaged or
    cannot be decoded: that is told elsewhere.
    """
    if len(frame.components) != 3:
        return False
    longer = max(frame.height, frame.width)
    reduction = next((one for one in _REDUCTIONS if longer // one >= _PIXELS_PER_CELL * CELLS), 1)
    size = reduced_size(frame, reduction)
    first = frame.marker == PROGRESSIVE and reduction == _REDUCTIONS[0]
    try:
        if not is_in_color(decode_strictly(_means_alone(encoded) if first else encoded, "RGB", size)):
            return False
        if first:
            decode_strictly(encoded, "RGB", size)
    except ValueError:
        return False
    return True


def _means_alone(encoded: bytes) -> bytes:
    """Return a progressive JPEG without the scans behind those that give each component its DC coefficients.

    Source: ITU-T T.81, B.2.3 (header of a scan) and G.1.1.1.
    """
    kept: list[Segment] = []
    seen: set[int] = set()
    try:
        segments = split_segments(encoded)
    except ValueError:
        return encoded
    for part in segments:
        kept.append(part)
        if part.marker != SOS or not part.payload or len(part.payload) < 4 + 2 * part.payload[0]:
            continue
        count = part.payload[0]
        if part.payload[1 + 2 * count] == 0:
            seen |= set(part.payload[1 : 1 + 2 * count : 2])
        if len(seen) == 3:
            break
    return join_segments(kept)
