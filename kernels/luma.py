"""Luma of a picture: what a colorizer sees, and what it may not touch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from colorrt.contract import LUMA_OF_RGB
from colorrt.kernels.arrays import Level, check_plane, contiguous, readonly_view, white_of
from colorrt.kernels.compiling import inner, striped

if TYPE_CHECKING:
    from numpy.typing import NDArray

# BT.601's weights in 65536ths: 19595, 38470, 7471, as in Pillow. They add up to 65536, so that gray stays as it is.
# Numba takes numbers of a module for constants and keeps kernels for as long as their own file is unchanged: after a
# change here or in the contract, kernels of other files (rendering, field) go on with the old ones until
# NUMBA_CACHE_DIR or the __pycache__ of this folder is emptied.
RED_WEIGHT, GREEN_WEIGHT, BLUE_WEIGHT = (round(65536 * weight) for weight in LUMA_OF_RGB)

# 32 bits hold the sum even for uint16 (65535 * 65536 + 32768 < 2**32), and make vectors twice as long as 64.
_RED = np.uint32(RED_WEIGHT)
_GREEN = np.uint32(GREEN_WEIGHT)
_BLUE = np.uint32(BLUE_WEIGHT)
_HALF = np.uint32(32768)
_SHIFT = np.uint32(16)


def luma(picture: NDArray[Level]) -> NDArray[Level]:
    """Return the BT.601 luma of a gamma-coded picture.

    Y = (19595 R + 38470 G + 7471 B + 32768) >> 16, bit for bit Pillow's conversion from RGB to L.

    picture: (H, W, 3) RGB or (H, W) gray, uint8 or uint16. Gray is returned as it is, copied only if it is
    not C-contiguous.
    Returns (H, W), C-contiguous, in the picture's dtype.

    Raises TypeError for another dtype, ValueError for another shape or an empty picture.
    Source: ITU-R BT.601; Pillow's integer weights.
    """
    white_of(picture, "picture")
    if picture.ndim == 2:
        check_plane(picture, "picture")
        return contiguous(picture)
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.size == 0:
        raise ValueError(
            f"picture has to be (H, W, 3) or (H, W) with at least one pixel, got shape {picture.shape}; "
            "drop an alpha channel first"
        )
    height, width = picture.shape[:2]
    plane = np.empty((height, width), picture.dtype)
    _luma_rows(height, readonly_view(picture).reshape(height, 3 * width), plane)
    return plane


@striped
def _luma_rows(start: int, stop: int, picture: NDArray[Level], plane: NDArray[Level]) -> None:
    for y in range(start, stop):
        _luma_row(picture[y], plane[y])


@inner
def _luma_row(picture: NDArray[Level], row: NDArray[Level]) -> None:
    # Flat: of a load with a stride of three LLVM makes shuffles, of a two-dimensional one single loads.
    for x in range(row.size):
        red = np.uint32(np.uint32(picture[3 * x]) * _RED)
        green = np.uint32(np.uint32(picture[3 * x + 1]) * _GREEN)
        blue = np.uint32(np.uint32(picture[3 * x + 2]) * _BLUE)
        row[x] = np.uint32(red + green + blue + _HALF) >> _SHIFT
