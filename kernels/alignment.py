"""Means of chroma over frames that lie near in time, each brought to where its things are in the middle one."""

from __future__ import annotations

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

# Pixels of a row that pass as vectors together, as long as all of them stand.
_BLOCK = 16


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
    nothing. What is found there, luma Y and chroma C interpolated linearly, weighs exp(-((Y - Y(p)) / SIGMA)^2) (to
    within 1e-6); the pixel itself weighs 1. Frames that were not guessed lead further, but weigh nothing; where the
    middle one was not, the pixel itself weighs OWN_WEIGHT, and all others at least LEAST_WEIGHT.

    planes: (n, 3, h, w) float32 of n frames in any order: U and V in any unit, and luma, 0..1.
    onward, back: (n, 2, h, w) float32, flow in pixels down and across from each frame to the next in time and to the
    one before (`colorrt.kernels.flow.find_flows`).
    before, after: int64, indices of the frames before the middle one and after it, the nearest first.
    guessed: (n,) bool, whether a network guessed the chroma of each frame.
    Returns (2, h, w) float32.
    Source: the issue on film; non-local means along motion (Buades, Lisani, Miladinovic, 2016) is akin.
    """
    _, _, height, width = planes.shape
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
        np.empty((3, width), np.float32),
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
    sums: NDArray[np.float32],
    mean: NDArray[np.float32],
) -> None:
    # sums: of a row, weighted U and V, and the weights.
    width = mean.shape[2]
    own = np.float32(1.0) if guessed[middle] else np.float32(OWN_WEIGHT)
    for y in range(mean.shape[1]):
        for x in range(width):
            sums[0, x], sums[1, x] = own * planes[middle, 0, y, x], own * planes[middle, 1, y, x]
            sums[2, x] = own
        _add_frames(planes, onward, middle, after, y, guessed, per_sigma, sums)
        _add_frames(planes, back, middle, before, y, guessed, per_sigma, sums)
        for x in range(width):
            mean[0, y, x], mean[1, y, x] = sums[0, x] / sums[2, x], sums[1, x] / sums[2, x]


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
    # As long as a row stands, each frame of it is one pass of vector instructions; then as long as each block does.
    least = np.float32(0.0) if guessed[middle] else np.float32(LEAST_WEIGHT)
    width = planes.shape[3]
    rest = _add_standing(planes, flows, middle, frames, 0, y, 0, width, guessed, per_sigma, least, sums)
    if rest == frames.size:
        return
    for left in range(0, width, _BLOCK):
        right = min(left + _BLOCK, width)
        k = _add_standing(planes, flows, middle, frames, rest, y, left, right, guessed, per_sigma, least, sums)
        if k < frames.size:
            _add_along(planes, flows, middle, frames, k, y, left, right, guessed, per_sigma, least, sums)


@inner
def _add_standing(
    planes: NDArray[np.float32],
    flows: NDArray[np.float32],
    middle: int,
    frames: NDArray[np.int64],
    first: int,
    y: int,
    left: int,
    right: int,
    guessed: NDArray[np.bool_],
    per_sigma: np.float32,
    least: np.float32,
    sums: NDArray[np.float32],
) -> int:
    # Returns which of the frames is the first to which something moves.
    k = first
    while k < frames.size and _stands(flows, frames[k - 1] if k else middle, y, left, right):
        if guessed[frames[k]]:
            _add_in_place(planes, frames[k], middle, y, left, right, per_sigma, least, sums)
        k += 1
    return k


@inner
def _stands(flows: NDArray[np.float32], frame: int, y: int, left: int, right: int) -> bool:
    length = np.float32(0.0)
    for x in range(left, right):
        length += abs(flows[frame, 0, y, x]) + abs(flows[frame, 1, y, x])
    return bool(length == np.float32(0.0))


@inner
def _weigh(difference: np.float32, least: np.float32) -> np.float32:
    # exp(-difference^2) by the series of its sixteenth root, which becomes vector instructions.
    one, part = np.float32(1.0), min(difference * difference, np.float32(20.0)) * np.float32(1.0 / 16.0)
    root = np.float32(1.0 / 720.0) * part - np.float32(1.0 / 120.0)
    root = root * part + np.float32(1.0 / 24.0)
    root = root * part - np.float32(1.0 / 6.0)
    root = root * part + np.float32(0.5)
    root = (root * part - one) * part + one
    root *= root
    root *= root
    root *= root
    return max(root * root, least)


@inner
def _add_in_place(
    planes: NDArray[np.float32],
    frame: int,
    middle: int,
    y: int,
    left: int,
    right: int,
    per_sigma: np.float32,
    least: np.float32,
    sums: NDArray[np.float32],
) -> None:
    for x in range(left, right):
        weight = _weigh((planes[frame, 2, y, x] - planes[middle, 2, y, x]) * per_sigma, least)
        sums[0, x] += weight * planes[frame, 0, y, x]
        sums[1, x] += weight * planes[frame, 1, y, x]
        sums[2, x] += weight


@inner
def _add_along(
    planes: NDArray[np.float32],
    flows: NDArray[np.float32],
    middle: int,
    frames: NDArray[np.int64],
    first: int,
    y: int,
    begin_column: int,
    end_column: int,
    guessed: NDArray[np.bool_],
    per_sigma: np.float32,
    least: np.float32,
    sums: NDArray[np.float32],
) -> None:
    # Of frames[first] and those behind it; up to the one before it the block stands. Indices without a sign need no
    # check for being counted from the end.
    half, still, zero, one = np.float32(0.5), np.float32(STILL * STILL), np.float32(0.0), np.float32(1.0)
    _, _, height, width = planes.shape
    lowest, rightmost = np.float32(height - 1), np.float32(width - 1)
    last_row, last_column, next_one = np.uint64(height - 1), np.uint64(width - 1), np.uint64(1)
    row = np.uint64(y)
    begin = frames[first - 1] if first else middle
    for x in range(begin_column, end_column):
        column = np.uint64(x)
        luma = planes[middle, 2, row, column]
        down, across, last = np.float32(y), np.float32(x), begin
        sum_u, sum_v, weights = sums[0, x], sums[1, x], sums[2, x]
        # The place as four pixels and what each counts.
        top, left, bottom, right = row, column, row, column
        a, b, c, d = one, zero, zero, zero
        for k in range(first, frames.size):
            frame = frames[k]
            down += a * flows[last, 0, top, left] + b * flows[last, 0, top, right]
            down += c * flows[last, 0, bottom, left] + d * flows[last, 0, bottom, right]
            across += a * flows[last, 1, top, left] + b * flows[last, 1, top, right]
            across += c * flows[last, 1, bottom, left] + d * flows[last, 1, bottom, right]
            if down < -half or across < -half or down > lowest + half or across > rightmost + half:
                break
            last = frame
            near_down, near_across = min(max(down, zero), lowest), min(max(across, zero), rightmost)
            whole_down, whole_across = int(near_down), int(near_across)
            top, left = np.uint64(whole_down), np.uint64(whole_across)
            bottom, right = min(top + next_one, last_row), min(left + next_one, last_column)
            part_down, part_across = near_down - np.float32(whole_down), near_across - np.float32(whole_across)
            d = part_down * part_across
            c, b = part_down - d, part_across - d
            a = one - part_down - b
            if not guessed[frame]:
                continue
            way_down, way_across = down - np.float32(y), across - np.float32(x)
            if way_down * way_down + way_across * way_across < still:
                u, v, there = (
                    planes[frame, 0, row, column],
                    planes[frame, 1, row, column],
                    planes[frame, 2, row, column],
                )
            else:
                u = a * planes[frame, 0, top, left] + b * planes[frame, 0, top, right]
                u += c * planes[frame, 0, bottom, left] + d * planes[frame, 0, bottom, right]
                v = a * planes[frame, 1, top, left] + b * planes[frame, 1, top, right]
                v += c * planes[frame, 1, bottom, left] + d * planes[frame, 1, bottom, right]
                there = a * planes[frame, 2, top, left] + b * planes[frame, 2, top, right]
                there += c * planes[frame, 2, bottom, left] + d * planes[frame, 2, bottom, right]
            weight = _weigh((there - luma) * per_sigma, least)
            sum_u += weight * u
            sum_v += weight * v
            weights += weight
        sums[0, x], sums[1, x], sums[2, x] = sum_u, sum_v, weights
