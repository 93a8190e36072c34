"""Recipes: everything that decides a training, as a TOML file."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from colorrt.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


EXAMPLE = "training/recipes/lite.toml"
# The types of a TOML value that each annotation takes. `bool` is an `int` to Python alone, so types are compared.
VALUES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "tuple[str, ...]": (list,),
    "tuple[Stage, ...]": (tuple,),
}


@dataclass(frozen=True)
class Stage:
    """One stretch of a training at one size."""

    size: int
    batch: int
    images: int
    smallest: float
    """The least part of each side of a photograph that a square shows."""
    sources: tuple[str, ...]
    """Files below the data folder: shards or folders, as glob patterns."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training, but for the photographs."""

    network: str
    seed: int
    short_side: int
    encoder_rate: float
    decoder_rate: float
    weight_decay: float
    warmup: float
    """The part of the training in which the learning rate rises."""
    average: float
    """Decay of the moving average of the weights, a step."""
    rarity: float
    coarse: float
    stages: tuple[Stage, ...]


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a TOML file.

    Raises UsageError when the file is missing, is not TOML, lacks or adds a field, or a value makes no sense.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: no recipe can be read here ({error.strerror}); give a .toml file") from error
    # Both TOMLDecodeError and UnicodeDecodeError are ValueErrors.
    except ValueError as error:
        raise UsageError(f"{path}: not a TOML file ({error}); see {EXAMPLE}") from error
    tables = table.pop("stages", [])
    if not (isinstance(tables, list) and tables and all(isinstance(stage, dict) for stage in tables)):
        raise UsageError(f"{path}: a recipe needs one or more [[stages]]; see {EXAMPLE}")
    stages = tuple(_build(Stage, stage, path) for stage in tables)
    for stage in stages:
        _check(stage, path)
    recipe: Recipe = _build(Recipe, table | {"stages": stages}, path)
    return recipe


def _build(kind: type[Any], table: dict[str, Any], path: Path) -> Any:
    known = {field.name for field in fields(kind)}
    odd = sorted(known ^ table.keys())
    if odd:
        lacking, adding = [n for n in odd if n in known], [n for n in odd if n not in known]
        said = [f"lacks {', '.join(lacking)}"] if lacking else []
        said += [f"has the unknown {', '.join(adding)}"] if adding else []
        raise UsageError(f"{path}: {kind.__name__.lower()} {' and '.join(said)}; see {EXAMPLE}")
    for field in fields(kind):
        value = table[field.name]
        texts = not isinstance(value, list) or all(isinstance(item, str) for item in value)
        if type(value) not in VALUES[str(field.type)] or not texts:
            raise UsageError(f"{path}: {field.name} cannot be {value!r}; see {EXAMPLE}")
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in table.items()})


def _check(stage: Stage, path: Path) -> None:
    """Refuse what would never end, or end somewhere inside of the network."""
    rules = (
        (stage.size >= 16 and stage.size % 16 == 0, f"size = {stage.size} is no multiple of 16"),
        (stage.batch >= 2, f"batch = {stage.batch} is less than the 2 that batch norm needs"),
        (stage.images >= 1, f"images = {stage.images} is less than 1"),
        (0 < stage.smallest <= 1, f"smallest = {stage.smallest} is not above 0 and at most 1"),
    )
    for holds, fault in rules:
        if not holds:
            raise UsageError(f"{path}: stage with {fault}; see {EXAMPLE}")
