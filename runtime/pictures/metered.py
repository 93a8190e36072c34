"""A stream that gives readers no more bytes than a picture can need, whatever lengths the file claims."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

HEADER_BYTES = 64 << 20
"""What may be read to learn what a picture is: more than any header, profile and description."""

BYTES_PER_PIXEL = 32
"""What may be read besides, once the number of pixels is known: samples of any kind, read twice."""

# Readers that go byte by byte are counted as if they read this much each time: they take as long.
_LEAST_CHARGE = 64


class ReadTooMuchError(ValueError):
    """A reader asked for more bytes than it was allowed."""


class MeteredStream(io.RawIOBase):
    """A binary file that is read like any other, until its allowance is used up.

    Lengths in damaged or hostile files lead readers to take a gigabyte into memory, or to go over it byte by byte,
    before the picture's size can be checked. `hidden`: bytes to be shown in the place of those of the file, by their
    position; see `colorrt.runtime.pictures.tiff_layout`.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._left = HEADER_BYTES
        self.length = stream.seek(0, io.SEEK_END)
        self.hidden: dict[int, bytes] = {}
        stream.seek(0)

    def allow(self, pixels: int = 0) -> None:
        """Let the next step read what a picture of so many pixels may need, from now on."""
        self._left = HEADER_BYTES + BYTES_PER_PIXEL * pixels

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as files do. Raises ReadTooMuchError beyond the allowance."""
        place = self._stream.tell()
        rest = max(0, self.length - place)
        wanted = rest if size is None or size < 0 else min(size, rest)
        self._left -= max(wanted, _LEAST_CHARGE)
        if self._left < 0:
            raise ReadTooMuchError("it makes its reader go over more bytes than a picture of its size needs")
        data = self._stream.read(wanted)
        return self._covered(data, place) if self.hidden else data

    def _covered(self, data: bytes, place: int) -> bytes:
        for position, shown in self.hidden.items():
            start, stop = max(position, place), min(position + len(shown), place + len(data))
            if start < stop:
                data = data[: start - place] + shown[start - position : stop - position] + data[stop - place :]
        return data

    def seek(self, place: int, whence: int = io.SEEK_SET, /) -> int:
        """Move as in any file."""
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self._stream.tell()

    def fileno(self) -> int:
        """Return the number of the file, by which libtiff reads it without us."""
        return self._stream.fileno()

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def seekable(self) -> bool:
        """Whether one can move in it: always."""
        return True
