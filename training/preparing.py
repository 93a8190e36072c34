"""What a stage needs before its first step: optimizers, critics, modes of layers, weights of colors."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from colorrt.errors import UsageError
from colorrt.training.losses.bins import color_weights
from colorrt.training.losses.critic import Critic
from colorrt.training.losses.hues import hue_weights
from colorrt.training.objective import Objective
from colorrt.training.papers.judges import Judges
from colorrt.training.papers.objective import PaperObjective
from colorrt.training.recipes.recipe import JudgesRecipe, Recipe, Stage
from colorrt.training.squares.augment import split
from colorrt.training.squares.dataset import Dataset
from colorrt.training.state import State, restore_numbers
from colorrt.training.steps import make_critic_optimizer, make_optimizer
from colorrt.training.validation import whole_squares

WEIGHING_PHOTOS, WEIGHING_SIZE = 512, 64


def make_parts(state: State, recipe: Recipe, device: torch.device, saved: dict[str, Any] | None) -> None:
    """Make the optimizers and the critic that the current stage needs, or that a saved state has."""
    if saved is not None:
        restore_numbers(state, saved)
    stage = recipe.stages[min(state.stage, len(recipe.stages) - 1)]
    wanted = {"optimizer": stage.kind != "critic", "critic": stage.kind != "supervised" or state.critic is not None}
    wanted["critic_optimizer"] = stage.kind != "supervised"
    if saved is not None:
        wanted = {name: name in saved for name in wanted}
    if wanted["critic"] and state.critic is None:
        torch.manual_seed(seed_of(recipe.seed, 1))
        state.critic = _make_critic(recipe, stage).to(device)
    if wanted["critic_optimizer"] and state.critic_optimizer is None:
        assert state.critic is not None
        state.critic_optimizer = make_critic_optimizer(state.critic, recipe, stage)
    if wanted["optimizer"] and state.optimizer is None:
        state.optimizer = make_optimizer(state, recipe, stage)


def _make_critic(recipe: Recipe, stage: Stage) -> nn.Module:
    if stage.kind == "judged":
        return Judges(recipe.judges, stage.size)
    asked = recipe.critic
    return Critic(asked.width, asked.blocks, asked.dropout)


def classes_of(dataset: Dataset, judges: JudgesRecipe) -> Tensor | None:
    """Number the classes of photographs, which are the names of their folders: P int64; None where nobody asks.

    Raises UsageError when the folders are not as many as the recipe has classes.
    """
    if not judges.classifier_weight:
        return None
    folders = [PurePosixPath(entry.name).parent.name for entry in dataset.entries]
    names = sorted(set(folders))
    if len(names) != judges.classes:
        raise UsageError(
            f"the classifier of the recipe tells {judges.classes} classes apart, and the photographs lie in "
            f"{len(names)} folders ({', '.join(names[:3])}, ...); give --data with one folder a class"
        )
    numbers = {name: number for number, name in enumerate(names)}
    return torch.tensor([numbers[folder] for folder in folders])


def set_modes(state: State, recipe: Recipe) -> None:
    """Put everything that is trained into training mode, but for statistics that the recipe freezes."""
    state.trainee.network.train()
    if recipe.network.statistics == "frozen":
        # ImageNet's; a few thousand small batches would only blur them.
        for part in (*state.trainee.early, *state.trainee.encoder):
            for module in part.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
    for other in (state.side, state.critic):
        if other is not None:
            other.train()


def weigh_colors(state: State, recipe: Recipe, objective: Objective, dataset: Dataset, stage: Stage) -> None:
    """Learn from some of the photographs how often each hue occurs, and once in a training each color of the bins."""
    loss, device = recipe.loss, objective.matrix.device
    classified = loss.bins_weight > 0
    if loss.hue_rarity or (classified and state.color_weights is None):
        squares = whole_squares(dataset, WEIGHING_SIZE, WEIGHING_PHOTOS)
        samples = [split(part)[1] for part in torch.split(squares, stage.batch)]
        if loss.hue_rarity:
            objective.hues = hue_weights(samples, loss.hue_rarity).to(device)
        if classified and state.color_weights is None:
            state.color_weights = color_weights(samples, objective.colors(), loss.rebalance)
    if not classified:
        return
    assert state.color_weights is not None
    objective.weights = state.color_weights.to(device)


def weigh_classes(state: State, paper: PaperObjective, dataset: Dataset, batch: int, device: torch.device) -> None:
    """Learn once in a training, from some of the photographs, how often each class of a paper's network occurs."""
    if paper.classes is None:
        return
    if state.color_weights is None:
        squares = whole_squares(dataset, WEIGHING_SIZE, WEIGHING_PHOTOS).to(device)
        state.color_weights = paper.weigh(split(part) for part in torch.split(squares, batch)).cpu()
    paper.weights = state.color_weights.to(device)


def seed_of(*numbers: int) -> int:
    """Make one seed of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
