"""The fusion network: an encoder of lightness, joined at every place by what a classifier finds in the whole picture.

Of Baldassarre's network only the code is public, and of the report that tried other classifiers only its text. There
are no weights, so the keys are ours. The classifier's weights lie in the same file, below `extractor.`.
Source: Baldassarre et al., Deep Koalarization, 2017; its variants are those of a course report of Georgia Tech. Bins of
a and of b: after Hwang and Zhou, Image Colorization with Deep Convolutional Neural Networks, 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.errors import WeightsError
from colorrt.models.color import ChromaOfLab, LabScale, lightness_of
from colorrt.models.encoders.extractors import CLASSES, EXTRACTORS
from colorrt.models.family import Family
from colorrt.models.weights.checkpoint import fill, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping

# The network sees luma, for its classifier does; it makes lightness of it itself.
SCALE = LabScale(center=0, spread=1, gain=127, offset=0, sees="luma")
TEMPERATURE = 0.38
REACH = 110.0
"""Bins go from -110 to 110 of a and of b."""
_STRIDES = (2, 1, 2, 1, 2, 1, 1, 1)
# Convolutions of the decoder behind which sizes double; the last guess doubles too.
_DOUBLED = (0, 2)


@dataclass(frozen=True)
class FusionShape:
    """Channels of the eight convolutions down, of the fused layer, and of those up before the head.

    `features`: how many logits of the classifier are told; `bins`: of each of a and b, 0 for a regression.
    """

    extractor: str = "lite"
    features: int = CLASSES
    bins: int = 0
    encoder: tuple[int, ...] = (64, 128, 128, 256, 256, 512, 512, 256)
    fused: int = 256
    decoder: tuple[int, ...] = (128, 64, 64, 32)


class Fusion(nn.Module):
    """Luma in (N x 1 x S x S float32, 0..1, S any multiple of 8), a / 127 and b / 127 out (N x 2 x S x S)."""

    def __init__(self, shape: FusionShape) -> None:
        super().__init__()
        self.bins = shape.bins
        self.extractor = EXTRACTORS[shape.extractor].make(shape.features)
        self.enc = _convolutions(1, shape.encoder, _STRIDES)
        self.fuse = nn.Conv2d(shape.encoder[-1] + shape.features, shape.fused, 1)
        head = 2 * shape.bins if shape.bins else 2
        self.dec = _convolutions(shape.fused, (*shape.decoder, head), (1,) * (len(shape.decoder) + 1))

    def last(self, luma: Tensor) -> Tensor:
        """Luma (N x 1 x S x S) -> what the last convolution says, N x 2 or N x 2 bins, at half the size."""
        x = lightness_of(luma) / 50 - 1
        for layer in self.enc:
            x = F.relu(layer(x))
        inside = x.shape[1]
        # The features are the same at every place, so their part of the 1 x 1 convolution is one bias a picture.
        told = F.linear(self.extractor(luma), self.fuse.weight[:, inside:, 0, 0], self.fuse.bias)
        x = F.relu(F.conv2d(x, self.fuse.weight[:, :inside]) + told[:, :, None, None])
        *body, head = self.dec
        for index, layer in enumerate(body):
            x = F.relu(layer(x))
            if index in _DOUBLED:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        guess: Tensor = head(x)
        return guess

    def scores(self, luma: Tensor) -> Tensor:
        """Luma (N x 1 x S x S) -> logits of the bins of a, then of those of b (N x 2 bins x S/2 x S/2)."""
        return self.last(luma)

    def decode(self, scores: Tensor) -> Tensor:
        """Logits of bins (N x 2 bins x H x W) -> their annealed means, a / 127 and b / 127 (N x 2 x H x W)."""
        middles = bin_centers(self.bins).to(scores) / SCALE.gain
        means = [
            F.conv2d(torch.softmax(part / TEMPERATURE, dim=1), middles.reshape(1, -1, 1, 1))
            for part in torch.split(scores, self.bins, dim=1)
        ]
        return torch.cat(means, dim=1)

    def forward(self, luma: Tensor) -> Tensor:
        """N x 1 x S x S -> N x 2 x S x S."""
        last = self.last(luma)
        guess = self.decode(last) if self.bins else torch.tanh(last)
        return F.interpolate(guess, scale_factor=2.0, mode="nearest")


def bin_centers(count: int) -> Tensor:
    """Middles of `count` equally wide bins of a or b, in Lab's units."""
    edges = torch.linspace(-REACH, REACH, count + 1)
    return (edges[:-1] + edges[1:]) / 2


def _convolutions(inside: int, widths: tuple[int, ...], strides: tuple[int, ...]) -> nn.ModuleList:
    layers = nn.ModuleList()
    for width, stride in zip(widths, strides, strict=True):
        layers.append(nn.Conv2d(inside, width, 3, stride, 1))
        inside = width
    return layers


def recognize(state: Mapping[str, Tensor]) -> str | None:
    """Name the variant whose state dict this is, by its classifier and its head; else None."""
    if not {"enc.0.weight", "fuse.weight", "dec.4.weight"} <= state.keys():
        return None
    extractor = _extractor_of(state)
    if extractor is None:
        return None
    if state["dec.4.weight"].dim() == 4 and state["dec.4.weight"].shape[0] > 2:
        return "fusion-bins"
    told = state.get("extractor.fc.bias")
    return f"fusion-{extractor}" if told is None or len(told) == CLASSES else "fusion-256"


def _extractor_of(state: Mapping[str, Tensor]) -> str | None:
    return next((name for name, kind in EXTRACTORS.items() if f"extractor.{kind.mark}" in state), None)


def read_shape(state: Mapping[str, Tensor]) -> FusionShape:
    """Read the hyper-parameters from a state dict that `recognize` knows.

    Raises WeightsError when a tensor that tells them is missing or of another kind.
    """
    encoder = tuple(_width(state, f"enc.{index}.weight") for index in range(len(_STRIDES)))
    decoder = tuple(_width(state, f"dec.{index}.weight") for index in range(4))
    head = _width(state, "dec.4.weight")
    features = shape_of(state, "extractor.fc.weight")[0]
    extractor = _extractor_of(state) or ""
    return FusionShape(
        extractor, features, head // 2 if head > 2 else 0, encoder, _width(state, "fuse.weight"), decoder
    )


def build(state: Mapping[str, Tensor]) -> Fusion:
    """Make the network of a state dict, in eval mode with its weights.

    Raises WeightsError that names the first keys that are missing, left over or of the wrong shape.
    """
    shape = read_shape(state)
    # On the meta device nothing is allocated or initialized; `fill` puts the checkpoint's tensors in place.
    with torch.device("meta"):
        network = Fusion(shape)
    fill(network, state, recognize(state) or "")
    return network


def _width(state: Mapping[str, Tensor], key: str) -> int:
    shape = shape_of(state, key)
    if len(shape) != 4 or 0 in shape:
        raise WeightsError(f"{key} is {shape}, and not the kernel of a convolution; the file is damaged")
    return shape[0]


FAMILY = Family(
    name="fusion",
    title="Baldassarre's fusion network with several classifiers",
    models=("fusion-lite", "fusion-inception", "fusion-convnext", "fusion-256", "fusion-bins"),
    recognize=recognize,
    build=lambda state: ChromaOfLab(build(state), SCALE).eval(),
    bytes_per_pixel=600,
    # The size that they were trained at.
    default_render_factor=14,
)
