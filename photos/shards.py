"""Tar shards opened with bounds: what their headers claim costs neither memory nor time, and nothing is unpacked."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_PHOTO_BYTES = 1 << 29
"""An encoded photograph that is larger is not read."""
_MOST_AT_A_TIME = MOST_PHOTO_BYTES
# Photographs are compressed already: what unpacks to more than this is none.
_MOST_UNPACKED, _MOST_TIMES = 1 << 26, 20
# tarfile reads such headers into memory, and calls itself for each.
_MOST_HEADER = 1 << 20
_UNPACKERS = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open))


class HostileShardError(tarfile.TarError):
    """A shard claims more than a shard of photographs can hold."""


@dataclass(frozen=True)
class Shard:
    """An open tar shard. `plain`: its members lie in the file as they are. `most`: the bytes that all may unpack to."""

    archive: tarfile.TarFile
    plain: bool
    most: int


@contextmanager
def open_shard(path: Path) -> Iterator[Shard]:
    """Open a tar shard, compressed or not, by its content.

    Raises tarfile.TarError and OSError, and while it is read whatever decompressors and tarfile raise;
    HostileShardError when a header or what is unpacked is larger than photographs need.
    """
    with path.open("rb") as stream:
        beginning = stream.read(6)
        stream.seek(0)
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        most = _MOST_UNPACKED + _MOST_TIMES * size
        unpack = next((unpack for mark, unpack in _UNPACKERS if beginning.startswith(mark)), None)
        if unpack is None:
            with tarfile.open(fileobj=cast("BinaryIO", _Bounded(stream, None)), mode="r:", tarinfo=_Member) as archive:
                yield Shard(archive, True, most)
            return
        with unpack(stream, "rb") as unpacked:
            bounded = _Bounded(cast("BinaryIO", unpacked), most)
            with tarfile.open(fileobj=cast("BinaryIO", bounded), mode="r:", tarinfo=_Member) as archive:
                yield Shard(archive, False, most)


def read_member(shard: Shard, member: tarfile.TarInfo) -> bytes:
    """Return the bytes of a member. Raises HostileShardError when they are more than a photograph has, or holes."""
    if member.size > MOST_PHOTO_BYTES:
        raise HostileShardError(too_large(member.size))
    if member.size > shard.most:
        raise HostileShardError(f"it has {member.size:,} bytes, nearly all of them holes")
    stream = shard.archive.extractfile(member)
    return b"" if stream is None else stream.read()


def too_large(size: int) -> str:
    """Return why a photograph of so many bytes is not read."""
    return f"it has {size:,} bytes, more than the {MOST_PHOTO_BYTES:,} that a photograph may have"


class _Member(tarfile.TarInfo):
    """A header whose extensions are of a bearable size."""

    def _proc_member(self, shard: tarfile.TarFile) -> tarfile.TarInfo:
        extends = self.type in (
            tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE,
            tarfile.SOLARIS_XHDTYPE,
        )  # fmt: skip
        if extends and not 0 <= self.size <= _MOST_HEADER:
            raise HostileShardError(f"the header of a member claims {self.size:,} bytes")
        return super()._proc_member(shard)  # type: ignore[misc,no-any-return]  # tarfile documents it as its hook


class _Bounded:
    """A file to be read up to a place, and not much at a time."""

    def __init__(self, stream: BinaryIO, most: int | None) -> None:
        self._stream = stream
        self._most = most

    def read(self, size: int = -1) -> bytes:
        """Read as files do. Raises HostileShardError for more than a photograph at a time."""
        if size < 0 or size > _MOST_AT_A_TIME:
            raise HostileShardError(too_large(size))
        data = self._stream.read(size)
        self._check(self._stream.tell())
        return data

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        """Move as in files. Raises HostileShardError beyond what may be unpacked."""
        self._check(place)
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self._stream.tell()

    def _check(self, place: int) -> None:
        if self._most is not None and place > self._most:
            raise HostileShardError(f"it unpacks to more than {self._most:,} bytes, as a bomb does")
