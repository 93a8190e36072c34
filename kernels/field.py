"""Chroma at the network's size, made ready to be interpolated: sharp, fitted to luma, finite, in levels."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from colorrt.contract import U_SCALE, V_SCALE
from colorrt.kernels.arrays import readonly_view
from colorrt.kernels.compiling import inner, kernel, striped
from colorrt.kernels.edges import follow_edges
from colorrt.kernels.resize import resize_plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A million times white is far beyond any gamut, and leaves float32 room to add and subtract.
_LARGEST = 1e6
# Beyond this every float32 above zero reaches _LARGEST; float64 overflows only later.
_LARGEST_SATURATION = 1e200

SHARPNESS = 0.75
"""How much of what a 1-2-1 blur takes away is added once more, where the picture is 1.5 times the field or more."""

EPSILON = 0.01
"""Variance of luma (white is 1) that halves the slope: what is below is noise rather than an edge."""


class Axis(NamedTuple):
    """After which input each output of an axis lies, and how far on the way from there to the next."""

    near: NDArray[np.uint32]
    part: NDArray[np.float32]


def make_field(
    chroma: NDArray[np.float32],
    guide: NDArray[np.float32] | None,
    saturation: float,
    white: int,
    size: tuple[int, int],
    picture: tuple[int, int],
) -> NDArray[np.float32]:
    """Return what is interpolated linearly to the picture's pixels.

    Without a guide the planes R - Y and B - Y in levels; with one the planes A of both, then the planes B of
    both, where R - Y = A + B luma, luma in levels. Planes smoother than their guide are drawn to its edges first
    (`colorrt.kernels.edges.follow_edges`) and all are sharpened (p + SHARPNESS (p - blur(p)) with a 1-2-1 blur each
    way, which makes up for the triangle filter that made the square), then with w the 1-2-1 weighted 3 x 3 window, g
    the guide and d a difference:

        slope = (w(g d) - w(g) w(d)) / (w(g g) - w(g)^2 + EPSILON),  A = d - slope g,  B = slope / white

    chroma, guide, saturation: as `render_rgb` takes them. white: 255 or 65535. size: the field is at most this
    large; larger chroma is shrunk. picture: (H, W) of the whole picture, of which the sharpening depends: an axis
    that is not enlarged is not sharpened.
    Returns (2 or 4, h + 1, w + 1) float32: the last row and column stand there twice.
    Source: residual guidance of the issue on the full-size pass; textbook: He, Sun, Fast Guided Filter (2015),
    which blurs slopes and so loses what this keeps.
    """
    scale = min(float(saturation), _LARGEST_SATURATION) * white
    planes = np.empty((2 if guide is None else 3, *chroma.shape[1:]), np.float32)
    lights = chroma[0] if guide is None else guide
    _tame(readonly_view(chroma), readonly_view(lights), scale / V_SCALE, scale / U_SCALE, _LARGEST * white, planes)
    if guide is not None:
        planes = follow_edges(planes)
    height, width = min(planes.shape[1], size[0]), min(planes.shape[2], size[1])
    if planes.shape[1:] != (height, width):
        planes = np.stack([resize_plane(plane, height, width) for plane in planes])
    field = np.empty((2 if guide is None else 4, height + 1, width + 1), np.float32)
    if guide is None:
        field[:, :height, :width] = planes
    else:
        enlarged = (picture[0] / height, picture[1] / width)
        down, across = (np.float32(min(2.0 * (times - 1.0), 1.0) / 4.0) for times in enlarged)
        fit_to_guide(height, planes, down, across, np.float32(1.0 / white), field)
    field[:, height, :width] = field[:, height - 1, :width]
    field[:, :, width] = field[:, :, width - 1]
    return field


@lru_cache(maxsize=32)
def make_axis(inputs: int, scale: float, first: int, outputs: int) -> Axis:
    """Place outputs first..first + outputs of an axis between its inputs; scale is inputs an output."""
    place = np.clip((np.arange(first, first + outputs) + 0.5) * scale - 0.5, 0.0, inputs - 1.0)
    near = np.floor(place)
    return Axis(readonly_view(near.astype(np.uint32)), readonly_view((place - near).astype(np.float32)))


@kernel
def _tame(
    chroma: NDArray[np.float32],
    lights: NDArray[np.float32],
    red_per_v: float,
    blue_per_u: float,
    largest: float,
    planes: NDArray[np.float32],
) -> None:
    for y in range(chroma.shape[1]):
        _tame_row(chroma[1, y], chroma[0, y], red_per_v, blue_per_u, largest, planes[0, y], planes[1, y])
        if planes.shape[0] == 3:
            _clip_row(lights[y], planes[2, y])


@inner
def _clip_row(lights: NDArray[np.float32], clipped: NDArray[np.float32]) -> None:
    for x in range(lights.size):
        light = lights[x]
        # NaN is not above zero.
        clipped[x] = min(light, np.float32(1.0)) if light > np.float32(0.0) else np.float32(0.0)


@inner
def _tame_row(
    v: NDArray[np.float32],
    u: NDArray[np.float32],
    red_per_v: float,
    blue_per_u: float,
    largest: float,
    reds: NDArray[np.float32],
    blues: NDArray[np.float32],
) -> None:
    for x in range(reds.size):
        # In float64, which holds any float32 times these factors.
        red = v[x] * red_per_v
        blue = u[x] * blue_per_u
        size = max(abs(red), abs(blue))
        # Both at once, lest the hue turn.
        scale = largest / max(size, largest)
        gray = not (math.isfinite(red) and math.isfinite(blue))
        reds[x] = 0.0 if gray else red * scale
        blues[x] = 0.0 if gray else blue * scale


@striped
def fit_to_guide(
    start: int,
    stop: int,
    planes: NDArray[np.float32],
    down: np.float32,
    across: np.float32,
    per_level: np.float32,
    field: NDArray[np.float32],
) -> None:
    """Sharpen the planes and fit both differences to luma, the third plane, as `make_field` says.

    down, across: what each neighbor weighs in the blur, 0 to 1/4; at the edge of the picture it is the pixel itself.
    """
    height, width = planes.shape[1:]
    sums, blurred = np.empty((6, width + 2), np.float32), np.empty(width + 2, np.float32)
    # Of each plane the last three rows.
    sharp = np.empty((3, 3, width), np.float32)
    for y in range(max(start - 1, 0), stop + 1):
        if y < height:
            _sharpen_row(planes, y, down, across, blurred, sharp)
        if y > start:
            this = (y - 1) % 3
            _add_rows(sharp, max(y - 2, 0) % 3, this, min(y, height - 1) % 3, sums)
            _fit_row(sums, sharp, this, per_level, y - 1, field)


@inner
def _sharpen_row(
    planes: NDArray[np.float32],
    y: int,
    down: np.float32,
    across: np.float32,
    blurred: NDArray[np.float32],
    sharp: NDArray[np.float32],
) -> None:
    two, much = np.float32(2.0), np.float32(SHARPNESS)
    height, width = planes.shape[1:]
    above, below, this = max(y - 1, 0), min(y + 1, height - 1), y % 3
    # Not of a constant, of which LLVM makes so many copies of each loop.
    for k in range(planes.shape[0]):
        for x in range(width):
            row = planes[k, y, x]
            blurred[x + 1] = row + down * (planes[k, above, x] + planes[k, below, x] - two * row)
        blurred[0], blurred[width + 1] = blurred[1], blurred[width]
        for x in range(width):
            row = planes[k, y, x]
            blur = blurred[x + 1] + across * (blurred[x] + blurred[x + 2] - two * blurred[x + 1])
            sharp[k, this, x] = row + much * (row - blur)


# Rows are taken out one by one: of slices with more axes LLVM cannot know that neighbors lie side by side.


@inner
def _add_rows(planes: NDArray[np.float32], above: int, y: int, below: int, sums: NDArray[np.float32]) -> None:
    two = np.float32(2.0)
    width = planes.shape[2]
    light0, light1, light2 = planes[2, above], planes[2, y], planes[2, below]
    light, square = sums[2, 1:], sums[3, 1:]
    for x in range(width):
        twice = two * light1[x]
        light[x] = light0[x] + twice + light2[x]
        square[x] = light0[x] * light0[x] + twice * light1[x] + light2[x] * light2[x]
    for k in range(2):
        row0, row1, row2 = planes[k, above], planes[k, y], planes[k, below]
        plain, product = sums[k, 1:], sums[4 + k, 1:]
        for x in range(width):
            twice = two * row1[x]
            plain[x] = row0[x] + twice + row2[x]
            product[x] = light0[x] * row0[x] + twice * light1[x] + light2[x] * row2[x]
    for k in range(6):
        sums[k, 0], sums[k, width + 1] = sums[k, 1], sums[k, width]


@inner
def _fit_row(
    sums: NDArray[np.float32],
    planes: NDArray[np.float32],
    this: int,
    per_level: np.float32,
    y: int,
    field: NDArray[np.float32],
) -> None:
    two, sixteenth = np.float32(2.0), np.float32(1.0 / 16.0)
    light, square = sums[2], sums[3]
    lights = planes[2, this]
    for k in range(2):
        plain, product, row = sums[k], sums[4 + k], planes[k, this]
        offsets, slopes = field[k, y], field[2 + k, y]
        for x in range(row.size):
            mean = (plain[x] + two * plain[x + 1] + plain[x + 2]) * sixteenth
            mean_light = (light[x] + two * light[x + 1] + light[x + 2]) * sixteenth
            mean_square = (square[x] + two * square[x + 1] + square[x + 2]) * sixteenth
            mean_product = (product[x] + two * product[x + 1] + product[x + 2]) * sixteenth
            variance = max(mean_square - mean_light * mean_light, np.float32(0.0))
            slope = (mean_product - mean_light * mean) / (variance + np.float32(EPSILON))
            offsets[x] = row[x] - slope * lights[x]
            slopes[x] = slope * per_level
