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
from colorrt.training.recipe import (
    KINDS,
    NETWORKS,
    CriticRecipe,
    LossRecipe,
    NetworkRecipe,
    OptimizerRecipe,
    Recipe,
    Stage,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXAMPLE = "training/recipes/lite.toml"
# The types of a TOML value that each annotation takes. `bool` is an `int` to Python alone, so types are compared.
_VALUES: dict[str, tuple[type, ...]] = {
    "str": (str,),
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
    shipped = resources.files("colorrt.training") / "recipes" / f"{name}.toml"
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
    kinds |= {"loss": LossRecipe, "critic": CriticRecipe}
    for name, kind in kinds.items():
        if name in table:
            part = table.pop(name)
            if not isinstance(part, dict):
                raise ValueError(f"{name} is a table, [{name}], and cannot be {_brief(part)}")
            parts[name] = _build(kind, part, name)
    recipe = _build(Recipe, table, "recipe", parts)
    _check(recipe)
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
            raise ValueError(f"{where}: {name} cannot be {_brief(value)}")
        if any(isinstance(item, float) and not math.isfinite(item) for item in items):
            raise ValueError(f"{where}: {name} = {_brief(value)} is not a finite number")
        if any(isinstance(item, int | float) and abs(item) > _LARGEST for item in items):
            raise ValueError(f"{where}: {name} = {_brief(value)} is more than {_LARGEST:,}, which no training needs")
        values[name] = tuple(value) if isinstance(value, list) else value
    return kind(**values, **parts)


def _check(recipe: Recipe) -> None:
    """Refuse what would never end, or end somewhere inside of the network."""
    network, loss, optimizer = recipe.network, recipe.loss, recipe.optimizer
    _choices("network", "name", network.name, NETWORKS)
    _choices("network", "encoder", network.encoder, ("published", "random"))
    _choices("network", "norms", network.norms, ("plain", "spectral"))
    _choices("network", "statistics", network.statistics, ("moving", "frozen"))
    _choices("network", "attention", network.attention, ("equation5", "published"))
    _choices("network", "limits", network.limits, ("equation6", "published"))
    _choices("network", "lightness", network.lightness, ("color", "gray"))
    _choices("network", "batch_norm", network.batch_norm, ("affine", "batch"))
    _choices("network", "initial", network.initial, ("uniform", "normal"))
    for name in ("feature_dropout", "dropout", "encoder_dropout"):
        chance = getattr(network, name)
        _rule(0 <= chance < 1, f"network: {name} = {chance} is not a probability")
    _choices("network", "body", network.body, ("lite0", "lite1", "lite2"))
    _rule(len(network.widths) <= 4, "network: widths are at most four")
    _rule(network.attention_at in (16, 32), "network: attention_at is 16 or 32")
    _rule(min((network.inner, *network.widths)) >= 1, "network: widths and inner are at least 1")
    _choices("loss", "pixel", loss.pixel, ("huber", "l1", "l2"))
    _choices("loss", "coarse_pixel", loss.coarse_pixel, ("huber", "l1", "l2"))
    _choices("loss", "compared_at", loss.compared_at, ("full", "decoder"))
    _rule(loss.coarse_side >= 1, f"loss: coarse_side = {loss.coarse_side} is not above 0")
    _rule(loss.compared_at == "full" or network.name == "lite", 'loss: compared_at = "decoder" is for lite')
    _choices("loss", "features", loss.features, ("none", "vgg", "efficientnet", "auto"))
    _choices("optimizer", "schedule", optimizer.schedule, ("stage", "whole"))
    _choices("optimizer", "rise", optimizer.rise, ("cosine", "linear"))
    _rule(len(loss.feature_weights) == 3, "loss: feature_weights are three numbers")
    _rule(len(optimizer.momentum) == 2, "optimizer: momentum is two numbers, the high and the low end")
    _rule(0 <= optimizer.average < 1, f"optimizer: average = {optimizer.average} is not at least 0 and below 1")
    _rule(0 <= recipe.holdout < 1, f"recipe: holdout = {recipe.holdout} is not at least 0 and below 1")
    _rule(recipe.short_side >= 16, f"recipe: short_side = {recipe.short_side} is less than 16")
    _rule(0 <= recipe.blend < 1, f"recipe: blend = {recipe.blend} is not at least 0 and below 1")
    _rule(recipe.seed >= 0, f"recipe: seed = {recipe.seed} is below 0")
    _rule(recipe.cache_gigabytes >= 0, f"recipe: cache_gigabytes = {recipe.cache_gigabytes} is below 0")
    _rule(
        0 <= optimizer.second_beta < 1, f"optimizer: second_beta = {optimizer.second_beta} is not at least 0, below 1"
    )
    _rule(0 <= loss.hue_rarity <= 1, f"loss: hue_rarity = {loss.hue_rarity} is not from 0 to 1")
    _rule(loss.hue_rarity == 0 or loss.rarity > 0, "loss: hue_rarity weighs rarity, which is not given")
    _rule(loss.cast >= 0, f"loss: cast = {loss.cast} is below 0")
    _check_course(optimizer)
    _rule(recipe.validation_photos >= 1, f"recipe: validation_photos = {recipe.validation_photos} is less than 1")
    _rule(0 <= recipe.gray_limit < 1, f"recipe: gray_limit = {recipe.gray_limit} is not at least 0 and below 1")
    _check_views(loss)
    _rule(0 < loss.rebalance <= 1, f"loss: rebalance = {loss.rebalance} is not above 0 and at most 1")
    _check_critic(recipe.critic)
    for name in ("bins_weight", "knowledge"):
        _rule(
            getattr(loss, name) == 0 or network.name in ("lite", "lite-bins"),
            f"loss: {name} is for lite and lite-bins, not for {network.name}",
        )
    for stage in recipe.stages:
        _check_stage(stage)
        least = 16 if stage.kind == "supervised" else recipe.critic.least_size
        _rule(stage.size >= least, f"stage with size = {stage.size} is below the {least} that its critic needs")
        rates = ((stage.encoder_rate, optimizer.encoder_rate), (stage.decoder_rate, optimizer.decoder_rate))
        learns = any((asked if own < 0 else own) > 0 for own, asked in rates)
        _rule(learns or stage.kind == "critic", "stage in which nothing would learn: its rates are all zero")


def _check_views(loss: LossRecipe) -> None:
    _rule(0 <= loss.view_share <= 1, f"loss: view_share = {loss.view_share} is not from 0 to 1")
    _rule(
        loss.view_share == 0 or loss.compared_at == "decoder",
        'loss: view_share is for lite, with compared_at = "decoder"',
    )
    _rule(loss.consistency == 0 or loss.view_share > 0, "loss: consistency compares views, and view_share is 0")
    sizes = loss.view_sizes
    _rule(
        bool(sizes) and all(size >= 16 and size % 16 == 0 for size in sizes),
        f"loss: view_sizes = {list(sizes)} are not multiples of 16",
    )


def _check_course(optimizer: OptimizerRecipe) -> None:
    _choices("optimizer", "method", optimizer.method, ("adamw", "adam", "sgd"))
    _choices("optimizer", "course", optimizer.course, ("cycle", "exponential", "staircase"))
    _rule(0 < optimizer.decay <= 1, f"optimizer: decay = {optimizer.decay} is not above 0 and at most 1")
    _rule(optimizer.decay_steps >= 1, f"optimizer: decay_steps = {optimizer.decay_steps} is less than 1")
    _rule(0 <= optimizer.least <= 1, f"optimizer: least = {optimizer.least} is not from 0 to 1")


def _check_critic(critic: CriticRecipe) -> None:
    _rule(min(critic.width, critic.blocks) >= 1, "critic: width and blocks are at least 1")
    _rule(0 <= critic.dropout < 1, f"critic: dropout = {critic.dropout} is not a probability")
    for name in ("betas", "gan_betas"):
        betas = getattr(critic, name)
        _rule(len(betas) == 2 and all(0 <= beta < 1 for beta in betas), f"critic: {name} are two, from 0 to below 1")


def _check_stage(stage: Stage) -> None:
    _choices("stage", "kind", stage.kind, KINDS)
    _choices("stage", "mirror", stage.mirror, ("random", "never"))
    _choices("stage", "aging", stage.aging, ("old", "specks", "none"))
    lengths = [name for name in ("images", "epochs", "steps") if getattr(stage, name)]
    _rule(stage.size >= 16 and stage.size % 16 == 0, f"stage with size = {stage.size} is not a multiple of 16")
    _rule(stage.batch >= 2, f"stage with batch = {stage.batch} is less than the 2 that batch norm needs")
    _rule(len(lengths) == 1, f"stage with {' and '.join(lengths) or 'no length'}: give one of images, epochs and steps")
    for name in (*lengths, "accumulate", "save_every"):
        _rule(getattr(stage, name) > 0, f"stage with {name} = {getattr(stage, name)} is not above 0")
    _rule(0 < stage.smallest <= 1, f"stage with smallest = {stage.smallest} is not above 0 and at most 1")
    _rule(
        not stage.source_weights or len(stage.source_weights) == len(stage.sources),
        "stage: source_weights are as many as sources",
    )
    _rule(bool(stage.sources), "stage: sources are empty")
    for source in stage.sources:
        below = bool(source) and not Path(source).is_absolute() and ".." not in Path(source).parts
        _rule(below, f"stage: sources cannot hold {_brief(source)}, only patterns below the data folder")
    _rule(
        min(stage.source_weights, default=1) > 0,
        f"stage with source_weights = {list(stage.source_weights)}: not above 0",
    )
    _rule(len(stage.favored) == len(stage.favor), "stage: favored and favor are equally many")
    _rule(min(stage.favor, default=1) > 0, f"stage with favor = {list(stage.favor)} is not above 0")
    _rule(stage.kind == "supervised" or stage.critic_rate > 0, f"stage of kind {stage.kind} needs a critic_rate")


def _brief(value: object) -> str:
    """Return a value for a message."""
    try:
        return in_one_line(repr(value)[:80])
    except (RecursionError, ValueError):
        # Python writes no numbers of thousands of digits.
        return f"this {type(value).__name__}"


def _choices(where: str, name: str, value: str, choices: tuple[str, ...]) -> None:
    _rule(value in choices, f"{where}: {name} cannot be {_brief(value)}, but {', '.join(choices)}")


def _rule(holds: bool, fault: str) -> None:
    if not holds:
        raise ValueError(fault)
