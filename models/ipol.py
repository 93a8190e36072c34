"""The network of the IPOL review of DeOldify: ResNet encoder, wide decoder, a head of two chroma channels.

A U-Net in normalized space: it takes a gray picture normalized by ImageNet's statistics, multiplies it into a
normalized Y, guesses normalized U and V within the range of a sigmoid, and multiplies back to normalized RGB. Its Y is
therefore not luma, but a fixed mixture of three differently scaled copies of it. State-dict keys are those of the
published code.
Source: Salmona, Bouza and Delon, DeOldify: A Review and Implementation of an Automatic Colorization Method, IPOL 2022;
written anew from what the published code does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.errors import WeightsError
from colorrt.models.color import ChromaOfRgb
from colorrt.models.encoders.resnet import ResNetBody, ResNetShape
from colorrt.models.encoders.resnet import read_shape as read_resnet_shape
from colorrt.models.family import Family
from colorrt.models.layers import blur, crop_to
from colorrt.models.norms import fold_norms
from colorrt.models.weights.checkpoint import fill, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_ATTENTIVE = 1
_QUERY_SHARE = 8
_LIMIT = 3.0
# The matrix that the published code multiplies with, which differs from BT.601's 0.492 and 0.877 in the fourth digit.
YUV_OF_RGB = (
    (0.299, 0.587, 0.114),
    (-0.14714119, -0.28886916, 0.43601035),
    (0.61497538, -0.51496512, -0.10001026),
)

Axis = Literal["published", "equation5"]
Range = Literal["published", "equation6"]
_AXIS_MARK = "up_blocks.1.self_attention.normalized_over_sources"
_RANGE_MARK = "sigmoid.limits"


@dataclass(frozen=True)
class IpolShape:
    """Hyper-parameters of the network.

    `width`: channels of the first three up blocks; the last is half as wide. `channels`: 2 guesses U and V, 3 guesses
    RGB as DeOldify does.
    `attention`: the axis over which the weights of the attention sum to one. "equation5": over the places that are
    looked at, as equation 5 and SAGAN have it. "published": over the places that look, as the published code has it,
    and so the published weights. `limits`: the range of the guess in normalized space. "published": 3 either way for
    both. "equation6": what the matrix makes of RGB within 3 either way, 2.62 for U and 3.69 for V.
    No tensor of a published file tells the two apart, so networks other than the published one carry a mark.
    """

    body: ResNetShape
    width: int = 512
    channels: int = 2
    attention: Axis = "published"
    limits: Range = "published"


class ConvBlock(nn.Module):
    """Convolution, ReLU, batch norm, in this order; a bias in the place of the norm where asked for."""

    def __init__(self, inside: int, outside: int, kernel: int, *, relu: bool = True, bias: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, kernel, padding=kernel // 2, bias=bias)
        self.batch_norm = None if bias else nn.BatchNorm2d(outside)
        self.active = relu

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> N x C' x H x W."""
        x = self.conv(x)
        if self.active:
            x = F.relu(x)
        return x if self.batch_norm is None else self.batch_norm(x)


class UpSample(nn.Module):
    """Double the size: 1 x 1 convolution, batch norm or bias, ReLU, pixel shuffle, blur."""

    def __init__(self, inside: int, outside: int, *, last: bool = False) -> None:
        super().__init__()
        self.conv = ConvBlock(inside, outside * 4, 1, relu=False, bias=last)

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> N x C' x 2H x 2W."""
        return blur(F.pixel_shuffle(F.relu(self.conv(x)), 2))


class Attention(nn.Module):
    """Self-attention over all positions with the keys of the published code, over one axis or the other.

    scores s_ij = f(x_i)^T g(x_j); o_j = sum over i of a_ij h(x_i); out = gamma o + x. With "equation5" a_ij sums to
    one over i for each j, with "published" over j for each i.
    Source: Zhang et al., Self-Attention Generative Adversarial Networks, 2019, equations 1 to 3.
    """

    def __init__(self, channels: int, axis: Axis) -> None:
        super().__init__()
        self.f = nn.Conv2d(channels, channels // _QUERY_SHARE, 1, bias=False)
        self.g = nn.Conv2d(channels, channels // _QUERY_SHARE, 1, bias=False)
        self.h = nn.Conv2d(channels, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))
        self.over_sources = axis == "equation5"
        if self.over_sources:
            self.register_buffer("normalized_over_sources", torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> the same shape."""
        scores = self.f(x).flatten(2).transpose(1, 2) @ self.g(x).flatten(2)
        weights = torch.softmax(scores, dim=1 if self.over_sources else 2)
        attended = self.h(x).flatten(2) @ weights
        out: Tensor = self.gamma * attended.reshape(x.shape) + x
        return out


class UpBlock(nn.Module):
    """Double the size, join the skip, convolve, and attend where asked for."""

    def __init__(self, inside: int, skip: int, outside: int, axis: Axis | None) -> None:
        super().__init__()
        self.upsample = UpSample(inside, outside)
        self.batch_norm = nn.BatchNorm2d(skip)
        self.conv = ConvBlock(outside + skip, outside, 3)
        self.self_attention = None if axis is None else Attention(outside, axis)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """N x C x H x W and a skip of about twice the size -> N x C' at the skip's size."""
        up = crop_to(self.upsample(x), skip)
        y: Tensor = self.conv(F.relu(torch.cat([up, self.batch_norm(skip)], dim=1)))
        return y if self.self_attention is None else self.self_attention(y)


class Bridge(nn.Module):
    """Two 3 x 3 convolutions between encoder and decoder, twice as wide in the middle."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvBlock(channels, channels * 2, 3)
        self.conv2 = ConvBlock(channels * 2, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> the same shape."""
        return self.conv2(self.conv1(x))  # type: ignore[no-any-return]  # torch: modules return Any


class SigmoidRange(nn.Module):
    """A sigmoid stretched to -limit .. limit, one limit a channel."""

    limits: Tensor

    def __init__(self, shape: IpolShape) -> None:
        super().__init__()
        marked = shape.limits == "equation6" and shape.channels == 2
        values = range_of_box(_LIMIT)[1:] if marked else torch.full((shape.channels,), _LIMIT)
        self.register_buffer("limits", values, persistent=marked)

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W, any number -> the same shape, within the limits."""
        limits = self.limits.reshape(1, -1, 1, 1)
        return torch.sigmoid(x) * (2 * limits) - limits


class Ipol(nn.Module):
    """The generator: normalized RGB in, normalized RGB out.

    Input: a gray picture in three channels normalized by ImageNet's mean and standard deviation, N x 3 x S x S float32,
    S any multiple of 16. Output: N x 3 x S x S float32.
    """

    to_yuv: Tensor
    to_rgb: Tensor

    def __init__(self, shape: IpolShape) -> None:
        super().__init__()
        self.shape = shape
        stem, norm, relu, pool, *stages = ResNetBody(shape.body)
        self.input_block = nn.Sequential(stem, norm, relu)
        self.input_pool = pool
        self.down_blocks = nn.ModuleList(stages)
        *skips, bottom = shape.body.widths
        self.bn = nn.BatchNorm2d(bottom)
        self.bridge = Bridge(bottom)
        inside, blocks = bottom, []
        for index, skip in enumerate((*reversed(skips), shape.body.stem)):
            outside = shape.width if index < len(skips) else shape.width // 2
            blocks.append(UpBlock(inside, skip, outside, shape.attention if index == _ATTENTIVE else None))
            inside = outside
        self.up_blocks = nn.ModuleList(blocks)
        self.last_upsample = UpSample(inside, inside, last=True)
        joined = inside + 3
        self.res_block = nn.Sequential(*(ConvBlock(joined, joined, 3, bias=True) for _ in range(2)))
        self.dense = ConvBlock(joined, shape.channels, 1, relu=False, bias=True)
        self.sigmoid = SigmoidRange(shape)
        for name, constant in _matrices().items():
            self.register_buffer(name, constant, persistent=False)

    def restore_constants(self) -> None:
        """Give back the constants that a network made on the meta device lacks, and that no state dict holds."""
        self.to_yuv, self.to_rgb = _matrices().values()
        if _RANGE_MARK not in self.state_dict():
            self.sigmoid.limits = torch.full((self.shape.channels,), _LIMIT)

    def forward(self, x: Tensor) -> Tensor:
        """Guess normalized RGB (N x 3 x S x S) from a normalized gray picture in three channels."""
        y = self.input_block(x)
        skips = [y]
        y = self.input_pool(y)
        for stage in self.down_blocks:
            y = stage(y)
            skips.append(y)
        y = self.bridge(F.relu(self.bn(skips.pop())))
        for up, skip in zip(self.up_blocks, reversed(skips), strict=True):
            y = up(y, skip)
        y = torch.cat([self.last_upsample(y), x], dim=1)
        guess: Tensor = self.sigmoid(self.dense(self.res_block(y) + y))
        if self.shape.channels == 3:
            return guess
        return F.conv2d(torch.cat([F.conv2d(x, self.to_yuv[:1]), guess], dim=1), self.to_rgb)


def range_of_box(limit: float) -> Tensor:
    """Largest |Y|, |U|, |V| of colors whose R, G, B lie within `limit` either way: 3 float32."""
    return limit * torch.tensor(YUV_OF_RGB).abs().sum(1)


def _matrices() -> dict[str, Tensor]:
    """Matrices to YUV and back as weights of 1 x 1 convolutions, 3 x 3 x 1 x 1 float32."""
    with torch.device("cpu"):
        matrix = torch.tensor(YUV_OF_RGB, dtype=torch.float64)
    return {"to_yuv": matrix.float()[..., None, None], "to_rgb": matrix.inverse().float()[..., None, None]}


def recognize(state: Mapping[str, Tensor]) -> str | None:
    """Return "ipol" for a state dict of the network, its norms folded or not, else None."""
    leaves = ("weight", "weight_orig", "parametrizations.weight.original")
    stems = ("bridge.conv1.conv.", "up_blocks.0.upsample.conv.conv.", "dense.conv.")
    return "ipol" if all(any(stem + leaf in state for leaf in leaves) for stem in stems) else None


def read_shape(state: Mapping[str, Tensor]) -> IpolShape:
    """Read the hyper-parameters from a folded state dict.

    Raises WeightsError when a tensor that tells them is missing.
    """
    body = {_body_key(key): value for key, value in state.items()}
    channels = shape_of(state, "dense.conv.weight")[0]
    if channels not in (2, 3):
        raise WeightsError(f"the state dict looks like ipol, but guesses {channels} channels instead of 2 or 3")
    return IpolShape(
        read_resnet_shape(body, "body."),
        shape_of(state, "up_blocks.0.conv.conv.weight")[0],
        channels,
        "equation5" if _AXIS_MARK in state else "published",
        "equation6" if _RANGE_MARK in state else "published",
    )


def build(state: Mapping[str, Tensor]) -> Ipol:
    """Make the network of a state dict, norms folded or not, in eval mode with its weights.

    Raises WeightsError that names the first keys that are missing, left over or of the wrong shape.
    """
    folded = fold_norms(state)
    # On the meta device nothing is allocated or initialized; `fill` puts the checkpoint's tensors in place.
    with torch.device("meta"):
        network = Ipol(read_shape(folded))
    fill(network, folded, "ipol")
    network.restore_constants()
    return network


def _body_key(key: str) -> str:
    """Number the encoder's stages as `ResNetBody` does."""
    first, _, rest = key.partition(".")
    if first == "input_block":
        return f"body.{rest}"
    if first == "down_blocks":
        index, _, rest = rest.partition(".")
        return f"body.{int(index) + 4}.{rest}" if index.isdecimal() else key
    return key


FAMILY = Family(
    name="ipol",
    title="the network of the IPOL review of DeOldify",
    models=("ipol",),
    recognize=recognize,
    build=lambda state: ChromaOfRgb(build(state)).eval(),
    bytes_per_pixel=6000,
    # The saturation is 1, the guess as it is; the published code's own default is 2.
    attention_stride=8,
)
