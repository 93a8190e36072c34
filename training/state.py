"""What a training goes on from: everything that the next step depends on, in one file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from colorrt.atomic import atomic_path
from colorrt.errors import UsageError, WeightsError
from colorrt.training.losses.bins import SideHead
from colorrt.training.recipes.recipe import Recipe
from colorrt.training.trainee import Trainee
from colorrt.training.weights import Average


@dataclass
class State:
    """A training between two steps.

    `stage`, `step`: where it stands; `cursor`: photographs of the stage gone by; `images`: squares seen in all.
    Random numbers are drawn from seeds made of these, so none need be kept. `generator_turn`: of a GAN.
    `color_weights`: of the colors that are classified, once they are known. `photographs`: which ones the stage is
    about.
    """

    trainee: Trainee
    average: Average | None
    side: SideHead | None
    optimizer: Optimizer | None = None
    critic: nn.Module | None = None
    critic_optimizer: Optimizer | None = None
    scaler: torch.amp.GradScaler | None = None
    stage: int = 0
    step: int = 0
    cursor: int = 0
    images: int = 0
    generator_turn: bool = False
    color_weights: Tensor | None = None
    photographs: str = ""

    @property
    def kept(self) -> nn.Module:
        """The network that is validated, shown and kept: the average where there is one."""
        return self.trainee.network if self.average is None else self.average.network


_NUMBERS = ("stage", "step", "cursor", "images", "generator_turn", "color_weights", "photographs")


def digest_of(recipe: Recipe) -> str:
    """A short name of everything that a recipe says."""
    return hashlib.sha256(_said(recipe).encode()).hexdigest()[:16]


def _said(part: object) -> str:
    """What differs from the defaults, so that options which come later do not make a recipe another one."""
    if isinstance(part, tuple):
        return "(" + ",".join(_said(one) for one in part) + ")"
    if not is_dataclass(part):
        return repr(part)
    values = [(one, getattr(part, one.name)) for one in fields(part)]
    return "{" + ",".join(f"{one.name}:{_said(value)}" for one, value in values if value != one.default) + "}"


def save_state(state: State, path: Path, recipe: Recipe) -> None:
    """Write the state in one move. Raises UsageError when it cannot be written; what was there stays."""
    content: dict[str, Any] = {name: part_.state_dict() for name, part_ in _parts(state).items()}
    content |= {name: getattr(state, name) for name in _NUMBERS}
    with atomic_path(path, UsageError) as part:
        try:
            torch.save(content | {"recipe": digest_of(recipe)}, part)
        # PyTorch's own writer says so of a full disk.
        except RuntimeError as error:
            raise OSError("PyTorch could not write all of it") from error


def peek(path: Path, recipe: Recipe) -> dict[str, Any]:
    """Read the file of `save_state`, without running anything in it.

    Raises WeightsError when it is damaged or none, UsageError when it was made by another recipe or may not be read.
    """
    try:
        with path.open("rb") as stream:
            saved: dict[str, Any] = torch.load(stream, map_location="cpu", weights_only=True)
        recipe_of, complete = saved["recipe"], all(name in saved for name in _NUMBERS)
    except PermissionError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); change its permissions to resume") from error
    # A damaged file raises whatever unpickling met.
    except Exception as error:
        raise _unusable(path) from error
    if not complete:
        raise _unusable(path)
    if recipe_of != digest_of(recipe):
        raise UsageError(
            f"{path}: this training was started with another recipe, or other --steps or --scale; use those again, or "
            "another --out for a new one"
        )
    return saved


def restore_state(state: State, saved: dict[str, Any], path: Path) -> None:
    """Put what `peek` read into a state that has the same parts. Raises WeightsError when they do not fit."""
    try:
        for name, part in _parts(state).items():
            part.load_state_dict(saved[name])
    except Exception as error:
        raise _unusable(path) from error
    restore_numbers(state, saved)


def restore_numbers(state: State, saved: dict[str, Any]) -> None:
    """Take over where a saved training stood."""
    for name in _NUMBERS:
        setattr(state, name, saved[name])


def _parts(state: State) -> dict[str, Any]:
    parts = {
        "network": state.trainee.network,
        "average": None if state.average is None else state.average.network,
        "side": state.side,
        "optimizer": state.optimizer,
        "critic": state.critic,
        "critic_optimizer": state.critic_optimizer,
        "scaler": state.scaler,
    }
    return {name: part for name, part in parts.items() if part is not None}


def _unusable(path: Path) -> WeightsError:
    return WeightsError(f"{path}: no checkpoint of this network to resume from; remove it or give --out another folder")
