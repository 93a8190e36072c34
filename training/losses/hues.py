"""How rare each hue is, so that red, blue and violet count for what they are and not for how seldom they are seen.

Most of the chroma of photographs is brown, and a loss that counts pixels alike answers with brown wherever it is
unsure. Zhang et al. 2016 weigh classes of colors by their rarity; this weighs the hue of a regression's pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

HUES = 24
"""Hues are told apart by the angle of (U, V), in so many equal parts of the circle."""
MOST = 8.0
"""No hue counts more than so many times the commonest: the rarest are noise."""


def hue_of(chroma: Tensor) -> Tensor:
    """Number of the hue (0 to HUES - 1) of each pixel of chroma: N x 2 x S x S -> N x S x S."""
    angle = torch.atan2(chroma[:, 1], chroma[:, 0]) / (2 * math.pi)
    return (angle * HUES).floor().long() % HUES


def hue_weights(samples: Iterable[Tensor], power: float) -> Tensor:
    """Weights of the hues (HUES values), the inverse of how much chroma each has, to the `power` (0..1).

    `samples`: chroma (N x 2 x S x S each) of photographs. Shares are smoothed over neighboring hues. The commonest
    weighs one: with less, the network would grow duller where it is right.
    """
    mass = torch.zeros(HUES)
    for chroma in samples:
        strength = chroma.square().sum(1).sqrt().flatten()
        mass += torch.bincount(hue_of(chroma).flatten(), strength, minlength=HUES)
    around = F.pad(mass[None, None], (1, 1), mode="circular")
    share = F.conv1d(around, torch.tensor([[[0.25, 0.5, 0.25]]])).flatten() / mass.sum()
    return ((share.max() / share.clamp_min(1e-6)) ** power).clamp_max(MOST)


def hue_weight(chroma: Tensor, weights: Tensor) -> Tensor:
    """Weight of each pixel's hue: N x 2 x S x S -> N x 1 x S x S."""
    return weights[hue_of(chroma)][:, None]
