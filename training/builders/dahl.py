"""Dahl's networks as their training begins: on a VGG-16 that stays as it is."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from colorrt.errors import UsageError, WeightsError
from colorrt.models.dahl import Hypercolumns, HypercolumnShape, ResidualEncoder, ResidualShape, load_vgg
from colorrt.models.weights.checkpoint import load_state
from colorrt.training.frames import JpegFrame
from colorrt.training.recipes.recipe import NetworkRecipe
from colorrt.training.trainee import Trainee

_DEVIATION = 0.01
_FULL = 64


def make_dahl(recipe: NetworkRecipe) -> Trainee:
    """Build a network with random weights as the code draws them. `width`: channels of VGG's first block."""
    vgg = tuple(width * (recipe.width or _FULL) // _FULL for width in ResidualShape().vgg)
    network: ResidualEncoder | Hypercolumns
    if recipe.name == "dahl-residual":
        network = ResidualEncoder(ResidualShape(vgg))
    else:
        widths = HypercolumnShape().widths
        network = Hypercolumns(HypercolumnShape(vgg, widths if recipe.narrow else widths[:-1]))
    inside = {id(module) for module in network.vgg.modules()}
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and id(module) not in inside:
            nn.init.trunc_normal_(module.weight, std=_DEVIATION, a=-2 * _DEVIATION, b=2 * _DEVIATION)
    return Trainee(network, "own", [], [network.vgg], [], JpegFrame(recipe.lightness))


def find_vgg(recipe: NetworkRecipe) -> Path:
    """Say which file is missing. Raises UsageError."""
    raise UsageError(
        f"{recipe.name} sees through a VGG-16: give its ImageNet weights (torchvision's keys: features.0.weight) as "
        '--encoder FILE; vgg = "caffe" or "torchvision" in the recipe says which pictures they know'
    )


def load_frozen_vgg(trainee: Trainee, path: Path, recipe: NetworkRecipe) -> None:
    """Fill VGG from a file. Raises WeightsError when it holds another network."""
    network = trainee.network
    assert isinstance(network, ResidualEncoder | Hypercolumns)
    try:
        load_vgg(network.vgg, load_state(path), recipe.vgg)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
