"""Resize with the antialiased triangle filter that Pillow calls BILINEAR."""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from colorrt.kernels.arrays import check_float32, check_plane, readonly_view, white_of
from colorrt.kernels.compiling import inner, striped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from colorrt.kernels.arrays import Level


ALONE = 200_000
"""Pixels, of both sides together, up to which a plane is resized on the thread that asks."""


class Taps(NamedTuple):
    """Which inputs each output of an axis is the weighted mean of; a named tuple, which Numba understands.

    Output i is the sum over k < length[i] of weights[i, k] times input first[i] + k.
    """

    first: NDArray[np.int64]
    length: NDArray[np.int64]
    weights: NDArray[np.float32]


def resize_luma(luma: NDArray[Level], size: int) -> NDArray[np.float32]:
    """Squeeze luma of any aspect into the square that a network sees.

    luma: (H, W) uint8 or uint16.
    size: side of the square in pixels.
    Returns (size, size) float32, C-contiguous, 0..1 (white is 1).

    Raises TypeError for another dtype, ValueError for another shape, an empty picture, or a size below 1.
    Source: the filter of Pillow's BILINEAR (see `triangle_taps`), without its rounding to 8 bits.
    """
    white = white_of(luma, "luma")
    check_plane(luma, "luma")
    square = _resize(luma, size, size, 1.0 / white)
    # The weights of a pixel add up to 1 only within rounding.
    return np.minimum(square, np.float32(1.0), out=square)


def resize_plane(plane: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Resize a plane with the antialiased triangle filter.

    plane: (H, W) float32, any range. NaN and infinity spread to all outputs whose triangle covers them, no
    further.
    Returns (height, width) float32, C-contiguous, in the plane's unit.

    Raises TypeError for another dtype, ValueError for another shape, an empty plane, or a side below 1.
    Source: the filter of Pillow's BILINEAR (see `triangle_taps`).
    """
    check_float32(plane, "plane")
    check_plane(plane, "plane")
    return _resize(plane, height, width, 1.0)


@lru_cache(maxsize=16)
def triangle_taps(inputs: int, outputs: int) -> Taps:
    """Return the weights that resize an axis of `inputs` pixels to `outputs` pixels.

    Pixel i covers i..i+1, its center is i + 1/2. With scale = inputs / outputs, output i has its center at
    c = (i + 1/2) scale, and input j weighs max(0, 1 - |j + 1/2 - c| / max(1, scale)), normalized over the
    inputs that exist. Enlarging, that is linear interpolation with the edge pixels repeated; shrinking, the
    triangle widens with the scale and so averages.
    """
    scale = inputs / outputs
    support = max(1.0, scale)
    centers = (np.arange(outputs) + 0.5) * scale
    width = min(inputs, int(np.ceil(2 * support)))
    start = np.clip(np.ceil(centers - support - 0.5).astype(np.int64), 0, inputs - width)
    reached = start[:, None] + np.arange(width)
    weights = np.maximum(0.0, 1.0 - np.abs(reached + 0.5 - centers[:, None]) / support)
    # Weights are multiples of 1 / (2 max(inputs, outputs)): what is below half of that is rounding.
    weights[weights < 0.25 / max(inputs, outputs)] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)

    # Taps of weight zero are cut off: zero times NaN is NaN, and would spread it beyond the triangle.
    leading = np.argmax(weights > 0, axis=1)
    length = np.count_nonzero(weights, axis=1)
    order = np.minimum(leading[:, None] + np.arange(width), width - 1)
    shifted = np.take_along_axis(weights, order, axis=1).astype(np.float32)
    return Taps(readonly_view(start + leading), readonly_view(length.astype(np.int64)), readonly_view(shifted))


def _resize(plane: NDArray[Any], height: int, width: int, unit: float) -> NDArray[np.float32]:
    height, width = operator.index(height), operator.index(width)
    if height < 1 or width < 1:
        raise ValueError(f"cannot resize to {height} x {width}; both sides have to be at least 1 pixel")
    rows = triangle_taps(plane.shape[0], height)
    columns = triangle_taps(plane.shape[1], width)
    resized = np.empty((height, width), np.float32)
    run = _resize_rows.alone if plane.size + resized.size <= ALONE else _resize_rows
    run(height, readonly_view(plane), rows, columns, np.float32(unit), resized)
    return resized


@striped
def _resize_rows(
    start: int,
    stop: int,
    plane: NDArray[Any],
    rows: Taps,
    columns: Taps,
    unit: np.float32,
    resized: NDArray[np.float32],
) -> None:
    # Rows are mixed first, into one buffer a thread: a sum of whole rows is what vector instructions do best,
    # and nothing larger than a row is kept between the passes. Mixing the columns of every input row first
    # gives the same sums in another order, at less than half the speed.
    width = resized.shape[1]
    mixed = np.empty(plane.shape[1], np.float32)
    for y in range(start, stop):
        first, count = rows.first[y], rows.length[y]
        mixed[:] = np.float32(0.0)
        # Four rows at once, or two, save the sums trips to memory and back.
        fours = count - count % 4
        for k in range(0, fours, 4):
            _add_four_rows(mixed, plane, first + k, rows.weights[y, k : k + 4], unit)
        if count % 4 >= 2:
            upper, lower = rows.weights[y, fours] * unit, rows.weights[y, fours + 1] * unit
            _add_two_rows(mixed, plane[first + fours], upper, plane[first + fours + 1], lower)
        if count % 2 == 1:
            _add_row(mixed, plane[first + count - 1], rows.weights[y, count - 1] * unit)
        if width == mixed.size:
            # Each is its own.
            _copy_row(mixed, resized[y])
            continue
        for x in range(width):
            left = columns.first[x]
            resized[y, x] = _dot(mixed[left : left + columns.length[x]], columns.weights[x])


@inner
def _copy_row(mixed: NDArray[np.float32], row: NDArray[np.float32]) -> None:
    for x in range(row.size):
        row[x] = mixed[x]


@inner
def _add_four_rows(
    mixed: NDArray[np.float32], plane: NDArray[Any], first: int, weights: NDArray[np.float32], unit: np.float32
) -> None:
    row0, row1, row2, row3 = plane[first], plane[first + 1], plane[first + 2], plane[first + 3]
    weight0, weight1, weight2, weight3 = weights[0] * unit, weights[1] * unit, weights[2] * unit, weights[3] * unit
    for x in range(mixed.size):
        upper = weight0 * np.float32(row0[x]) + weight1 * np.float32(row1[x])
        mixed[x] += upper + weight2 * np.float32(row2[x]) + weight3 * np.float32(row3[x])


@inner
def _add_two_rows(
    mixed: NDArray[np.float32], upper: NDArray[Any], above: np.float32, lower: NDArray[Any], below: np.float32
) -> None:
    for x in range(mixed.size):
        mixed[x] += above * np.float32(upper[x]) + below * np.float32(lower[x])


@inner
def _add_row(mixed: NDArray[np.float32], row: NDArray[Any], weight: np.float32) -> None:
    for x in range(mixed.size):
        mixed[x] += weight * np.float32(row[x])


@inner
def _dot(values: NDArray[np.float32], weights: NDArray[np.float32]) -> np.float32:
    total = np.float32(0.0)
    for k in range(values.size):
        total += values[k] * weights[k]
    return total
