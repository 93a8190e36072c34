"""ImageNet's classifiers that the fusion network asks what is in a gray picture: their logits, from luma.

Their keys are ours where they stand in a fusion network; each has a function that renames its published file.
Source: Tan and Le, EfficientNet, 2019 (Lite); Liu et al., A ConvNet for the 2020s, 2022; Inception-v3 in `inception`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.errors import WeightsError
from colorrt.models.color import IMAGENET_MEAN, IMAGENET_STD
from colorrt.models.encoders.convnext import NORM_EPS, ConvNext, ConvNextShape
from colorrt.models.encoders.efficientnet import ENCODER_EPS, Encoder, from_efficientnet
from colorrt.models.encoders.inception import InceptionLogits
from colorrt.models.encoders.inception import from_torchvision as from_inception
from colorrt.models.layers import resize_square

CLASSES = 1000
_SIZE = 224
_LITE_FEATURES = 1280


class LiteLogits(nn.Module):
    """EfficientNet-Lite0 with its classifier: luma (N x 1 x S x S, 0..1) -> logits (N x `classes`)."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.encoder = Encoder("lite0")
        self.conv = nn.Conv2d(self.encoder.channels, _LITE_FEATURES, 1, bias=False)
        self.norm = nn.BatchNorm2d(_LITE_FEATURES, eps=ENCODER_EPS)
        self.fc = nn.Linear(_LITE_FEATURES, classes)

    def forward(self, luma: Tensor) -> Tensor:
        """N x 1 x S x S -> N x classes."""
        _, deepest = self.encoder(resize_square(luma, _SIZE))
        features = F.relu6(self.norm(self.conv(deepest)))
        logits: Tensor = self.fc(features.mean(dim=(2, 3)))
        return logits


class ConvNextLogits(nn.Module):
    """ConvNeXt-T with its classifier: luma (N x 1 x S x S, 0..1) -> logits (N x `classes`)."""

    def __init__(self, classes: int = CLASSES, shape: ConvNextShape | None = None) -> None:
        super().__init__()
        shape = shape or ConvNextShape()
        self.body = ConvNext(shape)
        for index in range(len(shape.widths)):
            # The classifier has one norm, behind the mean over places.
            delattr(self.body, f"norm{index}")
        self.norm = nn.LayerNorm(shape.widths[-1], eps=NORM_EPS)
        self.fc = nn.Linear(shape.widths[-1], classes)

    def forward(self, luma: Tensor) -> Tensor:
        """N x 1 x S x S -> N x classes."""
        x = resize_square(luma, _SIZE)
        mean, std = (x.new_tensor(values).reshape(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        x = (x - mean) / std
        for step, stage in zip(self.body.downsample_layers, self.body.stages, strict=True):
            x = stage(step(x))
        logits: Tensor = self.fc(self.norm(x.mean(dim=(2, 3))))
        return logits


def _from_lite(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename EfficientNet-Lite's published weights."""
    places = {"_conv_head": "conv", "_bn1": "norm", "_fc": "fc"}
    found = {f"encoder.{key}": value for key, value in from_efficientnet(state).items()}
    for key, value in state.items():
        first, _, leaf = key.partition(".")
        if first in places:
            found[f"{places[first]}.{leaf}"] = value
    return found


def _from_convnext(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename torchvision's ConvNeXt."""
    parts = {"block.0": "dwconv", "block.2": "norm", "block.3": "pwconv1", "block.5": "pwconv2"}
    found: dict[str, Tensor] = {}
    for key, value in state.items():
        names = key.split(".")
        if key.startswith("classifier."):
            found[f"{'norm' if names[1] == '0' else 'fc'}.{names[-1]}"] = value
            continue
        _, number, *rest = names
        stage = int(number)
        if stage % 2 == 0:
            found[f"body.downsample_layers.{stage // 2}.{'.'.join(rest)}"] = value
        elif rest[1] == "layer_scale":
            found[f"body.stages.{stage // 2}.{rest[0]}.gamma"] = value.flatten()
        else:
            part = parts[".".join(rest[1:3])]
            found[f"body.stages.{stage // 2}.{rest[0]}.{part}.{rest[-1]}"] = value
    return found


@dataclass(frozen=True)
class Extractor:
    """A classifier: how to tell its weights in a fusion network, to make it, and to rename its published file."""

    mark: str
    """A key that no other has."""
    make: Callable[[int], nn.Module]
    """Of the number of its logits."""
    rename: Callable[[dict[str, Tensor]], dict[str, Tensor]]
    title: str


EXTRACTORS = {
    "lite": Extractor("encoder.stem.conv.weight", LiteLogits, _from_lite, "EfficientNet-Lite0's published weights"),
    "inception": Extractor(
        "Mixed_7c.branch1x1.conv.weight", InceptionLogits, from_inception, "torchvision's inception_v3"
    ),
    "convnext": Extractor(
        "body.stages.0.0.dwconv.weight", ConvNextLogits, _from_convnext, "torchvision's convnext_tiny"
    ),
}


def load_extractor(extractor: nn.Module, name: str, state: dict[str, Tensor], chosen: Tensor | None) -> None:
    """Fill an extractor from its published file; `chosen`: numbers of the logits that it is to give, None for all.

    Raises WeightsError when the file holds another network.
    """
    kind = EXTRACTORS[name]
    try:
        renamed = kind.rename(state)
        if chosen is not None:
            # Leaving out rows of the last layer leaves out its logits, and nothing else has to know.
            renamed |= {key: renamed[key][chosen] for key in ("fc.weight", "fc.bias")}
        counters = {key: value for key, value in extractor.state_dict().items() if key.endswith("num_batches_tracked")}
        extractor.load_state_dict(counters | renamed)
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise WeightsError(f"these are not {kind.title}, which this recipe takes its features from") from error
