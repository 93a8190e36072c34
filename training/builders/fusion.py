"""The fusion network as its training begins: at random, beside a classifier that stays as it is."""

from __future__ import annotations

from pathlib import Path

import torch

from colorrt.errors import UsageError, WeightsError
from colorrt.models.encoders.extractors import CLASSES, EXTRACTORS, load_extractor
from colorrt.models.fusion import SCALE, Fusion, FusionShape
from colorrt.models.weights.checkpoint import load_state
from colorrt.training.builders.kth import glorot_
from colorrt.training.frames import LabFrame
from colorrt.training.recipes.recipe import NetworkRecipe
from colorrt.training.trainee import Trainee

_FULL = 64


def make_fusion(recipe: NetworkRecipe) -> Trainee:
    """Build the network of a recipe with Glorot's initialization. `width`: channels of its first convolution."""
    full = FusionShape()
    encoder, decoder = (
        tuple(max(2, width * (recipe.width or _FULL) // _FULL) for width in widths)
        for widths in (full.encoder, full.decoder)
    )
    fused = encoder[-1]
    features = recipe.features if recipe.name == "fusion-256" else CLASSES
    bins = recipe.bins if recipe.name == "fusion-bins" else 0
    network = Fusion(FusionShape(extractor_of(recipe), features, bins, encoder, fused, decoder))
    for part in (network.enc, network.dec, torch.nn.ModuleList([network.fuse])):
        glorot_(part, recipe.initial)
    return Trainee(network, "own", [], [network.extractor], [], LabFrame(SCALE, "gray"))


def extractor_of(recipe: NetworkRecipe) -> str:
    """Name the classifier that a network is told by: its own name says so, or the recipe."""
    own = recipe.name.removeprefix("fusion-")
    return own if own in EXTRACTORS else recipe.extractor


def load_frozen_extractor(trainee: Trainee, path: Path, recipe: NetworkRecipe) -> None:
    """Fill the classifier from a file; some of its logits, drawn once, where the recipe has fewer.

    Raises WeightsError when the file holds another network.
    """
    network = trainee.network
    assert isinstance(network, Fusion)
    chosen = None
    if recipe.name == "fusion-256":
        # The report gives no seed.
        chosen = torch.randperm(CLASSES, generator=torch.Generator().manual_seed(0))[: recipe.features].sort().values
    try:
        load_extractor(network.extractor, extractor_of(recipe), load_state(path), chosen)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def missing_extractor(recipe: NetworkRecipe) -> UsageError:
    """Say which file of weights is missing."""
    return UsageError(
        f"{recipe.name} asks a classifier what is in the picture: give {EXTRACTORS[extractor_of(recipe)].title} as "
        "--encoder FILE; fusion-lite asks one whose weights are a package"
    )
