"""Who judges KTH's generator: a discriminator of patches and, for VAC+GAN, a classifier of what is in the picture.

Source: the code of duartegalvao/Image-Colorization-with-Deep-Learning; VAC+GAN: Bazrafkan et al., Versatile Auxiliary
Classifier with Generative Adversarial Network, 2018.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.models.kth import NORM_EPS, Down
from colorrt.training.builders.kth import glorot_
from colorrt.training.recipes.recipe import JudgesRecipe

_SLOPE = 0.2
_INSIDE = 3
_REDUCTION = 8
"""Each place of the last features sees so many pixels of the square along each axis."""


class Judges(nn.Module):
    """Both of them. Input of either: what the network sees and a and b, all scaled, N x 3 x S x S.

    `size`: S, a multiple of 8. `discriminator` answers with logits of being real, N x 1 x S/8 x S/8; `classifier`,
    where there is one, with logits of the classes, N x K.
    """

    def __init__(self, recipe: JudgesRecipe, size: int) -> None:
        super().__init__()
        width, norm = recipe.width, recipe.norm
        widths = (width, 2 * width, 4 * width, 8 * width)
        layers = _convolutions(widths, norm)
        self.discriminator = nn.Sequential(*layers, Down(widths[-1], 1, 1))
        self.classifier: nn.Sequential | None = None
        if recipe.classifier_weight:
            widths = (width, 2 * width, 4 * width, 4 * width)
            head = nn.Linear((size // _REDUCTION) ** 2 * widths[-1], recipe.classes)
            self.classifier = nn.Sequential(*_convolutions(widths, norm), nn.Flatten(), head)
        glorot_(self, "uniform")


def _convolutions(widths: tuple[int, ...], norm: str) -> list[nn.Module]:
    """Make 4 x 4 convolutions of which all but the last halve the size, with a norm behind each where asked for."""
    layers: list[nn.Module] = []
    inside = _INSIDE
    for index, width in enumerate(widths):
        layers.append(Down(inside, width, 1 if index == len(widths) - 1 else 2))
        if norm == "batch":
            layers.append(nn.BatchNorm2d(width, eps=NORM_EPS, momentum=0.01))
        layers.append(nn.LeakyReLU(_SLOPE))
        inside = width
    return layers


def judge_loss(
    judges: Judges, real: Tensor, fake: Tensor, labels: Tensor | None, real_label: float
) -> dict[str, Tensor]:
    """What the judges minimize, by name: mistakes about real and about made pictures, added (both N x 3 x S x S)."""
    on_real, on_fake = judges.discriminator(real).float(), judges.discriminator(fake).float()
    terms = {"discriminator": _claim(on_real, real_label) + _claim(on_fake, 0.0)}
    if judges.classifier is not None and labels is not None:
        both = (judges.classifier(one).float() for one in (real, fake))
        terms["classifier"] = sum((F.cross_entropy(one, labels) for one in both), start=real.new_zeros(()))
    return terms


def fooling_loss(
    judges: Judges, fake: Tensor, labels: Tensor | None, weight: float, classifier_weight: float
) -> dict[str, Tensor]:
    """What the judges add to the generator's loss, by name: `fake` (N x 3 x S x S) should pass as real, and as labeled.

    The published loss has the classifier's error on the real picture too, which the generator cannot change.
    """
    terms = {"adversarial": weight * _claim(judges.discriminator(fake).float(), 1.0)}
    if judges.classifier is not None and labels is not None:
        terms["class"] = classifier_weight * F.cross_entropy(judges.classifier(fake).float(), labels)
    return terms


def _claim(logits: Tensor, real: float) -> Tensor:
    """Cross-entropy of logits with the claim that all are real (1) or made (0)."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, real))
