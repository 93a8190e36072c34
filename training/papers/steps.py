"""One step of a paper's training: of the network alone, or of the judges and of the network that they judge."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from colorrt.training.objective import Examples
from colorrt.training.papers.objective import PaperObjective
from colorrt.training.recipe import Recipe, Stage
from colorrt.training.state import State
from colorrt.training.steps import advance, backward


def take_paper_step(
    state: State,
    recipe: Recipe,
    stage: Stage,
    objective: PaperObjective,
    prepared: Sequence[Examples],
    precision: AbstractContextManager[Any],
) -> dict[str, float]:
    """Take one step on `prepared` (as many as the stage accumulates). Returns the terms of the loss by name."""
    assert state.optimizer is not None
    network = state.trainee.network
    sums: dict[str, float] = {}
    state.optimizer.zero_grad(set_to_none=True)
    for examples in prepared:
        lesson = objective.lesson(examples)
        with precision:
            guess = network(lesson.seen)
        terms = objective.terms(guess, lesson.truth)
        backward(state, sum(terms.values(), start=lesson.truth.new_zeros(())) / len(prepared))
        for name, term in terms.items():
            sums[name] = sums.get(name, 0.0) + term.item() / len(prepared)
    advance(state, state.optimizer, network, recipe.optimizer.clip)
    return sums
