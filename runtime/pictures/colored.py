"""A colored picture that is rendered while it is written, some rows at a time, and never whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from colorrt.runtime.paint import Paint

# Bytes of rows that are rendered at a time: enough to keep threads busy, little beside any picture.
_BAND = 1 << 24


@dataclass(frozen=True, eq=False)
class Colored:
    """Luma and the paint that goes onto it, to be used like the array (H, W, 3) that they make."""

    luma: NDArray[Any]
    """(H, W) uint8 or uint16."""
    paint: Paint

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, 3)."""
        return (*self.luma.shape, 3)

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the luma."""
        return self.luma.dtype

    def rows(self, top: int, bottom: int) -> NDArray[Any]:
        """Return the rows from `top` to before `bottom`, the same as in the picture rendered whole."""
        return self.paint.rgb(self.luma[top:bottom], top=top, height=len(self.luma))


def rows_of(rgb: NDArray[Any] | Colored, top: int, bottom: int) -> NDArray[Any]:
    """Return rows of a picture, rendered now if it is not yet."""
    return rgb.rows(top, bottom) if isinstance(rgb, Colored) else rgb[top:bottom]


def bands_of(rgb: NDArray[Any] | Colored, step: int = 1) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield first row and rows of band after band, from the top; all but the last have a multiple of `step` rows."""
    height, width = rgb.shape[:2]
    rows = max(1, _BAND // (3 * width * rgb.dtype.itemsize * step)) * step
    for top in range(0, height, rows):
        yield top, rows_of(rgb, top, min(top + rows, height))


def in_8_bits(levels: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Round levels to 8 bits: (255 x + 32767) // 65535. Raises TypeError unless they are uint8 or uint16."""
    if levels.dtype == np.uint8:
        return np.ascontiguousarray(levels)
    if levels.dtype != np.uint16:
        raise TypeError(f"{name} has to be uint8 or uint16, got {levels.dtype}; convert it with astype")
    rounded = np.empty(levels.shape, np.uint8)
    # A few rows at a time: the wider products would take four times the memory of the picture.
    for top in range(0, len(levels), 64):
        rows = slice(top, top + 64)
        rounded[rows] = (levels[rows] * np.uint32(255) + np.uint32(32767)) // np.uint32(65535)
    return rounded


def in_16_bits(levels: NDArray[Any]) -> NDArray[np.uint16]:
    """Spread levels to 16 bits: 255 becomes 65535. Those of 16 bits are returned as they are."""
    return levels if levels.dtype == np.uint16 else levels * np.uint16(257)


def with_alpha(rgb: NDArray[Any], alpha: NDArray[Any] | None, top: int) -> NDArray[Any]:
    """Return rows of a picture, the first of which is `top`, with their alpha as a fourth channel, if there is any."""
    if alpha is None:
        return np.ascontiguousarray(rgb)
    rows = alpha[top : top + len(rgb)]
    return np.dstack([rgb, in_16_bits(rows) if rgb.dtype == np.uint16 else in_8_bits(rows, "alpha")])
