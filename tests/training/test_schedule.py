"""One cycle of rate and momentum."""

from __future__ import annotations

from itertools import pairwise

import pytest

from colorrt.training.schedule import Cycle

FASTAI = Cycle(0.3, 0.04, 4e-6, "cosine", (0.95, 0.85))


def test_rate_rises_to_its_highest_and_falls() -> None:
    rates = [FASTAI.rate(step / 1000) for step in range(1001)]
    assert rates[0] == pytest.approx(0.04)
    assert all(a < b for a, b in pairwise(rates[:301]))
    assert all(a > b for a, b in pairwise(rates[300:]))
    assert max(rates) == rates[300] == pytest.approx(1)
    assert rates[-1] == pytest.approx(4e-6)
    assert FASTAI.rate(0.15) == pytest.approx((0.04 + 1) / 2)


def test_momentum_goes_the_other_way() -> None:
    momenta = [FASTAI.beta(step / 1000) for step in range(1001)]
    assert (momenta[0], momenta[300], momenta[-1]) == pytest.approx((0.95, 0.85, 0.95))
    assert all(a > b for a, b in pairwise(momenta[:301]))
    assert all(a < b for a, b in pairwise(momenta[300:]))


def test_linear_rise_is_linear() -> None:
    cycle = Cycle(0.8, 0.04, 0.04, "linear", (0.95, 0.85))
    assert cycle.rate(0.2) == pytest.approx(0.04 + 0.96 / 4)
    assert cycle.beta(0.4) == pytest.approx(0.9)
    assert cycle.rate(0.9) == pytest.approx((1 + 0.04) / 2)


def test_cycle_without_warmup_begins_at_the_top_and_stays_low_past_its_end() -> None:
    cycle = Cycle(0.0, 0.04, 0.01, "cosine", (0.9, 0.9))
    assert cycle.rate(0.0) == 1
    assert cycle.rate(1.2) == pytest.approx(0.01)
    assert Cycle(1e-8, 0.04, 0.0, "cosine", (0.95, 0.85)).rate(0.0) == pytest.approx(0.04)
