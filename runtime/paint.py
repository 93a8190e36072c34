"""Paint: a network's guess, ready to be put onto the luma of its picture, in RGB or in JPEG's planes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorrt import kernels


@dataclass(frozen=True, eq=False)
class Paint:
    """The chroma of one picture, at the network's size. Made by `Colorizer.paint`; safe to use from any thread."""

    chroma: NDArray[np.float32]
    """(2, S, S), U and V in units of white, before saturation."""

    saturation: float
    """Factor on the chroma, 0..10."""

    guide: NDArray[np.float32] | None
    """(S, S), 0..1: the luma that the network saw, for guided upsampling; None upsamples bilinearly."""

    def rgb(
        self, luma: NDArray[Any], *, out: NDArray[Any] | None = None, top: int = 0, height: int | None = None
    ) -> NDArray[Any]:
        """Return the picture in color, or a band of its rows.

        `luma`: H x W uint8 or uint16, the rows from `top` on of a picture of `height` rows (all of it if not
        given); bands are identical to those rows of the whole. `out`: an array H x W x 3 of the luma's dtype,
        C-contiguous, to write into. Returns H x W x 3 in the dtype of the luma, whose BT.601 luma is `luma` within
        one level. Raises TypeError and ValueError for arrays of other shapes and dtypes.
        """
        return kernels.render_rgb(luma, self.chroma, self.saturation, guide=self.guide, out=out, top=top, height=height)

    def planes(self, luma: NDArray[np.uint8], step: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return Cb and Cr of JPEG (full range), one value each for a block of `step` (down, across) pixels.

        `luma`: H x W uint8. Returns two arrays of ceil(H / down) x ceil(W / across) uint8; luma and they, decoded to
        RGB, keep the luma. Raises TypeError and ValueError for arrays of other shapes and dtypes.
        """
        return kernels.render_planes(luma, self.chroma, self.saturation, step, guide=self.guide)
