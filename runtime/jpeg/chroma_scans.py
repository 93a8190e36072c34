"""Scans of chroma behind the scans of a gray JPEG, which stay as they are."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from colorrt.runtime.jpeg.segments import (
    DHT,
    DQT,
    DRI,
    PROGRESSIVE,
    SOS,
    Component,
    Frame,
    Segment,
    frame_segment,
    read_frame,
    split_segments,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LUMA, CB, CR = 1, 2, 3
"""The components' ids, as JFIF has them."""


def with_chroma(
    luma: Sequence[Segment], cb: NDArray[np.uint8], cr: NDArray[np.uint8], step: tuple[int, int], quality: int
) -> list[Segment]:
    """Return tables, frame and scans of a color JPEG: those of a gray one, unchanged, and those of its chroma.

    luma: what a gray JPEG of H x W holds, less its metadata. cb, cr: (ceil(H / down), ceil(W / across)) uint8 for
    the step (down, across). quality: 1..100; it chooses the chroma's table, that of libjpeg.
    """
    frame = read_frame(luma)
    (gray,) = frame.components
    table = 1 if gray.table == 0 else 0
    down, across = step
    color = replace(
        frame,
        components=(
            Component(LUMA, across, down, gray.table),
            Component(CB, 1, 1, table),
            Component(CR, 1, 1, table),
        ),
    )
    blue, red = (_coded(plane, frame, quality) for plane in (cb, cr))
    (chroma_table,) = (part for part in blue if part.marker == DQT)
    segments: list[Segment] = []
    restarts = False
    for part in luma:
        if part.marker == frame.marker:
            segments += [Segment(DQT, bytes((table,)) + chroma_table.payload[1:]), frame_segment(color)]
        elif part.marker == DQT:
            segments += _tables_of(part, gray.table)
        else:
            segments.append(_for_component(part, LUMA))
        restarts = restarts or part.marker == DRI
    if restarts:
        segments.append(Segment(DRI, b"\0\0"))
    for identity, coded in ((CB, blue), (CR, red)):
        segments += [_for_component(part, identity) for part in coded if part.marker in (DHT, SOS)]
    return segments


def _coded(plane: NDArray[np.uint8], frame: Frame, quality: int) -> list[Segment]:
    """Encode a plane of chroma as a gray JPEG, progressive if the frame is."""
    stream = io.BytesIO()
    progressive = frame.marker == PROGRESSIVE
    Image.fromarray(plane).save(
        stream, "JPEG", qtables=[_chroma_table(quality)], optimize=True, progressive=progressive
    )
    return split_segments(stream.getvalue())


@lru_cache(maxsize=100)
def _chroma_table(quality: int) -> list[int]:
    stream = io.BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "JPEG", quality=quality)
    stream.seek(0)
    with Image.open(stream) as image:
        tables: dict[int, list[int]] = image.quantization  # type: ignore[attr-defined]  # only Pillow's JPEG images have it
        return tables[1]


def _tables_of(part: Segment, wanted: int) -> list[Segment]:
    """Return of a segment of quantization tables the one that luma uses, if it is there."""
    kept = b""
    at = 0
    while at < len(part.payload):
        size = 129 if part.payload[at] >> 4 else 65
        if part.payload[at] & 15 == wanted:
            kept += part.payload[at : at + size]
        at += size
    return [Segment(DQT, kept)] if kept else []


def _for_component(part: Segment, identity: int) -> Segment:
    """Return a scan of one component as one of the component `identity`; other segments as they are."""
    if part.marker != SOS:
        return part
    return replace(part, payload=part.payload[:1] + bytes((identity,)) + part.payload[2:])
