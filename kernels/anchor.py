"""What stands keeps its color: a slow memory of chroma that follows things and lets go where luma changes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from colorrt.kernels.alignment import SIGMA
from colorrt.kernels.compiling import inner, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

PATIENCE = 15.0
"""Frames after which the memory of a pixel counts as much as the frame itself."""

STILL = 0.1
"""Pixels a frame: what moves less than this stands, and its memory is not moved either."""

MOVING = 10.0
"""Frames that the memory of what moves counts for at most: each move blurs it a little."""

FADING = 32.0
"""Frames over which the memory of luma follows slow changes of light."""


def begin_memory(luma: NDArray[np.float32], chroma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the memory of the first frame of a shot.

    luma: (h, w) float32, 0..1. chroma: (2, h, w) float32, any unit.
    Returns (4, h, w) float32: two planes of chroma, luma, and for how many frames each pixel was seen.
    """
    memory = np.ones((4, *luma.shape), np.float32)
    memory[:2], memory[2] = chroma, luma
    return memory


def hold_color(
    memory: NDArray[np.float32], luma: NDArray[np.float32], chroma: NDArray[np.float32], back: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the chroma of a frame drawn to what was remembered of it, and what is remembered then.

    Where the flow back f is STILL or longer, the memory of pixel p is taken from p + f, interpolated linearly (beyond
    the edge, from the edge), with a count n of MOVING at most; elsewhere it stays in place. With A its chroma, L its
    luma, and d = luma - L:

        share = n / (n + PATIENCE) exp(-(d / SIGMA)^2) where |d| < SIGMA, else 0
        held = chroma + share (A - chroma)

    Where |d| < SIGMA, n grows by 1 and A is the mean of all that was seen, A + (chroma - A) / n, so that nothing can
    drift however long the shot; L follows in FADING frames. Elsewhere the memory begins anew with this frame.

    memory: (4, h, w) float32, of the frame before. luma: (h, w) float32. chroma: (2, h, w) float32. back: (2, h, w)
    float32, flow in pixels down and across from this frame to the one before.
    Returns (2, h, w) and (4, h, w) float32.
    """
    held, kept = np.empty_like(chroma), np.empty_like(memory)
    _hold(memory, luma, chroma, back, held, kept)
    return held, kept


@kernel
def _hold(
    memory: NDArray[np.float32],
    luma: NDArray[np.float32],
    chroma: NDArray[np.float32],
    back: NDArray[np.float32],
    held: NDArray[np.float32],
    kept: NDArray[np.float32],
) -> None:
    one, patience, fading = np.float32(1.0), np.float32(PATIENCE), np.float32(FADING)
    sigma = np.float32(SIGMA)
    height, width = luma.shape
    for y in range(height):
        for x in range(width):
            down, across = back[0, y, x], back[1, y, x]
            if down * down + across * across < np.float32(STILL * STILL):
                past_u, past_v, past_luma, count = memory[0, y, x], memory[1, y, x], memory[2, y, x], memory[3, y, x]
            else:
                past_u, past_v, past_luma, count = _past(memory, np.float32(y) + down, np.float32(x) + across)
                count = min(count, np.float32(MOVING))
            change = luma[y, x] - past_luma
            u, v = chroma[0, y, x], chroma[1, y, x]
            if abs(change) < sigma:
                share = np.float32(math.exp(-(change / sigma) * (change / sigma))) * count / (count + patience)
                held[0, y, x], held[1, y, x] = u + share * (past_u - u), v + share * (past_v - v)
                count += one
                kept[0, y, x], kept[1, y, x] = past_u + (u - past_u) / count, past_v + (v - past_v) / count
                kept[2, y, x], kept[3, y, x] = past_luma + change / min(count, fading), count
            else:
                held[0, y, x], held[1, y, x] = u, v
                kept[0, y, x], kept[1, y, x], kept[2, y, x], kept[3, y, x] = u, v, luma[y, x], one


@inner
def _past(
    memory: NDArray[np.float32], down: np.float32, across: np.float32
) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    zero = np.float32(0.0)
    _, height, width = memory.shape
    down, across = min(max(down, zero), np.float32(height - 1)), min(max(across, zero), np.float32(width - 1))
    top, left = int(down), int(across)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    part_down, part_across = down - np.float32(top), across - np.float32(left)
    return (
        _mix(memory[0], top, bottom, left, right, part_down, part_across),
        _mix(memory[1], top, bottom, left, right, part_down, part_across),
        _mix(memory[2], top, bottom, left, right, part_down, part_across),
        _mix(memory[3], top, bottom, left, right, part_down, part_across),
    )


@inner
def _mix(
    plane: NDArray[np.float32],
    top: int,
    bottom: int,
    left: int,
    right: int,
    part_down: np.float32,
    part_across: np.float32,
) -> np.float32:
    over = plane[top, left] + part_across * (plane[top, right] - plane[top, left])
    under = plane[bottom, left] + part_across * (plane[bottom, right] - plane[bottom, left])
    return np.float32(over + part_down * (under - over))
