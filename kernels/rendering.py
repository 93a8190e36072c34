"""The full-size kernels: one pass over the picture, row by row, in vector instructions.

A field (see `colorrt.kernels.field`) is interpolated across once for each of its rows and down for each row of the
picture. Rows of channels are planar until the last loop interleaves them, and a tile of columns is narrow enough for
all of its rows to stay in the second-level cache. Each step is its own loop over plain rows, for these LLVM turns
into vector instructions; a fused or two-dimensional loop takes twice the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from colorrt.kernels.arrays import Level
from colorrt.kernels.compiling import inner, striped
from colorrt.kernels.luma import DEEP_BLUE_WEIGHT, DEEP_GREEN_WEIGHT, DEEP_RED_WEIGHT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from colorrt.kernels.field import Axis

TILE = 2048
"""Columns of a tile: eight rows of float32 take 64 KB, beside which there is room in any second-level cache."""

# G - Y = -(0.299 (R - Y) + 0.114 (B - Y)) / 0.587.
_GREEN_PER_RED = np.float32(-DEEP_RED_WEIGHT / DEEP_GREEN_WEIGHT)
_GREEN_PER_BLUE = np.float32(-DEEP_BLUE_WEIGHT / DEEP_GREEN_WEIGHT)

# JFIF: Cr = 128 + (R - Y) / 1.402, Cb = 128 + (B - Y) / 1.772.
_CR_PER_RED = np.float32(1.0 / 1.402)
_CB_PER_BLUE = np.float32(1.0 / 1.772)

# Of 16 bits: luma in thousandths, red and blue to be taken off, and half of green's weight to round by.
_THOUSAND = np.uint32(1000)
_DEEP_RED = np.uint32(DEEP_RED_WEIGHT)
_DEEP_BLUE = np.uint32(DEEP_BLUE_WEIGHT)
_DEEP_GREEN = np.uint32(DEEP_GREEN_WEIGHT)
_DEEP_HALF = np.uint32(DEEP_GREEN_WEIGHT // 2)

_ONE = np.float32(1.0)
_HALF = np.float32(0.5)
# Keeps gray, where no channel moves, from dividing by zero.
_TINY = np.float32(1e-20)


@striped
def render_rows(
    start: int,
    stop: int,
    luma: NDArray[Level],
    field: NDArray[np.float32],
    rows: Axis,
    columns: Axis,
    picture: NDArray[Level],
) -> None:
    """Render RGB, interleaved in the rows (H, 3 W) of `picture`."""
    width = luma.shape[1]
    count = field.shape[0]
    white = np.float32(np.iinfo(luma.dtype).max)
    wide = np.empty((2, count, min(width, TILE)), np.float32)
    channels = np.empty((3, min(width, TILE)), luma.dtype)
    for left in range(0, width, TILE):
        size = min(TILE, width - left)
        near, part = columns.near[left : left + size], columns.part[left : left + size]
        last = -2
        # Not a constant, of which Numba would compile a variant of its own.
        first = size - size
        for y in range(start, stop):
            place = int(rows.near[y])
            if place != last:
                # The lower of the two rows becomes the upper one, as long as rows follow each other.
                first = _widen_next(field, place, place == last + 1, first, near, part, size, wide)
                last = place
            upper, lower = wide[first], wide[1 - first]
            levels = luma[y, left : left + size]
            red, green, blue = channels[0, :size], channels[1, :size], channels[2, :size]
            if count == 2:
                _color(
                    levels,
                    upper[0, :size],
                    lower[0, :size],
                    upper[1, :size],
                    lower[1, :size],
                    rows.part[y],
                    white,
                    red,
                    green,
                    blue,
                )
            else:
                _color_guided(
                    levels,
                    upper[0, :size],
                    lower[0, :size],
                    upper[1, :size],
                    lower[1, :size],
                    upper[2, :size],
                    lower[2, :size],
                    upper[3, :size],
                    lower[3, :size],
                    rows.part[y],
                    white,
                    red,
                    green,
                    blue,
                )
            _interleave(red, green, blue, picture[y, 3 * left : 3 * (left + size)])


@inner
def _widen_next(
    field: NDArray[np.float32],
    place: int,
    follows: bool,
    first: int,
    near: NDArray[np.uint32],
    part: NDArray[np.float32],
    size: int,
    wide: NDArray[np.float32],
) -> int:
    if follows:
        first = 1 - first
    else:
        for k in range(field.shape[0]):
            _widen(field[k, place], near, part, wide[first, k, :size])
    for k in range(field.shape[0]):
        _widen(field[k, place + 1], near, part, wide[1 - first, k, :size])
    return first


@inner
def _widen(
    row: NDArray[np.float32], near: NDArray[np.uint32], part: NDArray[np.float32], wide: NDArray[np.float32]
) -> None:
    # An input is read once for all of its outputs. Gathers are no faster than single loads, and no vectors are had.
    place = near[0]
    here = row[place]
    step = row[place + np.uint32(1)] - here
    for x in range(wide.size):
        if near[x] != place:
            place = near[x]
            here = row[place]
            step = row[place + np.uint32(1)] - here
        wide[x] = here + part[x] * step


@inner
def _fit_of(
    red: np.float32, green: np.float32, blue: np.float32, darkest: np.float32, brightest: np.float32, white: np.float32
) -> np.float32:
    # The differences' weighted sum is zero: unless gray, one points up and one down.
    up = max(red, green, blue, _TINY)
    down = max(-min(red, green, blue), _TINY)
    return min((white - brightest) / up, darkest / down, _ONE)


@inner
def _levels_of(
    level: np.float32, red: np.float32, blue: np.float32, white: np.float32
) -> tuple[np.int32, np.int32, np.int32]:
    green = _GREEN_PER_RED * red + _GREEN_PER_BLUE * blue
    fit = _fit_of(red, green, blue, level, level, white)
    level += _HALF
    return np.int32(level + fit * red), np.int32(level + fit * green), np.int32(level + fit * blue)


@inner
def _green_of(luma: np.uint16, red: np.int32, blue: np.int32) -> np.uint32:
    # From the rounded others, so that only its own rounding is left in the luma: 0.29 levels. Within gamut red and
    # blue are half a level off at most, and so it can become neither negative nor more than white.
    rest = np.uint32(luma) * _THOUSAND - np.uint32(red) * _DEEP_RED - np.uint32(blue) * _DEEP_BLUE
    return np.uint32(np.uint32(rest + _DEEP_HALF) // _DEEP_GREEN)


@inner
def _color(
    luma: NDArray[Level],
    reds: NDArray[np.float32],
    next_reds: NDArray[np.float32],
    blues: NDArray[np.float32],
    next_blues: NDArray[np.float32],
    part: np.float32,
    white: np.float32,
    red_levels: NDArray[Level],
    green_levels: NDArray[Level],
    blue_levels: NDArray[Level],
) -> None:
    for x in range(luma.size):
        level = np.float32(luma[x])
        red = reds[x] + part * (next_reds[x] - reds[x])
        blue = blues[x] + part * (next_blues[x] - blues[x])
        red_levels[x], green_levels[x], blue_levels[x] = _levels_of(level, red, blue, white)
    if luma.itemsize == 2:
        _correct_green(luma, red_levels, green_levels, blue_levels)


@inner
def _correct_green(luma: NDArray[Level], reds: NDArray[Level], greens: NDArray[Level], blues: NDArray[Level]) -> None:
    for x in range(luma.size):
        greens[x] = _green_of(luma[x], reds[x], blues[x])


@inner
def _color_guided(
    luma: NDArray[Level],
    reds: NDArray[np.float32],
    next_reds: NDArray[np.float32],
    blues: NDArray[np.float32],
    next_blues: NDArray[np.float32],
    red_slopes: NDArray[np.float32],
    next_red_slopes: NDArray[np.float32],
    blue_slopes: NDArray[np.float32],
    next_blue_slopes: NDArray[np.float32],
    part: np.float32,
    white: np.float32,
    red_levels: NDArray[Level],
    green_levels: NDArray[Level],
    blue_levels: NDArray[Level],
) -> None:
    for x in range(luma.size):
        level = np.float32(luma[x])
        red_slope = red_slopes[x] + part * (next_red_slopes[x] - red_slopes[x])
        blue_slope = blue_slopes[x] + part * (next_blue_slopes[x] - blue_slopes[x])
        red = reds[x] + part * (next_reds[x] - reds[x]) + red_slope * level
        blue = blues[x] + part * (next_blues[x] - blues[x]) + blue_slope * level
        red_levels[x], green_levels[x], blue_levels[x] = _levels_of(level, red, blue, white)
    if luma.itemsize == 2:
        _correct_green(luma, red_levels, green_levels, blue_levels)


@inner
def _interleave(red: NDArray[Level], green: NDArray[Level], blue: NDArray[Level], picture: NDArray[Level]) -> None:
    # Flat, for of a two-dimensional store LLVM makes no shuffles: that took half of the whole time.
    for x in range(red.size):
        picture[3 * x] = red[x]
        picture[3 * x + 1] = green[x]
        picture[3 * x + 2] = blue[x]


@striped
def render_block_rows(
    start: int,
    stop: int,
    luma: NDArray[np.uint8],
    field: NDArray[np.float32],
    rows: Axis,
    columns: Axis,
    step: tuple[int, int],
    cb: NDArray[np.uint8],
    cr: NDArray[np.uint8],
) -> None:
    """Render Cb and Cr, a value each for a block of `step` (down, across) pixels: 1, 2 or 4 each."""
    width = cb.shape[1]
    tile = min(width, TILE)
    count = field.shape[0]
    wide = np.empty((2, count, tile), np.float32)
    darkest, brightest = np.empty(tile * step[1], np.uint8), np.empty(tile * step[1], np.uint8)
    total, none = np.empty(tile * step[1], np.uint16), np.empty(tile, np.float32)
    none[:] = np.float32(0.0)
    per_pixel = np.float32(1.0 / (step[0] * step[1]))
    for left in range(0, width, TILE):
        size = min(TILE, width - left)
        near, part = columns.near[left : left + size], columns.part[left : left + size]
        last = -2
        # Not a constant, of which Numba would compile a variant of its own.
        first = size - size
        for y in range(start, stop):
            place = int(rows.near[y])
            if place != last:
                first = _widen_next(field, place, place == last + 1, first, near, part, size, wide)
                last = place
            _gather_blocks(luma, y, left, size, step, darkest, brightest, total)
            upper, lower = wide[first], wide[1 - first]
            guided = count == 4
            _color_blocks(
                darkest[:size],
                brightest[:size],
                total[:size],
                per_pixel,
                upper[0, :size],
                lower[0, :size],
                upper[1, :size],
                lower[1, :size],
                upper[2, :size] if guided else none[:size],
                lower[2, :size] if guided else none[:size],
                upper[3, :size] if guided else none[:size],
                lower[3, :size] if guided else none[:size],
                rows.part[y],
                cb[y, left : left + size],
                cr[y, left : left + size],
            )


@inner
def _gather_blocks(
    luma: NDArray[np.uint8],
    y: int,
    left: int,
    size: int,
    step: tuple[int, int],
    darkest: NDArray[np.uint8],
    brightest: NDArray[np.uint8],
    total: NDArray[np.uint16],
) -> None:
    # Beyond the picture its last row and column go on.
    down, across = step
    height, width = luma.shape
    begin = left * across
    inside = min(size * across, width - begin)
    row = luma[y * down, begin : begin + inside]
    for x in range(inside):
        darkest[x] = row[x]
        brightest[x] = row[x]
        total[x] = row[x]
    for k in range(1, down):
        _gather_row(luma[min(y * down + k, height - 1), begin : begin + inside], darkest, brightest, total)
    for x in range(inside, size * across):
        darkest[x], brightest[x], total[x] = darkest[inside - 1], brightest[inside - 1], total[inside - 1]
    while across > 1:
        across //= 2
        _halve(size * across, darkest, brightest, total)


@inner
def _gather_row(
    row: NDArray[np.uint8], darkest: NDArray[np.uint8], brightest: NDArray[np.uint8], total: NDArray[np.uint16]
) -> None:
    for x in range(row.size):
        darkest[x] = min(darkest[x], row[x])
        brightest[x] = max(brightest[x], row[x])
        total[x] += row[x]


@inner
def _halve(size: int, darkest: NDArray[np.uint8], brightest: NDArray[np.uint8], total: NDArray[np.uint16]) -> None:
    for x in range(size):
        darkest[x] = min(darkest[2 * x], darkest[2 * x + 1])
    for x in range(size):
        brightest[x] = max(brightest[2 * x], brightest[2 * x + 1])
    for x in range(size):
        total[x] = total[2 * x] + total[2 * x + 1]


@inner
def _color_blocks(
    darkest: NDArray[np.uint8],
    brightest: NDArray[np.uint8],
    total: NDArray[np.uint16],
    per_pixel: np.float32,
    reds: NDArray[np.float32],
    next_reds: NDArray[np.float32],
    blues: NDArray[np.float32],
    next_blues: NDArray[np.float32],
    red_slopes: NDArray[np.float32],
    next_red_slopes: NDArray[np.float32],
    blue_slopes: NDArray[np.float32],
    next_blue_slopes: NDArray[np.float32],
    part: np.float32,
    cb: NDArray[np.uint8],
    cr: NDArray[np.uint8],
) -> None:
    white, middle = np.float32(255.0), np.float32(128.5)
    for x in range(total.size):
        level = np.float32(total[x]) * per_pixel
        red_slope = red_slopes[x] + part * (next_red_slopes[x] - red_slopes[x])
        blue_slope = blue_slopes[x] + part * (next_blue_slopes[x] - blue_slopes[x])
        red = reds[x] + part * (next_reds[x] - reds[x]) + red_slope * level
        blue = blues[x] + part * (next_blues[x] - blues[x]) + blue_slope * level
        green = _GREEN_PER_RED * red + _GREEN_PER_BLUE * blue
        fit = _fit_of(red, green, blue, np.float32(darkest[x]), np.float32(brightest[x]), white)
        # Pure blue and pure red lie at 255.5.
        cb[x] = np.int32(min(middle + fit * blue * _CB_PER_BLUE, white))
        cr[x] = np.int32(min(middle + fit * red * _CR_PER_RED, white))
