"""Dense flow between two small pictures: where each pixel of the one lies in the other.

Patches are matched by inverse search, from coarse to fine, and what they found is spread over the pixels that they
cover. Made for luma of about 64 x 64, on which a call takes a fraction of a millisecond.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from colorrt.kernels.arrays import check_float32, check_plane, readonly_view
from colorrt.kernels.compiling import inner, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

PATCH = 8
"""Side of a patch in pixels."""

STRIDE = 4
"""Pixels from patch to patch."""

LEVELS = 3
"""Sizes that are searched at most, each half of the one before."""

LEAST_SIDE = 16
"""A size with a shorter side than this is not searched, unless it is the picture itself."""

ROUNDS = 8
"""Steps of the search of a patch at most."""

SETTLED = 0.01
"""Pixels: a shorter step ends the search of a patch."""

REACH = 10
"""Pixels that a patch may reach beyond the picture, where its edge goes on, at each size."""

NOISE = 1.0 / 255.0
"""Luma (white is 1) that is taken for noise."""


def find_flow(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return for each pixel (y, x) of `first` how far to go, down and across, to find it in `second`.

    Both pictures are halved by 2 x 2 means (an odd last row or column is left out) while both sides stay at
    LEAST_SIDE or above, LEVELS sizes at most; a side below PATCH is continued to PATCH by its last row or column.
    From the smallest size on, there is for each patch T of PATCH x PATCH pixels, every STRIDE pixels and at the far
    edges, a choice of flows: none, that of the smaller size at the patch's center, twice as long, and those that the
    patches before it in its row and its column found. The one with the least error is taken, the first among equals;
    with d = I - T, I the patch of `second` there, interpolated linearly, the error is

        sum d^2 - (sum d)^2 / PATCH^2

    From there, with the gradients G of T less their mean, the search goes at most ROUNDS steps, until one is shorter
    than SETTLED each way:

        flow -= (sum G G' + PATCH^2 NOISE^2 1)^-1 sum G d

    A patch that ends with a larger error than it began with keeps what it began with, and one whose error with no flow
    is larger by less than PATCH^2 NOISE^2 has none, lest grain move what stands. The flow of a pixel is the mean of the
    flows of its patches, each weighted by 1 / max(NOISE, |second there - first here|).

    first, second: (h, w) float32, 0..1, finite; one shape.
    Returns (2, h, w) float32: pixels down, pixels across. What did not change has exactly none.

    Raises TypeError for other dtypes, ValueError for other shapes, empty or different ones.
    Source: Kroeger, Timofte, Dai, Van Gool, Fast Optical Flow using Dense Inverse Search (2016), without its
    variational step; the choice of where to begin is ours.
    """
    ones, others = _pyramids(first, second)
    return _search_sizes(ones, others)


def find_flows(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return `find_flow` of both ways: from `first` to `second`, and back."""
    ones, others = _pyramids(first, second)
    if np.array_equal(first, second):
        return np.zeros((2, *first.shape), np.float32), np.zeros((2, *first.shape), np.float32)
    return _search_sizes(ones, others), _search_sizes(others, ones)


def _pyramids(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """Return both pictures at all sizes, the largest first, as kernels read them."""
    for plane, name in ((first, "first"), (second, "second")):
        check_float32(plane, name)
        check_plane(plane, name)
    if first.shape != second.shape:
        raise ValueError(f"first and second have to be of one shape, got {first.shape} and {second.shape}")
    pair = np.stack([first, second])
    sizes = [pair]
    while len(sizes) < LEVELS and min(sizes[-1].shape[1:]) >= 2 * LEAST_SIDE:
        sizes.append(_halve(sizes[-1]))
    views = [readonly_view(size) for size in sizes]
    return [view[0] for view in views], [view[1] for view in views]


def _search_sizes(ones: list[NDArray[np.float32]], others: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    flow = np.zeros((2, 1, 1), np.float32)
    for here, there in zip(reversed(ones), reversed(others), strict=True):
        height, width = (max(side, PATCH) for side in here.shape)
        tops, lefts = _places(height), _places(width)
        coarse, flow = readonly_view(flow), np.zeros((2, height, width), np.float32)
        whole = np.empty((height, width), np.float32)
        padded = np.empty((height + 2 * REACH, width + 2 * REACH), np.float32)
        patches, room = np.empty((2, tops.size, lefts.size), np.float32), np.empty((4, PATCH * PATCH), np.float32)
        weights = np.zeros((height, width), np.float32)
        _search_size(here, there, coarse, tops, lefts, whole, padded, room, patches, weights, flow)
        flow = flow[:, : here.shape[0], : here.shape[1]]
    return np.ascontiguousarray(flow)


def _halve(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    even = planes[:, : planes.shape[1] // 2 * 2, : planes.shape[2] // 2 * 2]
    half: NDArray[np.float32] = even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]
    return half * np.float32(0.25)


@lru_cache(maxsize=16)
def _places(side: int) -> NDArray[np.int64]:
    last = side - PATCH
    return readonly_view(np.unique(np.append(np.arange(0, last + 1, STRIDE), last)).astype(np.int64))


# Loops over patches stand in functions of whole planes with bounds that the compiler knows: they become vectors then.


@kernel
def _search_size(
    here: NDArray[np.float32],
    there: NDArray[np.float32],
    coarse: NDArray[np.float32],
    tops: NDArray[np.int64],
    lefts: NDArray[np.int64],
    whole: NDArray[np.float32],
    padded: NDArray[np.float32],
    room: NDArray[np.float32],
    patches: NDArray[np.float32],
    weights: NDArray[np.float32],
    flow: NDArray[np.float32],
) -> None:
    # weights and flow begin as zeros; what the rest holds at first does not matter.
    _extend(here, 0, whole)
    _extend(there, REACH, padded)
    if _match(whole, padded, coarse, tops, lefts, room, patches):
        _spread(whole, padded, tops, lefts, patches, weights, flow)


@inner
def _extend(plane: NDArray[np.float32], margin: int, whole: NDArray[np.float32]) -> None:
    height, width = plane.shape
    for y in range(whole.shape[0]):
        row = min(max(y - margin, 0), height - 1)
        for x in range(whole.shape[1]):
            whole[y, x] = plane[row, min(max(x - margin, 0), width - 1)]


@inner
def _match(
    here: NDArray[np.float32],
    padded: NDArray[np.float32],
    coarse: NDArray[np.float32],
    tops: NDArray[np.int64],
    lefts: NDArray[np.int64],
    room: NDArray[np.float32],
    patches: NDArray[np.float32],
) -> bool:
    # Returns whether any patch moves. room: of a patch itself, both its gradients less their means, and what `_compare`
    # found.
    moves = False
    zero, two, enough = np.float32(0.0), np.float32(2.0), np.float32(PATCH * PATCH * NOISE * NOISE)
    height, width = here.shape
    half = PATCH // 2
    for i in range(tops.size):
        for j in range(lefts.size):
            top, left = tops[i], lefts[j]
            _take_patch(here, top, left, room)
            none = _error_in_place(padded, top, left, room)
            if none < enough:
                # No flow is so much better that the patch would not stand.
                patches[0, i, j], patches[1, i, j] = zero, zero
                continue
            down, across, least = zero, zero, none
            for k in range(3):
                if (k == 1 and j == 0) or (k == 2 and i == 0):
                    continue
                if k == 0:
                    y, x = min((top + half) // 2, coarse.shape[1] - 1), min((left + half) // 2, coarse.shape[2] - 1)
                    maybe_down, maybe_across = two * coarse[0, y, x], two * coarse[1, y, x]
                else:
                    before, above = (j - 1, i) if k == 1 else (j, i - 1)
                    maybe_down, maybe_across = patches[0, above, before], patches[1, above, before]
                maybe_down = _inside(maybe_down, top, height)
                maybe_across = _inside(maybe_across, left, width)
                error = _error(padded, top, left, maybe_down, maybe_across, room)
                if error < least:
                    down, across, least = maybe_down, maybe_across, error
            if least > zero:
                _take_slopes(here, top, left, room)
                found_down, found_across = _search(padded, top, left, down, across, height, width, room)
                found = _error(padded, top, left, found_down, found_across, room)
                if found <= least:
                    down, across, least = found_down, found_across, found
                if none - least < enough:
                    down, across = zero, zero
            patches[0, i, j], patches[1, i, j] = down, across
            moves = moves or down != zero or across != zero
    return moves


@inner
def _inside(way: np.float32, start: int, side: int) -> np.float32:
    # Of what lies beyond one pixel more is read, by the interpolation.
    return min(max(way, np.float32(-REACH - start)), np.float32(side + REACH - 1 - PATCH - start))


@inner
def _take_patch(here: NDArray[np.float32], top: int, left: int, room: NDArray[np.float32]) -> None:
    for y in range(PATCH):
        for x in range(PATCH):
            room[0, PATCH * y + x] = here[top + y, left + x]


@inner
def _take_slopes(here: NDArray[np.float32], top: int, left: int, room: NDArray[np.float32]) -> None:
    height, width = here.shape
    half, share = np.float32(0.5), np.float32(1.0 / (PATCH * PATCH))
    total_down, total_across = np.float32(0.0), np.float32(0.0)
    for y in range(PATCH):
        above, below = max(top + y - 1, 0), min(top + y + 1, height - 1)
        for x in range(PATCH):
            before, after = max(left + x - 1, 0), min(left + x + 1, width - 1)
            room[1, PATCH * y + x] = half * (here[below, left + x] - here[above, left + x])
            room[2, PATCH * y + x] = half * (here[top + y, after] - here[top + y, before])
            total_down += room[1, PATCH * y + x]
            total_across += room[2, PATCH * y + x]
    for x in range(PATCH * PATCH):
        room[1, x] -= total_down * share
        room[2, x] -= total_across * share


@inner
def _compare(
    padded: NDArray[np.float32], top: int, left: int, down: np.float32, across: np.float32, room: NDArray[np.float32]
) -> None:
    whole_down, whole_across = np.floor(down), np.floor(across)
    part_down, part_across = down - whole_down, across - whole_across
    first, start = np.uint64(top + REACH + int(whole_down)), np.uint64(left + REACH + int(whole_across))
    one = np.uint64(1)
    for y in range(np.uint64(PATCH)):
        for x in range(np.uint64(PATCH)):
            over = padded[first + y, start + x]
            over += part_across * (padded[first + y, start + x + one] - over)
            under = padded[first + y + one, start + x]
            under += part_across * (padded[first + y + one, start + x + one] - under)
            room[3, np.uint64(PATCH) * y + x] = over + part_down * (under - over) - room[0, np.uint64(PATCH) * y + x]


@inner
def _error_in_place(padded: NDArray[np.float32], top: int, left: int, room: NDArray[np.float32]) -> np.float32:
    total, squares = np.float32(0.0), np.float32(0.0)
    first, start = np.uint64(top + REACH), np.uint64(left + REACH)
    for y in range(np.uint64(PATCH)):
        for x in range(np.uint64(PATCH)):
            difference = padded[first + y, start + x] - room[0, np.uint64(PATCH) * y + x]
            total += difference
            squares += difference * difference
    return squares - total * total * np.float32(1.0 / (PATCH * PATCH))


@inner
def _error(
    padded: NDArray[np.float32], top: int, left: int, down: np.float32, across: np.float32, room: NDArray[np.float32]
) -> np.float32:
    _compare(padded, top, left, down, across, room)
    total, squares = np.float32(0.0), np.float32(0.0)
    for x in range(PATCH * PATCH):
        total += room[3, x]
        squares += room[3, x] * room[3, x]
    return squares - total * total * np.float32(1.0 / (PATCH * PATCH))


@inner
def _search(
    padded: NDArray[np.float32],
    top: int,
    left: int,
    down: np.float32,
    across: np.float32,
    height: int,
    width: int,
    room: NDArray[np.float32],
) -> tuple[np.float32, np.float32]:
    least = np.float32(PATCH * PATCH * NOISE * NOISE)
    square_down, square_across, product = least, least, np.float32(0.0)
    for x in range(PATCH * PATCH):
        square_down += room[1, x] * room[1, x]
        square_across += room[2, x] * room[2, x]
        product += room[1, x] * room[2, x]
    scale = np.float32(1.0) / (square_down * square_across - product * product)
    for _ in range(ROUNDS):
        slope_down, slope_across = _slopes(padded, top, left, down, across, room)
        step_down = scale * (square_across * slope_down - product * slope_across)
        step_across = scale * (square_down * slope_across - product * slope_down)
        down, across = _inside(down - step_down, top, height), _inside(across - step_across, left, width)
        if max(abs(step_down), abs(step_across)) < np.float32(SETTLED):
            break
    return down, across


@inner
def _slopes(
    padded: NDArray[np.float32], top: int, left: int, down: np.float32, across: np.float32, room: NDArray[np.float32]
) -> tuple[np.float32, np.float32]:
    _compare(padded, top, left, down, across, room)
    slope_down, slope_across = np.float32(0.0), np.float32(0.0)
    for x in range(PATCH * PATCH):
        slope_down += room[1, x] * room[3, x]
        slope_across += room[2, x] * room[3, x]
    return slope_down, slope_across


@inner
def _spread(
    here: NDArray[np.float32],
    padded: NDArray[np.float32],
    tops: NDArray[np.int64],
    lefts: NDArray[np.int64],
    patches: NDArray[np.float32],
    weights: NDArray[np.float32],
    flow: NDArray[np.float32],
) -> None:
    for i in range(tops.size):
        for j in range(lefts.size):
            _add_patch(here, padded, tops[i], lefts[j], patches[0, i, j], patches[1, i, j], weights, flow)
    for y in range(here.shape[0]):
        for x in range(here.shape[1]):
            flow[0, y, x] /= weights[y, x]
            flow[1, y, x] /= weights[y, x]


@inner
def _add_patch(
    here: NDArray[np.float32],
    padded: NDArray[np.float32],
    top: int,
    left: int,
    down: np.float32,
    across: np.float32,
    weights: NDArray[np.float32],
    flow: NDArray[np.float32],
) -> None:
    whole_down, whole_across = np.floor(down), np.floor(across)
    part_down, part_across = down - whole_down, across - whole_across
    first, start = top + REACH + int(whole_down), left + REACH + int(whole_across)
    for y in range(PATCH):
        for x in range(PATCH):
            over = padded[first + y, start + x]
            over += part_across * (padded[first + y, start + x + 1] - over)
            under = padded[first + y + 1, start + x]
            under += part_across * (padded[first + y + 1, start + x + 1] - under)
            difference = abs(over + part_down * (under - over) - here[top + y, left + x])
            weight = np.float32(1.0) / max(difference, np.float32(NOISE))
            weights[top + y, left + x] += weight
            flow[0, top + y, left + x] += weight * down
            flow[1, top + y, left + x] += weight * across
