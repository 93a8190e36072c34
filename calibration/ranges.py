"""Ranges of values, from histograms that take any number of photographs: min-max, percentile, least squared error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorrt.contract import StrEnum

BINS = 2048
"""Bins on each side of zero: eight for each of the 255 steps that INT8 has."""
PERCENTILE = 99.999
SHARES = 96
"""Ends that the search for the least squared error tries on each side of zero."""
STEPS = 255


class Method(StrEnum):
    """How a range is taken from a histogram."""

    MINMAX = "minmax"
    PERCENTILE = "percentile"
    MSE = "mse"


@dataclass(frozen=True)
class Range:
    """The least and the largest value that is to be told apart; zero is always in between."""

    low: float
    high: float


class Histogram:
    """Counts of values, in bins of equal width around zero, that widen as larger values come.

    The limit is a power of two and the bins halve exactly, so the counts do not depend on the order of what is added.
    """

    def __init__(self) -> None:
        self.limit = 0.0
        """Bins cover -limit up to limit."""
        self.low = 0.0
        self.high = 0.0
        self.counts: NDArray[np.int64] = np.zeros(2 * BINS, np.int64)

    def add(self, values: NDArray[np.floating[Any]]) -> None:
        """Count `values` (any shape). Raises ValueError when they are not all finite."""
        if values.size == 0:
            return
        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError("the values are not finite")
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._widen(max(-low, high))
        if self.limit == 0:
            # Nothing but zeros so far: they have no width.
            return
        places = np.floor(values.astype(np.float64).ravel() * (BINS / self.limit)).astype(np.int64) + BINS
        self.counts += np.bincount(places.clip(0, 2 * BINS - 1), minlength=2 * BINS)

    def reach(self, low: float, high: float) -> None:
        """Take note of the least and the largest value, without counting them. Raises ValueError for no finite ones."""
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError("the values are not finite")
        self.low, self.high = min(self.low, low), max(self.high, high)

    def _widen(self, peak: float) -> None:
        if peak == 0 or peak < self.limit:
            return
        limit = 2.0 ** (math.frexp(peak)[1])
        if self.limit == 0:
            self.limit = limit
            return
        while self.limit < limit:
            halves = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.zeros(2 * BINS, np.int64)
            self.counts[BINS // 2 : BINS // 2 + BINS] = halves
            self.limit *= 2

    @property
    def edges(self) -> NDArray[np.float64]:
        """The 2 x BINS + 1 ends of the bins."""
        return np.linspace(-self.limit, self.limit, 2 * BINS + 1)


def find_range(histogram: Histogram, method: str, percentile: float = PERCENTILE) -> Range:
    """Take a range from what was counted.

    minmax: the least and the largest value. percentile: the ends beyond which `100 - percentile` percent of the values
    lie on either side, at the outer end of their bin. mse: the ends among shares of the least and largest value that
    have the least squared error when 255 steps divide them, values beyond the ends counted at the ends.
    """
    if histogram.limit == 0 or method == Method.MINMAX:
        return Range(histogram.low, histogram.high)
    if method == Method.PERCENTILE:
        return _by_percentile(histogram, percentile)
    return _by_error(histogram)


def _by_percentile(histogram: Histogram, percentile: float) -> Range:
    below = np.cumsum(histogram.counts)
    total = below[-1]
    share = percentile / 100
    edges = histogram.edges
    high = float(edges[int(np.searchsorted(below, share * total)) + 1])
    above = np.cumsum(histogram.counts[::-1])
    low = float(edges[2 * BINS - int(np.searchsorted(above, share * total)) - 1])
    return Range(max(min(low, 0.0), histogram.low), min(max(high, 0.0), histogram.high))


def _by_error(histogram: Histogram) -> Range:
    centers = (histogram.edges[:-1] + histogram.edges[1:]) / 2
    used = histogram.counts > 0
    centers, counts = centers[used], histogram.counts[used].astype(np.float64)
    found = Range(histogram.low, histogram.high)
    for _ in range(2):
        highs = [found.high] if found.high == 0 else _shares(histogram.high)
        high = min(highs, key=lambda end: squared_error(centers, counts, found.low, end))
        found = Range(found.low, high)
        lows = [found.low] if found.low == 0 else _shares(histogram.low)
        low = min(lows, key=lambda end: squared_error(centers, counts, end, found.high))
        found = Range(low, found.high)
    return found


def _shares(end: float) -> list[float]:
    return [end * share / SHARES for share in range(SHARES, SHARES // 4, -1)]


def squared_error(values: NDArray[np.float64], counts: NDArray[np.float64], low: float, high: float) -> float:
    """Sum of `counts` times the squared error of `values` rounded to 255 steps from `low` to `high`."""
    step = (high - low) / STEPS
    if step <= 0:
        return math.inf
    zero = round(-low / step)
    rounded = (np.clip(np.rint(values / step) + zero, 0, STEPS) - zero) * step
    return float((counts * (values - rounded) ** 2).sum())
