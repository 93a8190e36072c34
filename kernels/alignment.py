"""Means of chroma over frames that lie near in time, each brought to where its things are in the middle one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from colorrt.kernels.arrays import readonly_view
from colorrt.kernels.compiling import inner, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

STILL = 0.5
"""Pixels: what moved less than this from one frame of the window to another is taken to stand."""

SIGMA = 10.0 / 255.0
"""Difference of luma (white is 1) at which the weight of a pixel has fallen to 1 / e."""

LEAST_WEIGHT = 1e-3
"""What a neighbor weighs at least in the mean of a frame that was not guessed: of each pixel something must be said."""

OWN_WEIGHT = 1e-6
"""What the placeholder of a frame that was not guessed weighs: it counts where the way ends at once on both sides."""


def align_mean(
    planes: NDArray[np.float32],
    onward: NDArray[np.float32],
    back: NDArray[np.float32],
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    middle: int,
    guessed: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Return the chroma of one frame as the weighted mean of its own and of what its neighbors say of the same things.

    Of each pixel p of the middle frame the place in the frame k further is p_k = p_(k-1) + f(p_(k-1)), f the flow
    there from that frame to the next, interpolated linearly (beyond the edge, that of the edge); it ends where p_k
    leaves the frame by more than half a pixel. Where p_k lies less than STILL from p it is taken to be p, which blurs
    nothing. What is found there, luma Y and chroma C interpolated linearly, weighs exp(-((Y - Y(p)) / SIGMA)^2); the
    pixel itself weighs 1. Frames that were not guessed lead further, but weigh nothing; where the middle one was not,
    the pixel itself weighs OWN_WEIGHT, and all others at least LEAST_WEIGHT.

    planes: (n, h, w, 3) float32 of n frames in any order: U and V in any unit, and luma, 0..1.
    onward, back: (n, h, w, 2) float32, flow in pixels down and across from each frame to the next in time and to the
    one before (`colorrt.kernels.flow.find_flow`).
    before, after: int64, indices of the frames before the middle one and after it, the nearest first.
    guessed: (n,) bool, whether a network guessed the chroma of each frame.
    Returns (2, h, w) float32.
    Source: the issue on film; non-local means along motion (Buades, Lisani, Miladinovic, 2016) is akin.
    """
    _, height, width, _ = planes.shape
    mean = np.empty((2, height, width), np.float32)
    _average_rows(
        readonly_view(planes),
        readonly_view(onward),
        readonly_view(back),
        readonly_view(before),
        readonly_view(after),
        middle,
        readonly_view(guessed),
        np.float32(1.0 / SIGMA),
        mean,
    )
    return mean


# On the thread that asks: for pictures this small, to hand rows to others takes longer than to do them.


@kernel
def _average_rows(
    planes: NDArray[np.float32],
    onward: NDArray[np.float32],
    back: NDArray[np.float32],
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    middle: int,
    guessed: NDArray[np.bool_],
    per_sigma: np.float32,
    mean: NDArray[np.float32],
) -> None:
    width = mean.shape[2]
    sums = np.empty((width, 3), np.float32)
    own = np.float32(1.0) if guessed[middle] else np.float32(OWN_WEIGHT)
    for y in range(mean.shape[1]):
        for x in range(width):
            sums[x, 0], sums[x, 1] = own * planes[middle, y, x, 0], own * planes[middle, y, x, 1]
            sums[x, 2] = own
        _add_frames(planes, onward, middle, after, y, guessed, per_sigma, sums)
        _add_frames(planes, back, middle, before, y, guessed, per_sigma, sums)
        for x in range(width):
            mean[0, y, x], mean[1, y, x] = sums[x, 0] / sums[x, 2], sums[x, 1] / sums[x, 2]


@inner
def _add_frames(
    planes: NDArray[np.float32],
    flows: NDArray[np.float32],
    middle: int,
    frames: NDArray[np.int64],
    y: int,
    guessed: NDArray[np.bool_],
    per_sigma: np.float32,
    sums: NDArray[np.float32],
) -> None:
    half, still, zero, one = np.float32(0.5), np.float32(STILL * STILL), np.float32(0.0), np.float32(1.0)
    _, height, width, _ = planes.shape
    lowest, rightmost = np.float32(height - 1), np.float32(width - 1)
    least = zero if guessed[middle] else np.float32(LEAST_WEIGHT)
    for x in range(width):
        luma = planes[middle, y, x, 2]
        down, across, last = np.float32(y), np.float32(x), middle
        # The place as four pixels and what each counts.
        top, left, bottom, right = y, x, y, x
        a, b, c, d = one, zero, zero, zero
        for k in range(frames.size):
            frame = frames[k]
            down += (
                a * flows[last, top, left, 0]
                + b * flows[last, top, right, 0]
                + c * flows[last, bottom, left, 0]
                + d * flows[last, bottom, right, 0]
            )
            across += (
                a * flows[last, top, left, 1]
                + b * flows[last, top, right, 1]
                + c * flows[last, bottom, left, 1]
                + d * flows[last, bottom, right, 1]
            )
            if down < -half or across < -half or down > lowest + half or across > rightmost + half:
                break
            last = frame
            near_down, near_across = min(max(down, zero), lowest), min(max(across, zero), rightmost)
            top, left = int(near_down), int(near_across)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            part_down, part_across = near_down - np.float32(top), near_across - np.float32(left)
            a, b = (one - part_down) * (one - part_across), (one - part_down) * part_across
            c, d = part_down * (one - part_across), part_down * part_across
            if not guessed[frame]:
                continue
            way_down, way_across = down - np.float32(y), across - np.float32(x)
            if way_down * way_down + way_across * way_across < still:
                u, v, there = planes[frame, y, x, 0], planes[frame, y, x, 1], planes[frame, y, x, 2]
            else:
                u = a * planes[frame, top, left, 0] + b * planes[frame, top, right, 0]
                u += c * planes[frame, bottom, left, 0] + d * planes[frame, bottom, right, 0]
                v = a * planes[frame, top, left, 1] + b * planes[frame, top, right, 1]
                v += c * planes[frame, bottom, left, 1] + d * planes[frame, bottom, right, 1]
                there = a * planes[frame, top, left, 2] + b * planes[frame, top, right, 2]
                there += c * planes[frame, bottom, left, 2] + d * planes[frame, bottom, right, 2]
            distance = (there - luma) * per_sigma
            weight = max(np.float32(math.exp(-distance * distance)), least)
            sums[x, 0] += weight * u
            sums[x, 1] += weight * v
            sums[x, 2] += weight
