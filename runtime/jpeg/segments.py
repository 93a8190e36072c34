"""The segments of a JPEG file: taken apart and put together again, no pixel decoded."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SOI, EOI, SOS, DQT, DHT, DRI, RST0, COM = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0xD0, 0xFE
BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2
APP0, APP1, APP2, APP11, APP13, APP14, APP15 = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE, 0xEF
# SOF0 to SOF15, without DHT, JPG and DAC, which lie between them.
FRAMES = frozenset(range(0xC0, 0xD0)) - {DHT, 0xC8, 0xCC}

# In entropy-coded data, 0xFF is followed by 0 or is a restart marker; before a marker it may be repeated.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_LONGEST_PAYLOAD = 65533


@dataclass(frozen=True)
class Segment:
    """One marker segment, and behind a start of scan the entropy-coded data with its restart markers."""

    marker: int
    payload: bytes
    data: bytes = b""


@dataclass(frozen=True)
class Component:
    """One component of a frame: its id, its sampling factors, and the quantization table that it uses."""

    identity: int
    across: int
    down: int
    table: int


@dataclass(frozen=True)
class Frame:
    """What a start of frame says. `height`, `width` in pixels, `precision` in bits."""

    marker: int
    precision: int
    height: int
    width: int
    components: tuple[Component, ...]


def split_segments(encoded: bytes, *, header_only: bool = False) -> list[Segment]:
    """Take a JPEG apart, from behind its start of image to its end of image; what lies behind that is left out.

    header_only: stop before the first scan. Raises ValueError when it is cut off or is no sequence of segments.
    """
    if encoded[:2] != bytes((0xFF, SOI)):
        raise ValueError("it does not begin like a JPEG")
    segments: list[Segment] = []
    place = 2
    while True:
        if encoded[place : place + 1] != b"\xff":
            raise ValueError(f"there is no marker at byte {place}")
        while encoded[place : place + 1] == b"\xff":
            place += 1
        marker = encoded[place] if place < len(encoded) else EOI
        if marker == EOI:
            if place >= len(encoded):
                raise ValueError("its end is missing")
            return segments
        if header_only and marker == SOS:
            return segments
        length = int.from_bytes(encoded[place + 1 : place + 3], "big")
        payload = encoded[place + 3 : place + 1 + length]
        if length < 2 or len(payload) != length - 2:
            raise ValueError(f"the segment at byte {place} is cut off")
        place += 1 + length
        data = b""
        if marker == SOS:
            found = _NEXT_MARKER.search(encoded, place)
            if found is None:
                raise ValueError("its end is missing")
            data = encoded[place : found.start()]
            # Fill bytes belong to the marker that follows.
            data = data.rstrip(b"\xff")
            place = found.start()
        segments.append(Segment(marker, payload, data))


def join_segments(segments: Iterable[Segment]) -> bytes:
    """Put a JPEG together of its segments: start of image, all of them, end of image."""
    parts = [bytes((0xFF, SOI))]
    for segment in segments:
        parts += [struct.pack(">BBH", 0xFF, segment.marker, len(segment.payload) + 2), segment.payload, segment.data]
    parts.append(bytes((0xFF, EOI)))
    return b"".join(parts)


def read_frame(segments: Sequence[Segment]) -> Frame:
    """Return what the start of frame says. Raises ValueError when there is not exactly one, or it is damaged."""
    frames = [segment for segment in segments if segment.marker in FRAMES]
    if len(frames) != 1:
        raise ValueError(f"it has {len(frames)} frames instead of one")
    payload = frames[0].payload
    if len(payload) < 6 or len(payload) != 6 + 3 * payload[5]:
        raise ValueError("its start of frame is damaged")
    precision, height, width = struct.unpack_from(">BHH", payload)
    components = tuple(
        Component(payload[at], payload[at + 1] >> 4, payload[at + 1] & 15, payload[at + 2])
        for at in range(6, len(payload), 3)
    )
    if not (height and width and components and all(part.across and part.down for part in components)):
        raise ValueError("its start of frame is damaged")
    return Frame(frames[0].marker, precision, height, width, components)


def frame_segment(frame: Frame) -> Segment:
    """Return the start of frame that says this."""
    payload = struct.pack(">BHHB", frame.precision, frame.height, frame.width, len(frame.components))
    for part in frame.components:
        payload += bytes((part.identity, part.across << 4 | part.down, part.table))
    return Segment(frame.marker, payload)


def is_metadata(segment: Segment) -> bool:
    """Whether this is an application segment or a comment."""
    return APP0 <= segment.marker <= APP15 or segment.marker == COM


def is_luma_and_chroma(segments: Sequence[Segment], frame: Frame) -> bool:
    """Whether three components are Y, Cb and Cr (and not R, G, B), as libjpeg tells it."""
    if len(frame.components) != 3:
        return False
    if any(part.marker == APP0 and part.payload.startswith(b"JFIF\0") for part in segments):
        return True
    for part in segments:
        if part.marker == APP14 and part.payload.startswith(b"Adobe") and len(part.payload) >= 12:
            return part.payload[11] != 0
    return bytes(part.identity for part in frame.components) != b"RGB"


def chroma_step(frame: Frame) -> tuple[int, int] | None:
    """Return how many luma samples (down, across) one of chroma stands for.

    None when luma is not the component with the most samples, or they are no whole number, or Cb and Cr differ.
    """
    luma, *others = frame.components
    sizes = {(part.down, part.across) for part in others}
    if len(others) != 2 or len(sizes) != 1:
        return None
    ((down, across),) = sizes
    if luma.down % down or luma.across % across:
        return None
    return luma.down // down, luma.across // across


def numbered_segments(marker: int, mark: bytes, content: bytes) -> list[Segment]:
    """Spread content over as many segments as it needs, each with the mark, its number from 1, and how many they are.

    Source: ICC.1, annex B.4 (color profiles in JPEG).
    """
    room = _LONGEST_PAYLOAD - len(mark) - 2
    pieces = [content[at : at + room] for at in range(0, len(content), room)]
    return [
        Segment(marker, mark + bytes((number, len(pieces))) + piece) for number, piece in enumerate(pieces, start=1)
    ]
