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

from colorrt.kernels.arrays import handed_over
from colorrt.kernels.compiling import inner, kernel, striped

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARPNESS = 0.75
"""How much of what a 1-2-1 blur takes away is added once more, where the picture is 1.5 times the field or more."""

REACH = 8.0
"""Pixels: in a flat region the weight falls to exp(-sqrt 2) this far away along an axis."""

STEP = 0.03
"""Difference of luma between neighbors (white is 1) that lets little more than half of their color through."""

RANGE = 0.06
"""Range of luma in 3 x 3 pixels that halves their trust."""

LEAST_TRUST = 0.01
"""Trust of a pixel on the steepest edge, so that thin things keep their color where no inside is within reach."""

FINENESS = (0.28, 0.32)
"""Chroma less fine than the first is drawn to edges entirely, chroma finer than the second not at all."""

LEAST_SIDE = 32
"""Pixels: in a smaller square too few are left at a quarter of its size to tell how fine it is."""


def follow_edges(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the planes with their chroma drawn to the edges of their luma, as far as it is smoother than that.

    With Y the luma, n the 3 x 3 pixels around one, and the trust t of a pixel

        t = LEAST_TRUST + 1 / (1 + ((max Y(n) - min Y(n)) / RANGE)^4)

    neighbors pass on a = exp(-sqrt 2 / REACH) / (1 + ((difference of Y) / STEP)^2 / 8)^4, which is a normal curve but
    for its tails. The weight of a pixel in another is t times the product of a on the way there, along the row first
    and then down the column; d becomes d + s (mean - d). How much, s, is one number for the picture: with
    b1 a 1-2-1 blur each way of a plane, b2 the same of b1 with neighbors 2 pixels away, b3 of b2 with 4, each taken at
    every first, second and fourth pixel only (beyond the picture the last one that is taken),

        fineness = mean((b1 - b2)^2) / mean((b2 - b3)^2)
        s falls from 1 to 0 as fineness(chroma) / sqrt(fineness(luma)) goes through FINENESS

    and 0 for planes of a side below LEAST_SIDE.

    planes: (3, h, w) float32, finite: R - Y and B - Y in any unit, and Y, 0..1.
    Returns (3, h, w) float32; the argument itself where s is 0.
    Source: recursive filtering in the transformed domain (Gastal and Oliveira, Domain Transform, 2011, section 5)
    with the scales of edge-avoiding wavelets (Dammertz et al. 2010) to tell how fine a plane is; trust, the rational
    curve and s are ours.
    """
    if min(planes.shape[1:]) < LEAST_SIDE:
        return planes
    room = np.empty_like(planes)
    share = _share_of(planes, room)
    if share == 0.0:
        return planes
    followed = np.empty_like(planes)
    # Made here, for to allocate takes the compiler long; and memory touched before is faster than new.
    down, lines, sums = np.empty_like(planes[2]), np.empty((9, planes.shape[2] + 2), np.float32), room
    reach = np.float32(math.exp(-math.sqrt(2.0) / REACH))
    _spread(handed_over(planes), reach, np.float32(share), down, sums, lines, followed)
    followed[2] = planes[2]
    return followed


def _share_of(planes: NDArray[np.float32], room: NDArray[np.float32]) -> float:
    # room: is overwritten.
    half = _blur_of(planes, _detail_of(planes, room))
    fine = _detail_of(half, np.empty_like(half))
    quarter = _blur_of(half, fine)
    coarse = _detail_of(quarter, np.empty_like(quarter))
    below = _energy_of(coarse[:2]) * math.sqrt(_energy_of(fine[2:]))
    if below == 0.0:
        # Chroma that changes nowhere, or luma without an edge to follow.
        return 0.0
    least, most = FINENESS
    fineness = _energy_of(fine[:2]) * math.sqrt(_energy_of(coarse[2:])) / below
    return min(max((most - fineness) / (most - least), 0.0), 1.0)


def _blur_of(planes: NDArray[np.float32], detail: NDArray[np.float32]) -> NDArray[np.float32]:
    # Of every second pixel: a 1-2-1 blur of these is one of all pixels with neighbors 2 pixels away.
    return np.ascontiguousarray(planes[:, ::2, ::2] - detail[:, ::2, ::2] * np.float32(1.0 / SHARPNESS))


def _detail_of(planes: NDArray[np.float32], detail: NDArray[np.float32]) -> NDArray[np.float32]:
    quarter = np.float32(0.25)
    sharpen(planes.shape[1], handed_over(planes), quarter, quarter, detail)
    detail -= planes
    return detail


def _energy_of(detail: NDArray[np.float32]) -> float:
    flat = detail.ravel()
    return float(np.vdot(flat, flat)) / detail.size


@striped
def sharpen(
    start: int,
    stop: int,
    planes: NDArray[np.float32],
    down: np.float32,
    across: np.float32,
    sharp: NDArray[np.float32],
) -> None:
    """Write p + SHARPNESS (p - blur(p)) of planes (n, h, w) into `sharp`.

    down, across: what each neighbor weighs in the blur, 0 to 1/4; at the edge of the picture it is the pixel itself.
    """
    height = planes.shape[1]
    blurred = np.empty(planes.shape[2] + 2, np.float32)
    for y in range(start, stop):
        for k in range(planes.shape[0]):
            _sharpen_row(
                planes[k, max(y - 1, 0)],
                planes[k, y],
                planes[k, min(y + 1, height - 1)],
                down,
                across,
                blurred,
                sharp[k, y],
            )


@inner
def _sharpen_row(
    above: NDArray[np.float32],
    row: NDArray[np.float32],
    below: NDArray[np.float32],
    down: np.float32,
    across: np.float32,
    blurred: NDArray[np.float32],
    sharp: NDArray[np.float32],
) -> None:
    two, much = np.float32(2.0), np.float32(SHARPNESS)
    width = row.size
    for x in range(width):
        blurred[x + 1] = row[x] + down * (above[x] + below[x] - two * row[x])
    blurred[0], blurred[width + 1] = blurred[1], blurred[width]
    for x in range(width):
        blur = blurred[x + 1] + across * (blurred[x] + blurred[x + 2] - two * blurred[x + 1])
        sharp[x] = row[x] + much * (row[x] - blur)


@kernel
def _spread(
    planes: NDArray[np.float32],
    reach: np.float32,
    share: np.float32,
    down: NDArray[np.float32],
    sums: NDArray[np.float32],
    lines: NDArray[np.float32],
    followed: NDArray[np.float32],
) -> None:
    # reach: what passes between equals. sums: of each row alone; followed, below: what comes from the rows beyond it.
    height, width = planes.shape[1:]
    across, trust, below = lines[0, :width], lines[1, :width], lines[2:5, :width]
    for k in range(3):
        for x in range(width):
            followed[k, 0, x] = np.float32(0.0)
            below[k, x] = np.float32(0.0)
    for y in range(height):
        upper, light, lower = planes[2, max(y - 1, 0)], planes[2, y], planes[2, min(y + 1, height - 1)]
        _trust_row(upper, light, lower, lines[5], lines[6], trust)
        _pass_row(light[: width - 1], light[1:], reach, across)
        _add_across(
            planes[0, y],
            planes[1, y],
            trust,
            across,
            lines[7, :width],
            lines[8, :width],
            sums[0, y],
            sums[1, y],
            sums[2, y],
        )
        _pass_row(light, lower, reach, down[y])
        if y > 0:
            for k in range(3):
                _move_on(sums[k, y - 1], followed[k, y - 1], down[y - 1], followed[k, y])
    for y in range(height - 1, -1, -1):
        for k in range(2):
            _mean_row(sums[k, y], below[k], sums[2, y], followed[2, y], below[2], planes[k, y], share, followed[k, y])
        if y > 0:
            for k in range(3):
                _move_on(sums[k, y], below[k], down[y - 1], below[k])


@inner
def _trust_row(
    upper: NDArray[np.float32],
    light: NDArray[np.float32],
    lower: NDArray[np.float32],
    low: NDArray[np.float32],
    high: NDArray[np.float32],
    trust: NDArray[np.float32],
) -> None:
    one, least, per_range = np.float32(1.0), np.float32(LEAST_TRUST), np.float32(1.0 / RANGE)
    width = light.size
    low_middle, high_middle = low[1:], high[1:]
    for x in range(width):
        low_middle[x] = min(upper[x], light[x], lower[x])
        high_middle[x] = max(upper[x], light[x], lower[x])
    low[0], low[width + 1], high[0], high[width + 1] = low[1], low[width], high[1], high[width]
    for x in range(width):
        most = max(high[x], high[x + 1], high[x + 2])
        wide = (most - min(low[x], low[x + 1], low[x + 2])) * per_range
        square = wide * wide
        trust[x] = least + one / (one + square * square)


@inner
def _pass_row(
    light: NDArray[np.float32], other: NDArray[np.float32], reach: np.float32, passed: NDArray[np.float32]
) -> None:
    one, scale = np.float32(1.0), np.float32(1.0 / (8.0 * STEP * STEP))
    for x in range(light.size):
        step = other[x] - light[x]
        each = one + scale * step * step
        square = each * each
        passed[x] = reach / (square * square)


@inner
def _add_across(
    reds: NDArray[np.float32],
    blues: NDArray[np.float32],
    trust: NDArray[np.float32],
    across: NDArray[np.float32],
    trusted_reds: NDArray[np.float32],
    trusted_blues: NDArray[np.float32],
    red_sums: NDArray[np.float32],
    blue_sums: NDArray[np.float32],
    trust_sums: NDArray[np.float32],
) -> None:
    for x in range(trust.size):
        trusted_reds[x] = trust[x] * reds[x]
        trusted_blues[x] = trust[x] * blues[x]
    # Each step waits for the last one: a single multiplication and addition, of three sums side by side.
    red = blue = sure = passed = np.float32(0.0)
    for x in range(trust.size):
        red = trusted_reds[x] + passed * red
        blue = trusted_blues[x] + passed * blue
        sure = trust[x] + passed * sure
        red_sums[x], blue_sums[x], trust_sums[x] = red, blue, sure
        passed = across[x]
    last = trust.size - 1
    red, blue, sure = trusted_reds[last], trusted_blues[last], trust[last]
    for x in range(last - 1, -1, -1):
        passed = across[x]
        red_sums[x] += passed * red
        blue_sums[x] += passed * blue
        trust_sums[x] += passed * sure
        red = trusted_reds[x] + passed * red
        blue = trusted_blues[x] + passed * blue
        sure = trust[x] + passed * sure


@inner
def _move_on(
    row: NDArray[np.float32], beyond: NDArray[np.float32], passed: NDArray[np.float32], moved: NDArray[np.float32]
) -> None:
    for x in range(row.size):
        moved[x] = passed[x] * (row[x] + beyond[x])


@inner
def _mean_row(
    sums: NDArray[np.float32],
    below: NDArray[np.float32],
    trust: NDArray[np.float32],
    trust_above: NDArray[np.float32],
    trust_below: NDArray[np.float32],
    row: NDArray[np.float32],
    share: np.float32,
    followed: NDArray[np.float32],
) -> None:
    for x in range(row.size):
        mean = (sums[x] + followed[x] + below[x]) / (trust[x] + trust_above[x] + trust_below[x])
        followed[x] = row[x] + share * (mean - row[x])
