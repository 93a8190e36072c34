"""Dahl's two networks of January 2016 on a frozen VGG-16: the residual encoder, and hypercolumns before it.

Gray in, Cb and Cr of JPEG out. No weights of theirs are at hand, so the state-dict keys are ours, but for VGG's, which
are torchvision's behind `vgg.`: the file holds all that the network needs.
Source: Ryan Dahl, Automatic Colorization, 2016 (tinyclouds.org/colorize), and his training code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.contract import U_SCALE, V_SCALE
from colorrt.errors import WeightsError
from colorrt.models.family import Family
from colorrt.models.weights.checkpoint import fill, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping

NORM_EPS, NORM_MOMENTUM = 1e-3, 0.01
GRAY = 128 / 255
"""What Cb and Cr are where there is no color."""
GAINS = (1.772 * U_SCALE, 1.402 * V_SCALE)
"""U and V of BT.601 in one unit of Cb and of Cr."""
# VGG as Caffe has it: levels of 255 minus the mean of ImageNet's blue, green and red; and as torchvision has it.
CAFFE = ((255.0,) * 3, (103.939, 116.779, 123.68))
TORCHVISION = ((1 / 0.229, 1 / 0.224, 1 / 0.225), (0.485 / 0.229, 0.456 / 0.224, 0.406 / 0.225))
_DEPTHS = (2, 2, 3, 3)
_PLACES = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21))
_MODELS = {"steps": "dahl-residual", "layers": "dahl-hypercolumns"}


class Vgg(nn.Module):
    """VGG-16 up to conv4_3, on gray given three times.

    `widths`: channels of its four blocks. Input: N x 1 x S x S float32, 0..1, S a multiple of 8. Returns what goes into
    the first four pools: features at 1/1, 1/2, 1/4 and 1/8. `scale`, `shift`: each channel sees scale x - shift.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, widths: tuple[int, ...] = (64, 128, 256, 512)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inside = 3
        for width, depth in zip(widths, _DEPTHS, strict=True):
            for _ in range(depth):
                layers += [nn.Conv2d(inside, width, 3, padding=1), nn.ReLU()]
                inside = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[:-1])
        scale, shift = CAFFE
        self.register_buffer("scale", torch.tensor(scale))
        self.register_buffer("shift", torch.tensor(shift))

    def forward(self, gray: Tensor) -> list[Tensor]:
        """N x 1 x S x S -> four tensors, the largest first."""
        x = gray * self.scale[:, None, None] - self.shift[:, None, None]
        found = []
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                found.append(x)
            x = layer(x)
        return [*found, x]


class Convolution(nn.Module):
    """Convolution without bias, padded to the same size, and a batch norm."""

    def __init__(self, inside: int, outside: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outside, eps=NORM_EPS, momentum=NORM_MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> N x C' x H x W."""
        normed: Tensor = self.norm(self.conv(x))
        return normed


@dataclass(frozen=True)
class ResidualShape:
    """Channels of VGG's four blocks."""

    vgg: tuple[int, ...] = (64, 128, 256, 512)


@dataclass(frozen=True)
class HypercolumnShape:
    """Channels of VGG's four blocks, and of the convolutions before the last.

    The published code has three channels at the end of them, which the text does not name.
    """

    vgg: tuple[int, ...] = (64, 128, 256, 512)
    widths: tuple[int, ...] = (128, 64, 3)


class ResidualEncoder(nn.Module):
    """The published model: VGG's features added from the deepest to the shallowest, doubled between.

    Input: gray, N x 1 x S x S float32, 0..1, S a multiple of 8. Output: Cb and Cr, N x 2 x S x S, 0..1.
    """

    def __init__(self, shape: ResidualShape) -> None:
        super().__init__()
        self.vgg = Vgg(shape.vgg)
        taps = (nn.BatchNorm2d(width, eps=NORM_EPS, momentum=NORM_MOMENTUM) for width in shape.vgg)
        self.taps = nn.ModuleList(taps)
        deepest, *widths = reversed(shape.vgg)
        steps = [Convolution(deepest, widths[0], 1)]
        steps += [Convolution(inside, outside, 3) for inside, outside in zip(widths, [*widths[1:], 3], strict=True)]
        steps += [Convolution(3, 3, 3), Convolution(3, 2, 3)]
        self.steps = nn.ModuleList(steps)

    def forward(self, gray: Tensor) -> Tensor:
        """N x 1 x S x S -> N x 2 x S x S."""
        taps = [norm(tap) for norm, tap in zip(self.taps, self.vgg(gray), strict=True)]
        first, *middle, before_last, last = self.steps
        x = F.relu(first(taps[-1]))
        for step, tap in zip(middle, reversed(taps[:-1]), strict=True):
            x = F.relu(step(double(x) + tap))
        # Gray itself comes last, three times and without a norm.
        x = F.relu(before_last(x + (gray - 0.5)))
        return torch.sigmoid(last(x))


class Hypercolumns(nn.Module):
    """All of VGG's features at each pixel, and gray three times, through convolutions at full size.

    Input: gray, N x 1 x S x S float32, 0..1, S a multiple of 8. Output: Cb and Cr, N x 2 x S x S, 0..1.
    """

    def __init__(self, shape: HypercolumnShape) -> None:
        super().__init__()
        self.vgg = Vgg(shape.vgg)
        layers = []
        inside = 3 + sum(shape.vgg)
        for width in (*shape.widths, 2):
            layers.append(Convolution(inside, width, 3))
            inside = width
        self.layers = nn.ModuleList(layers)

    def forward(self, gray: Tensor) -> Tensor:
        """N x 1 x S x S -> N x 2 x S x S."""
        columns = [gray.expand(-1, 3, -1, -1)]
        for doublings, features in enumerate(self.vgg(gray)):
            for _ in range(doublings):
                features = double(features)  # noqa: PLW2901 (as often as its pools halved it)
            columns.append(features)
        x = torch.cat(columns, dim=1)
        *body, head = self.layers
        for layer in body:
            x = F.relu(layer(x))
        return torch.sigmoid(head(x))


def double(x: Tensor) -> Tensor:
    """Double the size (N x C x H x W) as TensorFlow of 2016 did: in[i], then the mean of in[i] and in[i + 1]."""
    for axis in (2, 3):
        after = torch.cat([x.narrow(axis, 1, x.shape[axis] - 1), x.narrow(axis, x.shape[axis] - 1, 1)], dim=axis)
        x = torch.stack([x, (x + after) / 2], dim=axis + 1).flatten(axis, axis + 1)
    return x


class ChromaOfJpeg(nn.Module):
    """Wrap a network that maps gray to Cb and Cr, 0..1, into one that maps luma to chroma.

    Input: luma, N x 1 x S x S float32, 0..1. Output: chroma, N x 2 x S x S float32, U and V of BT.601 in the units of
    luma. The gray of a gray picture is its luma; both pairs are the same but for their gains.
    """

    gains: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("gains", torch.tensor(GAINS).reshape(1, 2, 1, 1), persistent=False)

    def forward(self, luma: Tensor) -> Tensor:
        """Guess chroma (N x 2 x S x S) from luma (N x 1 x S x S)."""
        guess: Tensor = self.network(luma)
        return (guess - GRAY) * self.gains


def recognize(state: Mapping[str, Tensor]) -> str | None:
    """Name the network whose state dict this is, by what stands on VGG; else None."""
    if "vgg.features.0.weight" not in state:
        return None
    return next((model for part, model in _MODELS.items() if f"{part}.0.conv.weight" in state), None)


def read_shape(state: Mapping[str, Tensor]) -> ResidualShape | HypercolumnShape:
    """Read the hyper-parameters from a state dict that `recognize` knows.

    Raises WeightsError when a tensor that tells them is missing or of another kind.
    """
    vgg = tuple(_width(state, f"vgg.features.{places[-1]}.weight") for places in _PLACES)
    if recognize(state) == "dahl-residual":
        return ResidualShape(vgg)
    count = len([key for key in state if key.startswith("layers.") and key.endswith(".conv.weight")])
    return HypercolumnShape(vgg, tuple(_width(state, f"layers.{index}.conv.weight") for index in range(count - 1)))


def build(state: Mapping[str, Tensor]) -> ResidualEncoder | Hypercolumns:
    """Make the network of a state dict, in eval mode with its weights.

    Raises WeightsError that names the first keys that are missing, left over or of the wrong shape.
    """
    shape = read_shape(state)
    # On the meta device nothing is allocated or initialized; `fill` puts the checkpoint's tensors in place.
    with torch.device("meta"):
        network = ResidualEncoder(shape) if isinstance(shape, ResidualShape) else Hypercolumns(shape)
    fill(network, state, recognize(state) or "")
    return network


def load_vgg(vgg: Vgg, state: Mapping[str, Tensor], convention: str) -> None:
    """Fill VGG with weights under torchvision's keys (`features.0.weight`); what is deeper than conv4_3 is left out.

    `convention`: "caffe", whose first layer wants blue, green and red as levels, or "torchvision".
    Raises WeightsError when they are of another network.
    """
    wanted = [f"features.{place}.{leaf}" for places in _PLACES for place in places for leaf in ("weight", "bias")]
    own = vgg.state_dict()
    wrong = [key for key in wanted if key not in state or state[key].shape != own[key].shape]
    if wrong:
        raise WeightsError(f"{wrong[0]} is missing or of another shape; give VGG-16 without batch norm")
    scale, shift = (torch.tensor(values) for values in (CAFFE if convention == "caffe" else TORCHVISION))
    vgg.load_state_dict({key: state[key] for key in wanted} | {"scale": scale, "shift": shift})


def _width(state: Mapping[str, Tensor], key: str) -> int:
    shape = shape_of(state, key)
    if len(shape) != 4 or 0 in shape:
        raise WeightsError(f"{key} is {shape}, and not the kernel of a convolution; the file is damaged")
    return shape[0]


FAMILY = Family(
    name="dahl",
    title="residual encoder and hypercolumns of Dahl",
    models=tuple(_MODELS.values()),
    recognize=recognize,
    build=lambda state: ChromaOfJpeg(build(state)).eval(),
    # Of hypercolumns; the residual encoder takes 1500.
    bytes_per_pixel=12300,
    # The size that they were trained at.
    default_render_factor=14,
)
