"""From a batch of squares to one number: what the network sees, guesses, and is told about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from colorrt.models.color import chroma_matrix
from colorrt.models.lite import Lite
from colorrt.models.lite_bins import LiteBins
from colorrt.training.losses.bins import SideHead, bins_loss
from colorrt.training.losses.chroma import (
    add_noise,
    cast_loss,
    coarse_loss,
    feature_loss,
    pixel_loss,
    rarity_weight,
    stability_loss,
)
from colorrt.training.losses.knowledge import Twin
from colorrt.training.recipes.recipe import LossRecipe
from colorrt.training.squares.augment import age, speckle, split
from colorrt.training.squares.views import View, consistency_loss, take_view
from colorrt.training.trainee import Trainee


@dataclass(frozen=True)
class Examples:
    """One batch on the device: clean luma (N x 1 x S x S), clean chroma (N x 2 x S x S), and luma as it is seen.

    `noisy`: the seen luma under noise, for the stability term; None without it. `view`: a second look at some of it.
    `labels`: the class of each picture (N int64), where a training asks for it.
    """

    luma: Tensor
    chroma: Tensor
    seen: Tensor
    noisy: Tensor | None
    view: View | None = None
    labels: Tensor | None = None


@dataclass(frozen=True)
class Answer:
    """What the network makes of examples, with gradients: chroma and normalized RGB, and scores of colors if any.

    `guess`: chroma or normalized RGB as it is compared, perhaps smaller than the examples are.
    """

    chroma: Tensor
    rgb: Tensor
    guess: Tensor
    scores: Tensor | None
    noisy_chroma: Tensor | None
    viewed: Tensor | None = None
    """Chroma guessed for the view of the examples, where the decoder ends."""


def prepare(
    squares: Any,
    aging: str,
    loss: LossRecipe,
    generator: torch.Generator,
    device: torch.device,
    labels: Tensor | None = None,
) -> Examples:
    """Split squares (N x S x S x 3 uint8, numpy), age the luma, and move it all to the device."""
    luma, chroma = split(torch.from_numpy(squares))
    seen = luma
    if aging != "none":
        seen = age(luma, generator) if aging == "old" else speckle(luma, generator)
    noisy = add_noise(seen, loss.stability_noise, generator) if loss.stability else None
    view = take_view(luma, loss.view_share, loss.view_sizes, aging, generator) if loss.view_share else None
    return Examples(
        luma.to(device),
        chroma.to(device),
        seen.to(device),
        None if noisy is None else noisy.to(device),
        None if view is None else view.to(device),
        None if labels is None else labels.to(device),
    )


class Objective:
    """The supervised loss of a recipe: equation 7 in general, plus what the options of a recipe add.

    `features`: a network that returns three layers of normalized RGB, or None. `side`: scores of colors beside the
    network's own head, or None. `weights`: of the colors. `twin`: what the encoder is not to forget, or None.
    """

    def __init__(
        self,
        recipe: LossRecipe,
        trainee: Trainee,
        features: nn.Module | None,
        side: SideHead | None,
        weights: Tensor | None,
        device: torch.device,
        twin: Twin | None = None,
    ) -> None:
        self.recipe, self.trainee, self.features, self.side, self.weights = recipe, trainee, features, side, weights
        self.twin = twin
        self.hues: Tensor | None = None
        """Weights of hues, once they are known; see `colorrt.training.losses.hues`."""
        self.matrix = chroma_matrix().reshape(2, 3, 1, 1).to(device)
        # VGG's features are of the size that the published weights of the terms were chosen for.
        self.relative = recipe.features != "none" and features is not None and not hasattr(features, "features")

    def answer(self, examples: Examples) -> Answer:
        """Run the network, once for the seen luma and its noisy double together."""
        count = len(examples.seen)
        seen = examples.seen if examples.noisy is None else torch.cat([examples.seen, examples.noisy])
        # Before the squares themselves: side heads and twins keep what the network saw last.
        viewed = None if examples.view is None else self._guess(examples.view.seen)[0]
        guess, scores = self._guess(seen)
        if self.trainee.space == "chroma":
            network = self.trainee.network
            chroma = network.interpolate(guess) if self._compares_early(network) else guess
            rgb = self.trainee.normalize(examples.luma, chroma[:count])
        else:
            chroma, rgb = self.chroma_of(guess), guess[:count]
        noisy = None if examples.noisy is None else chroma[count:]
        known = None if scores is None else scores[:count].float()
        return Answer(chroma[:count], rgb, guess[:count], known, noisy, viewed)

    def _guess(self, seen: Tensor) -> tuple[Tensor, Tensor | None]:
        network = self.trainee.network
        seen = self.trainee.see(seen)
        if isinstance(network, LiteBins):
            scores = network.scores(seen)
            return network.decode(scores.float()), scores
        guess = network.guess(seen) if self._compares_early(network) else network(seen)
        return guess.float(), None if self.side is None else self.side.scores()

    def _compares_early(self, network: nn.Module) -> TypeGuard[Lite]:
        return isinstance(network, Lite) and self.recipe.compared_at == "decoder"

    def loss(self, examples: Examples, answer: Answer) -> dict[str, Tensor]:
        """Return the terms of the loss by name, each times its weight; their sum is what is minimized."""
        recipe, trainee = self.recipe, self.trainee
        reduction = examples.chroma.shape[-1] // answer.guess.shape[-1]
        true_chroma = nn.functional.avg_pool2d(examples.chroma, reduction)
        truth = true_chroma if trainee.space == "chroma" else trainee.normalize(examples.luma, true_chroma)
        terms = {"pixel": recipe.pixel_weight * self._pixel_loss(answer.guess, truth, true_chroma)}
        if recipe.coarse:
            side = min(max(1, recipe.coarse_side // reduction), answer.guess.shape[-1])
            terms["coarse"] = recipe.coarse * coarse_loss(answer.guess, truth, recipe.coarse_pixel, recipe.knee, side)
        if recipe.cast:
            terms["cast"] = recipe.cast * cast_loss(self._chroma(answer.guess), true_chroma)
        if examples.view is not None and answer.viewed is not None:
            terms |= self._view_terms(examples, examples.view, answer.guess, answer.viewed)
        if self.features is not None:
            with torch.no_grad():
                wanted = self.features(trainee.normalize(examples.luma, examples.chroma))
            found = self.features(answer.rgb)
            terms["features"] = feature_loss(found, wanted, recipe.feature_weights, relative=self.relative)
        if answer.noisy_chroma is not None:
            terms["stability"] = recipe.stability * stability_loss(answer.chroma, answer.noisy_chroma)
        if self.twin is not None:
            terms["knowledge"] = recipe.knowledge * self.twin.distance(examples.luma, examples.chroma)
        if answer.scores is not None and recipe.bins_weight and self.weights is not None:
            colors = self.colors()
            terms["bins"] = recipe.bins_weight * bins_loss(answer.scores, examples.chroma, colors, self.weights)
        return terms

    def _pixel_loss(self, guess: Tensor, truth: Tensor, true_chroma: Tensor) -> Tensor:
        recipe = self.recipe
        weight = rarity_weight(true_chroma, recipe.rarity, self.hues) if recipe.rarity else None
        return pixel_loss(guess, truth, weight, recipe.pixel, recipe.knee)

    def _view_terms(self, examples: Examples, view: View, guess: Tensor, viewed: Tensor) -> dict[str, Tensor]:
        """Terms of a second look: it is learned from as the squares are, and it must agree with the first."""
        size = examples.chroma.shape[-1]
        truth = nn.functional.adaptive_avg_pool2d(view.cut(examples.chroma, size), (viewed.shape[2], viewed.shape[3]))
        part = len(viewed) / len(guess)
        terms = {"view": part * self.recipe.pixel_weight * self._pixel_loss(viewed, truth, truth)}
        if self.recipe.consistency:
            terms["consistency"] = self.recipe.consistency * consistency_loss(view.cut(guess, size), viewed)
        return terms

    def _chroma(self, guess: Tensor) -> Tensor:
        return guess if self.trainee.space == "chroma" else self.chroma_of(guess)

    def colors(self) -> Tensor:
        """Colors that scores are of: K x 2."""
        network = self.trainee.network
        if isinstance(network, LiteBins):
            return network.bins.centers
        assert self.side is not None
        return self.side.bins.centers

    def chroma_of(self, rgb: Tensor) -> Tensor:
        """Chroma (N x 2 x S x S) of normalized RGB, not clamped."""
        return nn.functional.conv2d(self.trainee.denormalize(rgb), self.matrix)
