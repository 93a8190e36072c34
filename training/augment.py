"""From clean color squares to what the network sees: luma as old photographs have it, chroma untouched."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

RGB_TO_LUMA = (0.299, 0.587, 0.114)


def split(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """RGB squares (N x S x S x 3 uint8) -> luma (N x 1 x S x S, 0..1) and chroma (N x 2 x S x S).

    Chroma is U = 0.492 (B - Y), V = 0.877 (R - Y) of BT.601, in the units of luma.
    """
    rgb = pictures.permute(0, 3, 1, 2).float() / 255
    red, green, blue = rgb[:, 0:1], rgb[:, 1:2], rgb[:, 2:3]
    luma = RGB_TO_LUMA[0] * red + RGB_TO_LUMA[1] * green + RGB_TO_LUMA[2] * blue
    return luma, torch.cat([0.492 * (blue - luma), 0.877 * (red - luma)], dim=1)


def age(luma: Tensor, generator: torch.Generator) -> Tensor:
    """Change luma (N x 1 x S x S, 0..1) as age and bad scans do: gamma, fading, softness, grain, each by chance.

    The chroma that the network is asked for stays that of the clean picture.
    """
    count = luma.shape[0]

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, 1, generator=generator)

    def chance(probability: float) -> Tensor:
        return torch.rand(count, 1, 1, 1, generator=generator) < probability

    gamma = torch.exp(uniform(-math.log(1.6), math.log(1.6)))
    aged = torch.where(chance(0.5), luma.clamp(1e-4, 1.0) ** gamma, luma)
    low, high = uniform(0.0, 0.2), uniform(0.75, 1.0)
    aged = torch.where(chance(0.4), low + (high - low) * aged, aged)
    soft = F.avg_pool2d(F.pad(aged, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    amount = uniform(-0.5, 1.0)
    aged = torch.where(chance(0.4), aged + amount * (soft - aged), aged)
    grain = torch.randn(aged.shape, generator=generator) * uniform(0.0, 0.06)
    aged = torch.where(chance(0.4), aged + grain, aged)
    return aged.clamp(0.0, 1.0)
