"""What the papers' trainings minimize: the network's answer in its own units against the truth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from colorrt.training.frames import Frame
from colorrt.training.losses import pixel_loss
from colorrt.training.objective import Examples
from colorrt.training.papers.blurs import blurred
from colorrt.training.recipe import LossRecipe


@dataclass(frozen=True)
class Lesson:
    """One batch in the network's units: what it sees, what it should answer, and the class of each picture if known."""

    seen: Tensor
    truth: Tensor
    labels: Tensor | None


class PaperObjective:
    """The supervised loss of a network that has a frame of its own."""

    def __init__(self, recipe: LossRecipe, network: nn.Module, frame: Frame) -> None:
        self.recipe, self.network, self.frame = recipe, network, frame

    def lesson(self, examples: Examples) -> Lesson:
        """Bring a batch into the network's units."""
        with torch.no_grad():
            seen = self.frame.see(examples.seen, examples.chroma)
            truth = self.frame.truth(examples.luma, examples.chroma)
        return Lesson(seen.contiguous(memory_format=torch.channels_last), truth, examples.labels)

    def terms(self, guess: Tensor, lesson: Lesson) -> dict[str, Tensor]:
        """Return the terms of the loss by name, each times its weight; means over places and channels."""
        recipe, guesses, truths = self.recipe, [guess.float()], [lesson.truth]
        if recipe.blur != "none":
            normalized = recipe.blur == "normalized"
            guesses, truths = (blurred(lesson.seen, one[0], normalized=normalized) for one in (guesses, truths))
        pairs = zip(guesses, truths, strict=True)
        losses = [pixel_loss(one, other, None, recipe.pixel, recipe.knee) for one, other in pairs]
        return {"pixel": recipe.pixel_weight * torch.stack(losses).mean()}
