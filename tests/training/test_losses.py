"""The terms of the loss, against values computed by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from colorrt.training.losses.chroma import (
    NEUTRAL,
    add_noise,
    cast_loss,
    coarse_loss,
    distance,
    feature_loss,
    pixel_loss,
    rarity_weight,
    stability_loss,
)


def flat(u: float, v: float) -> Tensor:
    """Chroma of one color everywhere, 2 x 2 x 16 x 16."""
    return torch.tensor([u, v]).reshape(1, 2, 1, 1).expand(2, 2, 16, 16).clone()


GRAY = torch.zeros(2, 2, 16, 16)


@pytest.mark.parametrize(
    ("kind", "knee", "u", "v", "expected"),
    [
        # Beyond the knee: |d| - knee / 2.
        ("huber", 0.05, 0.3, 0.4, 0.325),
        # Within it: d^2 / (2 knee).
        ("huber", 0.05, 0.03, -0.04, 0.0125),
        ("huber", 0.2, 0.3, -0.1, (0.2 + 0.025) / 2),
        ("l1", 0.05, 0.3, -0.4, 0.35),
        ("l2", 0.05, 0.3, -0.4, 0.125),
    ],
)
def test_distances_are_what_their_formulas_say(kind: str, knee: float, u: float, v: float, expected: float) -> None:
    assert float(distance(GRAY, flat(u, v), kind, knee).mean()) == pytest.approx(expected, rel=1e-5)
    assert float(pixel_loss(GRAY, flat(u, v), None, kind, knee)) == pytest.approx(expected, rel=1e-5)
    assert float(pixel_loss(flat(u, v), flat(u, v), None, kind, knee)) == 0


def test_rare_colors_weigh_more_by_the_truth_not_by_the_guess() -> None:
    red = flat(0.3, 0.4)
    weight = rarity_weight(red, 3.0)
    assert weight.shape == (2, 1, 16, 16)
    torch.testing.assert_close(weight, torch.full_like(weight, 2.5))
    plain = float(pixel_loss(red + 0.1, red, None, "huber", 0.05))
    assert float(pixel_loss(red + 0.1, red, weight, "huber", 0.05)) == pytest.approx(2.5 * plain, rel=1e-5)


def test_averages_forgive_mistakes_that_cancel_within_a_region() -> None:
    checks = 0.1 * (-1.0) ** (torch.arange(16)[:, None] + torch.arange(16)[None, :])
    truth = flat(0.1, 0.1)
    assert float(coarse_loss(truth + checks, truth, "l1", 0.05)) == pytest.approx(0, abs=1e-6)
    assert float(coarse_loss(truth + 0.1, truth, "l1", 0.05)) == pytest.approx(0.1, rel=1e-5)
    assert float(coarse_loss(truth + checks, truth, "l1", 0.05, side=1)) == pytest.approx(0.1, rel=1e-5)


def test_cast_is_the_mean_where_the_truth_is_neutral_and_nothing_else() -> None:
    generator = torch.Generator().manual_seed(3)
    truth = 0.04 * torch.rand(3, 2, 5, 5, generator=generator, dtype=torch.float64) - 0.01
    guess = torch.rand(3, 2, 5, 5, generator=generator, dtype=torch.float64) - 0.3
    neutral = [
        guess[n, :, y, x].tolist()
        for n in range(3)
        for y in range(5)
        for x in range(5)
        if math.hypot(*truth[n, :, y, x].tolist()) < NEUTRAL
    ]
    assert 0 < len(neutral) < 75
    expected = math.hypot(*(sum(values) / len(neutral) for values in zip(*neutral, strict=True)))
    assert cast_loss(guess, truth).item() == pytest.approx(expected)


def test_wrong_guesses_are_no_cast_while_they_cancel() -> None:
    guess, truth = torch.zeros(2, 2, 4, 4, requires_grad=True), torch.zeros(2, 2, 4, 4)
    varied = guess + torch.tensor([0.1, -0.1]).reshape(2, 1, 1, 1)
    assert cast_loss(varied, truth).item() == pytest.approx(0, abs=1e-5)
    cast_loss(varied, truth).backward()
    assert guess.grad is not None
    assert guess.grad.isfinite().all()
    assert cast_loss(guess + 0.1, truth + 1).item() == pytest.approx(0, abs=1e-5)


def test_feature_terms_are_weighed_and_summed() -> None:
    truth = [torch.full((1, 2, 4, 4), 2.0), torch.full((1, 3, 2, 2), 4.0)]
    guess = [layer + 0.5 for layer in truth]
    assert float(feature_loss(guess, truth, (20.0, 10.0), relative=False)) == pytest.approx(15.0)
    assert float(feature_loss(guess, truth, (20.0, 10.0), relative=True)) == pytest.approx(20 * 0.25 + 10 * 0.125)


def test_stability_is_the_mean_change_of_chroma_and_teaches_both_guesses() -> None:
    clean, noisy = flat(0.1, 0.2).requires_grad_(), flat(0.15, 0.1).requires_grad_()
    loss = stability_loss(clean, noisy)
    assert loss.item() == pytest.approx((0.05 + 0.1) / 2, rel=1e-5)
    loss.backward()  # type: ignore[no-untyped-call]  # torch: backward has no types
    assert clean.grad is not None
    assert noisy.grad is not None
    torch.testing.assert_close(clean.grad, -noisy.grad)
    assert float(clean.grad.abs().sum()) > 0


def test_noise_is_as_strong_as_asked_and_stays_in_range() -> None:
    luma = torch.full((200, 1, 16, 16), 0.5)
    generator = torch.Generator().manual_seed(1)
    deviations = (add_noise(luma, 0.1, generator) - luma).flatten(1).std(dim=1)
    assert float(deviations.max()) < 0.12
    assert 0.04 < float(deviations.mean()) < 0.06
    bright = add_noise(torch.ones(4, 1, 8, 8), 0.2, generator)
    assert 0 <= float(bright.min()) < float(bright.max()) <= 1


@pytest.mark.parametrize("kind", ["l1", "l2", "huber"])
def test_gradient_is_finite_and_points_to_the_truth(kind: str) -> None:
    truth = flat(0.2, -0.3)
    guess = (truth + 0.2).requires_grad_()
    pixel_loss(guess, truth, rarity_weight(truth, 3.0), kind, 0.05).backward()  # type: ignore[no-untyped-call]  # torch: backward has no types
    assert guess.grad is not None
    assert bool((guess.grad > 0).all())
    assert bool(torch.isfinite(guess.grad).all())
