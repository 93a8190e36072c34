"""Areas under the curve against thresholds that are tried one by one."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorrt.evaluation.auc import AreaMeter


def by_thresholds(distances: np.ndarray, steps: int = 300) -> float:
    """The definition: shares of pixels nearer than each threshold, averaged over thresholds from 0 to 150."""
    thresholds = (np.arange(steps) + 0.5) * 150 / steps
    return float(np.mean([(distances < threshold).mean() for threshold in thresholds]))


@settings(max_examples=20)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_area_is_that_of_the_definition(side: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # As far apart as colors are: beyond 150 too.
    truth, ours = rng.uniform(-108, 99, (2, side, side + 1, 2))
    meter = AreaMeter()
    meter.add(truth, ours)
    area = meter.area()
    distances, grays = (np.hypot(*(each.reshape(-1, 2).T)) for each in (truth - ours, truth))
    assert area.raw == pytest.approx(by_thresholds(distances), abs=4e-3)
    assert area.gray_raw == pytest.approx(by_thresholds(grays), abs=4e-3)
    bins = defaultdict(list)
    for (a, b), distance in zip(truth.reshape(-1, 2), distances, strict=True):
        bins[np.floor(a / 10 + 0.5), np.floor(b / 10 + 0.5)].append(distance)
    # Each color counts the same, however many pixels have it.
    wanted = np.mean([by_thresholds(np.array(some)) for some in bins.values()])
    assert area.rebalanced == pytest.approx(wanted, abs=4e-3)


def test_pictures_count_the_same_whatever_their_size() -> None:
    meter = AreaMeter()
    gray, red = np.zeros((4, 4, 2)), np.full((40, 40, 2), 60.0)
    meter.add(gray, gray)
    meter.add(red, np.zeros_like(red))
    far = 1 - np.hypot(60, 60) / 150
    area = meter.area()
    assert area.raw == pytest.approx((1 + far) / 2)
    assert area.rebalanced == pytest.approx((1 + far) / 2)
    assert area.gray_raw == area.raw


def test_truth_fills_the_area_and_no_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        AreaMeter().area()
    meter = AreaMeter()
    colors = np.random.default_rng(1).uniform(-100, 90, (5, 5, 2))
    meter.add(colors, colors)
    assert meter.area().raw == meter.area().rebalanced == 1
