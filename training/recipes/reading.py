"""Recipes as TOML files: found, read, and refused where they make no sense."""

from __future__ import annotations

import math
import sys
from dataclasses import MISSING, fields
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from colorrt.atomic import in_one_line
from colorrt.errors import UsageError
from colorrt.training.recipes.recipe import (
    CriticRecipe,
    JudgesRecipe,
    LossRecipe,
    NetworkRecipe,
    OptimizerRecipe,
    Recipe,
    Stage,
)
from colorrt.training.recipes.rules import brief, check

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXAMPLE = "training/recipes/lite.toml"
# The types of a TOML value that each annotation takes. `bool` is an `int` to Python alone, so types are compared.
_VALUES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
    "tuple[str, ...]": (str,),
    "tuple[int, ...]": (int,),
    "tuple[float, ...]": (float, int),
}
# Of any number in a recipe.
_LARGEST = 10**15
T = TypeVar("T")


def find_recipe(name: str) -> Path:
    """Return the file of a recipe: a path, or the name of one that ships ("lite"). It may not exist."""
    path = Path(name)
    if path.suffix == ".toml" or path.is_file():
        return path
    shipped = resources.files("colorrt.training.recipes") / f"{name}.toml"
    return Path(str(shipped))


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
        raise UsageError(f"{path}: not a TOML file ({in_one_line(error)}); see {EXAMPLE}") from error
    except RecursionError as error:
        raise UsageError(f"{path}: it is nested more deeply than any recipe; see {EXAMPLE}") from error
    try:
        return _recipe(table)
    except ValueError as error:
        raise UsageError(f"{path}: {in_one_line(error)}; see {EXAMPLE}") from error


def _recipe(table: dict[str, Any]) -> Recipe:
    stages = table.pop("stages", [])
    if not (isinstance(stages, list) and stages and all(isinstance(stage, dict) for stage in stages)):
        raise ValueError("a recipe needs one or more [[stages]]")
    parts: dict[str, Any] = {"stages": tuple(_build(Stage, stage, "stage") for stage in stages)}
    kinds: dict[str, type[Any]] = {"network": NetworkRecipe, "optimizer": OptimizerRecipe}
    kinds |= {"loss": LossRecipe, "critic": CriticRecipe, "judges": JudgesRecipe}
    for name, kind in kinds.items():
        if name in table:
            part = table.pop(name)
            if not isinstance(part, dict):
                raise ValueError(f"{name} is a table, [{name}], and cannot be {brief(part)}")
            parts[name] = _build(kind, part, name)
    recipe = _build(Recipe, table, "recipe", parts)
    check(recipe)
    return recipe


def _build(kind: type[T], table: dict[str, Any], where: str, parts: dict[str, Any] | None = None) -> T:
    parts = parts or {}
    known = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]  # T is always a dataclass
    given = table.keys() | parts.keys()
    needed = {n for n, one in known.items() if one.default is MISSING and one.default_factory is MISSING}
    lacking, adding = sorted(needed - given), sorted(given - known.keys())
    if lacking or adding:
        said = [f"lacks {', '.join(lacking)}"] if lacking else []
        said += [f"has the unknown {', '.join(adding)}"] if adding else []
        raise ValueError(f"{where} {' and '.join(said)}")
    values = {}
    for name, value in table.items():
        annotation = str(known[name].type)
        allowed = _VALUES.get(annotation)
        items = value if annotation.startswith("tuple") and isinstance(value, list) else [value]
        whole = isinstance(value, list) == annotation.startswith("tuple")
        if allowed is None or not whole or any(type(item) not in allowed for item in items):
            raise ValueError(f"{where}: {name} cannot be {brief(value)}")
        if any(isinstance(item, float) and not math.isfinite(item) for item in items):
            raise ValueError(f"{where}: {name} = {brief(value)} is not a finite number")
        if any(isinstance(item, int | float) and abs(item) > _LARGEST for item in items):
            raise ValueError(f"{where}: {name} = {brief(value)} is more than {_LARGEST:,}, which no training needs")
        values[name] = tuple(value) if isinstance(value, list) else value
    return kind(**values, **parts)
