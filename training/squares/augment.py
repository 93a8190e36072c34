"""From clean color squares to what the network sees: luma as old photographs have it, chroma untouched."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from colorrt.contract import LUMA_OF_RGB, U_SCALE, V_SCALE
from colorrt.photos.aging import CONTRAST, FADE, GAMMA, GRAIN, JPEG, SOFT, VIGNETTE, through_jpeg


def split(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """RGB squares (N x S x S x 3 uint8) -> luma (N x 1 x S x S, 0..1) and chroma (N x 2 x S x S).

    Chroma is U = 0.492 (B - Y), V = 0.877 (R - Y) of BT.601, in the units of luma.
    """
    rgb = pictures.permute(0, 3, 1, 2).float() / 255
    red, green, blue = rgb[:, 0:1], rgb[:, 1:2], rgb[:, 2:3]
    luma = LUMA_OF_RGB[0] * red + LUMA_OF_RGB[1] * green + LUMA_OF_RGB[2] * blue
    return luma, torch.cat([U_SCALE * (blue - luma), V_SCALE * (red - luma)], dim=1)


def join(luma: Tensor, chroma: Tensor) -> Tensor:
    """Luma (N x 1 x S x S, 0..1) and chroma (N x 2 x S x S) -> RGB (N x 3 x S x S), not clamped: undoes `split`."""
    blue, red = luma + chroma[:, 0:1] / U_SCALE, luma + chroma[:, 1:2] / V_SCALE
    green = (luma - LUMA_OF_RGB[0] * red - LUMA_OF_RGB[2] * blue) / LUMA_OF_RGB[1]
    return torch.cat([red, green, blue], dim=1)


def age(luma: Tensor, generator: torch.Generator) -> Tensor:
    """Change luma (N x 1 x S x S, 0..1, on the CPU) as age, printing and bad scans do, each change by chance.

    In the order in which it happens to photographs: contrast and gamma of the film, vignetting of the lens, fading of
    the print, softness and grain, then the blocks of JPEG. The chroma that the network is asked for stays that of the
    clean picture.
    """
    draw = _Draw(luma.shape[0], generator)
    middle = luma.mean(dim=(1, 2, 3), keepdim=True)
    aged = torch.where(draw.chance(CONTRAST), middle + draw.uniform(0.6, 1.5) * (luma - middle), luma).clamp(0, 1)
    gamma = torch.exp(draw.uniform(-math.log(1.6), math.log(1.6)))
    aged = torch.where(draw.chance(GAMMA), aged.clamp(1e-4, 1.0) ** gamma, aged)
    aged = torch.where(draw.chance(VIGNETTE), aged * _vignette(luma.shape[-1], draw), aged)
    low, high = draw.uniform(0.0, 0.2), draw.uniform(0.75, 1.0)
    aged = torch.where(draw.chance(FADE), low + (high - low) * aged, aged)
    soft = F.avg_pool2d(F.pad(aged, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    amount = draw.uniform(-0.5, 1.0)
    aged = torch.where(draw.chance(SOFT), aged + amount * (soft - aged), aged)
    grain = torch.randn(aged.shape, generator=generator) * draw.uniform(0.0, 0.06)
    aged = torch.where(draw.chance(GRAIN), aged + grain, aged).clamp(0.0, 1.0)
    blocky, qualities = draw.chance(JPEG).flatten(), draw.uniform(15.0, 70.0).flatten()
    for index in torch.nonzero(blocky).flatten().tolist():
        aged[index, 0] = torch.from_numpy(through_jpeg(aged[index, 0].numpy(), int(qualities[index])))
    return aged


def speckle(luma: Tensor, generator: torch.Generator) -> Tensor:
    """Disturb single pixels of luma (N x 1 x S x S, 0..1) as DeOldify's training for video does.

    With chance 0.8 a picture has 0.1% to 40% of its pixels moved by up to 30 levels of 255.
    Source: DeOldify's `noisify` (contributed by Rani Horev), which draws pixels one after the other; here each pixel is
    drawn by chance, and the truth stays clean.
    """
    draw = _Draw(luma.shape[0], generator)
    hit = torch.rand(luma.shape, generator=generator) < draw.uniform(0.001, 0.4)
    noise = (torch.rand(luma.shape, generator=generator) * 2 - 1) * (30 / 255)
    return torch.where(draw.chance(0.8) & hit, luma + noise, luma).clamp(0, 1)


class _Draw:
    """Random numbers, one for each picture of a batch (N x 1 x 1 x 1)."""

    def __init__(self, count: int, generator: torch.Generator) -> None:
        self.shape, self.generator = (count, 1, 1, 1), generator

    def uniform(self, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(self.shape, generator=self.generator)

    def chance(self, probability: float) -> Tensor:
        return torch.rand(self.shape, generator=self.generator) < probability


def _vignette(size: int, draw: _Draw) -> Tensor:
    """Darken towards the corners by up to two thirds, around a middle that may lie off the center."""
    across = torch.linspace(-1, 1, size)
    x, y = across - draw.uniform(-0.3, 0.3), across[:, None] - draw.uniform(-0.3, 0.3)
    return 1 - draw.uniform(0.15, 0.65) * ((x.square() + y.square()) / 2).clamp(0, 1)
