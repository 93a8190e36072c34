"""The U-Net of a report of KTH: lightness in, a and b of CIE Lab out; trained alone, or as the generator of two GANs.

Five convolutions down and four transposed ones up, all of 4 x 4, at 32 x 32 pixels for CIFAR-10. No weights were ever
published, so the state-dict keys are ours: `enc.0` to `enc.4`, `dec.0` to `dec.3`, `out`.
Source: the code of duartegalvao/Image-Colorization-with-Deep-Learning, in TensorFlow, whose padding this has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.errors import WeightsError
from colorrt.models.color import ChromaOfLab, LabScale
from colorrt.models.family import Family
from colorrt.models.weights.checkpoint import fill, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping

SCALE = LabScale(center=50, spread=50, gain=127.5, offset=-0.5)
NORM_EPS = 1e-3
_SLOPE = 0.2
_KERNEL = 4
_DOWNS, _UPS = 5, 4
# Sides up to which matrix products beat the convolutions' own gradients, two to four times on a CPU.
_SMALL = 4
# Places on the way up behind which the published code drops values; on the way down it does so in the GANs alone.
_DROPPED_UP, _DROPPED_DOWN = (0, 1), (3, 4)


@dataclass(frozen=True)
class KthShape:
    """Channels of the five layers down and the four layers up, and what stands behind each of them.

    `norm`: "batch", as the report says; or "affine", a scale and a shift, which is all that its code computes: there
    batch norm is never told that it is being trained.
    """

    downs: tuple[int, ...] = (64, 128, 256, 512, 512)
    ups: tuple[int, ...] = (512, 256, 128, 64)
    norm: Literal["affine", "batch"] = "affine"


class Affine(nn.Module):
    """A batch norm whose statistics stay at mean 0 and variance 1: N x C x H x W -> the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift each channel."""
        weight: Tensor = self.weight / (1 + NORM_EPS) ** 0.5
        return x * weight[:, None, None] + self.bias[:, None, None]


class Down(nn.Conv2d):
    """4 x 4 convolution, halving or at stride 1, padded as TensorFlow's `same`: one pixel in front, the rest behind."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__(inside, outside, _KERNEL, stride, padding=0 if stride == 1 else 1)

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> N x C' x H / stride x W / stride."""
        if self.stride == (1, 1):
            return super().forward(F.pad(x, (1, 2, 1, 2)))
        if not (self.training and x.shape[-1] <= _SMALL):
            return super().forward(x)
        count, _, height, width = x.shape
        assert self.bias is not None
        columns = F.unfold(x, _KERNEL, padding=1, stride=2).transpose(1, 2)
        product = columns.reshape(-1, columns.shape[2]) @ self.weight.flatten(1).t() + self.bias
        return product.reshape(count, height // 2, width // 2, -1).permute(0, 3, 1, 2)


class Up(nn.ConvTranspose2d):
    """4 x 4 transposed convolution that doubles the size."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__(inside, outside, _KERNEL, 2, 1)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """N x C x H x W -> N x C' x 2 H x 2 W."""
        if not (self.training and x.shape[-1] <= _SMALL):
            return super().forward(x, output_size)
        count, inside, height, width = x.shape
        assert self.bias is not None
        product = x.permute(0, 2, 3, 1).reshape(-1, inside) @ self.weight.flatten(1)
        columns = product.reshape(count, height * width, -1).transpose(1, 2)
        return F.fold(columns, (2 * height, 2 * width), _KERNEL, padding=1, stride=2) + self.bias[:, None, None]


class Layer(nn.Module):
    """A convolution and its norm."""

    def __init__(self, conv: nn.Module, channels: int, norm: str) -> None:
        super().__init__()
        self.conv = conv
        # PyTorch's momentum is one less TensorFlow's.
        self.norm = Affine(channels) if norm == "affine" else nn.BatchNorm2d(channels, eps=NORM_EPS, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> N x C' x H' x W'."""
        normed: Tensor = self.norm(self.conv(x))
        return normed


class KthUnet(nn.Module):
    """Scaled lightness in, scaled a and b out.

    Input: (L - 50) / 50, N x 1 x S x S float32, S any multiple of 16. Output: (a + 0.5) / 127.5 and (b + 0.5) / 127.5,
    N x 2 x S x S, within -1 .. 1. While it is trained, values are dropped by chance: `dropout` on the way up,
    `encoder_dropout` on the way down.
    """

    def __init__(self, shape: KthShape | None = None, dropout: float = 0.0, encoder_dropout: float = 0.0) -> None:
        super().__init__()
        shape = shape or KthShape()
        self.dropout, self.encoder_dropout = dropout, encoder_dropout
        self.enc, self.dec = nn.ModuleList(), nn.ModuleList()
        inside = 1
        for index, width in enumerate(shape.downs):
            self.enc.append(Layer(Down(inside, width, 2 if index else 1), width, shape.norm))
            inside = width
        for index, width in enumerate(shape.ups):
            self.dec.append(Layer(Up(inside, width), width, shape.norm))
            inside = width + shape.downs[_UPS - 1 - index]
        self.out = nn.Conv2d(inside, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """N x 1 x S x S -> N x 2 x S x S."""
        skips = []
        for index, layer in enumerate(self.enc):
            x = F.leaky_relu(layer(x), _SLOPE)
            # What leads across was taken before values are dropped.
            skips.append(x)
            if self.encoder_dropout and index in _DROPPED_DOWN:
                x = F.dropout(x, self.encoder_dropout, self.training)
        for index, layer in enumerate(self.dec):
            x = F.relu(layer(x))
            if self.dropout and index in _DROPPED_UP:
                x = F.dropout(x, self.dropout, self.training)
            x = torch.cat([skips[_UPS - 1 - index], x], dim=1)
        return torch.tanh(self.out(x))


def recognize(state: Mapping[str, Tensor]) -> str | None:
    """Return "kth-unet" when a state dict is of this network, else None."""
    first = state.get("enc.0.conv.weight")
    known = first is not None and first.dim() == 4 and tuple(first.shape[1:]) == (1, _KERNEL, _KERNEL)
    return "kth-unet" if known and "dec.0.conv.weight" in state else None


def read_shape(state: Mapping[str, Tensor]) -> KthShape:
    """Read the hyper-parameters from a state dict that `recognize` knows.

    Raises WeightsError when a tensor that tells them is missing or of another kind.
    """
    downs = tuple(_width(state, f"enc.{index}.conv.weight", 0) for index in range(_DOWNS))
    ups = tuple(_width(state, f"dec.{index}.conv.weight", 1) for index in range(_UPS))
    return KthShape(downs, ups, "batch" if "enc.0.norm.running_mean" in state else "affine")


def _width(state: Mapping[str, Tensor], key: str, axis: int) -> int:
    shape = shape_of(state, key)
    if len(shape) != 4 or 0 in shape:
        raise WeightsError(f"{key} is {shape}, and not the kernel of a convolution; the file is damaged")
    return shape[axis]


def build(state: Mapping[str, Tensor]) -> KthUnet:
    """Make the network of a state dict, in eval mode with its weights.

    Raises WeightsError that names the first keys that are missing, left over or of the wrong shape.
    """
    shape = read_shape(state)
    # On the meta device nothing is allocated or initialized; `fill` puts the checkpoint's tensors in place.
    with torch.device("meta"):
        network = KthUnet(shape)
    fill(network, state, "kth-unet")
    return network


FAMILY = Family(
    name="kth",
    title="the U-Net of KTH, of its GANs too",
    models=("kth-unet",),
    recognize=recognize,
    build=lambda state: ChromaOfLab(build(state), SCALE).eval(),
    bytes_per_pixel=1600,
    # The pictures of CIFAR-10, which it was made for.
    default_render_factor=2,
)
