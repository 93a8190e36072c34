"""Chroma as a class: soft targets on a grid of colors, and weights that make rare colors count.

Source: Zhang, Isola and Efros, Colorful Image Colorization, 2016, sections 2.1 and 2.2.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.models.lite import Lite
from colorrt.models.lite_bins import Bins, centers

NEIGHBORS = 5


class SideHead(nn.Module):
    """Scores of colors from the features that go into `lite`'s own head: a second teacher, thrown away at the end."""

    def __init__(self, network: Lite) -> None:
        super().__init__()
        self.bins = Bins(network.head.in_channels, centers())
        self._features: list[Tensor] = []
        network.head.register_forward_pre_hook(self._keep)

    def _keep(self, _module: nn.Module, inputs: tuple[Tensor]) -> None:
        if self.training:
            self._features[:] = inputs

    def scores(self) -> Tensor:
        """Scores (N x K x S/2 x S/2) for the pictures that the network saw last."""
        (features,) = self._features
        self._features.clear()
        scores: Tensor = self.bins(features)
        return scores


def soft_target(chroma: Tensor, colors: Tensor, spread: float, neighbors: int = NEIGHBORS) -> tuple[Tensor, Tensor]:
    """Put each pixel's chroma (P x 2) onto its nearest colors (K x 2): their numbers and shares, both P x neighbors.

    Shares fall with distance as a Gaussian of deviation `spread`, and sum to one.
    """
    squares = (chroma[:, None] - colors).square().sum(2)
    near, index = squares.topk(neighbors, dim=1, largest=False)
    return index, torch.softmax(-near / (2 * spread**2), dim=1)


def bins_loss(scores: Tensor, chroma: Tensor, colors: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of scores (N x K x h x w) with the chroma (N x 2 x S x S) under each of them, rare colors weighed.

    `colors`: K x 2, `weights`: K. Every second row and column of scores is asked: neighbors say nearly the same.
    """
    step = chroma.shape[-1] // scores.shape[-1]
    scores = scores[:, :, ::2, ::2]
    # Truth at a place, not an average over it: averages would be duller than any color in the picture. The place is
    # the middle of the cell, where decoding puts its color.
    truth = chroma[:, :, step // 2 :: step, step // 2 :: step][:, :, ::2, ::2].permute(0, 2, 3, 1).reshape(-1, 2)
    index, shares = soft_target(truth, colors, spread=(colors[1] - colors[0]).abs().max().item() / 2)
    logs = F.log_softmax(scores, dim=1).permute(0, 2, 3, 1).reshape(len(truth), -1)
    weight = weights[index[:, 0]]
    return -(weight * (shares * logs.gather(1, index)).sum(1)).mean()


def color_weights(samples: Iterable[Tensor], colors: Tensor, rebalance: float) -> Tensor:
    """Weights of colors (K), 1 / ((1 - r) p + r / K), scaled so that their mean over pixels is one.

    `samples`: chroma (N x 2 x S x S each) of photographs that say how often (p) each color occurs; `rebalance` is r,
    0.5 in the source.
    """
    counts = torch.zeros(len(colors))
    for chroma in samples:
        pixels = chroma[:, :, ::4, ::4].permute(0, 2, 3, 1).reshape(-1, 2)
        nearest = torch.cdist(pixels, colors.cpu()).argmin(1)
        counts += torch.bincount(nearest, minlength=len(colors))
    share = counts / counts.sum()
    weights = 1 / ((1 - rebalance) * share + rebalance / len(colors))
    return weights / (share * weights).sum()
