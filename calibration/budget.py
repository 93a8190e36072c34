"""How far INT8 may be from FP32 before it is refused: the mean error, the tail of errors, and the gain."""

from __future__ import annotations

import math
from dataclasses import dataclass

from colorrt.contract import Parity, SizeParity
from colorrt.errors import ExportError

MEAN, P99 = 0.5, 5.0
"""Levels of 255."""
LEAST_GAIN, MOST_GAIN = 0.99, 1.01
"""A network that is quantized naively turns pictures gray: its gain is 0.8 to 0.95."""


@dataclass(frozen=True)
class Verdict:
    """INT8 against FP32 on photographs, and the one on which its mean error is largest."""

    parity: Parity
    """At all sizes together."""
    sizes: tuple[SizeParity, ...]
    """At each by itself. Together, one that is too pale and one that is too strong would pass."""
    worst_photo: str
    worst_mean: float
    """Mean error on that photograph, in levels of 255."""

    @property
    def excess(self) -> float:
        """How much of the budget the worst size uses: above 1, INT8 is refused."""
        return excess(self.worst_size.parity)

    @property
    def worst_size(self) -> SizeParity:
        """The size that uses most of the budget."""
        return max(self.sizes, key=lambda one: excess(one.parity))


def excess(parity: Parity) -> float:
    """How much of the budget is used by the figure that uses most of it: above 1, it is too much."""
    gain = 1.0 if parity.gain is None else parity.gain
    p99 = 0.0 if parity.p99 is None else parity.p99
    shares = (parity.mean / MEAN, p99 / P99, (gain - 1) / (MOST_GAIN - 1), (1 - gain) / (1 - LEAST_GAIN))
    # Not a number is over any budget.
    return max(math.inf if math.isnan(share) else share for share in shares)


def check_budget(verdict: Verdict) -> None:
    """Raise ExportError when INT8 is over the budget at some size: by how much, where, and what to do."""
    if verdict.excess <= 1:
        return
    worst = verdict.worst_size
    raise ExportError(
        f"INT8 differs from FP32 by {describe(worst.parity)} at {worst.size} x {worst.size} (allowed: {MEAN} on "
        f"average, 99% below {P99:g}, gain {LEAST_GAIN} to {MOST_GAIN}), most on {verdict.worst_photo} "
        f"({verdict.worst_mean:.2f}); nothing was written; calibrate on photographs like those that will be colored "
        "(--calibrate), or use --precision fp32"
    )


def describe(parity: Parity) -> str:
    """Say the figures in words: "0.31 levels of 255 on average, 99% below 2.1, gain 0.995"."""
    p99 = "" if parity.p99 is None else f", 99% below {parity.p99:.2f}"
    gain = "" if parity.gain is None else f", gain {parity.gain:.3f}"
    return f"{parity.mean:.2f} levels of 255 on average{p99}{gain}"


def describe_verdict(verdict: Verdict) -> str:
    """Say the figures of all sizes together and, where there are several, of the one that uses most of the budget."""
    if len(verdict.sizes) == 1:
        return describe(verdict.parity)
    worst = verdict.worst_size
    return f"{describe(verdict.parity)}; most at {worst.size} x {worst.size}: {describe(worst.parity)}"
