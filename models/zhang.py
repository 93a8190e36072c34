"""Zhang et al.: `eccv16`, which chooses among 313 colors, and `siggraph17`, a U-Net that also takes hints of color.

Both guess a and b of CIE Lab from L. The state-dict keys are those of the published PyTorch files. Batch norms stand
behind ReLUs, at the end of each block.
Source: Zhang, Isola and Efros, Colorful Image Colorization, 2016; Zhang et al., Real-Time User-Guided Image
Colorization with Learned Deep Priors, 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.errors import WeightsError
from colorrt.models.color import ChromaOfLab, LabScale, ab_of, lightness_of
from colorrt.models.family import Family
from colorrt.models.weights.checkpoint import fill, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping

SCALE = LabScale(center=50, spread=100, gain=110, offset=0)
# The blocks that look at every second pixel; and those that halve the size, in both networks.
_DILATED = (5, 6)
_HALVING = (1, 2, 3)
_TRUNK = 7
_SLOPE = 0.2


@dataclass(frozen=True)
class Eccv16Shape:
    """Channels and 3 x 3 convolutions of `model1` to `model8`, and the number of colors to choose among."""

    widths: tuple[int, ...] = (64, 128, 256, 512, 512, 512, 512, 256)
    depths: tuple[int, ...] = (2, 2, 3, 3, 3, 3, 3, 2)
    colors: int = 313
    """0: it guesses a and b at every fourth pixel at once, the regression that the paper compares with."""


@dataclass(frozen=True)
class Siggraph17Shape:
    """Channels and 3 x 3 convolutions of `model1` to `model10`.

    `classes`: colors that the head of its training chose among, which guesses nothing here; 0: the file lacks it.
    """

    widths: tuple[int, ...] = (64, 128, 256, 512, 512, 512, 512, 256, 128, 128)
    depths: tuple[int, ...] = (2, 2, 3, 3, 3, 3, 3, 2, 1, 1)
    classes: int = 529


class Eccv16(nn.Module):
    """Scaled lightness in, scaled a and b out.

    Input: (L - 50) / 100, N x 1 x S x S float32, S any multiple of 8. Output: a / 110 and b / 110, N x 2 x S x S: the
    mean of the colors in `model_out`, weighed by their probabilities at every fourth pixel. The sharpening of the
    probabilities (the article's temperature of 0.38) lies in the published weights.
    """

    def __init__(self, shape: Eccv16Shape) -> None:
        super().__init__()
        inside = 1
        for number, (width, depth) in enumerate(zip(shape.widths, shape.depths, strict=True), start=1):
            if number <= _TRUNK:
                block = _block(inside, width, depth, halving=number in _HALVING, dilated=number in _DILATED)
            else:
                up = nn.ConvTranspose2d(inside, width, 4, 2, 1)
                head = nn.Conv2d(width, shape.colors or 2, 1)
                block = nn.Sequential(up, nn.ReLU(), *_convolutions(width, width, depth), head)
            self.add_module(f"model{number}", block)
            inside = width
        self.model_out = nn.Conv2d(shape.colors, 2, 1, bias=False) if shape.colors else None

    def scores(self, x: Tensor) -> Tensor:
        """N x 1 x S x S -> logits of the colors at every fourth pixel, N x colors x S/4 x S/4; or a and b there."""
        for number in range(1, _TRUNK + 2):
            x = self.get_submodule(f"model{number}")(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """N x 1 x S x S -> N x 2 x S x S."""
        x = self.scores(x)
        mean = x if self.model_out is None else self.model_out(torch.softmax(x, dim=1))
        return F.interpolate(mean, scale_factor=4, mode="bilinear", align_corners=False)


class Siggraph17(nn.Module):
    """Scaled lightness and hints in, scaled a and b out.

    Input: (L - 50) / 100, N x 1 x S x S float32, S any multiple of 8. `hints`: a / 110 and b / 110 where they are
    known and 0 elsewhere, N x 2 x S x S; `mask`: 1 where they are known and 0 elsewhere, N x 1 x S x S; both or none.
    Output: a / 110 and b / 110, N x 2 x S x S, within -1 .. 1.
    """

    def __init__(self, shape: Siggraph17Shape) -> None:
        super().__init__()
        widths, depths = shape.widths, shape.depths
        inside = 4
        for number, (width, depth) in enumerate(zip(widths[:_TRUNK], depths, strict=False), start=1):
            self.add_module(f"model{number}", _block(inside, width, depth, dilated=number in _DILATED))
            inside = width
        for number, short in zip((8, 9, 10), (3, 2, 1), strict=True):
            width, depth = widths[number - 1], depths[number - 1]
            last = number == len(widths)
            body = [nn.ReLU(), *_convolutions(width, width, depth)]
            body[-1:] = [nn.LeakyReLU(_SLOPE)] if last else [body[-1], nn.BatchNorm2d(width)]
            self.add_module(f"model{number}up", nn.Sequential(nn.ConvTranspose2d(inside, width, 4, 2, 1)))
            shortcut = nn.Sequential(nn.Conv2d(widths[short - 1], width, 3, padding=1))
            self.add_module(f"model{short}short{number}", shortcut)
            self.add_module(f"model{number}", nn.Sequential(*body))
            inside = width
        self.model_class = nn.Sequential(nn.Conv2d(widths[7], shape.classes, 1)) if shape.classes else None
        self.model_out = nn.Sequential(nn.Conv2d(inside, 2, 1), nn.Tanh())

    def forward(self, x: Tensor, hints: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """N x 1 x S x S, and hints with their mask -> N x 2 x S x S."""
        first, *rest = self.get_submodule("model1").children()
        assert isinstance(first, nn.Conv2d)
        if hints is None or mask is None:
            # Hints and mask of zeros give the same, with four times the work.
            x = F.conv2d(x, first.weight[:, :1], first.bias, padding=1)
        else:
            x = first(torch.cat([x, hints, mask], dim=1))
        for layer in rest:
            x = layer(x)
        kept = {1: x}
        for number in range(2, _TRUNK + 1):
            # The second to the fourth block see every second pixel of the block before.
            x = self.get_submodule(f"model{number}")(x[..., ::2, ::2] if number - 1 in _HALVING else x)
            if number in _HALVING:
                kept[number] = x
        for number, short in zip((8, 9, 10), (3, 2, 1), strict=True):
            up = self.get_submodule(f"model{number}up")(x)
            x = self.get_submodule(f"model{number}")(up + self.get_submodule(f"model{short}short{number}")(kept[short]))
        guess: Tensor = self.model_out(x)
        return guess


class ChromaOfHints(nn.Module):
    """Wrap `siggraph17` into a module that maps luma and hints of chroma to chroma.

    Input: luma, N x 1 x S x S float32, 0..1; hint, N x 2 x S x S float32, BT.601 U and V in the units of luma, read
    only where mask is 1; mask, N x 1 x S x S float32, 1 at hints and 0 elsewhere. Output: chroma as `ChromaOfLab` has
    it; with a mask of zeros what that answers to the luma alone.
    """

    def __init__(self, network: Siggraph17) -> None:
        super().__init__()
        self.lab = ChromaOfLab(network, SCALE)

    def forward(self, luma: Tensor, hint: Tensor, mask: Tensor) -> Tensor:
        """N x 1 x S x S, N x 2 x S x S and N x 1 x S x S -> N x 2 x S x S."""
        lightness = lightness_of(luma)
        # The network was trained with 0 for a color that is not known.
        known = ab_of(luma, hint) / SCALE.gain * mask
        guess = self.lab.network((lightness - SCALE.center) / SCALE.spread, known, mask)
        return self.lab.chroma_of(lightness, guess * SCALE.gain)


def _convolutions(
    inside: int, outside: int, depth: int, *, halving: bool = False, dilated: bool = False
) -> list[nn.Module]:
    """Make `depth` pairs of a 3 x 3 convolution with bias and a ReLU; the last halves the size where asked for."""
    reach = 2 if dilated else 1
    layers: list[nn.Module] = []
    for index in range(depth):
        stride = 2 if halving and index == depth - 1 else 1
        layers += [nn.Conv2d(inside, outside, 3, stride, reach, reach), nn.ReLU()]
        inside = outside
    return layers


def _block(inside: int, outside: int, depth: int, *, halving: bool = False, dilated: bool = False) -> nn.Sequential:
    """Make the convolutions of a block of the trunk, and the batch norm at its end."""
    layers = _convolutions(inside, outside, depth, halving=halving, dilated=dilated)
    return nn.Sequential(*layers, nn.BatchNorm2d(outside))


def recognize(state: Mapping[str, Tensor]) -> str | None:
    """Name the network whose state dict this is: "eccv16", "eccv16-l2", "siggraph17" or None."""
    first = state.get("model1.0.weight")
    if first is None or first.dim() != 4:
        return None
    channels = first.shape[1]
    if channels == 1 and "model_out.weight" in state:
        return "eccv16"
    if channels == 1 and "model8.6.weight" in state:
        return "eccv16-l2"
    return "siggraph17" if channels == 4 and "model_out.0.weight" in state else None


def read_shape(state: Mapping[str, Tensor]) -> Eccv16Shape | Siggraph17Shape:
    """Read the hyper-parameters from a state dict that `recognize` knows.

    Raises WeightsError when a tensor that tells them is missing or of another kind.
    """
    trunk = range(1, _TRUNK + 1)
    widths = [_width(state, f"model{number}.0.weight") for number in trunk]
    depths = [_last_convolution(state, number) // 2 + 1 for number in trunk]
    if recognize(state) in ("eccv16", "eccv16-l2"):
        widths.append(_width(state, "model8.0.weight", axis=1))
        # Behind the transposed convolution, before the 1 x 1 convolution.
        depths.append(_last_convolution(state, 8) // 2 - 1)
        colors = _width(state, "model_out.weight", axis=1) if "model_out.weight" in state else 0
        return Eccv16Shape(tuple(widths), tuple(depths), colors)
    for number in (8, 9, 10):
        widths.append(_width(state, f"model{number}.1.weight"))
        depths.append((_last_convolution(state, number) + 1) // 2)
    classes = _width(state, "model_class.0.weight") if "model_class.0.weight" in state else 0
    return Siggraph17Shape(tuple(widths), tuple(depths), classes)


def build(state: Mapping[str, Tensor]) -> Eccv16 | Siggraph17:
    """Make the network of a state dict, in eval mode with its weights.

    Raises WeightsError that names the first keys that are missing, left over or of the wrong shape.
    """
    shape = read_shape(state)
    # On the meta device nothing is allocated or initialized; `fill` puts the checkpoint's tensors in place.
    with torch.device("meta"):
        network = Eccv16(shape) if isinstance(shape, Eccv16Shape) else Siggraph17(shape)
    fill(network, state, recognize(state) or "")
    return network


def _width(state: Mapping[str, Tensor], key: str, axis: int = 0) -> int:
    """Return the channels of a convolution: its rows, or its columns with `axis` 1."""
    shape = shape_of(state, key)
    if len(shape) != 4 or 0 in shape:
        raise WeightsError(f"{key} is {shape}, and not the kernel of a convolution; the file is damaged")
    return shape[axis]


def _last_convolution(state: Mapping[str, Tensor], number: int) -> int:
    """Return the place of the last convolution in a block, as far as there are that many keys at all; 0: none."""
    stem = f"model{number}."
    places = [
        key.removeprefix(stem).removesuffix(".weight")
        for key, value in state.items()
        if key.startswith(stem) and value.dim() == 4
    ]
    return min(max((int(place) for place in places if place.isdecimal()), default=0), len(state))


FAMILY = Family(
    name="zhang",
    title="eccv16 and siggraph17 of Zhang et al.",
    models=("eccv16", "eccv16-l2", "siggraph17"),
    recognize=recognize,
    build=lambda state: ChromaOfLab(build(state), SCALE).eval(),
    bytes_per_pixel=3900,
)
