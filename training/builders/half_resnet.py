"""The half ResNet-18 as its training begins: on ImageNet's first two stages, which stay as they are."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from colorrt.errors import UsageError, WeightsError
from colorrt.models.half_resnet import SCALE, HalfResNet, HalfResNetShape
from colorrt.models.weights.checkpoint import load_state
from colorrt.training.frames import LabFrame
from colorrt.training.recipes.recipe import NetworkRecipe
from colorrt.training.trainee import Trainee

_PLACES = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5"}


def make_half_resnet(recipe: NetworkRecipe) -> Trainee:
    """Build the network of HKUST or of the tutorial with PyTorch's initialization. `width`: channels of its stem."""
    width = recipe.width or 64
    widths: tuple[int, ...] = (2 * width, width, width // 2)
    if recipe.name == "half-resnet18-tutorial":
        widths = (2 * width, width, width, width // 2)
    network = HalfResNet(HalfResNetShape(recipe.name, (width, 2 * width), (2, 2), widths))
    # The first convolution is new, for one channel, and learns with the decoder.
    return Trainee(network, "own", [], list(network.midlevel_resnet.children())[1:], [], LabFrame(SCALE, "gray"))


def find_resnet18(recipe: NetworkRecipe) -> Path:
    """Say which file is missing. Raises UsageError."""
    raise UsageError(
        f"{recipe.name} begins with torchvision's resnet18 weights: give them as --encoder FILE (or set "
        'encoder = "random" in the recipe)'
    )


def load_half_resnet(trainee: Trainee, path: Path, _recipe: NetworkRecipe) -> None:
    """Fill the first two stages with torchvision's weights, the first convolution with the sum over its colors.

    Raises WeightsError when the file holds another network.
    """
    network = trainee.network
    assert isinstance(network, HalfResNet)
    body: nn.Sequential = network.midlevel_resnet
    counters = {key: value for key, value in body.state_dict().items() if key.endswith("num_batches_tracked")}
    state = {}
    for key, value in load_state(path).items():
        first, _, rest = key.partition(".")
        if first in _PLACES:
            state[f"{_PLACES[first]}.{rest}"] = value.sum(1, keepdim=True) if first == "conv1" else value
    try:
        body.load_state_dict(counters | state)
    except RuntimeError as error:
        raise WeightsError(f"{path}: not torchvision's weights of a resnet18") from error
