"""Chroma planes of a film's frame: in its matrix, range, depth and siting, on its own luma."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from colorrt.kernels.arrays import Level, check_float32, check_plane, readonly_view, white_of
from colorrt.kernels.compiling import inner, striped
from colorrt.kernels.field import Axis, make_field
from colorrt.kernels.resize import resize_luma

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS = (1, 2, 4)
"""Luma pixels for each chroma pixel along an axis: the samplings that films have."""

# BT.601, the matrix in which networks guess.
_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114


@dataclass(frozen=True)
class Coding:
    """How a film writes luma and chroma as numbers.

    `red`, `blue`: the weights Kr and Kb of its matrix. `depth`: bits, 8 to 16. `full`: whether black and white are 0
    and 2^depth - 1 (full range), or 16 and 235 times 2^(depth - 8) (limited). `step`: luma pixels of a chroma pixel,
    down and across. `top`, `left`: whether chroma is sited at the first of these (rather than in their middle).
    """

    red: float = _RED
    blue: float = _BLUE
    depth: int = 8
    full: bool = False
    step: tuple[int, int] = (2, 2)
    top: bool = False
    left: bool = True

    def __post_init__(self) -> None:
        if not (0 < self.red < 1 and 0 < self.blue < 1 and self.red + self.blue < 1):
            raise ValueError(f"red and blue have to be above 0 and below 1 together, got {self.red} and {self.blue}")
        if not 8 <= self.depth <= 16:
            raise ValueError(f"depth has to be 8 to 16 bits, got {self.depth}")
        if self.step[0] not in STEPS or self.step[1] not in STEPS:
            raise ValueError(f"step has to be 1, 2 or 4 down and across, got {self.step}")

    @property
    def black(self) -> float:
        """The level of black."""
        return 0.0 if self.full else 16.0 * 2 ** (self.depth - 8)

    @property
    def white(self) -> float:
        """The level of white."""
        return float(2**self.depth - 1) if self.full else 235.0 * 2 ** (self.depth - 8)

    @property
    def chroma_span(self) -> float:
        """Levels from Cb = -1/2 to 1/2; 0 lies at 2^(depth - 1)."""
        return float(2**self.depth - 1) if self.full else 224.0 * 2 ** (self.depth - 8)


class _Numbers(NamedTuple):
    """What the kernel computes with; a named tuple, which Numba understands."""

    black: np.float32
    per_span: np.float32
    # Of R - Y and B - Y in BT.601: how much of each is luma in the film's matrix.
    luma_per_red: np.float32
    luma_per_blue: np.float32
    blue_scale: np.float32
    red_scale: np.float32
    middle: np.float32
    highest: np.float32


def see_film(luma: NDArray[Level], size: int, coding: Coding) -> NDArray[np.float32]:
    """Squeeze a film's luma into the square that a network sees.

    luma: (H, W) uint8 or uint16, levels as coded; what is below black or above white counts as that.
    Returns (size, size) float32, C-contiguous, 0..1.

    Raises TypeError for another dtype, ValueError for another shape, an empty plane or a size below 1.
    """
    square = resize_luma(luma, size)
    square *= np.float32(white_of(luma, "luma"))
    square -= np.float32(coding.black)
    square *= np.float32(1.0 / (coding.white - coding.black))
    return np.clip(square, np.float32(0.0), np.float32(1.0), out=square)


def render_film(
    luma: NDArray[Level],
    chroma: NDArray[np.float32],
    coding: Coding,
    saturation: float = 1.0,
    *,
    guide: NDArray[np.float32] | None = None,
) -> tuple[NDArray[Level], NDArray[Level]]:
    """Return Cb and Cr of a film's frame with this luma.

    R - Y and B - Y, in BT.601, are those of `colorrt.kernels.render_rgb` where the chroma pixel is sited; with a guide,
    at the luma there: the mean over `step` pixels where chroma is sited in their middle, 1-2-1 around the first where
    it is sited there (edges go on). With G - Y = -(0.299 (R - Y) + 0.114 (B - Y)) / 0.587, the differences of R, G and
    B from one another are kept, and the luma Y' of the film's own matrix takes the place of Y:

        k = Kr (R - Y) + (1 - Kr - Kb) (G - Y) + Kb (B - Y)
        R - Y' = R - Y - k,  G - Y' = G - Y - k,  B - Y' = B - Y - k
        Cb = (B - Y') / (2 (1 - Kb)),  Cr = (R - Y') / (2 (1 - Kr))

    All are scaled by the largest t in 0..1 with which none of R, G, B leaves black..white at the luma there. Cb and Cr
    are coded as 2^(depth - 1) + span Cb, rounded to nearest, at most 2^depth - 1.

    luma: (H, W) uint8 (depth 8) or uint16 (above), levels as coded.
    chroma: (2, h, w) float32, U and V in units of white, any h and w. What is not finite counts as gray.
    saturation: 0 gives gray, 1 the chroma as it is.
    guide: (h, w) float32, 0..1, what the network saw (`see_film`); None upsamples bilinearly.
    Returns two planes (ceil(H / down), ceil(W / across)) in the luma's dtype, C-contiguous.

    Raises TypeError for other dtypes, ValueError for other shapes, empty arrays, or a saturation that is negative or
    not finite.
    Source: ITU-R BT.601, BT.709, BT.2020 (non-constant luminance), H.273 table 4 for range; siting as H.273 names it.
    """
    check_plane(luma, "luma")
    wanted = np.uint8 if coding.depth == 8 else np.uint16
    if white_of(luma, "luma") != np.iinfo(wanted).max:
        raise TypeError(f"luma of {coding.depth} bits has to be {np.dtype(wanted)}, got {luma.dtype}")
    check_float32(chroma, "chroma")
    if chroma.ndim != 3 or chroma.shape[0] != 2 or chroma.size == 0:
        raise ValueError(f"chroma has to be (2, h, w) with at least one pixel, got shape {chroma.shape}")
    if guide is not None:
        check_float32(guide, "guide")
        if guide.shape != chroma.shape[1:]:
            raise ValueError(f"guide has to be {chroma.shape[1:]} as chroma is, got shape {guide.shape}")
    if not (math.isfinite(saturation) and saturation >= 0):
        raise ValueError(f"saturation has to be finite and not negative, got {saturation}; 1 changes nothing")
    (height, width), (down, across) = luma.shape, coding.step
    rows, columns = -(-height // down), -(-width // across)
    field = make_field(chroma, guide, saturation, 1, (rows, columns), (height, width))
    cb, cr = np.empty((rows, columns), luma.dtype), np.empty((rows, columns), luma.dtype)
    _render(
        rows,
        readonly_view(luma),
        readonly_view(field),
        _sited_axis(field.shape[1] - 1, height, down, rows, first=coding.top),
        _sited_axis(field.shape[2] - 1, width, across, columns, first=coding.left),
        (down, across),
        (coding.top and down > 1, coding.left and across > 1),
        _numbers(coding),
        cb,
        cr,
    )
    return cb, cr


@lru_cache(maxsize=32)
def _sited_axis(inputs: int, pixels: int, step: int, outputs: int, *, first: bool) -> Axis:
    center = step * np.arange(operator.index(outputs)) + (0.5 if first else step / 2)
    place = np.clip(center * inputs / pixels - 0.5, 0.0, inputs - 1.0)
    near = np.floor(place)
    return Axis(readonly_view(near.astype(np.uint32)), readonly_view((place - near).astype(np.float32)))


@lru_cache(maxsize=32)
def _numbers(coding: Coding) -> _Numbers:
    green = 1 - coding.red - coding.blue
    return _Numbers(
        np.float32(coding.black),
        np.float32(1.0 / (coding.white - coding.black)),
        np.float32(coding.red - green * _RED / _GREEN),
        np.float32(coding.blue - green * _BLUE / _GREEN),
        np.float32(coding.chroma_span / (2 * (1 - coding.blue))),
        np.float32(coding.chroma_span / (2 * (1 - coding.red))),
        np.float32(2 ** (coding.depth - 1)),
        np.float32(2**coding.depth - 1),
    )


@striped
def _render(
    start: int,
    stop: int,
    luma: NDArray[Level],
    field: NDArray[np.float32],
    rows: Axis,
    columns: Axis,
    step: tuple[int, int],
    first: tuple[bool, bool],
    numbers: _Numbers,
    cb: NDArray[Level],
    cr: NDArray[Level],
) -> None:
    # Each row of the field is widened once; of two that follow each other the lower becomes the upper one.
    count, width = field.shape[0], cb.shape[1]
    wide, pairs = np.zeros((2, 4, width), np.float32), np.empty((luma.shape[1] // 2 + 3, 2), np.float32)
    lights = pairs.reshape(-1)
    levels = np.empty(width, np.float32)
    last, upper = -2, 0
    for y in range(start, stop):
        place = int(rows.near[y])
        if place != last:
            if place == last + 1:
                upper = 1 - upper
            else:
                for k in range(count):
                    _widen(field, k, place, columns.near, columns.part, wide, upper)
            for k in range(count):
                _widen(field, k, place + 1, columns.near, columns.part, wide, 1 - upper)
            last = place
        _sum_rows(luma, y, step[0], first[0], numbers, lights)
        _gather(lights, pairs, step[1], first[1], levels)
        _code(wide[upper], wide[1 - upper], rows.part[y], levels, numbers, cb[y], cr[y])


@inner
def _widen(
    field: NDArray[np.float32],
    k: int,
    row: int,
    near: NDArray[np.uint32],
    part: NDArray[np.float32],
    wide: NDArray[np.float32],
    line: int,
) -> None:
    for x in range(near.size):
        left = field[k, row, near[x]]
        wide[line, k, x] = left + part[x] * (field[k, row, near[x] + np.uint32(1)] - left)


@inner
def _sum_rows(
    luma: NDArray[Level], y: int, down: int, first: bool, numbers: _Numbers, lights: NDArray[np.float32]
) -> None:
    # Into lights from 1 on, 0..1; the edges go on, as far as blocks reach.
    height, width = luma.shape
    # The rows, each twice where it is the one that chroma is sited at.
    if down == 1:
        a, b, c, d = y, y, y, y
    elif first:
        a, b, c, d = down * y - 1, down * y, down * y, down * y + 1
    elif down == 2:
        a, b, c, d = 2 * y, 2 * y, 2 * y + 1, 2 * y + 1
    else:
        a, b, c, d = 4 * y, 4 * y + 1, 4 * y + 2, 4 * y + 3
    a, b, c, d = max(a, 0), min(b, height - 1), min(c, height - 1), min(d, height - 1)
    scale, black = numbers.per_span * np.float32(0.25), numbers.black * np.float32(4.0)
    if a == b and c == d:
        two = np.float32(2.0)
        for x in range(width):
            total = two * (np.float32(luma[a, x]) + np.float32(luma[c, x]))
            lights[x + 1] = min(max((total - black) * scale, np.float32(0.0)), np.float32(1.0))
    else:
        for x in range(width):
            total = np.float32(luma[a, x]) + np.float32(luma[b, x]) + np.float32(luma[c, x]) + np.float32(luma[d, x])
            lights[x + 1] = min(max((total - black) * scale, np.float32(0.0)), np.float32(1.0))
    lights[0] = lights[1]
    for x in range(width + 1, lights.size):
        lights[x] = lights[width]


@inner
def _gather(
    lights: NDArray[np.float32], pairs: NDArray[np.float32], across: int, first: bool, levels: NDArray[np.float32]
) -> None:
    # pairs: the lights, two in a row: what lies two apart in one row is read several times slower.
    quarter, half = np.float32(0.25), np.float32(0.5)
    if across == 1:
        for x in range(levels.size):
            levels[x] = lights[x + 1]
    elif first and across == 2:
        for x in range(levels.size):
            levels[x] = quarter * (pairs[x, 0] + pairs[x + 1, 0]) + half * pairs[x, 1]
    elif first:
        for x in range(levels.size):
            at = across * x + 1
            levels[x] = quarter * (lights[at - 1] + lights[at + 1]) + half * lights[at]
    elif across == 2:
        for x in range(levels.size):
            levels[x] = half * (pairs[x, 1] + pairs[x + 1, 0])
    else:
        for x in range(levels.size):
            at = 4 * x + 1
            levels[x] = quarter * (lights[at] + lights[at + 1] + lights[at + 2] + lights[at + 3])


@inner
def _code(
    above: NDArray[np.float32],
    below: NDArray[np.float32],
    part: np.float32,
    levels: NDArray[np.float32],
    numbers: _Numbers,
    cb: NDArray[Level],
    cr: NDArray[Level],
) -> None:
    one, zero, tiny, half = np.float32(1.0), np.float32(0.0), np.float32(1e-20), np.float32(0.5)
    green_per_red, green_per_blue = np.float32(-_RED / _GREEN), np.float32(-_BLUE / _GREEN)
    for x in range(levels.size):
        level = levels[x]
        red = above[0, x] + part * (below[0, x] - above[0, x])
        blue = above[1, x] + part * (below[1, x] - above[1, x])
        red += level * (above[2, x] + part * (below[2, x] - above[2, x]))
        blue += level * (above[3, x] + part * (below[3, x] - above[3, x]))
        luma = numbers.luma_per_red * red + numbers.luma_per_blue * blue
        green = green_per_red * red + green_per_blue * blue - luma
        red -= luma
        blue -= luma
        up, down = max(red, green, blue, tiny), max(-min(red, green, blue), tiny)
        fit = min((one - level) / up, level / down, one)
        coded_blue = numbers.middle + fit * blue * numbers.blue_scale + half
        coded_red = numbers.middle + fit * red * numbers.red_scale + half
        cb[x] = np.int32(min(max(coded_blue, zero), numbers.highest))
        cr[x] = np.int32(min(max(coded_red, zero), numbers.highest))
