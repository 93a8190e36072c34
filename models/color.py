"""Luma in, chroma out: the frames around networks that guess normalized RGB pictures, or a and b of CIE Lab.

Everything particular to such a network is tensor operations of one module, so it is exported with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.contract import LUMA_OF_RGB, U_SCALE, V_SCALE

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# CIE 1931 XYZ of linear sRGB, and the white that Lab is relative to: D65, 2 degrees, as scikit-image has them.
XYZ_OF_RGB = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
WHITE = (0.95047, 1.0, 1.08883)
# Where the curves of sRGB and of Lab turn into straight lines, on either side.
_CODED_KNEE, _LINEAR_KNEE = 0.04045, 0.0031308
_RATIO_KNEE, _CURVE_KNEE = 0.008856, 0.2068966


class ChromaOfRgb(nn.Module):
    """Wrap a network that maps normalized RGB to normalized RGB into one that maps luma to chroma.

    Input: luma, N x 1 x S x S float32, 0..1. Output: chroma, N x 2 x S x S float32, BT.601 U and V of the
    guess clamped to 0..1, in the units of luma; gray is 0, 0.
    """

    mean: Tensor
    std: Tensor
    matrix: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        # Constants, not weights: they stay out of the state dict.
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("matrix", chroma_matrix().reshape(2, 3, 1, 1), persistent=False)

    def forward(self, luma: Tensor) -> Tensor:
        """Guess chroma (N x 2 x S x S) from luma (N x 1 x S x S)."""
        guess = self.network((luma - self.mean) / self.std)
        return F.conv2d((guess * self.std + self.mean).clamp(0, 1), self.matrix)


def chroma_matrix() -> Tensor:
    """Return the 2 x 3 float32 matrix that takes gamma-coded R, G, B to U and V of BT.601.

    U = 0.492 (B - Y), V = 0.877 (R - Y), Y = 0.299 R + 0.587 G + 0.114 B.
    """
    luma = torch.tensor(LUMA_OF_RGB, dtype=torch.float64)
    red, _, blue = torch.eye(3, dtype=torch.float64)
    return torch.stack([U_SCALE * (blue - luma), V_SCALE * (red - luma)]).float()


@dataclass(frozen=True)
class LabScale:
    """How a network writes Lab: its input is (L - `center`) / `spread`, and its output y means `gain` y + `offset`.

    `sees`: what stands for L in this: "lightness", L itself, 0..100; or "luma", 0..1, for networks that see gray.
    `convention`: whose arithmetic the network's colors are meant in. "scikit-image": its white, and no blue below
    black. "opencv": the white is R = G = B = 1 to the last digit, and a blue too strong for the dark is subtracted.
    """

    center: float = 50.0
    spread: float = 100.0
    gain: float = 110.0
    offset: float = 0.0
    sees: Literal["lightness", "luma"] = "lightness"
    convention: Literal["scikit-image", "opencv"] = "scikit-image"


class ChromaOfLab(nn.Module):
    """Wrap a network that maps lightness L, or luma, to a and b of CIE Lab into one that maps luma to chroma.

    `network`: N x 1 x S x S -> N x 2 x S x S, scaled as `scale` says. Input: luma, N x 1 x S x S float32, 0..1. Output:
    chroma, N x 2 x S x S float32, BT.601 U and V of the guess in the units of luma, clamped to what RGB can show.

    L is that of the gray pixel of this luma, which is what these networks are given of gray pictures. The color L, a, b
    has some other luma, which is dropped: over 1000 photographs with true a and b it costs 3e-4 of chroma on average.
    """

    matrix: Tensor
    white: Tensor
    to_rgb: Tensor

    def __init__(self, network: nn.Module, scale: LabScale | None = None) -> None:
        super().__init__()
        self.network = network
        self.scale = scale or LabScale()
        to_rgb = torch.tensor(XYZ_OF_RGB, dtype=torch.float64).inverse().float()
        self.register_buffer("matrix", chroma_matrix().reshape(2, 3, 1, 1), persistent=False)
        by_matrix = torch.tensor(XYZ_OF_RGB, dtype=torch.float64).sum(1).float()
        white = by_matrix if self.scale.convention == "opencv" else torch.tensor(WHITE)
        self.register_buffer("white", white.reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("to_rgb", to_rgb.reshape(3, 3, 1, 1), persistent=False)

    def forward(self, luma: Tensor) -> Tensor:
        """Guess chroma (N x 2 x S x S) from luma (N x 1 x S x S)."""
        lightness = lightness_of(luma)
        seen = luma if self.scale.sees == "luma" else lightness
        guess = self.network((seen - self.scale.center) / self.scale.spread)
        return self.chroma_of(lightness, guess * self.scale.gain + self.scale.offset)

    def chroma_of(self, lightness: Tensor, ab: Tensor) -> Tensor:
        """L (N x 1 x S x S, 0..100) with a and b (N x 2 x S x S) -> chroma (N x 2 x S x S)."""
        y = (lightness + 16) / 116
        x = y + ab[:, :1] / 500
        z = y - ab[:, 1:] / 200
        if self.scale.convention == "scikit-image":
            # A blue that is too strong for the dark has no light at all there.
            z = z.clamp(min=0)
        curved = torch.cat([x, y, z], dim=1)
        ratio = torch.where(curved > _CURVE_KNEE, curved**3, (curved - 16 / 116) / 7.787)
        # Clamped before the power: below 0 it is not a number.
        linear = F.conv2d(ratio * self.white, self.to_rgb).clamp(0, 1)
        powered = 1.055 * linear.clamp(min=_LINEAR_KNEE) ** (1 / 2.4) - 0.055
        return F.conv2d(torch.where(linear > _LINEAR_KNEE, powered, 12.92 * linear), self.matrix)


def ab_of(luma: Tensor, chroma: Tensor) -> Tensor:
    """Return a and b of CIE Lab (N x 2 x S x S) of the colors of this luma and chroma.

    luma: N x 1 x S x S, 0..1. chroma: N x 2 x S x S, BT.601 U and V in the units of luma; colors that RGB cannot show
    are clamped to those that it can. The white is scikit-image's, D65.
    """
    blue = luma + chroma[:, :1] / U_SCALE
    red = luma + chroma[:, 1:] / V_SCALE
    of_red, of_green, of_blue = LUMA_OF_RGB
    green = (luma - of_red * red - of_blue * blue) / of_green
    rgb = torch.cat([red, green, blue], dim=1).clamp(0, 1)
    powered = ((rgb.clamp(min=_CODED_KNEE) + 0.055) / 1.055) ** 2.4
    linear = torch.where(rgb > _CODED_KNEE, powered, rgb / 12.92)
    matrix = torch.tensor(XYZ_OF_RGB, dtype=luma.dtype, device=luma.device).reshape(3, 3, 1, 1)
    white = torch.tensor(WHITE, dtype=luma.dtype, device=luma.device).reshape(1, 3, 1, 1)
    ratio = F.conv2d(linear, matrix) / white
    root = ratio.clamp(min=_RATIO_KNEE) ** (1 / 3)
    curved = torch.where(ratio > _RATIO_KNEE, root, 7.787 * ratio + 16 / 116)
    steps = curved[:, :2] - curved[:, 1:]
    return torch.cat([500 * steps[:, :1], 200 * steps[:, 1:]], dim=1)


def lightness_of(luma: Tensor) -> Tensor:
    """Return L of CIE Lab (0..100) of gray pixels, whose R, G and B are `luma` (gamma-coded, 0..1); any shape.

    A pixel's relative luminance Y is its linear R, G or B, for the luminance weights sum to one.
    """
    powered = ((luma.clamp(min=_CODED_KNEE) + 0.055) / 1.055) ** 2.4
    luminance = torch.where(luma > _CODED_KNEE, powered, luma / 12.92)
    root = luminance.clamp(min=_RATIO_KNEE) ** (1 / 3)
    return 116 * torch.where(luminance > _RATIO_KNEE, root, 7.787 * luminance + 16 / 116) - 16
