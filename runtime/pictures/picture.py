"""A picture in memory: its levels, and what of its file its colored copy keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture, upright, and what of its file goes on to the colored copy."""

    pixels: NDArray[Any]
    """(H, W) gray or (H, W, 3) RGB, uint8 or uint16, C-contiguous, gamma-coded; white is 255 or 65535."""

    alpha: NDArray[Any] | None = None
    """(H, W) uint8 or uint16, 0 transparent; None if every pixel is opaque."""

    exif: bytes | None = None
    """An EXIF block (from its "Exif" on) of what describes the picture: no orientation, which is applied, no
    thumbnail, which is gray, and nothing of how the file was stored."""

    dpi: tuple[float, float] | None = None
    """Dots per inch across and down."""

    icc_profile: bytes | None = None
    """An RGB profile: the file's own, or one with the tone curve of the file's gray profile. Profiles of ink are
    applied and dropped."""

    format: str = ""
    """Pillow's name of the file's format, "JPEG" for instance."""

    xmp: bytes | None = None
    """An XMP packet: its orientation is 1, what it said of gray storage is gone."""

    iptc: bytes | None = None
    """IPTC records (IIM)."""

    compressed: bool = False
    """Whether a TIFF was compressed in any way; its colored copy is then, too."""
