"""Measuring by the host clock: in turns, so that a machine whose speed drifts favors no one."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HOST_CLOCK = "host clock"
DEVICE_CLOCK = "CUDA events"
SETTLING_SECONDS = 0.1


@dataclass(frozen=True)
class Times:
    """Quantiles of the milliseconds that something took, and over how many rounds."""

    p50_ms: float
    p90_ms: float
    p99_ms: float
    rounds: int


def summarize_times(milliseconds: Sequence[float]) -> Times:
    """Return the quantiles of `milliseconds`. Of few rounds, p99 is next to the slowest. Raises ValueError for none."""
    if not milliseconds:
        raise ValueError("there are no times to summarize; measure at least one round")
    p50, p90, p99 = (float(value) for value in np.quantile(milliseconds, (0.5, 0.9, 0.99)))
    return Times(p50, p90, p99, len(milliseconds))


def take_turns(
    runners: Mapping[str, Callable[[int], object]], rounds: int, warmups: int = 1, *, settle: bool = False
) -> dict[str, list[float]]:
    """Run each of `runners` once a round, one after another, and return the milliseconds of each, round by round.

    A runner is told the number of the round, from 0, and has to return only when its work is done. The first
    `warmups` rounds are not counted. `settle`: run each for a tenth of a second more right before it is timed, for
    networks: threads of ONNX Runtime and PyTorch spin on after their work is done, some 50 ms, and take the cores from
    whoever is next.
    Raises what a runner raises.
    """
    taken: dict[str, list[float]] = {name: [] for name in runners}
    for turn in range(-warmups, rounds):
        for name, run in runners.items():
            settled = time.perf_counter() + SETTLING_SECONDS
            while settle and len(runners) > 1:
                run(turn + warmups)
                if time.perf_counter() >= settled:
                    break
            started = time.perf_counter()
            run(turn + warmups)
            if turn >= 0:
                taken[name].append(1000 * (time.perf_counter() - started))
    return taken


def ratio_of(base: Sequence[float], own: Sequence[float]) -> float:
    """Return how many times as fast as `base` `own` is: the median of the rounds' ratios."""
    return statistics.median(first / second for first, second in zip(base, own, strict=True))
