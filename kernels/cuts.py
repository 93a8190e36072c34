"""Cuts of a film, from histograms of small luma: flashes and fades are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from colorrt.kernels.arrays import check_float32, check_plane, readonly_view
from colorrt.kernels.compiling import inner, kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BLOCKS = 4
"""Parts that the picture is divided into each way."""

BINS = 16
"""Bins of a histogram."""

DIFFERENT = 0.15
"""Distance from which on two pictures may be of different shots."""

OUTSTANDING = 3.0
"""How many times the distances before it (their median) that of a cut is at least."""

FLASH = 4
"""Frames that a flash lasts at most."""

CONTRAST = 32.0 / 255.0
"""Standard deviation of luma (white is 1) below which pictures count as less different: in black there is no cut."""

_LEVELS = 256


@dataclass(frozen=True, eq=False)
class Summary:
    """What is remembered of a picture to find cuts."""

    histograms: NDArray[np.float32]
    """(2, BLOCKS, BLOCKS, BINS): of each part the histogram of luma and that of the ranks of its luma."""

    contrast: float
    """Standard deviation of luma, white is 1."""


def sum_up(luma: NDArray[np.float32]) -> Summary:
    """Sum up a picture for `tell_apart`: histograms of its luma and of the ranks of its luma.

    The picture is divided into BLOCKS x BLOCKS parts; of each there are two histograms of BINS bins, the one of luma,
    the other of its rank: the share of the picture that is darker, and half of what is as dark, in 256 steps. A value
    v (0..1) lies at v (BINS - 1) and is shared out linearly between the two bins beside it.

    luma: (h, w) float32; clipped to 0..1. Each histogram sums up to 1 (within rounding), but for parts without pixels,
    which a picture with a side below BLOCKS has.

    Raises TypeError for another dtype, ValueError for another shape or an empty picture.
    """
    check_float32(luma, "luma")
    check_plane(luma, "luma")
    histograms = np.zeros((2, BLOCKS, BLOCKS, BINS), np.float32)
    _fill(readonly_view(luma), np.zeros(_LEVELS, np.float32), histograms)
    return Summary(histograms, float(np.clip(luma, 0.0, 1.0).std(dtype=np.float64)))


def tell_apart(one: Summary, other: Summary) -> float:
    """Return how different two pictures are: 0 the same, 1 nothing in common.

    Half the sum of absolute differences of the histograms, the mean over the parts; of luma or of ranks, whichever is
    less, for light that comes or goes leaves ranks as they are. Where the larger contrast of the two is below CONTRAST,
    that much less: the ranks of what is almost black are noise.
    """
    halves = np.abs(one.histograms - other.histograms).sum(axis=(1, 2, 3)) / (2 * BLOCKS * BLOCKS)
    return float(halves.min()) * min(max(one.contrast, other.contrast) / CONTRAST, 1.0)


def is_cut(summaries: Sequence[Summary], at: int) -> bool:
    """Return whether there is a cut between the frames at - 1 and at.

    There is if they are DIFFERENT, if that stands out from the 2 FLASH frames before (where everything moves fast, all
    neighbors differ), and if neither one of the FLASH frames before frame at - 1 is like frame `at` nor one of the
    FLASH frames after frame `at` is like frame at - 1: else it is the end, or the beginning, of a flash. What lies
    outside of `summaries` counts as unlike.

    summaries: of frames in a row. at: 1 and less than their number, or else there is none.
    """
    if not 0 < at < len(summaries):
        return False
    distance = tell_apart(summaries[at - 1], summaries[at])
    if distance < DIFFERENT:
        return False
    earlier = [tell_apart(summaries[k - 1], summaries[k]) for k in range(max(1, at - 2 * FLASH), at)]
    if earlier and distance < OUTSTANDING * float(np.median(earlier)):
        return False
    before = summaries[max(0, at - 1 - FLASH) : at - 1]
    after = summaries[at + 1 : at + 1 + FLASH]
    alike = [tell_apart(summary, summaries[at]) < DIFFERENT for summary in before]
    alike += [tell_apart(summary, summaries[at - 1]) < DIFFERENT for summary in after]
    return not any(alike)


@kernel
def _fill(
    luma: NDArray[np.float32],
    ranks: NDArray[np.float32],
    histograms: NDArray[np.float32],
) -> None:
    height, width = luma.shape
    # Counts of the levels, then the rank of each: those below it and half of its own.
    for y in range(height):
        for x in range(width):
            ranks[_level_of(luma[y, x])] += np.float32(1.0)
    below = np.float32(0.0)
    for level in range(_LEVELS):
        count = ranks[level]
        ranks[level] = (below + np.float32(0.5) * count) / np.float32(height * width)
        below += count
    # Pixel x is of part x * BLOCKS // width: each part begins where that is first reached.
    for row in range(BLOCKS):
        top, bottom = -(-row * height // BLOCKS), -(-(row + 1) * height // BLOCKS)
        for column in range(BLOCKS):
            left, right = -(-column * width // BLOCKS), -(-(column + 1) * width // BLOCKS)
            if bottom > top and right > left:
                share = np.float32(1.0) / np.float32((bottom - top) * (right - left))
                for y in range(top, bottom):
                    for x in range(left, right):
                        value = min(max(luma[y, x], np.float32(0.0)), np.float32(1.0))
                        _add(value, share, histograms[0, row, column])
                        _add(ranks[_level_of(luma[y, x])], share, histograms[1, row, column])


@inner
def _level_of(value: np.float32) -> int:
    return int(min(max(value, np.float32(0.0)), np.float32(1.0)) * np.float32(_LEVELS - 1) + np.float32(0.5))


@inner
def _add(value: np.float32, share: np.float32, histogram: NDArray[np.float32]) -> None:
    place = value * np.float32(BINS - 1)
    low = min(int(place), BINS - 2)
    part = place - np.float32(low)
    histogram[low] += share * (np.float32(1.0) - part)
    histogram[low + 1] += share * part
