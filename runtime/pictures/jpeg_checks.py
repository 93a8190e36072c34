"""What is wrong with a JPEG that decoders read all the same: bombs, and damage that they paint gray."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO, Protocol

import simplejpeg

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_SCANS = 100
"""A progressive JPEG has about ten. Each makes the decoder go over the whole picture once more."""

MOST_FILL = 1 << 20
"""Bytes between segments that belong to none. Readers go over them one by one."""

_MOST_SEGMENTS = 20_000

# Entropy-coded data: no picture takes more bytes than this a pixel, and a small one no more than the second besides.
_CODED_PER_PIXEL, _CODED_AT_LEAST = 8, 1 << 20
_CHUNK = 1 << 20
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_CODE = re.compile(rb"(?<=\xff)[^\x00\xff]")

# What libjpeg warns of though no pixel depends on it.
_HARMLESS = re.compile(
    r"bad ICC marker|unknown JFIF revision|Unknown Adobe color transform|Invalid SOS parameters for sequential"
)
_EXTRANEOUS = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker 0xd9")
_PADDING = 4


class JpegBombError(ValueError):
    """A JPEG that would keep a decoder busy for no picture. The message says why, without a period."""


class JpegDamageError(ValueError):
    """A part of the picture is missing. The message is libjpeg's."""


def measure_jpeg(stream: BinaryIO) -> int:
    """Return how many bytes the first picture of a JPEG file takes, with its end marker if that is there.

    Its segments and scans are walked without decoding, a megabyte at a time.

    Raises JpegBombError for more scans, fill bytes or coded bytes than any picture has, ValueError where the walk
    cannot go on.
    Source: ITU-T T.81, B.1.1 and B.2.
    """
    walk = _Walk(stream)
    stream.seek(2)
    pixels = scans = coded = 0
    for _ in range(_MOST_SEGMENTS):
        marker = walk.next_marker()
        if marker is None or marker == _EOI:
            return stream.tell()
        if marker in _ALONE or marker == _SOI:
            continue
        length = int.from_bytes(stream.read(2), "big")
        if length < 2:
            raise ValueError(f"the segment at byte {stream.tell()} is damaged")
        if marker in _FRAMES:
            payload = stream.read(length - 2)
            pixels = max(pixels, int.from_bytes(payload[1:3], "big") * int.from_bytes(payload[3:5], "big"))
            continue
        stream.seek(length - 2, 1)
        if marker == _SOS:
            scans += 1
            if scans > MOST_SCANS:
                raise JpegBombError(f"it has more than {MOST_SCANS} scans, as in a bomb")
            coded += walk.skip_coded(_CODED_PER_PIXEL * pixels + _CODED_AT_LEAST - coded)
    raise JpegBombError(f"it has more than {_MOST_SEGMENTS:,} segments, as in a bomb")


class Sides(Protocol):
    """What has a size in pixels: the frame of a JPEG."""

    @property
    def height(self) -> int:
        """Rows."""

    @property
    def width(self) -> int:
        """Columns."""


class _Walk:
    """Steps over a JPEG file; the stream stands behind what was found."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._fill = 0

    def next_marker(self) -> int | None:
        """Return the next marker's code, None at the end of the file."""
        size = 256
        while True:
            place = self._stream.tell()
            data = self._stream.read(size)
            size = min(2 * size, _CHUNK)
            found = _CODE.search(data)
            self._fill += found.start() - 1 if found else len(data)
            if self._fill > MOST_FILL:
                raise JpegBombError(f"it has more than {MOST_FILL >> 20} MB of fill bytes, as in a bomb")
            if found:
                self._stream.seek(place + found.end())
                return data[found.end() - 1]
            if not data:
                return None
            if data.endswith(b"\xff") and len(data) > 1:
                self._stream.seek(-1, 1)

    def skip_coded(self, most: int) -> int:
        """Go to the marker behind entropy-coded data. Returns how many bytes these are."""
        start = self._stream.tell()
        while True:
            place = self._stream.tell()
            data = self._stream.read(_CHUNK)
            found = _NEXT_MARKER.search(data)
            count = place + (found.start() if found else len(data)) - start
            if count > most:
                raise JpegBombError("its coded data are longer than any picture of its size, as in a bomb")
            if found:
                self._stream.seek(start + count)
                return count
            if len(data) < 2:
                return count
            if data.endswith(b"\xff"):
                self._stream.seek(-1, 1)


def reduced_size(frame: Sides, reduction: int) -> tuple[int, int] | None:
    """Return the size (height, width) that libjpeg decodes to, reduced by 2, 4 or 8; None for 1."""
    return None if reduction == 1 else (-(-frame.height // reduction), -(-frame.width // reduction))


def decode_strictly(encoded: bytes, space: str = "GRAY", size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Decode a JPEG to the luma plane alone, (H, W, 1), or to "CMYK" or "RGB".

    size: see `reduced_size`; None decodes all pixels. Of each component, libjpeg then takes a part of the coefficients
    alone, and its cheaper ways of upsampling are used.
    Raises JpegDamageError where libjpeg makes up a part of the picture, ValueError for what it does not decode at all.
    Padding in front of the end marker, and odd metadata, are no damage.
    """
    try:
        return decode_cleanly(encoded, space, size)
    except ValueError as error:
        said = str(error)
    # Raises again what it cannot decode at all; after damage it answers, with what is missing made up.
    plane = _plane(encoded, space, size, strict=False)
    if not _HARMLESS.search(said) and not _is_padding(said, encoded):
        raise JpegDamageError(said)
    return plane


def decode_cleanly(encoded: bytes, space: str = "GRAY", size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Decode as `decode_strictly` does. Raises ValueError for anything that libjpeg warns of, be it harmless."""
    return _plane(encoded, space, size, strict=True)


def _plane(encoded: bytes, space: str, size: tuple[int, int] | None, *, strict: bool) -> NDArray[np.uint8]:
    height, width = size or (0, 0)
    plane: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        encoded, space, fastupsample=size is not None, min_height=height, min_width=width, strict=strict
    )
    return plane


def _is_padding(said: str, encoded: bytes) -> bool:
    """Whether libjpeg only found bytes too many at the end: a few, or all the same."""
    found = _EXTRANEOUS.search(said)
    if found is None:
        return False
    count = int(found[1])
    end = encoded.rfind(b"\xff\xd9")
    return count <= _PADDING or len(set(encoded[max(0, end - count + 2) : end])) <= 1


def check_jpeg(encoded: bytes) -> None:
    """Raise JpegDamageError for a JPEG that libjpeg decodes in part only; say nothing of what is decoded elsewhere."""
    for space in ("GRAY", "CMYK"):
        try:
            decode_strictly(encoded, space)
        except JpegDamageError:
            raise
        except ValueError:
            # Inks do not become gray here: as inks, then. Some kinds only Pillow decodes.
            continue
        return
