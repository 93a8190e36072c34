"""eccv16 as its training begins, with its 313 colors or with the two channels of a regression."""

from __future__ import annotations

import torch
from torch import nn

from colorrt.models.hull import hull_colors
from colorrt.models.zhang import SCALE, Eccv16, Eccv16Shape
from colorrt.training.frames import LabFrame
from colorrt.training.recipes.recipe import NetworkRecipe
from colorrt.training.trainee import Trainee

_FULL = 64


def make_zhang(recipe: NetworkRecipe) -> Trainee:
    """Build a network with He's initialization. `width`: channels of its first block.

    The code initializes from data by k-means, which this does not: its batch norms keep magnitudes all the same.
    """
    full = Eccv16Shape()
    widths = tuple(max(2, width * (recipe.width or _FULL) // _FULL) for width in full.widths)
    colors = hull_colors()
    network = Eccv16(Eccv16Shape(widths, full.depths, len(colors) if recipe.name == "eccv16" else 0))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    encoder: list[nn.Module] = []
    if network.model_out is not None:
        with torch.no_grad():
            network.model_out.weight.copy_((colors.t() / SCALE.gain)[:, :, None, None])
        # Constants: they are in the published files, and nothing trains them.
        encoder = [network.model_out]
    return Trainee(network, "own", [], encoder, [], LabFrame(SCALE, recipe.lightness))
