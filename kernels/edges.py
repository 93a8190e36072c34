"""Chroma that is smoother than its luma, drawn back to the edges of that luma.

A network's chroma is often smoother than the square it comes in: color runs several pixels over the edge of its
object, and no upsampling can tell. Here each pixel takes the mean of the pixels around it that can be reached
without crossing an edge of luma, most of it of those that lie off edges: beside an edge color comes from the inside
of the pixel's own side. Chroma as fine as its luma, as photographs have, is left alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from colorrt.kernels.compiling import inner, kernel, striped
from colorrt.kernels.fineness import LEAST_SIDE, share_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

REACH = 8.0
"""Pixels: in a flat region the weight falls to exp(-sqrt 2) this far away along an axis."""

STEP = 0.03
"""Difference of luma between neighbors (white is 1) that lets little more than half of their color through."""

RANGE = 0.06
"""Range of luma in 3 x 3 pixels that halves their trust."""

LEAST_TRUST = 0.01
"""Trust of a pixel on the steepest edge, so that thin things keep their color where no inside is within reach."""

# Rows that a thread takes at least: less is done before another has begun.
_ROWS = 32


def follow_edges(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the planes with their chroma drawn to the edges of their luma, as far as it is smoother than that.

    With Y the luma, n the 3 x 3 pixels around one, and the trust t of a pixel

        t = LEAST_TRUST + 1 / (1 + ((max Y(n) - min Y(n)) / RANGE)^4)

    neighbors pass on a = exp(-sqrt 2 / REACH) / (1 + ((difference of Y) / STEP)^2 / 8)^4, which is a normal curve but
    for its tails. The weight of a pixel in another is t times the product of a on the way there, along the row first
    and then down the column; d becomes d + s (mean - d). How much, s, is one number for the picture
    (`colorrt.kernels.fineness.share_of`), and 0 for planes of a side below LEAST_SIDE.

    planes: (3, h, w) float32, finite: R - Y and B - Y in any unit, and Y, 0..1.
    Returns (3, h, w) float32; the argument itself where s is 0.
    Source: recursive filtering in the transformed domain (Gastal and Oliveira, Domain Transform, 2011, section 5);
    trust and the rational curve are ours.
    """
    if min(planes.shape[1:]) < LEAST_SIDE:
        return planes
    # One layout, so that all is compiled once: the planes that are made here are written to.
    ready = np.require(planes, requirements=["C_CONTIGUOUS", "ALIGNED", "WRITEABLE"])
    share = share_of(ready)
    if share == 0.0:
        return planes
    _, height, width = planes.shape
    groups = -(-height // _ROWS)
    # Made here, for to allocate takes the compiler long.
    sums, down, followed = np.empty_like(ready), np.empty_like(ready[2]), np.empty_like(ready)
    lines, mixture = np.empty((groups, _LINES, width + 2), np.float32), np.empty((groups, 4 * width), np.float32)
    below = np.empty((4, width), np.float32)
    reach = np.float32(math.exp(-math.sqrt(2.0) / REACH))
    _add_rows(groups, ready, reach, lines, mixture, down, sums)
    _add_columns(ready, np.float32(share), down, sums, below, followed)
    return followed


@striped
def _add_rows(
    start: int,
    stop: int,
    planes: NDArray[np.float32],
    reach: np.float32,
    lines: NDArray[np.float32],
    mixture: NDArray[np.float32],
    down: NDArray[np.float32],
    sums: NDArray[np.float32],
) -> None:
    # Of groups of _ROWS rows. reach: what passes between equals. down: what passes to the row below; sums: of trusted
    # red, blue and of trust, of what can be reached along the row.
    work, mixed = lines[start], mixture[start]
    for y in range(start * _ROWS, min(stop * _ROWS, planes.shape[1])):
        _trust_row(planes, y, work)
        _pass_row(planes, y, reach, down, work)
        _weigh(planes, y, work, mixed)
        _add_across(mixed, work)
        _join(y, work, sums)


# Loops stand in functions of whole planes: to hand over rows one by one counts references, which takes longer than
# what is done to a row.

# Lines of the work. LEFT and RIGHT are three each: red, blue and trust.
_TRUST, _ACROSS, _LOW, _HIGH, _LEFT, _RIGHT, _LINES = 0, 1, 2, 3, 4, 7, 10


@inner
def _trust_row(planes: NDArray[np.float32], y: int, work: NDArray[np.float32]) -> None:
    one, least, per_range = np.float32(1.0), np.float32(LEAST_TRUST), np.float32(1.0 / RANGE)
    height, width = planes.shape[1:]
    above, below = max(y - 1, 0), min(y + 1, height - 1)
    for x in range(width):
        work[_LOW, x + 1] = min(planes[2, above, x], planes[2, y, x], planes[2, below, x])
        work[_HIGH, x + 1] = max(planes[2, above, x], planes[2, y, x], planes[2, below, x])
    for line in (_LOW, _HIGH):
        work[line, 0], work[line, width + 1] = work[line, 1], work[line, width]
    for x in range(width):
        most = max(work[_HIGH, x], work[_HIGH, x + 1], work[_HIGH, x + 2])
        wide = (most - min(work[_LOW, x], work[_LOW, x + 1], work[_LOW, x + 2])) * per_range
        square = wide * wide
        work[_TRUST, x] = least + one / (one + square * square)


@inner
def _pass_row(
    planes: NDArray[np.float32], y: int, reach: np.float32, down: NDArray[np.float32], work: NDArray[np.float32]
) -> None:
    one, scale = np.float32(1.0), np.float32(1.0 / (8.0 * STEP * STEP))
    height, width = planes.shape[1:]
    below = min(y + 1, height - 1)
    for x in range(width):
        step = planes[2, below, x] - planes[2, y, x]
        each = one + scale * step * step
        square = each * each
        down[y, x] = reach / (square * square)
    for x in range(width - 1):
        step = planes[2, y, x + 1] - planes[2, y, x]
        each = one + scale * step * step
        square = each * each
        work[_ACROSS, x] = reach / (square * square)
    # Beyond the last pixel there is nothing.
    work[_ACROSS, width - 1] = np.float32(0.0)


@inner
def _weigh(planes: NDArray[np.float32], y: int, work: NDArray[np.float32], mixed: NDArray[np.float32]) -> None:
    for x in range(planes.shape[2]):
        # Four rather than three a pixel, which vector instructions can write.
        at = np.uint64(4) * np.uint64(x)
        trust = work[_TRUST, x]
        mixed[at] = trust * planes[0, y, x]
        mixed[at + np.uint64(1)] = trust * planes[1, y, x]
        mixed[at + np.uint64(2)] = trust
        mixed[at + np.uint64(3)] = np.float32(0.0)


@inner
def _add_across(mixed: NDArray[np.float32], work: NDArray[np.float32]) -> None:
    # Each step waits for the last one: six sums side by side.
    one, two, four = np.uint64(1), np.uint64(2), np.uint64(4)
    width = mixed.size // 4
    across = work[_ACROSS]
    red = blue = sure = far_red = far_blue = far_sure = passed = np.float32(0.0)
    last = np.uint64(width - 1)
    for x in range(width):
        near = np.uint64(x)
        at = four * near
        red = mixed[at] + passed * red
        blue = mixed[at + one] + passed * blue
        sure = mixed[at + two] + passed * sure
        work[_LEFT, near], work[_LEFT + 1, near], work[_LEFT + 2, near] = red, blue, sure
        passed = across[near]
        far = last - near
        at = four * far
        far_red = mixed[at] + across[far] * far_red
        far_blue = mixed[at + one] + across[far] * far_blue
        far_sure = mixed[at + two] + across[far] * far_sure
        work[_RIGHT, far], work[_RIGHT + 1, far], work[_RIGHT + 2, far] = far_red, far_blue, far_sure
    for k in range(3):
        work[_RIGHT + k, width] = np.float32(0.0)


@inner
def _join(y: int, work: NDArray[np.float32], sums: NDArray[np.float32]) -> None:
    for k in range(3):
        for x in range(sums.shape[2]):
            sums[k, y, x] = work[_LEFT + k, x] + work[_ACROSS, x] * work[_RIGHT + k, x + 1]


@kernel
def _add_columns(
    planes: NDArray[np.float32],
    share: np.float32,
    down: NDArray[np.float32],
    sums: NDArray[np.float32],
    below: NDArray[np.float32],
    followed: NDArray[np.float32],
) -> None:
    # On one thread: shorter rows take hardly less. below: what comes from there, and the weight of all, for one row;
    # `followed` begins as what comes from above.
    # Planes are counted by their shape: of a constant LLVM makes so many copies of each loop.
    _add_from_above(down, sums, followed)
    for k in range(planes.shape[0]):
        for x in range(planes.shape[2]):
            below[k, x] = np.float32(0.0)
    for y in range(planes.shape[1] - 1, -1, -1):
        _weight_row(y, planes, share, sums, below, followed)
        for k in range(planes.shape[0] - 1):
            _mean_row(k, y, planes, share, sums, below, followed)
        if y > 0:
            _add_from_below(y, down, sums, below)


@inner
def _add_from_above(down: NDArray[np.float32], sums: NDArray[np.float32], followed: NDArray[np.float32]) -> None:
    _, height, width = sums.shape
    for k in range(sums.shape[0]):
        for x in range(width):
            followed[k, 0, x] = np.float32(0.0)
        for y in range(1, height):
            for x in range(width):
                followed[k, y, x] = down[y - 1, x] * (sums[k, y - 1, x] + followed[k, y - 1, x])


@inner
def _add_from_below(y: int, down: NDArray[np.float32], sums: NDArray[np.float32], below: NDArray[np.float32]) -> None:
    for k in range(sums.shape[0]):
        for x in range(sums.shape[2]):
            below[k, x] = down[y - 1, x] * (sums[k, y, x] + below[k, x])


@inner
def _weight_row(
    y: int,
    planes: NDArray[np.float32],
    share: np.float32,
    sums: NDArray[np.float32],
    below: NDArray[np.float32],
    followed: NDArray[np.float32],
) -> None:
    for x in range(planes.shape[2]):
        below[3, x] = share / (sums[2, y, x] + followed[2, y, x] + below[2, x])
        followed[2, y, x] = planes[2, y, x]


@inner
def _mean_row(
    k: int,
    y: int,
    planes: NDArray[np.float32],
    share: np.float32,
    sums: NDArray[np.float32],
    below: NDArray[np.float32],
    followed: NDArray[np.float32],
) -> None:
    rest = np.float32(1.0) - share
    for x in range(planes.shape[2]):
        mean = below[3, x] * (sums[k, y, x] + followed[k, y, x] + below[k, x])
        followed[k, y, x] = rest * planes[k, y, x] + mean
