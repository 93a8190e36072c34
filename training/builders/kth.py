"""KTH's U-Net as its training begins."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from colorrt.models.kth import SCALE, KthShape, KthUnet
from colorrt.training.frames import LabFrame
from colorrt.training.recipes.recipe import NetworkRecipe
from colorrt.training.trainee import Trainee


def make_kth(recipe: NetworkRecipe) -> Trainee:
    """Build the U-Net with Glorot's initialization and zero biases. `width`: channels of its first layer."""
    shape = KthShape()
    if recipe.width:
        downs, ups = (
            tuple(max(1, width * recipe.width // 64) for width in widths) for widths in (shape.downs, shape.ups)
        )
        shape = KthShape(downs, ups)
    shape = replace(shape, norm="batch" if recipe.batch_norm == "batch" else "affine")
    network = KthUnet(shape, recipe.dropout, recipe.encoder_dropout)
    glorot_(network, recipe.initial)
    return Trainee(network, "own", [], [], [], LabFrame(SCALE, recipe.lightness))


def glorot_(network: nn.Module, kind: str) -> None:
    """Initialize convolutions and dense layers as Glorot and Bengio 2010, "uniform" or "normal"; biases are zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            if kind == "normal":
                nn.init.xavier_normal_(module.weight)
            else:
                nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
