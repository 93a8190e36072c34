"""`lite` with a head that classifies: each pixel's chroma as a mixture of fixed colors, decoded softly.

A regression that is unsure between red and green answers with their mean, brown. A classifier keeps both, and a
temperature below one lets the likelier of them win without the speckles of taking the likeliest.
Source: Zhang, Isola and Efros, Colorful Image Colorization, 2016 (annealed mean).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.contract import LUMA_OF_RGB, U_SCALE, V_SCALE
from colorrt.models.family import Family
from colorrt.models.layers import blur
from colorrt.models.lite import FIRST_UP, Lite, LiteShape, enlarge, read_shape
from colorrt.models.lite import recognize as recognize_lite
from colorrt.models.weights.checkpoint import fill

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "bins.centers"
STEP = 0.06
"""Distance of the colors from each other, in the units of chroma."""
TEMPERATURE = 0.38


def centers(step: float = STEP) -> Tensor:
    """Colors on a grid of `step` through gray: K x 2 float32, every (U, V) that some RGB within 0..1 has."""
    reach = torch.arange(-20, 21) * step
    u, v = torch.meshgrid(reach, reach, indexing="ij")
    red, blue = v / V_SCALE, u / U_SCALE
    green = -(LUMA_OF_RGB[0] * red + LUMA_OF_RGB[2] * blue) / LUMA_OF_RGB[1]
    offsets = torch.stack([red, green, blue])
    inside = offsets.amax(0) - offsets.amin(0) <= 1
    return torch.stack([u[inside], v[inside]], dim=1)


class Bins(nn.Module):
    """From features to scores of colors, and from scores to chroma."""

    centers: Tensor
    temperature: Tensor

    def __init__(self, channels: int, colors: Tensor) -> None:
        super().__init__()
        self.scores = nn.Conv2d(channels, len(colors), 1)
        nn.init.normal_(self.scores.weight, std=0.01)
        self.register_buffer("centers", colors)
        self.register_buffer("temperature", torch.tensor([TEMPERATURE]))

    def forward(self, x: Tensor) -> Tensor:
        """Features (N x C x H x W) -> scores of the colors (N x K x H x W), as logits."""
        return self.scores(x)  # type: ignore[no-any-return]  # torch: modules return Any

    def decode(self, scores: Tensor) -> Tensor:
        """Mix the colors by the softmax of their scores over the temperature: N x 2 x H x W."""
        weights = torch.softmax(scores / self.temperature, dim=1)
        return F.conv2d(weights, self.centers.t()[..., None, None])


class LiteBins(Lite):
    """Luma to chroma through scores of colors where the decoder ends.

    Input: N x 1 x S x S float32, luma 0..1. Output: N x 2 x S x S float32, U and V in the units of luma.
    """

    def __init__(self, shape: LiteShape | None = None, colors: Tensor | None = None) -> None:
        super().__init__(shape)
        del self.head
        width = (shape or LiteShape()).widths[-1]
        self.bins = Bins(width, centers() if colors is None else colors)

    def scores(self, luma: Tensor) -> Tensor:
        """Luma (N x 1 x S x S) -> scores of the colors (N x K, at the size of `features`), as logits."""
        return self.bins(self.features(luma))  # type: ignore[no-any-return]  # torch: modules return Any

    def decode(self, scores: Tensor) -> Tensor:
        """Scores (N x K, at the size of `features`) -> chroma (N x 2 x S x S)."""
        small = self.bins.decode(scores)
        doublings = len(self.encoder.skips) + 1 - len(self.up)
        if doublings > 1:
            return enlarge(small, doublings)
        return blur(F.interpolate(small, scale_factor=2.0, mode="nearest"))

    def forward(self, luma: Tensor) -> Tensor:
        """Guess chroma (N x 2 x S x S) from luma (N x 1 x S x S)."""
        return self.decode(self.scores(luma))


def recognize(state: Mapping[str, Tensor]) -> str | None:
    """Return "lite-bins" for a state dict of `lite` with this head, else None."""
    return "lite-bins" if recognize_lite(state) and MARK in state else None


def build(state: Mapping[str, Tensor]) -> LiteBins:
    """Make the network of a state dict, in eval mode with its weights.

    Raises WeightsError that names the first keys that are missing, left over or of the wrong shape.
    """
    network = LiteBins(read_shape(state), state[MARK])
    fill(network, state, "lite with a head of bins")
    return network


FAMILY = Family(
    name="lite-bins",
    title="lite with a head that chooses among fixed colors",
    models=("lite-bins",),
    recognize=recognize,
    build=build,
    bytes_per_pixel=600,
    attention_stride=FIRST_UP,
)
