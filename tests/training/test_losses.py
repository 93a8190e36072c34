"""The loss of chroma, against values computed by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from colorrt.training.losses import chroma_loss


def flat(u: float, v: float) -> Tensor:
    """Chroma of one color everywhere, 2 x 2 x 16 x 16."""
    return torch.tensor([u, v]).reshape(1, 2, 1, 1).expand(2, 2, 16, 16).clone()


@pytest.mark.parametrize(
    ("u", "v", "rarity", "coarse", "expected"),
    [
        # Beyond the knee: |d| - 0.025, here 0.275 and 0.375.
        (0.3, 0.4, 0.0, 0.0, 0.325),
        # Saturation 0.5 weighs 1 + 3 x 0.5.
        (0.3, 0.4, 3.0, 0.0, 0.8125),
        (0.3, 0.4, 3.0, 0.5, 0.8125 + 0.5 * 0.35),
        # Within the knee: d^2 / 0.1, here 0.009 and 0.016.
        (0.03, -0.04, 0.0, 0.0, 0.0125),
        (0.03, -0.04, 3.0, 1.0, 0.0125 * 1.15 + 0.035),
    ],
)
def test_gray_guess_costs_what_the_formula_says(
    u: float, v: float, rarity: float, coarse: float, expected: float
) -> None:
    assert float(chroma_loss(torch.zeros(2, 2, 16, 16), flat(u, v), rarity, coarse)) == pytest.approx(
        expected, rel=1e-5
    )


def test_right_guess_costs_nothing() -> None:
    truth = 0.3 * torch.randn(2, 2, 16, 16, generator=torch.Generator().manual_seed(1))
    assert float(chroma_loss(truth.clone(), truth, 3.0, 0.5)) == 0


def test_same_mistake_costs_more_on_a_saturated_pixel() -> None:
    def cost(truth: Tensor, rarity: float) -> float:
        return float(chroma_loss(truth + 0.1, truth, rarity, 0.0))

    assert cost(flat(0.4, 0.3), 3.0) == pytest.approx(2.5 * cost(flat(0.0, 0.0), 3.0), rel=1e-5)
    assert cost(flat(0.4, 0.3), 0.0) == pytest.approx(cost(flat(0.0, 0.0), 0.0), rel=1e-5)


def test_rarity_weighs_by_the_truth_not_by_the_guess() -> None:
    gray, red = flat(0.0, 0.0), flat(0.0, 0.4)
    assert float(chroma_loss(red, gray, 3.0, 0.0)) < float(chroma_loss(gray, red, 3.0, 0.0))


def test_averages_forgive_mistakes_that_cancel_within_a_region() -> None:
    checks = 0.1 * (-1.0) ** (torch.arange(16)[:, None] + torch.arange(16)[None, :])
    truth = flat(0.1, 0.1)
    pixels = float(chroma_loss(truth + checks, truth, 0.0, 0.0))
    assert pixels == pytest.approx(0.075, rel=1e-5)
    assert float(chroma_loss(truth + checks, truth, 0.0, 5.0)) == pytest.approx(pixels, rel=1e-5)
    assert float(chroma_loss(truth + 0.1, truth, 0.0, 5.0)) == pytest.approx(pixels + 0.5, rel=1e-5)


@pytest.mark.parametrize("truth", [flat(0.0, 0.0), flat(0.2, -0.3)], ids=["gray", "color"])
@pytest.mark.parametrize("off", [0.0, 0.01, 0.5])
def test_gradient_is_finite_and_points_to_the_truth(truth: Tensor, off: float) -> None:
    guess = (truth + off).requires_grad_()
    chroma_loss(guess, truth, 3.0, 0.5).backward()  # type: ignore[no-untyped-call]
    assert guess.grad is not None
    assert bool(torch.isfinite(guess.grad).all())
    assert bool((guess.grad > 0).all()) == (off > 0)
