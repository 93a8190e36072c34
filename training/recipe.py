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

    Raises UsageError when the file is missing, is not TOML, or lacks or adds a field.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: no recipe can be read here ({error.strerror}); give a .toml file") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not a TOML file ({error}); see training/recipes/lite.toml") from error
    stages = tuple(_build(Stage, stage, path) for stage in table.pop("stages", []))
    return _build(Recipe, table | {"stages": stages}, path)


def _build(kind: type[Any], table: dict[str, Any], path: Path) -> Any:
    known = {field.name for field in fields(kind)}
    odd = sorted(known ^ table.keys())
    if odd:
        lacking, adding = [n for n in odd if n in known], [n for n in odd if n not in known]
        said = [f"lacks {', '.join(lacking)}"] if lacking else []
        said += [f"has the unknown {', '.join(adding)}"] if adding else []
        raise UsageError(f"{path}: {kind.__name__.lower()} {' and '.join(said)}; see training/recipes/lite.toml")
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in table.items()})
