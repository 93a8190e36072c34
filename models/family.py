"""What a file in this folder says of its network: how to tell its weights, build it, and what it needs.

Each network's file ends in its `FAMILY`; `colorrt.models.catalog` lists the files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, nn


@dataclass(frozen=True)
class Family:
    """A kind of network."""

    name: str
    title: str
    """What it is, for messages."""
    models: tuple[str, ...]
    """Every name that `recognize` gives."""
    recognize: Callable[[Mapping[str, Tensor]], str | None]
    """The model's name ("deoldify-artistic") when a state dict is of this family, else None."""
    build: Callable[[Mapping[str, Tensor]], nn.Module]
    """The luma-to-chroma module of a state dict (N x 1 x S x S -> N x 2 x S x S float32), in eval mode with its
    weights; raises WeightsError."""
    bytes_per_pixel: int
    """Memory that features take at the peak of an export, per pixel of the square, measured."""
    default_saturation: float = 1.0
    attention_stride: int | None = None
    """Pixels of the square per token along each axis of the self-attention; None: it has none."""
    default_render_factor: int | None = None
    """What an export is fixed to when no render factor is asked for; None: it takes any size."""
    size_multiple: int = 16
    """The side of the square has to be a multiple of this, in pixels."""

    def attention_tokens(self, size: int) -> int:
        """Count the tokens of self-attention for pictures of `size` x `size`, a multiple of 16; 0 without attention."""
        return 0 if self.attention_stride is None else (size // self.attention_stride) ** 2


@dataclass(frozen=True)
class Network:
    """A network with its weights, ready to run or export.

    `module` maps luma (N x 1 x S x S float32, 0..1) to chroma (N x 2 x S x S float32). `parameters` counts
    its weights; `sha256` is the digest of the weights file in hexadecimal.
    """

    module: nn.Module
    model: str
    family: Family
    parameters: int
    sha256: str
    default_saturation: float
