"""What was found on a small picture brought to the size of the network's square, in one pass over it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from colorrt.kernels.anchor import STILL
from colorrt.kernels.arrays import readonly_view
from colorrt.kernels.compiling import inner, kernel
from colorrt.kernels.field import make_axis

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from colorrt.kernels.field import Axis


def add_enlarged(planes: NDArray[np.float32], small: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return planes with small ones added, which are enlarged linearly (beyond their edge, the edge).

    planes: (n, H, W) float32. small: (n, h, w) float32, h at most H, w at most W. Returns (n, H, W) float32.
    """
    count, height, width = planes.shape
    added = np.empty((count, height, width), np.float32)
    rows = make_axis(small.shape[1], small.shape[1] / height, 0, height)
    columns = make_axis(small.shape[2], small.shape[2] / width, 0, width)
    _add(readonly_view(planes), readonly_view(small), rows, columns, added)
    return added


def move_enlarged(planes: NDArray[np.float32], back: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return planes moved along a flow of a smaller size.

    Of pixel p of the small picture that holds a pixel q of the large one, f is the flow: q is taken from q + f W / w
    (and H / h down), interpolated linearly; beyond the edge, from the edge. Where f is shorter than STILL of
    `colorrt.kernels.anchor`, q stays in place. What is not finite counts as 0.

    planes: (n, H, W) float32. back: (2, h, w) float32, pixels down and across of h x w, from this frame to the one that
    the planes are of. Returns (n, H, W) float32.
    """
    moved = np.empty(planes.shape, np.float32)
    _move(readonly_view(planes), readonly_view(back), moved)
    return moved


@kernel
def _add(
    planes: NDArray[np.float32], small: NDArray[np.float32], rows: Axis, columns: Axis, added: NDArray[np.float32]
) -> None:
    count, height, width = planes.shape
    lowest, rightmost = small.shape[1] - 1, small.shape[2] - 1
    # The two rows of the small picture that lie around a row, as wide as the large one.
    wide = np.empty((2, width), np.float32)
    for k in range(count):
        last, upper = -2, 0
        for y in range(height):
            row = int(rows.near[y])
            if row != last:
                if row == last + 1:
                    upper = 1 - upper
                else:
                    _widen(small[k, row], columns.near, columns.part, rightmost, wide[upper])
                _widen(small[k, min(row + 1, lowest)], columns.near, columns.part, rightmost, wide[1 - upper])
                last = row
            _add_between(planes[k, y], wide[upper], wide[1 - upper], rows.part[y], added[k, y])


@inner
def _widen(
    row: NDArray[np.float32],
    near: NDArray[np.uint32],
    part: NDArray[np.float32],
    rightmost: int,
    wide: NDArray[np.float32],
) -> None:
    for x in range(wide.size):
        left = int(near[x])
        wide[x] = row[left] + part[x] * (row[min(left + 1, rightmost)] - row[left])


@inner
def _add_between(
    row: NDArray[np.float32],
    above: NDArray[np.float32],
    below: NDArray[np.float32],
    part: np.float32,
    added: NDArray[np.float32],
) -> None:
    for x in range(row.size):
        added[x] = row[x] + above[x] + part * (below[x] - above[x])


@kernel
def _move(planes: NDArray[np.float32], back: NDArray[np.float32], moved: NDArray[np.float32]) -> None:
    count, height, width = planes.shape
    _, rows, columns = back.shape
    tall, long = np.float32(height / rows), np.float32(width / columns)
    # All pixels of a block have one flow, and so one part of a pixel to go.
    for row in range(rows):
        top, bottom = -(-row * height // rows), -(-(row + 1) * height // rows)
        column = 0
        while column < columns:
            begin = column
            while column < columns and _stands(back[0, row, column], back[1, row, column]):
                column += 1
            left, right = -(-begin * width // columns), -(-column * width // columns)
            for k in range(count):
                for y in range(top, bottom):
                    _keep_row(planes, k, y, left, right, moved)
            if column == columns:
                break
            down, across = back[0, row, column], back[1, row, column]
            left, right = right, -(-(column + 1) * width // columns)
            column += 1
            down, across = down * tall, across * long
            whole_down, whole_across = int(np.floor(down)), int(np.floor(across))
            first, start = top + whole_down, left + whole_across
            if first < 0 or start < 0 or bottom + whole_down >= height or right + whole_across >= width:
                for y in range(top, bottom):
                    for x in range(left, right):
                        _take(planes, np.float32(y) + down, np.float32(x) + across, y, x, moved)
            else:
                part_down, part_across = down - np.float32(whole_down), across - np.float32(whole_across)
                for k in range(count):
                    for y in range(bottom - top):
                        _take_row(planes, k, first + y, start, part_down, part_across, top + y, left, right, moved)


@inner
def _stands(down: np.float32, across: np.float32) -> bool:
    return bool(down * down + across * across < np.float32(STILL * STILL))


@inner
def _keep_row(planes: NDArray[np.float32], k: int, y: int, left: int, right: int, moved: NDArray[np.float32]) -> None:
    for x in range(left, right):
        moved[k, y, x] = _finite(planes[k, y, x])


@inner
def _take_row(
    planes: NDArray[np.float32],
    k: int,
    first: int,
    start: int,
    part_down: np.float32,
    part_across: np.float32,
    y: int,
    left: int,
    right: int,
    moved: NDArray[np.float32],
) -> None:
    # Of a block that stays inside, the pixel to the right and that below included.
    above, below, begin, one = np.uint64(first), np.uint64(first + 1), np.uint64(start), np.uint64(1)
    row, target = np.uint64(y), np.uint64(left)
    for x in range(np.uint64(right - left)):
        at = begin + x
        over = planes[k, above, at] + part_across * (planes[k, above, at + one] - planes[k, above, at])
        under = planes[k, below, at] + part_across * (planes[k, below, at + one] - planes[k, below, at])
        moved[k, row, target + x] = _finite(np.float32(over + part_down * (under - over)))


@inner
def _take(
    planes: NDArray[np.float32], down: np.float32, across: np.float32, y: int, x: int, moved: NDArray[np.float32]
) -> None:
    count, height, width = planes.shape
    zero = np.float32(0.0)
    down, across = min(max(down, zero), np.float32(height - 1)), min(max(across, zero), np.float32(width - 1))
    top, left = int(down), int(across)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    part_down, part_across = down - np.float32(top), across - np.float32(left)
    for k in range(count):
        over = planes[k, top, left] + part_across * (planes[k, top, right] - planes[k, top, left])
        under = planes[k, bottom, left] + part_across * (planes[k, bottom, right] - planes[k, bottom, left])
        moved[k, y, x] = _finite(np.float32(over + part_down * (under - over)))


@inner
def _finite(value: np.float32) -> np.float32:
    return value if math.isfinite(value) else np.float32(0.0)
