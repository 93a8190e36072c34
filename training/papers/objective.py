"""What the papers' trainings minimize: the network's answer in its own units against the truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from colorrt.models.fusion import Fusion
from colorrt.models.zhang import Eccv16
from colorrt.training.frames import Frame, LabFrame
from colorrt.training.losses.chroma import pixel_loss
from colorrt.training.objective import Examples
from colorrt.training.papers.blurs import blurred
from colorrt.training.papers.classes import ChannelClasses, Classes, HullClasses
from colorrt.training.recipes.recipe import LossRecipe


@dataclass(frozen=True)
class Lesson:
    """One batch in the network's units: what it sees, what it should answer, and the class of each picture if known."""

    seen: Tensor
    truth: Tensor
    labels: Tensor | None


class PaperObjective:
    """The supervised loss of a network that has a frame of its own.

    `weights`: of the classes, of networks that classify colors, once they are known.
    """

    def __init__(self, recipe: LossRecipe, network: nn.Module, frame: Frame) -> None:
        self.recipe, self.frame = recipe, frame
        self.classes = _classes_of(network, recipe)
        self.weights: Tensor | None = None

    def lesson(self, examples: Examples) -> Lesson:
        """Bring a batch into the network's units."""
        with torch.no_grad():
            seen = self.frame.see(examples.seen, examples.chroma)
            truth = self.frame.truth(examples.luma, examples.chroma)
        return Lesson(seen.contiguous(memory_format=torch.channels_last), truth, examples.labels)

    def answer(self, network: nn.Module, seen: Tensor) -> Tensor:
        """Run the network: its guess, or its scores of classes where it has them."""
        if self.classes is None:
            guess: Tensor = network(seen)
            return guess
        assert isinstance(network, Fusion | Eccv16)
        return network.scores(seen)

    def weigh(self, samples: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
        """Weights of the classes from samples of luma and chroma."""
        assert self.classes is not None
        return self.classes.weigh((self._ab(self.frame.truth(*sample)) for sample in samples), self.recipe.rebalance)

    def terms(self, answer: Tensor, lesson: Lesson) -> dict[str, Tensor]:
        """Return the terms of the loss by name, each times its weight; means over places and channels."""
        recipe = self.recipe
        if self.classes is not None:
            assert self.weights is not None
            return {"classes": recipe.pixel_weight * self.classes.loss(answer, self._ab(lesson.truth), self.weights)}
        guesses, truths = [answer.float()], [lesson.truth]
        if recipe.blur != "none":
            normalized = recipe.blur == "normalized"
            guesses, truths = (blurred(lesson.seen, one[0], normalized=normalized) for one in (guesses, truths))
        pairs = zip(guesses, truths, strict=True)
        losses = [pixel_loss(one, other, None, recipe.pixel, recipe.knee) for one, other in pairs]
        return {"pixel": recipe.pixel_weight * torch.stack(losses).mean()}

    def _ab(self, truth: Tensor) -> Tensor:
        """Scaled a and b -> those of Lab."""
        assert isinstance(self.frame, LabFrame)
        return truth * self.frame.scale.gain + self.frame.scale.offset


def _classes_of(network: nn.Module, recipe: LossRecipe) -> Classes | None:
    if isinstance(network, Fusion) and network.bins:
        return ChannelClasses(network.bins)
    if isinstance(network, Eccv16) and network.model_out is not None:
        return HullClasses(recipe.neighbors)
    return None
