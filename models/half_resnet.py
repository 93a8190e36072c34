"""The half ResNet-18 of HKUST, and the tutorial network that it comes from: gray in, a and b of CIE Lab out.

The first two stages of a ResNet-18 whose first convolution takes one channel, and convolutions that lead back up by
repeating pixels. The state-dict keys are those of the published files.
Source: Luke Melas-Kyriazi, Image Colorization with Convolutional Neural Networks, 2018 (the tutorial, 90 tensors); a
course report of HKUST with one convolution fewer (83 tensors).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from colorrt.errors import WeightsError
from colorrt.models.color import ChromaOfLab, LabScale
from colorrt.models.encoders.resnet import BasicBlock
from colorrt.models.family import Family
from colorrt.models.weights.checkpoint import fill, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping

SCALE = LabScale(center=0, spread=1, gain=255, offset=-128, sees="luma")
_STAGES = (4, 5)
# Places of the convolutions on the way up, without the head and with it last; and what stands after which place.
_PLACES = {"half-resnet18": (0, 4, 8, 11), "half-resnet18-tutorial": (0, 4, 7, 11, 14)}
_DOUBLED_AFTER = {"half-resnet18": (0, 4), "half-resnet18-tutorial": (0, 7)}


@dataclass(frozen=True)
class HalfResNetShape:
    """Channels of the two stages, their blocks, and the channels of the convolutions on the way up before the head.

    `variant`: the model's name, which says where sizes double.
    """

    variant: str = "half-resnet18"
    planes: tuple[int, ...] = (64, 128)
    depths: tuple[int, ...] = (2, 2)
    widths: tuple[int, ...] = (128, 64, 32)


class HalfResNet(nn.Module):
    """Gray in (N x 1 x S x S float32, 0..1, S any multiple of 8), (ab + 128) / 255 out (N x 2 x S x S)."""

    def __init__(self, shape: HalfResNetShape) -> None:
        super().__init__()
        stem, outside = shape.planes
        first = [nn.Conv2d(1, stem, 7, 2, 3, bias=False), nn.BatchNorm2d(stem), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        stages = []
        for inside, planes, depth, stride in zip((stem, stem), shape.planes, shape.depths, (1, 2), strict=True):
            rest = (BasicBlock(planes, planes, 1) for _ in range(depth - 1))
            stages.append(nn.Sequential(BasicBlock(inside, planes, stride), *rest))
        self.midlevel_resnet = nn.Sequential(*first, *stages)
        layers: list[nn.Module] = []
        inside = outside
        for place, width in zip(_PLACES[shape.variant], shape.widths, strict=False):
            layers += [nn.Conv2d(inside, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            if place in _DOUBLED_AFTER[shape.variant]:
                layers.append(nn.Upsample(scale_factor=2))
            inside = width
        self.upsample = nn.Sequential(*layers, nn.Conv2d(inside, 2, 3, padding=1), nn.Upsample(scale_factor=2))

    def forward(self, x: Tensor) -> Tensor:
        """N x 1 x S x S -> N x 2 x S x S."""
        guess: Tensor = self.upsample(self.midlevel_resnet(x))
        return guess


def recognize(state: Mapping[str, Tensor]) -> str | None:
    """Name the variant whose state dict this is, by its first convolution and the place of its head; else None."""
    first = state.get("midlevel_resnet.0.weight")
    if first is None or first.dim() != 4 or first.shape[1] != 1:
        return None
    for variant, places in reversed(_PLACES.items()):
        head = state.get(f"upsample.{places[-1]}.weight")
        if head is not None and head.dim() == 4 and head.shape[0] == 2:
            return variant
    return None


def read_shape(state: Mapping[str, Tensor]) -> HalfResNetShape:
    """Read the hyper-parameters from a state dict that `recognize` knows.

    Raises WeightsError when a tensor that tells them is missing.
    """
    variant = recognize(state)
    if variant is None:
        raise WeightsError("the state dict is not of a half ResNet-18")
    stems = [f"midlevel_resnet.{stage}." for stage in _STAGES]
    return HalfResNetShape(
        variant,
        tuple(shape_of(state, f"{stem}0.conv1.weight")[0] for stem in stems),
        tuple(_count(state, stem) for stem in stems),
        tuple(shape_of(state, f"upsample.{place}.weight")[0] for place in _PLACES[variant][:-1]),
    )


def build(state: Mapping[str, Tensor]) -> HalfResNet:
    """Make the network of a state dict, in eval mode with its weights.

    Raises WeightsError that names the first keys that are missing, left over or of the wrong shape.
    """
    shape = read_shape(state)
    # On the meta device nothing is allocated or initialized; `fill` puts the checkpoint's tensors in place.
    with torch.device("meta"):
        network = HalfResNet(shape)
    fill(network, state, shape.variant)
    return network


def _count(state: Mapping[str, Tensor], stem: str) -> int:
    numbers = {key.removeprefix(stem).partition(".")[0] for key in state if key.startswith(stem)}
    return len([number for number in numbers if number.isdecimal()])


FAMILY = Family(
    name="half-resnet",
    title="half ResNet-18 of HKUST and of the tutorial",
    models=tuple(_PLACES),
    recognize=recognize,
    build=lambda state: ChromaOfLab(build(state), SCALE).eval(),
    # 461 from 224 to 512 pixels, 327 from there to 1024: peaks of whole exports, less one another.
    bytes_per_pixel=500,
    # The crops that it was trained on.
    default_render_factor=14,
)
