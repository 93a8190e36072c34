"""How learning rate and momentum go over a training: one cycle up and down, or a rate that falls by steps."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Cycle:
    """One cycle: the rate rises over the first `warmup` of the way and falls over the rest.

    `start`, `end`: shares of the highest rate at both ends. `rise`: "linear" or "cosine"; the fall is a half cosine.
    `momentum`: (high, low): it falls while the rate rises, and the other way round; of Adam the first beta.
    Source: Smith, A disciplined approach to neural network hyper-parameters, 2018; the cosines are fastai's.
    """

    warmup: float
    start: float
    end: float
    rise: str
    momentum: tuple[float, float]

    def rate(self, progress: float) -> float:
        """Share of the highest rate at `progress` (0..1)."""
        if progress < self.warmup:
            part = progress / self.warmup
            return _between(self.start, 1.0, part if self.rise == "linear" else _half_cosine(part))
        return _between(1.0, self.end, _half_cosine(self._fallen(progress)))

    def beta(self, progress: float) -> float:
        """Momentum at `progress` (0..1)."""
        high, low = self.momentum
        if progress < self.warmup:
            part = progress / self.warmup
            return _between(high, low, part if self.rise == "linear" else _half_cosine(part))
        return _between(low, high, _half_cosine(self._fallen(progress)))

    def _fallen(self, progress: float) -> float:
        return min(1.0, (progress - self.warmup) / (1 - self.warmup))


def decayed(course: str, decay: float, every: int, step: int) -> float:
    """Share of the highest rate at `step` of a `course`, "exponential" or "staircase": decay^(step / every)."""
    passed = step / every if course == "exponential" else step // every
    return float(decay**passed)


def _half_cosine(part: float) -> float:
    return (1 - math.cos(math.pi * part)) / 2


def _between(a: float, b: float, part: float) -> float:
    return a + (b - a) * part
