"""Layers that several networks share: self-attention, blurred pixel shuffle, ICNR initialization."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Self-attention over all positions, as SAGAN and DeOldify have it.

    `out = gamma * softmax(q^T k) v + x` with q = `key`(x), k = `query`(x), v = `value`(x); no 1/sqrt(d).
    The names are swapped against common use because the original takes the softmax over the axis of the
    queries; the state-dict keys are the original's.

    Input and output: N x C x H x W float. Memory grows with (H W)^2.
    Source: Zhang et al., Self-Attention Generative Adversarial Networks, 2019, equations 1 to 3.
    """

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.query = nn.Conv1d(channels, inner, 1, bias=False)
        self.key = nn.Conv1d(channels, inner, 1, bias=False)
        self.value = nn.Conv1d(channels, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Attend over all positions of `x` (N x C x H x W)."""
        flat = x.flatten(2)
        queries = self.key(flat).transpose(1, 2)
        weights = torch.softmax(torch.bmm(queries, self.query(flat)), dim=-1)
        attended = torch.bmm(weights, self.value(flat).transpose(1, 2)).transpose(1, 2)
        return (self.gamma * attended + flat).reshape(x.shape)


def blur(x: Tensor) -> Tensor:
    """Average each 2 x 2 neighborhood (N x C x H x W, same size), the top and left edges repeated.

    Removes the checkerboard that pixel shuffle leaves.
    Source: Sugawara et al., Super-Resolution Using CNNs Without Any Checkerboard Artifacts, 2018.
    """
    return F.avg_pool2d(F.pad(x, (1, 0, 1, 0), mode="replicate"), 2, stride=1)


def crop_to(x: Tensor, like: Tensor) -> Tensor:
    """Drop the last rows and columns of `x` that `like` lacks (both N x C x H x W).

    Doubling a size that was rounded up leaves one row and column too many; nearest interpolation to the
    smaller size drops exactly those.
    """
    return x[..., : like.shape[-2], : like.shape[-1]]


def icnr_(weight: Tensor, scale: int = 2) -> None:
    """Initialize a convolution before a pixel shuffle so that the shuffle begins as nearest upsampling.

    `weight`: (C scale^2) x K x kh x kw, changed in place.
    Source: Aitken et al., Checkerboard artifact free sub-pixel convolution, 2017.
    """
    seed = torch.empty(weight.shape[0] // scale**2, *weight.shape[1:])
    nn.init.kaiming_normal_(seed)
    with torch.no_grad():
        weight.copy_(seed.repeat_interleave(scale**2, dim=0))
