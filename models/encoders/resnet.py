"""ResNet bodies as encoders: torchvision's keys, the classifier cut off, the features at each scale.

Source: He et al., Deep Residual Learning for Image Recognition, 2016; the stride of a bottleneck stands at
its 3 x 3 convolution, as torchvision has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.models.weights.checkpoint import shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIRST_STAGE = 4
_STAGES = 4
_EXPANSION = 4


@dataclass(frozen=True)
class ResNetShape:
    """Hyper-parameters of a ResNet: channels of the stem, inner channels and blocks of the four stages."""

    stem: int
    planes: tuple[int, ...]
    depths: tuple[int, ...]
    bottleneck: bool

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels that the four stages put out, at 1/4, 1/8, 1/16 and 1/32 of the picture."""
        return tuple(planes * (_EXPANSION if self.bottleneck else 1) for planes in self.planes)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (ResNet-18 and 34)."""

    def __init__(self, inside: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = _shortcut(inside, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> N x planes x ceil(H / stride) x ceil(W / stride)."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 convolutions beside a shortcut (ResNet-50 and deeper)."""

    def __init__(self, inside: int, planes: int, stride: int) -> None:
        super().__init__()
        outside = planes * _EXPANSION
        self.conv1 = nn.Conv2d(inside, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outside, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outside)
        self.downsample = _shortcut(inside, outside, stride)

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> N x 4 planes x ceil(H / stride) x ceil(W / stride)."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNetBody(nn.Sequential):
    """Stem and four stages, numbered 0, 1 and 4 to 7 as a cut torchvision network numbers them."""

    def __init__(self, shape: ResNetShape) -> None:
        block = Bottleneck if shape.bottleneck else BasicBlock
        stages = []
        inside = shape.stem
        for stage, (planes, depth, outside) in enumerate(zip(shape.planes, shape.depths, shape.widths, strict=True)):
            blocks = []
            for index in range(depth):
                blocks.append(block(inside, planes, 2 if stage > 0 and index == 0 else 1))
                inside = outside
            stages.append(nn.Sequential(*blocks))
        stem = nn.Conv2d(3, shape.stem, 7, 2, 3, bias=False)
        super().__init__(stem, nn.BatchNorm2d(shape.stem), nn.ReLU(), nn.MaxPool2d(3, 2, 1), *stages)

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Normalized RGB (N x 3 x H x W) -> features at 1/2, 1/4, 1/8, 1/16, all after ReLU, and at 1/32.

        Sizes round up at each halving.
        """
        conv, norm, relu, pool, *stages = self
        x = relu(norm(conv(x)))
        skips = [x]
        x = pool(x)
        for stage in stages[:-1]:
            x = stage(x)
            skips.append(x)
        return skips, stages[-1](x)


def read_shape(state: Mapping[str, Tensor], prefix: str) -> ResNetShape:
    """Read the hyper-parameters of a `ResNetBody` whose keys begin with `prefix` ("layers.0.").

    Raises WeightsError when a tensor that tells them is missing.
    """
    stages = [f"{prefix}{index}." for index in range(_FIRST_STAGE, _FIRST_STAGE + _STAGES)]
    return ResNetShape(
        stem=shape_of(state, f"{prefix}0.weight")[0],
        planes=tuple(shape_of(state, f"{stage}0.conv1.weight")[0] for stage in stages),
        depths=tuple(_count_blocks(state, stage) for stage in stages),
        bottleneck=any(key.startswith(prefix) and key.endswith(".conv3.weight") for key in state),
    )


def _count_blocks(state: Mapping[str, Tensor], stage: str) -> int:
    indices = {key[len(stage) :].partition(".")[0] for key in state if key.startswith(stage)}
    return len([index for index in indices if index.isdecimal()])


def _shortcut(inside: int, outside: int, stride: int) -> nn.Sequential | None:
    """Convolve the shortcut where the block changes the shape; None where it does not."""
    if stride == 1 and inside == outside:
        return None
    return nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))
