"""The directories of a TIFF, walked before any reader sees them: no values are read but those that tell sizes."""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from colorrt.runtime.pictures.camera_raw import (
    DNG_VERSION,
    PHOTOMETRIC,
    SUB_DIRECTORIES,
    UNDEVELOPED,
    is_raw_head,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# More than any scanner writes; readers look each page up among all before it.
MOST_PAGES = 10_000
_MOST_ENTRIES = 1_000_000
# Larger values are hidden from readers that load them all: layers of an image editor, mostly.
_LARGEST_VALUE = 8 << 20

_MOST_BELOW = 16

_WIDTH, _HEIGHT = 256, 257
_PLACES, _BYTE_COUNTS = (273, 324), (279, 325)
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


class BadLayoutError(ValueError):
    """A TIFF that no reader should be given. The message says why, without a period."""


@dataclass(frozen=True)
class Layout:
    """What the directories of a TIFF say."""

    is_big_endian_bigtiff: bool
    """Whether it is of the kind that Pillow cannot tell from damage."""
    hidden: dict[int, bytes]
    """What to show readers in the place of entries whose values are too large for memory."""
    pixels: tuple[int, ...]
    """Of each page, previews and masks included; 0 where width or height are missing."""
    claimed: int
    """Bytes that all pages together say their pixels take in the file."""
    covered: int
    """Bytes of the file that these are: fewer where pages share them."""
    is_raw: bool = False
    """Whether it is camera RAW: its pages are previews of it."""


class _Entry(NamedTuple):
    tag: int
    kind: int
    values: int
    value: bytes
    place: int


class _Form(NamedTuple):
    order: str
    big: bool

    @property
    def entry(self) -> str:
        """The format of a directory's entry: tag, type, number of values, and these or their place."""
        return self.order + ("HHQ8s" if self.big else "HHI4s")

    @property
    def pointer(self) -> str:
        """The format of a place in the file."""
        return self.order + ("Q" if self.big else "I")


def read_layout(stream: BinaryIO) -> Layout:
    """Walk the directories of a TIFF or BigTIFF, each once.

    Raises BadLayoutError for more pages or entries than any document has. What is cut off or damaged ends the walk:
    readers tell it in their own words.
    Source: TIFF 6.0, section 2; BigTIFF as in libtiff's documentation.
    """
    stream.seek(0)
    head = stream.read(16)
    order = "<" if head[:2] == b"II" else ">"
    form = _Form(order, head[2:4] in (b"+\0", b"\0+"))
    hidden: dict[int, bytes] = {}
    pixels: list[int] = []
    strips: list[tuple[int, int]] = []
    entries = 0
    is_raw = False
    try:
        (place,) = struct.unpack_from(form.pointer, head, 8 if form.big else 4)
        seen: set[int] = set()
        while place and place not in seen:
            seen.add(place)
            if len(seen) > MOST_PAGES:
                raise BadLayoutError(f"it has more than {MOST_PAGES:,} pages; split it")
            sizes = {_WIDTH: 0, _HEIGHT: 0}
            found, place = _read_directory(stream, place, form)
            entries += len(found)
            if entries > _MOST_ENTRIES:
                raise BadLayoutError("its directories have more entries than any document needs, as in a bomb")
            places: list[int] = []
            is_raw = is_raw or _is_raw(stream, found, form)
            for entry in found:
                if entry.tag in sizes:
                    sizes[entry.tag] = _number(entry, form)
                elif entry.tag in _PLACES:
                    places = list(_numbers(stream, entry, form))
                elif entry.tag in _BYTE_COUNTS and len(strips) < _MOST_ENTRIES:
                    strips += zip(places, _numbers(stream, entry, form), strict=False)
                if entry.values * _TYPE_SIZES.get(entry.kind, 1) > _LARGEST_VALUE:
                    # Its count: 0, which readers pass over.
                    hidden[entry.place + 4] = bytes(8 if form.big else 4)
            pixels.append(sizes[_WIDTH] * sizes[_HEIGHT])
    except (struct.error, OverflowError, OSError):
        pass
    finally:
        stream.seek(0)
    claimed = sum(count for _, count in strips)
    is_raw = is_raw or is_raw_head(head)
    return Layout(form.big and order == ">", hidden, tuple(pixels), claimed, _covered(strips), is_raw)


def _is_raw(stream: BinaryIO, found: list[_Entry], form: _Form) -> bool:
    """Whether a directory, or one of those below it, is of what a camera's sensor saw."""
    below: list[int] = []
    for entry in found:
        if entry.tag == DNG_VERSION or (entry.tag == PHOTOMETRIC and _number(entry, form) in UNDEVELOPED):
            return True
        if entry.tag == SUB_DIRECTORIES:
            # IFD is a number of 32 bits by another name, IFD8 one of 64.
            kind = {13: 4, 18: 16}.get(entry.kind, entry.kind)
            below = list(_numbers(stream, entry._replace(kind=kind), form))[:_MOST_BELOW]
    for place in below:
        # Damage below a page is no damage of the page.
        with suppress(struct.error, OverflowError, OSError):
            for entry in _read_directory(stream, place, form)[0]:
                if entry.tag == PHOTOMETRIC and _number(entry, form) in UNDEVELOPED:
                    return True
    return False


def _covered(strips: list[tuple[int, int]]) -> int:
    """Return how many bytes these places and counts cover, those that are shared counted once."""
    covered = end = 0
    for place, count in sorted(strips):
        covered += max(0, place + count - max(end, place))
        end = max(end, place + count)
    return covered


def _read_directory(stream: BinaryIO, place: int, form: _Form) -> tuple[list[_Entry], int]:
    """Return the entries of a directory and where the next one is (0: nowhere)."""
    stream.seek(place)
    width = 8 if form.big else 2
    count = int.from_bytes(stream.read(width), "little" if form.order == "<" else "big")
    size = struct.calcsize(form.entry)
    # A directory has 65535 entries at most in a TIFF; in a BigTIFF no more make sense.
    data = stream.read(size * min(count, 65535))
    data = data[: len(data) // size * size]
    start = place + width
    found = enumerate(struct.iter_unpack(form.entry, data))
    entries = [_Entry(tag, kind, values, value, start + size * k) for k, (tag, kind, values, value) in found]
    if len(entries) < count:
        return entries, 0
    following = stream.read(8 if form.big else 4)
    return entries, struct.unpack(form.pointer, following)[0] if following else 0


def _number(entry: _Entry, form: _Form) -> int:
    """Return the first value of an entry that is a whole number and lies in the entry itself, else 0."""
    code = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(entry.kind)
    if code is None or entry.values < 1 or struct.calcsize(code) > len(entry.value):
        return 0
    return int(struct.unpack_from(form.order + code, entry.value)[0])


def _numbers(stream: BinaryIO, entry: _Entry, form: _Form) -> Iterator[int]:
    code = {3: "H", 4: "I", 16: "Q"}.get(entry.kind)
    if code is None:
        return
    size = struct.calcsize(code) * min(entry.values, _LARGEST_VALUE // 8)
    data = entry.value[:size]
    if size > len(entry.value):
        stream.seek(struct.unpack_from(form.pointer, entry.value)[0])
        data = stream.read(size)
    step = struct.calcsize(code)
    for (value,) in struct.iter_unpack(form.order + code, data[: len(data) // step * step]):
        yield value
