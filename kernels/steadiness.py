"""How steady the color of a film is: scores F, W and CDC, of what was guessed and of what became of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from colorrt.contract import U_SCALE, V_SCALE
from colorrt.kernels.arrays import readonly_view
from colorrt.kernels.compiling import inner, kernel
from colorrt.kernels.resize import resize_plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from colorrt.kernels.steady import Steadied

UNCHANGED = 2.0 / 255.0
"""Change of luma (white is 1) below which a pixel counts as unchanged in F."""

DILATIONS = (1, 2, 4)
"""Distances of the frames that CDC compares."""

_LEVELS = 256
_WHITE = 255.0
_TABLES = 4


@dataclass(frozen=True)
class Scores:
    """Scores of a film; the lower, the steadier."""

    flicker: float
    """F, levels of 255: the mean change of U and of V from frame to frame where luma changed by less than 2 levels."""

    warp: float
    """W, white is 1: the mean squared change of U and V along the flow, where it can be followed, times a million."""

    cdc: float
    """CDC of the film less that of the gray film: its luma moves, too."""

    chroma: float
    """Levels of 255: the mean of |U| and |V|. A film that fades is steady."""


class _Sums(NamedTuple):
    """What is added up for one version of the film; arrays, because kernels write into them."""

    flicker: NDArray[np.float64]
    warp: NDArray[np.float64]
    chroma: NDArray[np.float64]
    divergence: NDArray[np.float64]
    """One for each of DILATIONS."""


class _Version(NamedTuple):
    """A frame as it was steadied, or as it was guessed: its chroma at both sizes, and where it is added up."""

    sums: _Sums
    chroma: NDArray[np.float32]
    small: NDArray[np.float32]


class Steadiness:
    """Scores a film as it passes, before and after it was steadied. Frames with a cut between them are not compared.

    With C = (U, V) of S x S, Y its luma, t - 1 and t frames of one shot:

    F: over all t, the mean of the mean of |C_t - C_(t-1)| over the pixels with |Y_t - Y_(t-1)| < UNCHANGED (frames
    without such pixels are left out), in levels of 255.

    W: over all t, the mean of sum(M |C_t(p + f) - C_(t-1)(p)|^2) / sum(M), f the flow from t - 1 to t, on the small
    pictures that the filter works on; M leaves out what is hidden, |f + b|^2 > 0.01 (|f|^2 + |b|^2) + 0.5 with b the
    flow back there, and edges of motion, |grad f|^2 > 0.01 |f|^2 + 0.002 (|grad f|^2 the sum of the four squared
    central differences). In millionths.

    CDC: with p_t the histograms (256 bins) of B, G and R of frame t, JS(p, q) = (KL(p|m) + KL(q|m)) / 2, m = (p + q) /
    2, natural logarithm: the mean of JS(p_t, p_(t+d)) over t and channels, and of that over d = 1, 2, 4, less the same
    of the gray film.

    Sources: W as Lai et al., Learning Blind Video Temporal Consistency (2018), on chroma alone; CDC as Liu et al.,
    Temporally Consistent Video Colorization (2021) and NTIRE 2023.
    """

    def __init__(self, sums: NDArray[np.float64] | None = None) -> None:
        self._raw, self._steady, self._gray = (
            _Sums(np.zeros(2), np.zeros(2), np.zeros(2), np.zeros((len(DILATIONS), 2))) for _ in range(3)
        )
        if sums is not None:
            for part, known in zip(self._parts(), sums, strict=True):
                part[:] = known
        self._last: Steadied | None = None
        self._last_versions: list[_Version] = []
        self._histograms: list[NDArray[np.float64]] = []

    def add(self, frame: Steadied) -> None:
        """Add the next frame of the film, as `Steadier` gave it back."""
        side = frame.back.shape[1]
        versions = [
            _Version(sums, chroma, np.stack([resize_plane(plane, side, side) for plane in chroma]))
            for sums, chroma in ((self._steady, frame.chroma), (self._raw, frame.raw))
            if chroma is not None
        ]
        for version in versions:
            version.sums.chroma[:] += float(np.abs(version.chroma).mean(dtype=np.float64)) * _WHITE, 1.0
        if frame.begins_shot:
            self._histograms = []
        elif self._last is not None:
            onward = readonly_view(frame.onward)
            mask = np.empty((side, side), np.bool_)
            _find_visible(onward, readonly_view(frame.back), mask)
            # Of guesses, those of two frames in a row: where either was not guessed there is nothing to compare.
            for before, after in zip(self._last_versions, versions, strict=False):
                planes = readonly_view(before.chroma), readonly_view(after.chroma)
                _add_flicker(readonly_view(self._last.luma), readonly_view(frame.luma), *planes, after.sums.flicker)
                _add_warp(onward, mask, readonly_view(before.small), readonly_view(after.small), after.sums.warp)
        self._compare_colors(frame)
        self._last, self._last_versions = frame, versions

    @property
    def sums(self) -> NDArray[np.float64]:
        """All that was added up, to go on with later: `Steadiness(sums)`. Frames on both sides are not compared."""
        return np.stack(self._parts())

    def part(self) -> None:
        """Compare what comes next with nothing that came before."""
        self._last, self._last_versions, self._histograms = None, [], []

    def _parts(self) -> list[NDArray[np.float64]]:
        sums = (self._raw, self._steady, self._gray)
        return [row for each in sums for row in (each.flicker, each.warp, each.chroma, *each.divergence)]

    @property
    def raw(self) -> Scores:
        """The scores of what was guessed, of frames that follow on each other: they say little where not all were."""
        return self._scores(self._raw)

    @property
    def steadied(self) -> Scores:
        """The scores of what became of it."""
        return self._scores(self._steady)

    def _scores(self, sums: _Sums) -> Scores:
        flicker, warp, chroma = (_mean(*part) for part in (sums.flicker, sums.warp, sums.chroma))
        compared = [
            _mean(*ours) - _mean(*gray)
            for ours, gray in zip(sums.divergence, self._gray.divergence, strict=True)
            if ours[1]
        ]
        return Scores(flicker, warp * 1e6, float(np.mean(compared)) if compared else 0.0, chroma)

    def _compare_colors(self, frame: Steadied) -> None:
        # Blue, green and red of the steadied film and of the raw one (no pixels where it was not guessed), and the gray
        # one, where all three are the luma.
        counts = np.zeros((7, _LEVELS), np.int64)
        luma = readonly_view(frame.luma)
        for k, chroma in enumerate((frame.chroma, frame.raw)):
            if chroma is not None:
                _count_colors(luma, readonly_view(chroma), counts[3 * k : 3 * k + 3])
        _count_levels(luma, counts[6:])
        histograms = counts / frame.luma.size
        self._histograms = [*self._histograms[-max(DILATIONS) :], histograms]
        for k, distance in enumerate(DILATIONS):
            if len(self._histograms) > distance:
                divergences = np.empty(7)
                _diverge(readonly_view(self._histograms[-1 - distance]), readonly_view(histograms), divergences)
                parts = (divergences[:3].mean(), divergences[3:6].mean(), divergences[6])
                for sums, part in zip((self._steady, self._raw, self._gray), parts, strict=True):
                    if np.isfinite(part):
                        sums.divergence[k] += float(part), 1.0


def _mean(total: float, count: float) -> float:
    return float(total / count) if count else 0.0


@kernel
def _diverge(one: NDArray[np.float64], other: NDArray[np.float64], divergences: NDArray[np.float64]) -> None:
    # Of each row the Jensen-Shannon divergence; not finite where one of the two has no pixels.
    for k in range(divergences.size):
        total, first, second = 0.0, 0.0, 0.0
        for level in range(_LEVELS):
            p, q = one[k, level], other[k, level]
            first += p
            second += q
            middle = (p + q) / 2.0
            if p > 0.0:
                total += p * math.log(p / middle)
            if q > 0.0:
                total += q * math.log(q / middle)
        divergences[k] = total / 2.0 if first > 0.0 and second > 0.0 else math.nan


@kernel
def _add_flicker(
    luma_before: NDArray[np.float32],
    luma: NDArray[np.float32],
    before: NDArray[np.float32],
    chroma: NDArray[np.float32],
    sums: NDArray[np.float64],
) -> None:
    total, count = 0.0, 0
    for y in range(luma.shape[0]):
        change, pixels = _change_of_row(luma_before, luma, before, chroma, y)
        total += float(change)
        count += pixels
    if count:
        sums[0] += total / count * (_WHITE / 2.0)
        sums[1] += 1.0


@inner
def _change_of_row(
    luma_before: NDArray[np.float32],
    luma: NDArray[np.float32],
    before: NDArray[np.float32],
    chroma: NDArray[np.float32],
    y: int,
) -> tuple[np.float32, int]:
    total, count = np.float32(0.0), 0
    for x in range(luma.shape[1]):
        if abs(luma[y, x] - luma_before[y, x]) < np.float32(UNCHANGED):
            total += abs(chroma[0, y, x] - before[0, y, x]) + abs(chroma[1, y, x] - before[1, y, x])
            count += 1
    return total, count


@kernel
def _find_visible(onward: NDArray[np.float32], back: NDArray[np.float32], mask: NDArray[np.bool_]) -> None:
    height, width = mask.shape
    for y in range(height):
        for x in range(width):
            down, across = onward[0, y, x], onward[1, y, x]
            returned_down = _at(back[0], np.float32(y) + down, np.float32(x) + across)
            returned_across = _at(back[1], np.float32(y) + down, np.float32(x) + across)
            length = down * down + across * across
            lengths = length + returned_down * returned_down + returned_across * returned_across
            missed = (down + returned_down) ** 2 + (across + returned_across) ** 2
            above, below, left, right = max(y - 1, 0), min(y + 1, height - 1), max(x - 1, 0), min(x + 1, width - 1)
            slope = np.float32(0.0)
            for k in range(2):
                slope += ((onward[k, below, x] - onward[k, above, x]) / np.float32(2.0)) ** 2
                slope += ((onward[k, y, right] - onward[k, y, left]) / np.float32(2.0)) ** 2
            hidden = missed > np.float32(0.01) * lengths + np.float32(0.5)
            edge = slope > np.float32(0.01) * length + np.float32(0.002)
            mask[y, x] = not (hidden or edge)


@kernel
def _add_warp(
    onward: NDArray[np.float32],
    mask: NDArray[np.bool_],
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    sums: NDArray[np.float64],
) -> None:
    total, count = 0.0, 0
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            if mask[y, x]:
                down, across = np.float32(y) + onward[0, y, x], np.float32(x) + onward[1, y, x]
                u, v = _at(after[0], down, across) - before[0, y, x], _at(after[1], down, across) - before[1, y, x]
                total += u * u + v * v
                count += 1
    if count:
        sums[0] += total / count
        sums[1] += 1.0


@inner
def _at(plane: NDArray[np.float32], down: np.float32, across: np.float32) -> np.float32:
    height, width = plane.shape
    down = min(max(down, np.float32(0.0)), np.float32(height - 1))
    across = min(max(across, np.float32(0.0)), np.float32(width - 1))
    top, left = int(down), int(across)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    part_down, part_across = down - np.float32(top), across - np.float32(left)
    over = plane[top, left] + part_across * (plane[top, right] - plane[top, left])
    under = plane[bottom, left] + part_across * (plane[bottom, right] - plane[bottom, left])
    return np.float32(over + part_down * (under - over))


@kernel
def _count_colors(luma: NDArray[np.float32], chroma: NDArray[np.float32], counts: NDArray[np.int64]) -> None:
    # Neighbors are alike: with one table each of them would wait for the one before to be counted.
    apart = np.zeros((_TABLES, 3, _LEVELS), np.int32)
    for y in range(luma.shape[0]):
        for x in range(luma.shape[1]):
            level, table = luma[y, x], x % _TABLES
            blue, red = chroma[0, y, x] * np.float32(1.0 / U_SCALE), chroma[1, y, x] * np.float32(1.0 / V_SCALE)
            green = np.float32(-0.299 / 0.587) * red - np.float32(0.114 / 0.587) * blue
            apart[table, 0, _level_of(level + blue)] += 1
            apart[table, 1, _level_of(level + green)] += 1
            apart[table, 2, _level_of(level + red)] += 1
    _add_tables(apart, counts)


@kernel
def _count_levels(luma: NDArray[np.float32], counts: NDArray[np.int64]) -> None:
    apart = np.zeros((_TABLES, 1, _LEVELS), np.int32)
    for y in range(luma.shape[0]):
        for x in range(luma.shape[1]):
            apart[x % _TABLES, 0, _level_of(luma[y, x])] += 1
    _add_tables(apart, counts)


@inner
def _add_tables(apart: NDArray[np.int32], counts: NDArray[np.int64]) -> None:
    for table in range(apart.shape[0]):
        for k in range(counts.shape[0]):
            for level in range(counts.shape[1]):
                counts[k, level] += apart[table, k, level]


@inner
def _level_of(value: np.float32) -> int:
    # NaN is not above zero.
    return int(min(value, np.float32(1.0)) * np.float32(_WHITE) + np.float32(0.5)) if value > np.float32(0.0) else 0
