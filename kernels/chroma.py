"""Chroma of a small picture onto the luma of a large one, without touching that luma."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from colorrt.kernels.arrays import Level, check_float32, check_plane, handed_over, white_of
from colorrt.kernels.compiling import inner, kernel, prange
from colorrt.kernels.luma import BLUE_WEIGHT, GREEN_WEIGHT, RED_WEIGHT
from colorrt.kernels.resize import resize_plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

# BT.601 as the IPOL paper on DeOldify writes it: U = 0.492 (B - Y), V = 0.877 (R - Y).
U_PER_BLUE = 0.492
V_PER_RED = 0.877

# G - Y = -(0.299 (R - Y) + 0.114 (B - Y)) / 0.587, in the luma kernel's weights, so that it finds Y again.
_GREEN_PER_RED = np.float32(-RED_WEIGHT / GREEN_WEIGHT)
_GREEN_PER_BLUE = np.float32(-BLUE_WEIGHT / GREEN_WEIGHT)

# A million times white is far beyond any gamut, and leaves float32 room to add and subtract.
_LARGEST = 1e6
# Beyond this every float32 above zero reaches _LARGEST; float64 overflows only later.
_LARGEST_SATURATION = 1e200

_HALF = np.float32(0.5)
# Keeps black and white, where there is no room at all, from dividing zero by zero.
_TINY = np.float32(1e-20)


class Between(NamedTuple):
    """Between which two inputs each output of an axis lies, and how far on the way from `near` to `far`."""

    near: NDArray[np.int64]
    far: NDArray[np.int64]
    part: NDArray[np.float32]


def render_rgb(luma: NDArray[Level], chroma: NDArray[np.float32], saturation: float = 1.0) -> NDArray[Level]:
    """Return the picture with this luma and this chroma.

    With U and V interpolated between the pixels of `chroma` as Pillow's BILINEAR does, and s the saturation:

        R - Y = s V / 0.877
        B - Y = s U / 0.492
        G - Y = -(0.299 (R - Y) + 0.114 (B - Y)) / 0.587

    Where a channel would leave black..white, all three differences are scaled by the largest t in 0..1 with
    which none does: luma and hue stay, saturation gives way. Nothing is clipped. Channels are rounded to
    nearest, and so the luma of the result is `luma` within one level.

    luma: (H, W) uint8 or uint16.
    chroma: (2, h, w) float32, U and V in units of white; any h and w. A pixel where U or V is NaN or infinite
    counts as gray, and anything above a million times white as a million.
    saturation: 0 gives gray, 1 the chroma as it is.
    Returns (H, W, 3) RGB, C-contiguous, in the luma's dtype.

    Raises TypeError for other dtypes, ValueError for other shapes, empty arrays, or a saturation that is
    negative or not finite.
    Source: U, V and saturation as in the IPOL article on DeOldify (equation 11); the gamut rule is ours.
    """
    white = white_of(luma, "luma")
    check_plane(luma, "luma")
    check_float32(chroma, "chroma")
    if chroma.ndim != 3 or chroma.shape[0] != 2 or chroma.size == 0:
        raise ValueError(f"chroma has to be (2, h, w) with at least one pixel, got shape {chroma.shape}")
    if not (math.isfinite(saturation) and saturation >= 0):
        raise ValueError(f"saturation has to be finite and not negative, got {saturation}; 1 changes nothing")

    height, width = luma.shape
    differences = _fitted(_differences(chroma, saturation, white), height, width)
    rows = _between(differences.shape[1], height)
    columns = _between(differences.shape[2], width)
    picture = np.empty((height, width, 3), luma.dtype)
    _render_rows(handed_over(luma), handed_over(differences), rows, columns, picture)
    return picture


def _differences(chroma: NDArray[np.float32], saturation: float, white: int) -> NDArray[np.float32]:
    """Return R - Y and B - Y in levels, (2, h, w): finite, and small enough for float32 to calculate with."""
    scale = min(float(saturation), _LARGEST_SATURATION) * white
    differences = np.empty(chroma.shape, np.float32)
    _tame(handed_over(chroma), scale / V_PER_RED, scale / U_PER_BLUE, _LARGEST * white, differences)
    return differences


def _fitted(planes: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Shrink planes along the axes where they are larger than the picture."""
    height, width = min(planes.shape[1], height), min(planes.shape[2], width)
    if planes.shape[1:] == (height, width):
        return planes
    return np.stack([resize_plane(plane, height, width) for plane in planes])


@lru_cache(maxsize=16)
def _between(inputs: int, outputs: int) -> Between:
    place = np.clip((np.arange(outputs) + 0.5) * (inputs / outputs) - 0.5, 0.0, inputs - 1.0)
    near = np.floor(place).astype(np.int64)
    far = np.minimum(near + 1, inputs - 1)
    return Between(handed_over(near), handed_over(far), handed_over((place - near).astype(np.float32)))


@kernel()
def _tame(
    chroma: NDArray[np.float32],
    red_per_v: float,
    blue_per_u: float,
    largest: float,
    differences: NDArray[np.float32],
) -> None:
    # On one thread: waking others takes longer than a plane of a network's size does.
    for y in range(chroma.shape[1]):
        for x in range(chroma.shape[2]):
            # In float64, which holds any float32 times these factors.
            red = chroma[1, y, x] * red_per_v
            blue = chroma[0, y, x] * blue_per_u
            size = max(abs(red), abs(blue))
            # Both at once, lest the hue turn.
            scale = largest / max(size, largest)
            gray = not (math.isfinite(red) and math.isfinite(blue))
            differences[0, y, x] = 0.0 if gray else red * scale
            differences[1, y, x] = 0.0 if gray else blue * scale


@kernel(parallel=True)
def _render_rows(
    luma: NDArray[Level],
    differences: NDArray[np.float32],
    rows: Between,
    columns: Between,
    picture: NDArray[Level],
) -> None:
    # Each step is its own loop over a row, and the channels are stored apart before they are interleaved: all
    # but the last are then compiled to vector instructions, which takes half the time of a single loop.
    height, width = luma.shape
    small = differences.shape[2]
    for y in prange(height):
        near, far, part = rows.near[y], rows.far[y], rows.part[y]
        small_reds, small_blues = np.empty(small, np.float32), np.empty(small, np.float32)
        _mix(differences[0, near], differences[0, far], part, small_reds)
        _mix(differences[1, near], differences[1, far], part, small_blues)
        reds, blues = np.empty(width, np.float32), np.empty(width, np.float32)
        _widen(small_reds, columns, reds)
        _widen(small_blues, columns, blues)
        channels = np.empty((3, width), picture.dtype)
        _color(luma[y], reds, blues, channels)
        for x in range(width):
            picture[y, x, 0] = channels[0, x]
            picture[y, x, 1] = channels[1, x]
            picture[y, x, 2] = channels[2, x]


@inner
def _mix(near: NDArray[np.float32], far: NDArray[np.float32], part: np.float32, mixed: NDArray[np.float32]) -> None:
    for x in range(mixed.size):
        mixed[x] = near[x] + part * (far[x] - near[x])


@inner
def _widen(row: NDArray[np.float32], columns: Between, wide: NDArray[np.float32]) -> None:
    for x in range(wide.size):
        near, far = row[columns.near[x]], row[columns.far[x]]
        wide[x] = near + columns.part[x] * (far - near)


@inner
def _color(
    luma: NDArray[Level],
    reds: NDArray[np.float32],
    blues: NDArray[np.float32],
    channels: NDArray[Level],
) -> None:
    white = np.float32(np.iinfo(luma.dtype).max)
    for x in range(luma.size):
        red, blue = reds[x], blues[x]
        green = _GREEN_PER_RED * red + _GREEN_PER_BLUE * blue

        # The differences' weighted sum is zero: unless gray, one points up and one down. With the larger of
        # difference and room under the fraction, it is 1 where there is room enough.
        level = np.float32(luma[x])
        above = white - level
        up = max(red, green, blue)
        down = -min(red, green, blue)
        fit = min(above / max(up, above, _TINY), level / max(down, level, _TINY))
        channels[0, x] = np.int32(level + fit * red + _HALF)
        channels[1, x] = np.int32(level + fit * green + _HALF)
        channels[2, x] = np.int32(level + fit * blue + _HALF)
