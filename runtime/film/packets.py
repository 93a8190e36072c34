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
_HEAD = struct.Struct("<qqIB")


class Coded(NamedTuple):
    """One coded picture; times in the film's time base."""

    pts: int
    duration: int
    key: bool
    data: bytes


def write_packets(path: Path, packets: Iterable[Coded]) -> None:
    """Write packets, in the order of decoding, to a file that appears under its name only when it is whole.

    Raises PictureError where it cannot be written.
    """
    with atomic_path(path, PictureError) as part, part.open("wb") as file:
        file.write(_MAGIC)
        for packet in packets:
            file.write(_HEAD.pack(packet.pts, packet.duration, len(packet.data), packet.key))
            file.write(packet.data)


def read_packets(path: Path) -> Iterator[Coded]:
    """Read the packets of a file, in order. Raises PictureError when it is not one, or cut short."""
    with path.open("rb") as file:
        _check(file.read(len(_MAGIC)) == _MAGIC, path)
        while head := file.read(_HEAD.size):
            _check(len(head) == _HEAD.size, path)
            pts, duration, size, key = _HEAD.unpack(head)
            data = file.read(size)
            _check(len(data) == size, path)
            yield Coded(pts, duration, bool(key), data)


def read_times(path: Path) -> list[int]:
    """Read when the pictures of a file are shown, in the order of decoding. Raises PictureError as `read_packets`."""
    times = []
    with path.open("rb") as file:
        _check(file.read(len(_MAGIC)) == _MAGIC, path)
        while head := file.read(_HEAD.size):
            _check(len(head) == _HEAD.size, path)
            pts, _, size, _ = _HEAD.unpack(head)
            file.seek(size, 1)
            times.append(pts)
    return times


def _check(whole: bool, path: Path) -> None:
    if not whole:
        raise PictureError(f"{path}: this piece of a film is damaged; remove its folder, and start anew")


class Dated(NamedTuple):
    """A packet, and when it is to be decoded."""

    dts: int
    packet: Coded


def date_packets(pieces: list[Path], usual: int) -> Iterator[Dated]:
    """Yield the packets of all pieces with times of decoding, as if one encoder had made them.

    An encoder dates from its own beginning, so that its first packets would be due before the last ones of the piece
    before. With D the most places that a picture is decoded before its turn to be shown, picture i in the order of
    decoding is due when picture i - D in the order of showing is shown; the first D, `usual` apart before that.
    """
    ahead = 0
    first: int | None = None
    for piece in pieces:
        times = read_times(piece)
        rank = {pts: place for place, pts in enumerate(sorted(times))}
        ahead = max([ahead, *(place - rank[pts] for place, pts in enumerate(times))])
        first = min(times) if first is None and times else first
    due = [(first or 0) - usual * (ahead - place) for place in range(ahead)]
    for piece in pieces:
        due += sorted(read_times(piece))
        for place, packet in enumerate(read_packets(piece)):
            yield Dated(due[place], packet)
        due = due[len(due) - ahead :]
