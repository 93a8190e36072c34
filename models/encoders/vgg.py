"""VGG-16 with batch norm as a judge of pictures: torchvision's keys, the classifier cut off.

Source: Simonyan and Zisserman, Very Deep Convolutional Networks, 2015; as a loss: Johnson et al., Perceptual Losses for
Real-Time Style Transfer and Super-Resolution, 2016.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from colorrt.errors import WeightsError
from colorrt.models.weights.checkpoint import fill

if TYPE_CHECKING:
    from collections.abc import Mapping

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
# The last ReLU of the third, fourth and fifth block: what DeOldify and the IPOL paper compare.
TAPS = (22, 32, 42)


class VggFeatures(nn.Module):
    """Normalized RGB (N x 3 x H x W, at least 16 x 16) -> features at 1/4, 1/8 and 1/16, after ReLU."""

    def __init__(self, blocks: tuple[tuple[int, int], ...] = BLOCKS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inside = 3
        for width, depth in blocks:
            for _ in range(depth):
                layers += [nn.Conv2d(inside, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
                inside = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features of the three deepest blocks."""
        found = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in TAPS:
                found.append(x)
            if index == TAPS[-1]:
                break
        return found


def build(state: Mapping[str, Tensor]) -> VggFeatures:
    """Make the feature network of torchvision's `vgg16_bn` weights, frozen, in eval mode.

    Raises WeightsError when the state dict is of another network (VGG without batch norm, say).
    """
    network = VggFeatures()
    features = {key: value for key, value in state.items() if key.startswith("features.")}
    if not features:
        raise WeightsError("no VGG: the state dict has no features.*; give torchvision's vgg16_bn weights")
    fill(network, features, "VGG-16 with batch norm")
    return network
