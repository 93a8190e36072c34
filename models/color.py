"""Luma in, chroma out: the frame around networks that guess normalized RGB pictures.

Everything particular to such a network is tensor operations of one module, so it is exported with it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.contract import LUMA_OF_RGB, U_SCALE, V_SCALE

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


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
