"""Dahl's loss: Cb and Cr of the picture, and of the picture blurred twice."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from colorrt.models.dahl import GRAY

SIDES = (3, 5)
_HALF_WIDTH = 3.0
"""Pixels across the kernel where it is half as high as in the middle."""
# Red, green and blue of gray, Cb and Cr, and the way back, as JPEG has them.
_RED, _GREEN, _BLUE = 1.402, (0.34414, 0.71414), 1.772
_CB, _CR = (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312)


def blur_kernel(side: int, *, normalized: bool) -> Tensor:
    """A Gaussian of side x side; as published it is 1 in the middle and sums to 6.1 (3 x 3) and 9.3 (5 x 5)."""
    reach = torch.arange(side) - side // 2
    squares = reach[:, None] ** 2 + reach**2
    kernel = torch.exp(-4 * math.log(2) * squares / _HALF_WIDTH**2)
    return kernel / kernel.sum() if normalized else kernel


def rgb_of(gray: Tensor, colors: Tensor) -> Tensor:
    """Gray (N x 1 x S x S) with Cb and Cr (N x 2 x S x S), 0..1 -> RGB within 0..1."""
    blue, red = torch.split(colors - GRAY, 1, dim=1)
    green = gray - _GREEN[0] * blue - _GREEN[1] * red
    return torch.cat([gray + _RED * red, green, gray + _BLUE * blue], dim=1).clamp(0, 1)


def colors_of(rgb: Tensor) -> Tensor:
    """RGB (N x 3 x S x S) -> Cb and Cr within 0..1 (N x 2 x S x S)."""
    matrix = rgb.new_tensor([_CB, _CR]).reshape(2, 3, 1, 1)
    return (F.conv2d(rgb, matrix) + GRAY).clamp(0, 1)


def blurred(gray: Tensor, colors: Tensor, *, normalized: bool) -> list[Tensor]:
    """Cb and Cr of the picture (N x 2 x S x S), and of the picture blurred over 3 and 5 pixels, black around it.

    With kernels as published, blurred pictures are far lighter than white and their strong colors saturate.
    """
    rgb, found = rgb_of(gray, colors), [colors]
    for side in SIDES:
        kernel = blur_kernel(side, normalized=normalized).to(rgb).expand(3, 1, -1, -1)
        found.append(colors_of(F.conv2d(rgb, kernel, padding=side // 2, groups=3)))
    return found
