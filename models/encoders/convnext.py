"""ConvNeXt as an encoder: the features of its four stages, each behind a norm of its own, as DDColor uses it.

Source: Liu et al., A ConvNet for the 2020s, 2022 (version 1, with layer scale).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

NORM_EPS = 1e-6
_STEM_STRIDE = 4


@dataclass(frozen=True)
class ConvNextShape:
    """Channels and blocks of the four stages, at 1/4, 1/8, 1/16 and 1/32 of the picture."""

    widths: tuple[int, ...] = (96, 192, 384, 768)
    depths: tuple[int, ...] = (3, 3, 9, 3)


class PixelNorm(nn.LayerNorm):
    """Layer norm over the channels of each pixel of N x C x H x W."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> the same shape."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    """7 x 7 convolution of each channel, norm, two linear layers with GELU between; scaled, beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=NORM_EPS)
        self.pwconv1 = nn.Linear(channels, channels * 4)
        self.pwconv2 = nn.Linear(channels * 4, channels)
        self.gamma = nn.Parameter(self.norm.weight.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> the same shape."""
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.gamma * self.pwconv2(F.gelu(self.pwconv1(y)))
        out: Tensor = x + y.permute(0, 3, 1, 2)
        return out


class ConvNext(nn.Module):
    """Normalized RGB (N x 3 x S x S, S a multiple of 32) -> features at 1/4, 1/8, 1/16 and 1/32, each normed.

    The main path goes on without those norms.
    """

    def __init__(self, shape: ConvNextShape) -> None:
        super().__init__()
        first, *_ = shape.widths
        steps = [nn.Sequential(nn.Conv2d(3, first, _STEM_STRIDE, _STEM_STRIDE), PixelNorm(first))]
        for inside, outside in zip(shape.widths, shape.widths[1:], strict=False):
            steps.append(nn.Sequential(PixelNorm(inside), nn.Conv2d(inside, outside, 2, 2)))
        self.downsample_layers = nn.ModuleList(steps)
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(depth)))
            for width, depth in zip(shape.widths, shape.depths, strict=True)
        )
        for index, width in enumerate(shape.widths):
            self.add_module(f"norm{index}", PixelNorm(width))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features of the four stages, the largest first."""
        found = []
        for index, (step, stage) in enumerate(zip(self.downsample_layers, self.stages, strict=True)):
            x = stage(step(x))
            found.append(self.get_submodule(f"norm{index}")(x))
        return found
