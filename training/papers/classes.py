"""Color as a class: 313 colors of Zhang et al. with soft targets, or bins of a and of b apart, rare ones weighed.

Source: Zhang, Isola and Efros, Colorful Image Colorization, 2016, and its Caffe code; bins of each channel: a course
report of Georgia Tech, after Hwang and Zhou, 2016.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from colorrt.models.fusion import REACH
from colorrt.models.hull import hull_colors
from colorrt.training.losses.bins import soft_target

NEIGHBORS, SPREAD = 10, 5.0
"""Soft targets as the code has them; the paper says 5 neighbors."""
TEMPERATURE = 0.38
_SMOOTHING = 5.0
_COLORLESS = 5.0
"""Pictures whose a and b stay within it everywhere teach nothing."""


class Classes(Protocol):
    """A classification of a and b (N x 2 x S x S, in Lab's units)."""

    def loss(self, scores: Tensor, ab: Tensor, weights: Tensor) -> Tensor:
        """Cross-entropy of scores (N x K x h x w, h a part of S), a scalar."""

    def weigh(self, samples: Iterable[Tensor], rebalance: float) -> Tensor:
        """Weights of the classes from samples of a and b: `rebalance` 1 weighs all alike, near 0 by their rareness."""


class HullClasses:
    """The 313 colors; truth is that of the pixel at each score's corner, not a mean."""

    def __init__(self, neighbors: int = NEIGHBORS) -> None:
        self.neighbors = neighbors
        self.colors = hull_colors()

    def loss(self, scores: Tensor, ab: Tensor, weights: Tensor) -> Tensor:
        """Cross-entropy with each pixel's nearest colors, weighed by the nearest of all.

        Scores are those of inference, which divides by the temperature; training does not.
        """
        truth = _corners(ab, scores)
        pixels = truth.permute(0, 2, 3, 1).reshape(-1, 2)
        index, shares = soft_target(pixels, self.colors.to(ab), SPREAD, self.neighbors)
        logs = F.log_softmax(TEMPERATURE * scores.float(), dim=1).permute(0, 2, 3, 1).reshape(len(pixels), -1)
        weight = weights[index[:, 0]]
        colored = (ab.abs().amax(dim=(1, 2, 3)) > _COLORLESS).to(ab).repeat_interleave(truth[0, 0].numel())
        return -(weight * colored * (shares * logs.gather(1, index)).sum(1)).mean()

    def weigh(self, samples: Iterable[Tensor], rebalance: float) -> Tensor:
        """Weights from how often each color is the nearest, smoothed over neighboring colors."""
        counts = torch.zeros(len(self.colors))
        for ab in samples:
            pixels = ab[:, :, ::4, ::4].permute(0, 2, 3, 1).reshape(-1, 2).cpu()
            counts += torch.bincount(torch.cdist(pixels, self.colors).argmin(1), minlength=len(self.colors))
        near = torch.exp(-torch.cdist(self.colors, self.colors).square() / (2 * _SMOOTHING**2))
        return _balanced((near / near.sum(0)) @ counts, rebalance)


class ChannelClasses:
    """`count` bins of a and as many of b, each with its own softmax."""

    def __init__(self, count: int) -> None:
        self.count = count

    def _bins(self, ab: Tensor) -> Tensor:
        return ((ab + REACH) / (2 * REACH) * self.count).long().clamp(0, self.count - 1)

    def loss(self, scores: Tensor, ab: Tensor, weights: Tensor) -> Tensor:
        """Sum of both channels' cross-entropies. `weights`: 2 x count."""
        bins = self._bins(_corners(ab, scores))
        total = scores.new_zeros(())
        for channel, part in enumerate(torch.split(scores.float(), self.count, dim=1)):
            weight = weights[channel][bins[:, channel]]
            total = total + (weight * F.cross_entropy(part, bins[:, channel], reduction="none")).mean()
        return total

    def weigh(self, samples: Iterable[Tensor], rebalance: float) -> Tensor:
        """Weights of each channel's bins: 2 x count."""
        counts = torch.zeros(2, self.count)
        for ab in samples:
            for channel, bins in enumerate(self._bins(ab.cpu()).unbind(1)):
                counts[channel] += torch.bincount(bins.flatten(), minlength=self.count)
        return torch.stack([_balanced(one, rebalance) for one in counts])


def _corners(ab: Tensor, scores: Tensor) -> Tensor:
    """Take the pixel in the corner of each score's cell."""
    step = ab.shape[-1] // scores.shape[-1]
    return ab[:, :, ::step, ::step]


def _balanced(counts: Tensor, rebalance: float) -> Tensor:
    """Weights 1 / ((1 - r) p + r / K), scaled so that their mean over pixels is one."""
    share = counts / counts.sum()
    weights = 1 / ((1 - rebalance) * share + rebalance / len(counts))
    return weights / (share * weights).sum()
