"""Whether a picture is in color, or gray with a tint: by how much its chroma spreads around a curve over its luma.

Sepia, duotones, split tones and casts give every luma one chroma, or one that changes smoothly over the picture. Things
of different colors do not. So the smooth part is fitted and taken away, and what remains decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from colorrt.atomic import printable
from colorrt.errors import PictureError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CELLS = 32
"""Cells along the longer side that a picture is averaged to: grain and the chroma noise of JPEG are below them."""

SHARE = 0.3
"""Of the picture's area, how much has to be in color: stamps, color targets and narrow frames are less."""

LEAST_SPREAD = 1.8
"""Levels of 255 by which chroma has to depart from the curve, beside `SPREAD_OF_TINT`. Chosen by
`python -m studies color`."""

SPREAD_OF_TINT = 0.06
"""What strong tints spread in JPEG, as a share of their chroma."""

MARGIN = 0.2
"""What a frame or a mount may take on each side."""

_SAMPLES = 8
_KNOTS = 9
_ROUNDS = 4
# Levels within which a departure counts as noise, not as an outlier.
_NOISE = 1.0


class InColorError(PictureError):
    """A picture is in color already, and is not to be colored anew. `where`: in which part of it, ", in ..."."""

    def __init__(self, path: Path, where: str = "") -> None:
        super().__init__(f"{printable(path)}: it is in color already{where}: left as it is; --recolor colors it")


@dataclass(frozen=True)
class ColorSpread:
    """How chroma lies in a picture, in levels of 255.

    `spread`: what 30% of the picture departs from the curve by, or more. `tint`: chroma of the curve, the median.
    """

    spread: float
    tint: float

    @property
    def is_color(self) -> bool:
        """Whether that is real color."""
        return self.spread > LEAST_SPREAD + SPREAD_OF_TINT * self.tint


def is_in_color(pixels: NDArray[Any]) -> bool:
    """Whether a picture is in color already: not gray, toned, tinted or yellowed.

    pixels: (H, W) or (H, W, 3), uint8 or uint16. What is gray but for a stamp, a color target or a frame is not in
    color. Gray arrays cost nothing.
    """
    if pixels.ndim == 2:
        return False
    cells = reduce_to_cells(pixels)
    if _quantile(_chroma(cells)) <= LEAST_SPREAD:
        return False
    if not measure_spread(cells).is_color:
        return False
    middle = _middle(cells)
    return middle is None or measure_spread(middle).is_color


def reduce_to_cells(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Average a picture (H, W, 3; uint8 or uint16) to at most 32 x 32 cells. Returns float32, 0..255.

    Of a large cell, 8 x 8 pixels spread over it stand for all.
    """
    height, width = pixels.shape[:2]
    side = max(1, -(-max(height, width) // CELLS))
    samples = min(side, _SAMPLES)
    rows, columns = (_places(length, side, samples) for length in (height, width))
    picked = pixels[rows[:, None], columns].astype(np.float32)
    if pixels.dtype == np.uint16:
        picked /= np.float32(257)
    shape = (len(rows) // samples, samples, len(columns) // samples, samples, 3)
    cells: NDArray[np.float32] = picked.reshape(shape).mean((1, 3))
    return cells


def measure_spread(cells: NDArray[np.float32]) -> ColorSpread:
    """Fit chroma by a curve over luma and a slow change over the picture, and measure what departs from it.

    cells: (h, w, 3), R, G, B of 0..255. The fit is robust (iteratively reweighted least squares, nearing least
    absolute deviations), so that a stamp does not bend it.
    """
    height, width = cells.shape[:2]
    luma, chroma = _luma(cells).ravel(), _chroma(cells).reshape(-1, 2)
    knots = np.maximum(0, 1 - np.abs(luma[:, None] * np.float32((_KNOTS - 1) / 255) - np.arange(_KNOTS)))
    down, across = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    x, y = across.ravel(), down.ravel()
    basis = np.column_stack([knots, x, y, x * y, x * x, y * y])
    ridge = 1e-5 * len(basis) * np.eye(basis.shape[1])
    weights = np.ones(len(basis))
    fitted = chroma
    for _ in range(_ROUNDS):
        weighted = weights[:, None] * basis
        fitted = basis @ np.linalg.solve(weighted.T @ basis + ridge, weighted.T @ chroma)
        weights = 1 / np.maximum(np.hypot(*(chroma - fitted).T), _NOISE)
    tint = float(np.median(np.hypot(*fitted.T)))
    return ColorSpread(_quantile(chroma - fitted), tint)


def _middle(cells: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the cells without a margin, None where too few would remain."""
    down, across = (int(MARGIN * length) for length in cells.shape[:2])
    if not down or not across:
        return None
    return cells[down:-down, across:-across]


def _places(length: int, side: int, samples: int) -> NDArray[np.intp]:
    cells = max(1, length // side)
    # A picture narrower than a cell is one cell.
    side = min(side, length)
    inside = (np.arange(samples) * side + side // 2) // samples
    found: NDArray[np.intp] = (np.arange(cells)[:, None] * side + inside).ravel().astype(np.intp)
    return found


def _luma(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    return cells @ np.array([0.299, 0.587, 0.114], np.float32)


def _chroma(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return Cb and Cr of BT.601, (h, w, 2), 0 for gray."""
    luma = _luma(cells)
    return np.stack([(cells[..., 2] - luma) / np.float32(1.772), (cells[..., 0] - luma) / np.float32(1.402)], axis=-1)


def _quantile(chroma: NDArray[Any]) -> float:
    return float(np.quantile(np.hypot(chroma[..., 0], chroma[..., 1]), 1 - SHARE))
