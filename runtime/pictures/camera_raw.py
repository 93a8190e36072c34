"""Camera RAW, told by its content: what readers would show of it is a preview, not the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

CAMERA_RAW = "it is camera RAW, and what could be read of it is a preview only; develop it first"

DNG_VERSION = 50706
PHOTOMETRIC = 262
SUB_DIRECTORIES = 330
UNDEVELOPED = frozenset({32803, 34892})
"""Photometric interpretations of what a sensor saw: through a filter of colors, and linear. Source: DNG 1.7."""

# Canon (CRW), Fujifilm, Minolta, Olympus, Panasonic, Sigma.
_MARKS = (b"FUJIFILMCCD-RAW", b"\0MRM", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb")


def is_raw_mark(stream: BinaryIO) -> bool:
    """Whether a file begins as camera RAW of a kind that is no TIFF."""
    stream.seek(0)
    beginning = stream.read(32)
    stream.seek(0)
    crw = beginning[:2] in (b"II", b"MM") and beginning[6:14] == b"HEAPCCDR"
    cr3 = beginning[4:12] == b"ftypcrx "
    return crw or cr3 or beginning.startswith(_MARKS)


def is_raw_head(head: bytes) -> bool:
    """Whether a TIFF begins as Canon's CR2 does."""
    return head[8:10] == b"CR"
