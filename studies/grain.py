"""How grainy a scan is: the sigma of its noise, for benchmark pictures that shall decode and encode as scans do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from colorrt.errors import PictureError

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 16
FLATTEST = 0.25
"""Share of the blocks that is looked at: those with least texture."""

_CLIPPED = (16, 239)


def measure_grain(luma: NDArray[np.unsignedinteger[Any]]) -> float:
    """Return the sigma of the grain in the flattest parts of a gray picture, in levels of 255.

    luma: (H, W) uint8 or uint16. Each block's sigma is sqrt(pi / 2) / 6 times the mean size of its difference of two
    Laplacians; the answer is the median over the quarter of the blocks where it is smallest, blocks near black or
    white, which hide grain, left out. Compression has already taken some of the grain from a JPEG.
    Raises PictureError for a picture without a block of middle gray.
    Source: Immerkaer, Fast Noise Variance Estimation, 1996; the choice of blocks is ours.
    """
    levels = luma.astype(np.float64) * (255.0 / np.iinfo(luma.dtype).max)
    down = levels[:-2] - 2 * levels[1:-1] + levels[2:]
    rough = np.abs(down[:, :-2] - 2 * down[:, 1:-1] + down[:, 2:])
    sigma = np.sqrt(np.pi / 2) / 6 * _block_means(rough)
    middle = _block_means(levels[1:-1, 1:-1])
    seen = np.sort(sigma[(middle >= _CLIPPED[0]) & (middle <= _CLIPPED[1])])
    if seen.size == 0:
        raise PictureError(
            f"no part of {BLOCK} x {BLOCK} pixels is neither black nor white, so grain cannot be measured; "
            "take another scan"
        )
    return float(np.median(seen[: max(1, round(FLATTEST * seen.size))]))


def _block_means(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = (side // BLOCK for side in plane.shape)
    blocks = plane[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    means: NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return means.ravel()
