"""The families of networks, and which of them a weights file belongs to.

A family recognizes its state dicts by their keys and reads widths and depths from the shapes, so variants of
other sizes load too. A new family is a new file in this folder and one entry in `colorrt.models.catalog`.
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from typing import TYPE_CHECKING

from colorrt.errors import UsageError, WeightsError
from colorrt.models.catalog import FAMILY_FILES
from colorrt.models.family import Family, Network
from colorrt.models.lookalikes import describe_stranger
from colorrt.models.weights.checkpoint import load_state

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

FAMILIES: tuple[Family, ...] = tuple(import_module(f"colorrt.models.{file.module}").FAMILY for file in FAMILY_FILES)
"""In the order in which they are asked whether weights are theirs."""
_WRAPPER = "module."


def detect(state: Mapping[str, Tensor]) -> tuple[Family, str]:
    """Return the family of a state dict and the model's name ("deoldify-artistic").

    Raises WeightsError that says what the state dict looks like instead, and what is known.
    """
    for family in FAMILIES:
        model = family.recognize(state)
        if model is not None:
            return family, model
    known = "; ".join(f"{family.name} ({family.title})" for family in FAMILIES)
    raise WeightsError(f"{describe_stranger(state)}, which colorrt cannot load; it knows {known}")


def family_of(model: str) -> Family:
    """Return the family that a model's name ("deoldify-artistic") belongs to. Raises UsageError when there is none."""
    for family in FAMILIES:
        if model in family.models:
            return family
    known = ", ".join(name for family in FAMILIES for name in family.models)
    raise UsageError(f"there is no network {model!r}; take one of {known}")


def load_network(path: Path) -> Network:
    """Read a weights file and build its network on the CPU, in eval mode.

    Raises WeightsError, in one line with the path, when the file is no checkpoint or not of a known network.
    """
    state = _unwrap(load_state(path))
    try:
        family, model = detect(state)
        module = family.build(state)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return Network(module, model, family, parameters, _digest(path), family.default_saturation)


def _unwrap(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take the `module.` off that DataParallel sets before every key, where the rest is of a known family."""
    if not all(key.startswith(_WRAPPER) for key in state):
        return state
    bare = {key.removeprefix(_WRAPPER): value for key, value in state.items()}
    return bare if any(family.recognize(bare) for family in FAMILIES) else state


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
