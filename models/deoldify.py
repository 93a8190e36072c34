"""DeOldify's generators: `artistic` (ResNet-34, deep decoder) and `wide` (ResNet-101; Stable and Video).

A U-Net on a ResNet body. The state-dict keys are those of the published files after their norms are folded
(`colorrt.models.norms`), so the published weights load as they are. All convolutions of the decoder come
without bias and in the order convolution, ReLU, batch norm.
Source: Jason Antic, DeOldify, 2019; its U-Net is fastai's DynamicUnet, 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.models.color import ChromaOfRgb
from colorrt.models.encoders.resnet import ResNetBody, ResNetShape
from colorrt.models.encoders.resnet import read_shape as read_resnet_shape
from colorrt.models.family import Family
from colorrt.models.layers import SelfAttention, blur, crop_to
from colorrt.models.norms import fold_norms
from colorrt.models.weights.checkpoint import fill, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_BODY = "layers.0."
_BLOCKS = 4
# Attention stands after the second of the four up blocks, at 1/8 of the picture.
_ATTENTIVE = 1
_QUERY_SHARE = 8
_OUTPUT_LIMIT = 3.0


@dataclass(frozen=True)
class DeOldifyShape:
    """Hyper-parameters of a generator: its body, and the output channels of its first up block.

    `deep`: two convolutions an up block, as wide as their input times a factor (artistic). Otherwise one
    convolution an up block, all of the same width (wide). The last up block is half as wide in both.
    """

    body: ResNetShape
    deep: bool
    width: int

    @property
    def skips(self) -> tuple[int, ...]:
        """Channels of the skips in the decoder's order: at 1/16, 1/8, 1/4 and 1/2 of the picture."""
        return (*reversed(self.body.widths[:-1]), self.body.stem)

    @property
    def blocks(self) -> tuple[UpShape, ...]:
        """Shapes of the four up blocks, from 1/16 to 1/2 of the picture."""
        inside = self.body.widths[-1]
        growth = self.width / (inside // 2 + self.skips[0])
        shapes = []
        for index, skip in enumerate(self.skips):
            last = index == _BLOCKS - 1
            if self.deep:
                joined = inside // 2 + skip
                outside = round((joined // 2 if last else joined) * growth)
                shapes.append(UpShape(inside, inside // 2, skip, outside))
            else:
                outside = self.width // 2 if last else self.width
                shapes.append(UpShape(inside, outside, skip, outside))
            inside = outside
        return tuple(shapes)


@dataclass(frozen=True)
class UpShape:
    """Channels of an up block: coming in, after the shuffle, of the skip, going out."""

    inside: int
    shuffled: int
    skip: int
    outside: int


class ConvReluNorm(nn.Sequential):
    """3 x 3 convolution without bias, ReLU, batch norm, and self-attention behind them where asked for."""

    def __init__(self, inside: int, outside: int, *, attentive: bool = False) -> None:
        layers = [nn.Conv2d(inside, outside, 3, padding=1, bias=False), nn.ReLU(), nn.BatchNorm2d(outside)]
        super().__init__(*layers, *([SelfAttention(outside, outside // _QUERY_SHARE)] if attentive else []))


class Shuffle(nn.Module):
    """Double the size: 1 x 1 convolution, batch norm or bias, ReLU, pixel shuffle, blur."""

    def __init__(self, inside: int, outside: int, *, norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(inside, outside * 4, 1, bias=not norm)]
        self.conv = nn.Sequential(*layers, *([nn.BatchNorm2d(outside * 4)] if norm else []))

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> N x C' x 2H x 2W."""
        return blur(F.pixel_shuffle(F.relu(self.conv(x)), 2))


class UpBlock(nn.Module):
    """Double the size, join the skip, convolve once (`conv`) or twice (`conv1`, `conv2`)."""

    def __init__(self, shape: UpShape, *, deep: bool, attentive: bool) -> None:
        super().__init__()
        self.shuf = Shuffle(shape.inside, shape.shuffled, norm=True)
        self.bn = nn.BatchNorm2d(shape.skip)
        joined = shape.shuffled + shape.skip
        if deep:
            self.conv1 = ConvReluNorm(joined, shape.outside)
            self.conv2 = ConvReluNorm(shape.outside, shape.outside, attentive=attentive)
        else:
            self.conv = ConvReluNorm(joined, shape.outside, attentive=attentive)
        self.deep = deep

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """N x C x H x W and a skip of about twice the size -> N x C' at the skip's size."""
        up = crop_to(self.shuf(x), skip)
        joined = F.relu(torch.cat([up, self.bn(skip)], dim=1))
        if self.deep:
            joined = self.conv1(joined)
        return (self.conv2 if self.deep else self.conv)(joined)  # type: ignore[no-any-return]  # torch: modules return Any


class Residual(nn.Module):
    """Two 3 x 3 convolutions with bias and ReLU beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()) for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> the same shape."""
        y = x
        for layer in self.layers:
            y = layer(y)
        return x + y


class DeOldify(nn.Module):
    """A DeOldify generator: normalized RGB in, normalized RGB out.

    Input and output: N x 3 x S x S float32, normalized by ImageNet's mean and standard deviation, S any
    multiple of 16; the output lies within -3 .. 3.
    """

    def __init__(self, shape: DeOldifyShape) -> None:
        super().__init__()
        bottom = shape.body.widths[-1]
        blocks = shape.blocks
        last = blocks[-1].outside
        self.layers = nn.ModuleList(
            [
                ResNetBody(shape.body),
                nn.BatchNorm2d(bottom),
                nn.ReLU(),
                nn.Sequential(ConvReluNorm(bottom, bottom * 2), ConvReluNorm(bottom * 2, bottom)),
                *(UpBlock(block, deep=shape.deep, attentive=index == _ATTENTIVE) for index, block in enumerate(blocks)),
                Shuffle(last, last, norm=False),
                # Place 9 joins the input in the original; it has no tensors, but the numbers go on after it.
                nn.Identity(),
                Residual(last + 3),
                nn.Sequential(nn.Conv2d(last + 3, 3, 1)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Guess normalized RGB (N x 3 x S x S) from a normalized gray picture in three equal channels."""
        body, norm, relu, middle, up1, up2, up3, up4, shuffle, _, residual, head = self.layers
        skips, y = body(x)
        y = middle(relu(norm(y)))
        for up, skip in zip((up1, up2, up3, up4), reversed(skips), strict=True):
            y = up(y, skip)
        y = torch.cat([shuffle(y), x], dim=1)
        return torch.sigmoid(head(residual(y))) * (2 * _OUTPUT_LIMIT) - _OUTPUT_LIMIT

    @property
    def attention(self) -> SelfAttention:
        """The self-attention of the decoder, at 1/8 of the picture."""
        return next(module for module in self.modules() if isinstance(module, SelfAttention))


def recognize(state: Mapping[str, Tensor]) -> str | None:
    """Name the variant whose state dict this is, folded or not: `artistic`, `wide` or None."""
    leaves = ("weight", "weight_orig", "parametrizations.weight.original")
    has = {stem for stem in _TELLING for leaf in leaves if stem + leaf in state}
    if not has >= {"layers.0.0.", "layers.11.0."}:
        return None
    if "layers.4.conv1.0." in has:
        return "artistic"
    return "wide" if "layers.4.conv.0." in has else None


_TELLING = ("layers.0.0.", "layers.11.0.", "layers.4.conv1.0.", "layers.4.conv.0.")


def read_shape(state: Mapping[str, Tensor]) -> DeOldifyShape:
    """Read the hyper-parameters from a folded state dict.

    Raises WeightsError when a tensor that tells them is missing.
    """
    deep = any(key.startswith("layers.4.conv1.") for key in state)
    width = shape_of(state, "layers.4.conv1.0.weight" if deep else "layers.4.conv.0.weight")[0]
    return DeOldifyShape(read_resnet_shape(state, _BODY), deep, width)


def build(state: Mapping[str, Tensor]) -> DeOldify:
    """Make the generator of a state dict, published or folded, in eval mode with its weights.

    Raises WeightsError that names the first keys that are missing, left over or of the wrong shape.
    """
    folded = fold_norms(state)
    # On the meta device nothing is allocated or initialized; `fill` puts the checkpoint's tensors in place.
    with torch.device("meta"):
        network = DeOldify(read_shape(folded))
    fill(network, folded, f"DeOldify {recognize(folded)}")
    return network


def _recognize_model(state: Mapping[str, Tensor]) -> str | None:
    variant = recognize(state)
    return f"deoldify-{variant}" if variant else None


FAMILY = Family(
    name="deoldify",
    title="DeOldify artistic, stable and video",
    models=("deoldify-artistic", "deoldify-wide"),
    recognize=_recognize_model,
    build=lambda state: ChromaOfRgb(build(state)).eval(),
    bytes_per_pixel=6000,
    attention_stride=8,
)
