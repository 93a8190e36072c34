"""Area under the curve of Zhang et al.: the share of pixels whose a*, b* lie within a distance, over all distances.

The share of pixels nearer than t to the truth, integrated over t from 0 to 150 and divided by 150. Of one pixel at
distance d that is max(0, 1 - d / 150), so no thresholds have to be tried. Rebalanced, each color counts the same:
pixels are weighed by the inverse share of their true color's bin (10 x 10 in a*, b*) among the photographs measured
here. The paper takes the shares of ImageNet's training set, so its rebalanced figures compare with ours roughly alone.
Source: Zhang, Isola, Efros, Colorful image colorization (ECCV 2016), section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FARTHEST = 150.0
BIN = 10.0
_BINS = 32
"""Bins an axis: a* and b* of sRGB lie within -108 and 99."""


@dataclass(frozen=True)
class Area:
    """Areas under the curve, 0..1, of the colored pictures and of the gray ones in their place."""

    raw: float
    gray_raw: float
    rebalanced: float
    gray_rebalanced: float


class AreaMeter:
    """Takes a* and b* of pictures one by one; every picture counts the same, whatever its size."""

    def __init__(self) -> None:
        # Share of the pixels, and sums of the areas of colored and gray, in each bin of true color.
        self._sums = np.zeros((3, _BINS * _BINS))

    def add(self, truth: NDArray[np.float64], ours: NDArray[np.float64]) -> None:
        """Count in one picture: (H, W, 2) a*, b* of the original and of the colored version."""
        index = np.clip(np.floor(truth / BIN + 0.5).astype(np.intp) + _BINS // 2, 0, _BINS - 1)
        bins = (index[..., 0] * _BINS + index[..., 1]).ravel()
        pixels = bins.size
        self._sums[0] += np.bincount(bins, minlength=_BINS * _BINS) / pixels
        # The gray picture has a* = b* = 0.
        for row, distance in ((1, truth - ours), (2, truth)):
            near = np.clip(1 - np.hypot(distance[..., 0], distance[..., 1]) / FARTHEST, 0, None)
            self._sums[row] += np.bincount(bins, near.ravel(), minlength=_BINS * _BINS) / pixels

    def area(self) -> Area:
        """Return the areas. Raises ValueError when no picture was added."""
        share, colored, gray = self._sums
        present = share > 0
        if not present.any():
            raise ValueError("there are no pictures to measure colors on; add at least one")
        total = share.sum()
        return Area(
            raw=float(colored.sum() / total),
            gray_raw=float(gray.sum() / total),
            rebalanced=float((colored[present] / share[present]).mean()),
            gray_rebalanced=float((gray[present] / share[present]).mean()),
        )
