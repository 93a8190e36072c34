"""Chroma error by luma band: where between black and white the colors go wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from colorrt.contract import LUMA_OF_RGB, U_SCALE, V_SCALE
from colorrt.kernels.luma import luma

if TYPE_CHECKING:
    from numpy.typing import NDArray

BANDS = 8
WIDTH = 256 // BANDS
# U and V of R, G, B: the scales times B - Y and R - Y.
_CHROMA = np.array([[U_SCALE], [V_SCALE]]) * (np.eye(3)[[2, 0]] - np.array(LUMA_OF_RGB))


@dataclass(frozen=True)
class Band:
    """Figures of the pixels whose luma lies in `first` .. `last` (levels of 255, both inside), over all pictures.

    `share`: of all pixels. `error`, `gray_error`: mean distance of chroma (U, V) from the original's, of the colored
    and of the gray picture, in levels of 255. `bias_u`, `bias_v`: mean of colored minus original. None without pixels.
    """

    first: int
    last: int
    share: float
    error: float | None
    gray_error: float | None
    bias_u: float | None
    bias_v: float | None


@dataclass
class BandErrors:
    """Sums over pictures, from which `bands` makes the figures. Each pixel counts the same."""

    _count: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BANDS))
    _sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros((4, BANDS)))

    def add(self, original: NDArray[np.uint8], colored: NDArray[np.uint8]) -> None:
        """Count in a picture and its colored version, (H, W, 3) uint8 sRGB of equal shape."""
        band = (luma(original).reshape(-1) // WIDTH).astype(np.intp)
        truth, guess = (chroma_levels(picture) for picture in (original, colored))
        off = guess - truth
        rows = (np.hypot(*off), np.hypot(*truth), off[0], off[1])
        self._count += np.bincount(band, minlength=BANDS)
        for index, row in enumerate(rows):
            self._sums[index] += np.bincount(band, weights=row, minlength=BANDS)

    def bands(self) -> tuple[Band, ...]:
        """Return the figures, from dark to bright. Raises ValueError when no picture was added."""
        total = self._count.sum()
        if not total:
            raise ValueError("there are no pictures to sort into bands; add at least one")
        found = []
        for index, count in enumerate(self._count):
            means = [float(value / count) if count else None for value in self._sums[:, index]]
            found.append(Band(index * WIDTH, (index + 1) * WIDTH - 1, float(count / total), *means))
        return tuple(found)


def chroma_levels(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """U = 0.492 (B - Y) and V = 0.877 (R - Y) of (H, W, 3) uint8 RGB: 2 x (H W) float64, in levels of 255."""
    chroma: NDArray[np.float64] = _CHROMA @ rgb.reshape(-1, 3).T.astype(np.float64)
    return chroma
