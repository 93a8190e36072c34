"""One step of a paper's training: of the network alone, or of its judges and then of the network that they judge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from colorrt.training.objective import Examples
from colorrt.training.papers.judges import Judges, fooling_loss, judge_loss
from colorrt.training.papers.objective import Lesson, PaperObjective
from colorrt.training.recipes.recipe import Recipe, Stage
from colorrt.training.state import State
from colorrt.training.steps import advance, backward

Sums = dict[str, float]


def take_paper_step(
    state: State,
    recipe: Recipe,
    stage: Stage,
    objective: PaperObjective,
    prepared: Sequence[Examples],
    precision: AbstractContextManager[Any],
) -> Sums:
    """Take one step on `prepared` (as many as the stage accumulates). Returns the terms of the loss by name.

    Where the network is judged, the judges learn once, then the network as often as the recipe says, each time with
    other values dropped.
    """
    lessons = [objective.lesson(examples) for examples in prepared]
    if stage.kind != "judged":
        return _network_step(state, recipe, objective, lessons, precision, None)
    sums = _judges_step(state, recipe, lessons, precision)
    for _ in range(recipe.judges.generator_steps):
        sums |= _network_step(state, recipe, objective, lessons, precision, stage)
    return sums


def _network_step(
    state: State,
    recipe: Recipe,
    objective: PaperObjective,
    lessons: Sequence[Lesson],
    precision: AbstractContextManager[Any],
    judged: Stage | None,
) -> Sums:
    assert state.optimizer is not None
    network, sums = state.trainee.network, Sums()
    state.optimizer.zero_grad(set_to_none=True)
    for lesson in lessons:
        with precision:
            guess = objective.answer(network, lesson.seen)
        terms = objective.terms(guess, lesson)
        if judged is not None:
            judges = state.critic
            assert isinstance(judges, Judges)
            judges.requires_grad_(False)
            terms = {name: judged.pixel_weight * term for name, term in terms.items()}
            weights = judged.critic_weight, recipe.judges.classifier_weight
            with precision:
                terms |= fooling_loss(judges, torch.cat([lesson.seen, guess], dim=1), lesson.labels, *weights)
            judges.requires_grad_(True)
        backward(state, _sum(terms.values()) / len(lessons))
        _count(sums, terms, len(lessons))
    advance(state, state.optimizer, network, recipe.optimizer.clip)
    return sums


def _judges_step(
    state: State, recipe: Recipe, lessons: Sequence[Lesson], precision: AbstractContextManager[Any]
) -> Sums:
    """Teach discriminator and classifier, which do not touch each other, on one guess for both."""
    judges, sums = state.critic, Sums()
    assert isinstance(judges, Judges)
    assert state.critic_optimizer is not None
    state.critic_optimizer.zero_grad(set_to_none=True)
    for lesson in lessons:
        with torch.no_grad(), precision:
            guess = state.trainee.network(lesson.seen)
        real, fake = (torch.cat([lesson.seen, ab], dim=1) for ab in (lesson.truth, guess.float()))
        with precision:
            terms = judge_loss(judges, real, fake, lesson.labels, recipe.judges.real_label)
        backward(state, _sum(terms.values()) / len(lessons))
        _count(sums, terms, len(lessons))
    advance(state, state.critic_optimizer, judges, 0.0)
    return sums


def _count(sums: Sums, terms: dict[str, Tensor], of: int) -> None:
    for name, term in terms.items():
        sums[name] = sums.get(name, 0.0) + term.item() / of


def _sum(terms: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(terms)).sum()
