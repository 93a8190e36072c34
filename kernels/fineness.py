"""How fine chroma is beside its luma, and so how much of it is to be drawn to edges."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from colorrt.kernels.compiling import inner, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

FINENESS = (0.28, 0.32)
"""Chroma less fine than the first is drawn to edges entirely, chroma finer than the second not at all."""

LEAST_SIDE = 32
"""Pixels: in a smaller square too few are left at a quarter of its size to tell how fine it is."""


def share_of(planes: NDArray[np.float32]) -> float:
    """Return how much of its way to the edges chroma goes, s: 1 where it is far smoother than luma, 0 where it is not.

    With b1 a 1-2-1 blur each way of a plane, b2 the same of b1 with neighbors 2 pixels away, b3 of b2 with 4, each
    taken at every first, second and fourth pixel only (beyond the picture the last one that is taken),

        fineness = mean((b1 - b2)^2) / mean((b2 - b3)^2)
        s falls from 1 to 0 as fineness(chroma) / sqrt(fineness(luma)) goes through FINENESS

    planes: (3, h, w) float32, finite, C-contiguous, of sides of LEAST_SIDE or more: R - Y and B - Y in any unit, and
    Y, 0..1.
    Returns 0..1.
    Source: the scales of edge-avoiding wavelets (Dammertz et al. 2010) to tell how fine a plane is; s is ours.
    """
    _, height, width = planes.shape
    half = np.empty((3, (height + 1) // 2, (width + 1) // 2), np.float32)
    quarter = np.empty((3, (height + 3) // 4, (width + 3) // 4), np.float32)
    line, energies = np.empty(width + 2, np.float32), np.empty((2, 3))
    _measure(planes, half, line, energies[0])
    _measure(half, quarter, line, energies[1])
    (red, blue, light), (coarse_red, coarse_blue, coarse_light) = energies.tolist()
    below = (coarse_red + coarse_blue) * math.sqrt(light)
    if below == 0.0:
        # Chroma that changes nowhere, or luma without an edge to follow.
        return 0.0
    least, most = FINENESS
    fineness = (red + blue) * math.sqrt(coarse_light) / below
    # A mean of a quarter of the pixels stands below, and the root of another above.
    fineness *= math.sqrt(quarter[0].size / half[0].size)
    return min(max((most - fineness) / (most - least), 0.0), 1.0)


@kernel
def _measure(
    planes: NDArray[np.float32],
    halves: NDArray[np.float32],
    line: NDArray[np.float32],
    energies: NDArray[np.float64],
) -> None:
    # Of every second pixel: a 1-2-1 blur of these is one of all pixels with neighbors twice as far away.
    for k in range(planes.shape[0]):
        _halve(planes[k], line, halves[k])
        energies[k] = _energy_of(halves[k], line)


# Loops stand in functions of whole planes: to hand over rows one by one counts references, which takes longer than
# what is done to a row.


@inner
def _halve(plane: NDArray[np.float32], line: NDArray[np.float32], halved: NDArray[np.float32]) -> None:
    one, two, quarter = np.uint64(1), np.float32(2.0), np.float32(0.25)
    for y in range(halved.shape[0]):
        _blur_down(plane, 2 * y, line)
        for x in range(halved.shape[1]):
            # Unsigned, or else LLVM cannot know that no index counts from the end.
            left = np.uint64(x) + np.uint64(x)
            halved[y, x] = quarter * (line[left] + two * line[left + one] + line[left + one + one])


@inner
def _energy_of(plane: NDArray[np.float32], line: NDArray[np.float32]) -> float:
    two, quarter = np.float32(2.0), np.float32(0.25)
    energy = 0.0
    for y in range(plane.shape[0]):
        _blur_down(plane, y, line)
        of_row: Any = np.float32(0.0)
        for x in range(plane.shape[1]):
            detail = plane[y, x] - quarter * (line[x] + two * line[x + 1] + line[x + 2])
            of_row += detail * detail
        energy += of_row
    return energy


@inner
def _blur_down(plane: NDArray[np.float32], y: int, line: NDArray[np.float32]) -> None:
    # Into line[1:], with the first and the last value beyond its ends.
    two, quarter = np.float32(2.0), np.float32(0.25)
    height, width = plane.shape
    above, below = max(y - 1, 0), min(y + 1, height - 1)
    for x in range(width):
        line[x + 1] = quarter * (plane[above, x] + two * plane[y, x] + plane[below, x])
    line[0], line[width + 1] = line[1], line[width]
