"""DDColor, tiny and large: a ConvNeXt encoder, a decoder of pixels and one of color queries; a and b of CIE Lab out.

The state-dict keys are those of the published files after their norms are folded (`colorrt.models.norms`).
Source: Kang et al., DDColor: Towards Photo-Realistic Image Colorization via Dual Decoders, 2023.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.errors import WeightsError
from colorrt.models.color import IMAGENET_MEAN, IMAGENET_STD, ChromaOfLab, LabScale
from colorrt.models.color_queries import HEADS, SCALES, ColorDecoder, QueryShape
from colorrt.models.encoders.convnext import ConvNext, ConvNextShape
from colorrt.models.family import Family
from colorrt.models.layers import blur
from colorrt.models.norms import fold_norms
from colorrt.models.weights.checkpoint import fill, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping

SCALE = LabScale(center=0, spread=1, gain=1, offset=0, sees="luma", convention="opencv")
_BLOCKS, _STAGES = 3, 4
_LAST_SHUFFLE = 4
_COLORS = "decoder.color_decoder."
# A classifier that was left in the files, and a norm that only it read.
_SURPLUS = tuple(f"encoder.arch.{name}.{leaf}" for name in ("head_cls", "norm") for leaf in ("weight", "bias"))
_LARGE = 192


@dataclass(frozen=True)
class BlockShape:
    """Channels of a block of the pixel decoder: coming in, after the shuffle, of the skip, going out."""

    inside: int
    shuffled: int
    skip: int
    outside: int


@dataclass(frozen=True)
class DDColorShape:
    """Hyper-parameters: the encoder, the two decoders; `normed_end`: batch norm in the last shuffle, not a bias."""

    encoder: ConvNextShape = field(default_factory=ConvNextShape)
    shuffled: tuple[int, ...] = (512, 512, 256)
    outside: tuple[int, ...] = (512, 512, 256)
    colors: QueryShape = field(default_factory=QueryShape)
    normed_end: bool = False

    @property
    def blocks(self) -> tuple[BlockShape, ...]:
        """Shapes of the three blocks, from 1/32 to 1/4 of the picture."""
        insides = (self.encoder.widths[-1], *self.outside)
        skips = reversed(self.encoder.widths[:-1])
        return tuple(BlockShape(*all_) for all_ in zip(insides, self.shuffled, skips, self.outside, strict=False))


class Shuffle(nn.Module):
    """The 1 x 1 convolution before a pixel shuffle, with batch norm or bias."""

    def __init__(self, inside: int, outside: int, *, norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(inside, outside, 1, bias=not norm)]
        self.conv = nn.Sequential(*layers, *([nn.BatchNorm2d(outside)] if norm else []))

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> N x C' x H x W, not yet shuffled, at least 0."""
        return F.relu(self.conv(x))


class Block(nn.Module):
    """Double the size, join the skip, convolve."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.shuf = Shuffle(shape.inside, shape.shuffled * 4, norm=True)
        self.bn = nn.BatchNorm2d(shape.skip)
        convolution = nn.Conv2d(shape.shuffled + shape.skip, shape.outside, 3, padding=1, bias=False)
        self.conv = nn.Sequential(convolution, nn.ReLU(), nn.BatchNorm2d(shape.outside))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """N x C x H x W and a skip of twice the size -> N x C' at the skip's size."""
        up = blur(F.pixel_shuffle(self.shuf(x), 2))
        out: Tensor = self.conv(F.relu(torch.cat([up, self.bn(skip)], dim=1)))
        return out


class Decoders(nn.Module):
    """The decoder of pixels with the decoder of colors inside, as the keys have it."""

    def __init__(self, shape: DDColorShape) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(block) for block in shape.blocks)
        features = shape.colors.outside * _LAST_SHUFFLE**2
        self.last_shuf = Shuffle(shape.outside[-1], features, norm=shape.normed_end)
        self.color_decoder = ColorDecoder(shape.colors)


class DDColor(nn.Module):
    """Gray in, a and b of Lab out.

    Input: RGB or, for three equal channels, one of them, 0..1, N x 3 x S x S or N x 1 x S x S float32, S any multiple
    of 32. Output: a and b in the units of Lab, N x 2 x S x S, unbounded.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, shape: DDColorShape) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).reshape(1, 3, 1, 1))
        self.encoder = nn.Module()
        self.encoder.arch = ConvNext(shape.encoder)
        self.decoder = Decoders(shape)
        self.refine_net = nn.Sequential(nn.Sequential(nn.Conv2d(shape.colors.queries + 3, 2, 1)))

    def forward(self, picture: Tensor) -> Tensor:
        """N x 3 x S x S or N x 1 x S x S -> N x 2 x S x S."""
        x = (picture - self.mean) / self.std
        *skips, y = self.encoder.get_submodule("arch")(x)
        scales = []
        for block, skip in zip(self.decoder.layers, reversed(skips), strict=True):
            y = block(y, skip)
            scales.append(y)
        colors = self.decoder.color_decoder(scales)
        refine = self.refine_net.get_submodule("0.0")
        assert isinstance(refine, nn.Conv2d)
        # From the colors to a and b everything is linear, and the blur acts on each channel alone. So the colors are
        # refined before they meet the features: two channels are shuffled and blurred, not hundreds.
        found = refine.weight[:, : colors.shape[1], 0, 0] @ colors
        features = self.decoder.last_shuf(y)
        height, width = features.shape[2:]
        guess = found @ features.reshape(features.shape[0], colors.shape[2], -1)
        guess = guess.reshape(features.shape[0], -1, height, width)
        joined = F.conv2d(x, refine.weight[:, colors.shape[1] :], refine.bias)
        return blur(F.pixel_shuffle(guess, _LAST_SHUFFLE)) + joined


def recognize(state: Mapping[str, Tensor]) -> str | None:
    """Name the network whose state dict this is, its norms folded or not: "ddcolor-tiny", "ddcolor-large" or None.

    They differ in their sizes only; what is at least as wide as ConvNeXt-L goes by "ddcolor-large".
    """
    leaves = (
        "weight",
        "weight_orig",
        "weight_g",
        "parametrizations.weight.original",
        "parametrizations.weight.original0",
    )
    stem = state.get("encoder.arch.downsample_layers.0.0.weight")
    refined = any(f"refine_net.0.0.{leaf}" in state for leaf in leaves)
    if stem is None or not refined or not any(key.startswith("encoder.arch.stages.3.") for key in state):
        return None
    return "ddcolor-large" if stem.dim() > 0 and stem.shape[0] >= _LARGE else "ddcolor-tiny"


def read_shape(state: Mapping[str, Tensor]) -> DDColorShape:
    """Read the hyper-parameters from a folded state dict.

    Raises WeightsError when a tensor that tells them is missing, or for a variant that no published file is of.
    """
    if f"{_COLORS}query_feat.weight" not in state and any(
        key.startswith(f"{_COLORS}transformer.decoder.") for key in state
    ):
        raise WeightsError("the state dict is of DDColor with one scale (SingleColorDecoder), which colorrt cannot run")
    refined = shape_of(state, "refine_net.0.0.weight")
    if refined[0] != 2:
        raise WeightsError(f"the state dict looks like DDColor, but guesses {refined[0]} channels instead of a and b")
    queries, width = _matrix(state, f"{_COLORS}query_feat.weight")
    levels = _matrix(state, f"{_COLORS}level_embed.weight")[0]
    if levels != SCALES or width % HEADS or not width:
        raise WeightsError(
            f"the state dict looks like DDColor, but has {levels} scales of {width} channels; colorrt runs {SCALES} "
            f"scales of a multiple of {HEADS}"
        )
    stages = range(_STAGES)
    encoder = ConvNextShape(
        tuple(shape_of(state, f"encoder.arch.norm{index}.weight")[0] for index in stages),
        tuple(_count(state, f"encoder.arch.stages.{index}.") for index in stages),
    )
    shuffled = tuple(shape_of(state, f"decoder.layers.{index}.shuf.conv.0.weight")[0] // 4 for index in range(_BLOCKS))
    outside = tuple(shape_of(state, f"decoder.layers.{index}.conv.0.weight")[0] for index in range(_BLOCKS))
    colors = QueryShape(
        queries,
        width,
        _count(state, f"{_COLORS}transformer_cross_attention_layers."),
        _matrix(state, f"{_COLORS}transformer_ffn_layers.0.linear1.weight")[0],
        outside,
        shape_of(state, "decoder.last_shuf.conv.0.weight")[0] // _LAST_SHUFFLE**2,
    )
    return DDColorShape(encoder, shuffled, outside, colors, "decoder.last_shuf.conv.1.running_var" in state)


def build(state: Mapping[str, Tensor]) -> DDColor:
    """Make the network of a state dict, norms folded or not, in eval mode with its weights.

    Raises WeightsError that names the first keys that are missing, left over or of the wrong shape.
    """
    folded = {key: value for key, value in fold_norms(state).items() if key not in _SURPLUS}
    # On the meta device nothing is allocated or initialized; `fill` puts the checkpoint's tensors in place.
    with torch.device("meta"):
        network = DDColor(read_shape(folded))
    fill(network, folded, recognize(folded) or "")
    return network


def _matrix(state: Mapping[str, Tensor], key: str) -> tuple[int, int]:
    shape = shape_of(state, key)
    if len(shape) != 2:
        raise WeightsError(f"{key} is {shape}, and not a matrix; the file is damaged")
    return shape[0], shape[1]


def _count(state: Mapping[str, Tensor], stem: str) -> int:
    """Return one more than the highest number behind `stem`, as far as there are that many keys at all."""
    numbers = {key.removeprefix(stem).partition(".")[0] for key in state if key.startswith(stem)}
    return min(max((int(number) + 1 for number in numbers if number.isdecimal()), default=0), len(state))


FAMILY = Family(
    name="ddcolor",
    title="DDColor tiny and large",
    models=("ddcolor-tiny", "ddcolor-large"),
    recognize=recognize,
    build=lambda state: ChromaOfLab(build(state), SCALE).eval(),
    # 5219 of tiny from 256 to 512 pixels: peaks of whole exports, less one another.
    bytes_per_pixel=5300,
    # What upstream runs it at; features of 1/32 of the picture have to meet those of 1/16.
    default_render_factor=32,
    size_multiple=32,
)
