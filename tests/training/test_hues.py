"""Rare hues count for more, by as much as the recipe says."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch import Tensor

from colorrt.training.losses.chroma import rarity_weight
from colorrt.training.losses.hues import HUES, MOST, hue_of, hue_weight, hue_weights


def colored(degrees: float, strength: float, pixels: int) -> Tensor:
    """Chroma of one hue, 1 x 2 x 1 x pixels."""
    angle = math.radians(degrees)
    color = torch.tensor([math.cos(angle), math.sin(angle)])
    return strength * color.reshape(1, 2, 1, 1).expand(1, 2, 1, pixels)


@given(degrees=st.floats(-360, 360), strength=st.floats(0.01, 0.6))
def test_hue_is_a_part_of_the_circle_whatever_the_strength(degrees: float, strength: float) -> None:
    number = int(hue_of(colored(degrees, strength, 1)))
    assert 0 <= number < HUES
    middle = (number + 0.5) * 360 / HUES
    assert abs((degrees - middle + 180) % 360 - 180) <= 180 / HUES + 1e-3


def test_rare_hue_weighs_more_and_power_says_how_much_more() -> None:
    # Middles of two hues far apart, one with seven times the chroma of the other.
    photographs = [colored(7.5, 0.2, 700), colored(187.5, 0.2, 100)]
    common, rare = (int(hue_of(one)[0, 0, 0]) for one in photographs)
    for power in (0.5, 1.0):
        weights = hue_weights(photographs, power)
        assert float(weights[rare] / weights[common]) == pytest.approx(7**power, rel=1e-4)
    torch.testing.assert_close(hue_weights(photographs, 0.0), torch.ones(HUES))


def test_weights_follow_chroma_and_not_pixels() -> None:
    few_but_strong = hue_weights([colored(7.5, 0.4, 100), colored(187.5, 0.1, 400)], 1.0)
    first, second = (int(hue_of(colored(degrees, 1.0, 1))) for degrees in (7.5, 187.5))
    assert float(few_but_strong[first]) == pytest.approx(float(few_but_strong[second]), rel=1e-4)


def test_commonest_hue_weighs_one_and_one_never_seen_no_more_than_allowed() -> None:
    weights = hue_weights([colored(7.5, 0.2, 10)], 1.0)
    assert int(weights.argmin()) == int(hue_of(colored(7.5, 1.0, 1)))
    assert (float(weights.min()), float(weights.max())) == (1.0, MOST)


def test_every_pixel_has_the_weight_of_its_own_hue() -> None:
    weights = torch.arange(1, HUES + 1, dtype=torch.float32)
    chroma = torch.cat([colored(1.0, 0.3, 2), colored(359.0, 0.3, 2)], dim=3)
    torch.testing.assert_close(hue_weight(chroma, weights).flatten(), torch.tensor([1.0, 1.0, HUES, HUES]))


def test_rarity_is_multiplied_by_the_hue_and_gray_stays_at_one() -> None:
    weights = torch.full((HUES,), 2.5)
    chroma = torch.cat([colored(100.0, 0.4, 1), colored(100.0, 0.0, 1)], dim=3)
    found = rarity_weight(chroma, 3.0, weights).flatten()
    torch.testing.assert_close(found, torch.tensor([1 + 3 * 0.4 * 2.5, 1.0]))
