"""What training minimizes: distances of chroma or RGB, of features, and of guesses from each other under noise."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from colorrt.training.losses.hues import hue_weight

NEUTRAL = 0.02
"""Chroma in the units of luma under which a pixel is neutral; some 5 of Lab's."""


def distance(guess: Tensor, truth: Tensor, kind: str, knee: float) -> Tensor:
    """Distance per value of two tensors of equal shape. `kind`: "l1", "l2" (squared) or "huber".

    Huber is d^2 / (2 knee) up to `knee` and |d| - knee / 2 beyond.
    """
    if kind == "l1":
        return (guess - truth).abs()
    if kind == "l2":
        return (guess - truth).square()
    return F.smooth_l1_loss(guess, truth, beta=knee, reduction="none")


def pixel_loss(guess: Tensor, truth: Tensor, weight: Tensor | None, kind: str, knee: float) -> Tensor:
    """Mean distance per value (both N x C x S x S), each pixel times `weight` (N x 1 x S x S), a scalar."""
    loss = distance(guess, truth, kind, knee)
    return loss.mean() if weight is None else (weight * loss).mean()


def rarity_weight(chroma: Tensor, rarity: float, hues: Tensor | None = None) -> Tensor:
    """Weight of each pixel, 1 + rarity x |chroma| x weight of its hue (N x 2 x S x S -> N x 1 x S x S).

    Most of every photograph is nearly gray; without it the saturated rest hardly counts. `hues`: see
    `colorrt.training.losses.hues`; None weighs them alike.
    """
    strength = chroma.square().sum(1, keepdim=True).sqrt()
    return 1 + rarity * (strength if hues is None else strength * hue_weight(chroma, hues))


def coarse_loss(guess: Tensor, truth: Tensor, kind: str, knee: float, side: int = 8) -> Tensor:
    """Mean distance of side x side averages (both N x C x S x S): the right color of a region, whatever its edges."""
    return distance(F.avg_pool2d(guess, side), F.avg_pool2d(truth, side), kind, knee).mean()


def cast_loss(guess: Tensor, truth: Tensor) -> Tensor:
    """Length of the mean chroma guessed where the truth is neutral (both N x 2 x S x S), a scalar in the units of luma.

    The mean is over all neutral pixels of the batch: single guesses may be wrong, but not all in one direction. Weights
    of rare hues and means of weights lean to one tint, which shows on walls, streets and gray fur. Zero where nothing
    is neutral.
    """
    neutral = (truth.square().sum(1, keepdim=True) < NEUTRAL**2).to(guess.dtype)
    mean = (guess * neutral).sum(dim=(0, 2, 3)) / neutral.sum().clamp_min(1)
    # The root's slope at zero is not finite.
    return (mean.square().sum() + 1e-12).sqrt()


def feature_loss(guess: list[Tensor], truth: list[Tensor], weights: tuple[float, ...], *, relative: bool) -> Tensor:
    """Sum over layers of weight x mean |difference|: the feature terms of equation 7, a scalar.

    `relative`: each term is divided by the mean |feature| of the truth, so that weights mean the same for networks
    whose features have other magnitudes than VGG's.
    Source: Salmona et al. 2022, equation 7; DeOldify's FeatureLoss; Johnson et al. 2016.
    """
    total = guess[0].new_zeros(())
    for one, other, weight in zip(guess, truth, weights, strict=True):
        term = (one - other).abs().mean()
        total = total + weight * (term / other.abs().mean().clamp_min(1e-6) if relative else term)
    return total


def stability_loss(chroma: Tensor, noisy: Tensor) -> Tensor:
    """Mean change of chroma under noise in the input: mean |f(x + n) - f(x)| (both N x 2 x S x S), a scalar.

    Both are guesses for the same photographs, and the gradient goes through both. Only together with a supervised loss:
    alone, gray everywhere would be best.
    Source: the quantity of equations 8 and 9 of Salmona et al. 2022, who found no such term in DeOldify's code.
    """
    return (noisy - chroma).abs().mean()


def add_noise(luma: Tensor, highest: float, generator: torch.Generator) -> Tensor:
    """Luma (N x 1 x S x S, 0..1, on the CPU) with Gaussian noise whose deviation is up to `highest`, one a picture."""
    deviation = highest * torch.rand(luma.shape[0], 1, 1, 1, generator=generator)
    return (luma + deviation * torch.randn(luma.shape, generator=generator)).clamp(0, 1)
