"""What training minimizes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Where the pixel loss turns from quadratic to linear, in the units of chroma.
KNEE = 0.05


def chroma_loss(guess: Tensor, truth: Tensor, rarity: float, coarse: float) -> Tensor:
    """Huber loss per pixel plus L1 of 8 x 8 averages (both N x 2 x S x S), a scalar.

    `rarity` weighs saturated pixels up (weight 1 + rarity x |chroma|), since most of every photograph is nearly
    gray; `coarse` is the weight of the averages, which ask for the right color of a region whatever its edges.
    """
    weight = 1 + rarity * truth.square().sum(1, keepdim=True).sqrt()
    pixels = F.smooth_l1_loss(guess, truth, beta=KNEE, reduction="none")
    regions = torch.abs(F.avg_pool2d(guess, 8) - F.avg_pool2d(truth, 8))
    return (weight * pixels).mean() + coarse * regions.mean()
