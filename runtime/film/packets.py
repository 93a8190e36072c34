"""Coded pictures of a piece of film in a file of their own: what an encoder gave, to the byte."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from colorrt.atomic import atomic_path
from colorrt.errors import PictureError

# A container would round times, and number them from its own beginning.
_MAGIC = b"colorrt packets 1\n"
_HEAD = struct.Struct("<qqqIB")


class Coded(NamedTuple):
    """One coded picture; times in the film's time base."""

    pts: int
    dts: int
    duration: int
    key: bool
    data: bytes


def write_packets(path: Path, packets: Iterable[Coded]) -> None:
    """Write packets to a file that appears under its name only when it is whole.

    Raises PictureError where it cannot be written.
    """
    with atomic_path(path, PictureError) as part, part.open("wb") as file:
        file.write(_MAGIC)
        for packet in packets:
            file.write(_HEAD.pack(packet.pts, packet.dts, packet.duration, len(packet.data), packet.key))
            file.write(packet.data)


def read_packets(path: Path) -> Iterator[Coded]:
    """Read the packets of a file, in order. Raises PictureError when it is not one, or cut short."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise PictureError(f"{path}: this is no piece of a film of ours; remove its folder, and start anew")
        while head := file.read(_HEAD.size):
            if len(head) < _HEAD.size:
                raise PictureError(f"{path}: this piece of a film is cut short; remove its folder, and start anew")
            pts, dts, duration, size, key = _HEAD.unpack(head)
            data = file.read(size)
            if len(data) < size:
                raise PictureError(f"{path}: this piece of a film is cut short; remove its folder, and start anew")
            yield Coded(pts, dts, duration, bool(key), data)
