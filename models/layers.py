"""Layers that several networks share: self-attention, blurred pixel shuffle, ICNR initialization."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.contract import AttentionForm

TILE = 1024
"""Queries in a tile of the tiled form."""


class SelfAttention(nn.Module):
    """Self-attention over all positions, as SAGAN and DeOldify have it.

    `out = gamma * softmax(q^T k) v + x` with q = `key`(x), k = `query`(x), v = `value`(x); no 1/sqrt(d).
    The names are swapped against common use because the original takes the softmax over the axis of the
    queries; the state-dict keys are the original's.

    Input and output: N x C x H x W float, T = H W tokens. `form` says how it is computed, never what comes out;
    whoever exports sets it:
    - "plain": as written above. Memory grows with T^2.
    - "tiled": the queries in tiles of 1024, one after the other; the same products in the same order. Memory grows
      with 1024 T. Takes sizes that are known when the graph is traced.
    - "heads": the values in `heads` parts, each as wide as queries and keys, which all of them share; the same within
      rounding. TensorRT has fused kernels for attention of equal widths that never hold T x T scores; without them
      memory grows with `heads` T^2.

    Source: Zhang et al., Self-Attention Generative Adversarial Networks, 2019, equations 1 to 3.
    """

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.query = nn.Conv1d(channels, inner, 1, bias=False)
        self.key = nn.Conv1d(channels, inner, 1, bias=False)
        self.value = nn.Conv1d(channels, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))
        self.form = AttentionForm.PLAIN

    @property
    def heads(self) -> int:
        """Parts of the values in the "heads" form: 8 in DeOldify; 1 where the widths do not divide."""
        channels, inner = self.value.out_channels, self.query.out_channels
        return 1 if channels % inner else channels // inner

    def forward(self, x: Tensor) -> Tensor:
        """Attend over all positions of `x` (N x C x H x W)."""
        flat = x.flatten(2)
        queries, keys, values = self.key(flat).transpose(1, 2), self.query(flat), self.value(flat)
        if self.form == AttentionForm.HEADS:
            shared = (-1, self.heads, -1, -1)
            parts = values.unflatten(1, (self.heads, -1)).transpose(2, 3)
            attended = _attend(queries.unsqueeze(1).expand(shared), keys.unsqueeze(1).expand(shared), parts)
            attended = attended.transpose(2, 3).flatten(1, 2)
        elif self.form == AttentionForm.TILED and queries.shape[1] > TILE:
            values = values.transpose(1, 2)
            tiles = [_attend(tile, keys, values) for tile in queries.split(TILE, dim=1)]
            attended = torch.cat(tiles, dim=1).transpose(1, 2)
        else:
            attended = _attend(queries, keys, values.transpose(1, 2)).transpose(1, 2)
        return (self.gamma * attended + flat).reshape(x.shape)


def _attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """... x T' x d, ... x d x T, ... x T x c -> ... x T' x c."""
    return torch.softmax(queries @ keys, dim=-1) @ values


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


def resize_square(x: Tensor, size: int) -> Tensor:
    """Interpolate N x C x S x S linearly to size x size, without antialiasing, half pixels as PyTorch has them.

    As products with constant matrices: a graph's Resize to a fixed size would fix the batch too. S has to be known when
    the graph is traced.
    """
    side = x.shape[-1]
    if side == size:
        return x
    places = ((torch.arange(size, dtype=torch.float64) + 0.5) * side / size - 0.5).clamp(0, side - 1)
    weights = (1 - (places[:, None] - torch.arange(side)).abs()).clamp(min=0).to(x)
    return weights @ x @ weights.t()


def icnr_(weight: Tensor, scale: int = 2) -> None:
    """Initialize a convolution before a pixel shuffle so that the shuffle begins as nearest upsampling.

    `weight`: (C scale^2) x K x kh x kw, changed in place.
    Source: Aitken et al., Checkerboard artifact free sub-pixel convolution, 2017.
    """
    seed = torch.empty(weight.shape[0] // scale**2, *weight.shape[1:])
    nn.init.kaiming_normal_(seed)
    with torch.no_grad():
        weight.copy_(seed.repeat_interleave(scale**2, dim=0))
