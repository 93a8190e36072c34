"""Recipes: everything that decides a training, but for the photographs, as a TOML file."""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from colorrt.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXAMPLE = "training/recipes/lite.toml"
NETWORKS = ("lite", "lite-bins", "deoldify-artistic", "deoldify-wide", "ipol")
KINDS = ("supervised", "critic", "gan")
# The types of a TOML value that each annotation takes. `bool` is an `int` to Python alone, so types are compared.
_VALUES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "tuple[str, ...]": (str,),
    "tuple[int, ...]": (int,),
    "tuple[float, ...]": (float, int),
}
_INHERIT = -1.0
T = TypeVar("T")


@dataclass(frozen=True)
class NetworkRecipe:
    """What is trained."""

    name: str
    """One of `NETWORKS`."""
    encoder: str = "published"
    """"published": begins with ImageNet weights; "random"."""
    norms: str = "plain"
    """"spectral": spectral norm on the decoder's convolutions while they are trained; "plain"."""
    statistics: str = "moving"
    """Of the encoder's batch norms: "moving" with the batches, or "frozen" as ImageNet left them."""
    attention: str = "equation5"
    """Of ipol: "equation5" or "published", the axis that the weights sum to one over."""
    limits: str = "equation6"
    """Of ipol: "equation6" or "published", the range of the guess."""
    feature_dropout: float = 0.0
    """Chance that a channel going into the first two up blocks is silenced; half of it for those of the skips."""
    body: str = "lite0"
    """Of lite: the EfficientNet-Lite encoder, "lite0", "lite1" or "lite2"."""
    widths: tuple[int, ...] = ()
    """Of lite: channels of the up blocks, one to four, the first at 1/16 of the size; empty: four, as shipped first."""
    inner: int = 40
    """Of lite: inner width of attention."""
    width: int = 0
    """Channels of the first up block; 0: those of the published network. For trials and tests."""
    stem: int = 0
    """Channels of the stem and of the first stage of a ResNet; 0: as published. For trials and tests."""
    depths: tuple[int, ...] = ()
    """Blocks of the four stages of a ResNet; empty: as published."""


@dataclass(frozen=True)
class LossRecipe:
    """What the supervised training minimizes; see `colorrt.training.losses`."""

    pixel: str = "l1"
    """"l1", "l2" or "huber"."""
    pixel_weight: float = 1.0
    knee: float = 0.05
    """Where huber turns from quadratic to linear."""
    rarity: float = 0.0
    coarse: float = 0.0
    coarse_pixel: str = "l1"
    features: str = "none"
    """"none"; "vgg": VGG-16 with batch norm from a file; "efficientnet"; "auto": vgg where its file is given."""
    feature_weights: tuple[float, ...] = (20.0, 70.0, 10.0)
    """From the shallowest of the three layers to the deepest."""
    stability: float = 0.0
    stability_noise: float = 0.0
    """Highest standard deviation of the noise, in the units of luma."""
    bins_weight: float = 0.0
    """Of the cross-entropy over colors; "lite" learns it beside its own head, "lite-bins" by its head."""
    rebalance: float = 0.5
    """1 weighs all colors alike; 0 would weigh each by the inverse of how often it occurs."""


@dataclass(frozen=True)
class OptimizerRecipe:
    """AdamW and its one cycle; see `colorrt.training.schedule`."""

    decoder_rate: float
    encoder_rate: float
    """0 freezes the encoder."""
    early_rate: float = _INHERIT
    """Of the encoder's shallower half; that of the encoder when not given."""
    weight_decay: float = 0.01
    second_beta: float = 0.999
    schedule: str = "stage"
    """"stage": a cycle and a fresh AdamW for each stage; "whole": one for all of them."""
    warmup: float = 0.3
    start: float = 0.04
    end: float = 0.0
    rise: str = "cosine"
    momentum: tuple[float, ...] = (0.9, 0.9)
    """The high and the low end."""
    clip: float = 0.0
    """Largest norm of the gradient; 0: any."""
    average: float = 0.0
    """Decay of the moving average of the weights, a step; 0: none is kept."""


@dataclass(frozen=True)
class CriticRecipe:
    """The judge of NoGAN stages."""

    width: int = 256
    blocks: int = 3
    dropout: float = 0.15
    weight_decay: float = 1e-3
    betas: tuple[float, ...] = (0.9, 0.99)
    """Of AdamW while the critic is pretrained."""
    gan_betas: tuple[float, ...] = (0.0, 0.9)
    """Of both AdamWs in the GAN."""


@dataclass(frozen=True)
class Stage:
    """One stretch of a training at one size. Exactly one of `images`, `epochs` and `steps` says how long."""

    size: int
    batch: int
    sources: tuple[str, ...]
    """Files below the data folder: shards or folders, as glob patterns."""
    kind: str = "supervised"
    """"supervised"; "critic": the critic is pretrained; "gan": both in turn."""
    images: int = 0
    epochs: float = 0.0
    steps: int = 0
    accumulate: int = 1
    """Batches a step."""
    smallest: float = 1.0
    """The least part of each side of a photograph that a square shows."""
    aging: str = "old"
    """What happens to luma: "old" (see `colorrt.training.augment`), "specks" (DeOldify's noise), "none"."""
    source_weights: tuple[float, ...] = ()
    """How often photographs of each pattern are drawn, relative to each other; empty: each once an epoch."""
    decoder_rate: float = _INHERIT
    encoder_rate: float = _INHERIT
    early_rate: float = _INHERIT
    warmup: float = _INHERIT
    critic_rate: float = 0.0
    critic_weight: float = 1.0
    """In a GAN: of the critic's word in the generator's loss."""
    pixel_weight: float = 1.0
    """In a GAN: of the supervised loss."""
    threshold: float = 0.65
    """In a GAN: the generator's turn comes when the critic's loss is below it."""
    save_every: int = 100
    """In a GAN: steps between the weights that are kept to choose from."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training, but for the photographs."""

    seed: int
    short_side: int
    network: NetworkRecipe
    optimizer: OptimizerRecipe
    stages: tuple[Stage, ...]
    loss: LossRecipe = field(default_factory=LossRecipe)
    critic: CriticRecipe = field(default_factory=CriticRecipe)
    holdout: float = 0.0
    """Share of the photographs kept for validation, chosen by their names."""
    cache_gigabytes: float = 2.0
    """Decoded photographs kept in memory."""


def find_recipe(name: str) -> Path:
    """Return the file of a recipe: a path, or the name of one that ships ("lite"). It may not exist."""
    path = Path(name)
    if path.suffix == ".toml" or path.exists():
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
        raise UsageError(f"{path}: not a TOML file ({error}); see {EXAMPLE}") from error
    try:
        return _recipe(table)
    except ValueError as error:
        raise UsageError(f"{path}: {error}; see {EXAMPLE}") from error


def shrink(recipe: Recipe, steps: int | None, scale: float) -> Recipe:
    """Return the recipe for a trial: `steps` a stage (None: as it says), sizes and batches times `scale`."""
    stages = []
    for stage in recipe.stages:
        if steps is not None:
            stage = replace(stage, images=0, epochs=0.0, steps=steps)  # noqa: PLW2901
        size = max(32, 16 * round(stage.size * scale / 16))
        stages.append(replace(stage, size=size, batch=max(2, round(stage.batch * scale))))
    return replace(recipe, stages=tuple(stages)) if (steps, scale) != (None, 1.0) else recipe


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
                raise ValueError(f"{name} is a table, [{name}], and cannot be {part!r}")
            parts[name] = _build(kind, part, name)
    recipe = _build(Recipe, table, "recipe", parts)
    _check(recipe)
    return recipe


def _build(kind: type[T], table: dict[str, Any], where: str, parts: dict[str, Any] | None = None) -> T:
    parts = parts or {}
    known = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
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
            raise ValueError(f"{where}: {name} cannot be {value!r}")
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
    _choices("network", "body", network.body, ("lite0", "lite1", "lite2"))
    _rule(len(network.widths) <= 4, "network: widths are at most four")
    _rule(min((network.inner, *network.widths)) >= 1, "network: widths and inner are at least 1")
    _choices("loss", "pixel", loss.pixel, ("huber", "l1", "l2"))
    _choices("loss", "coarse_pixel", loss.coarse_pixel, ("huber", "l1", "l2"))
    _choices("loss", "features", loss.features, ("none", "vgg", "efficientnet", "auto"))
    _choices("optimizer", "schedule", optimizer.schedule, ("stage", "whole"))
    _choices("optimizer", "rise", optimizer.rise, ("cosine", "linear"))
    _rule(len(loss.feature_weights) == 3, "loss: feature_weights are three numbers")
    _rule(len(optimizer.momentum) == 2, "optimizer: momentum is two numbers, the high and the low end")
    _rule(0 <= optimizer.average < 1, f"optimizer: average = {optimizer.average} is not at least 0 and below 1")
    _rule(0 <= network.feature_dropout < 1, f"network: feature_dropout = {network.feature_dropout} is no chance")
    _rule(0 <= recipe.holdout < 1, f"recipe: holdout = {recipe.holdout} is not at least 0 and below 1")
    _rule(recipe.short_side >= 16, f"recipe: short_side = {recipe.short_side} is less than 16")
    _rule(
        loss.bins_weight == 0 or network.name in ("lite", "lite-bins"),
        f"loss: bins_weight is for lite and lite-bins, not for {network.name}",
    )
    for stage in recipe.stages:
        _check_stage(stage)
        rates = ((stage.encoder_rate, optimizer.encoder_rate), (stage.decoder_rate, optimizer.decoder_rate))
        learns = any((asked if own < 0 else own) > 0 for own, asked in rates)
        _rule(learns or stage.kind == "critic", "stage in which nothing would learn: its rates are all zero")


def _check_stage(stage: Stage) -> None:
    _choices("stage", "kind", stage.kind, KINDS)
    _choices("stage", "aging", stage.aging, ("old", "specks", "none"))
    lengths = [name for name in ("images", "epochs", "steps") if getattr(stage, name)]
    _rule(stage.size >= 16 and stage.size % 16 == 0, f"stage with size = {stage.size} is no multiple of 16")
    _rule(stage.batch >= 2, f"stage with batch = {stage.batch} is less than the 2 that batch norm needs")
    _rule(len(lengths) == 1, f"stage with {' and '.join(lengths) or 'no length'}: give one of images, epochs and steps")
    for name in (*lengths, "accumulate", "save_every"):
        _rule(getattr(stage, name) > 0, f"stage with {name} = {getattr(stage, name)} is not above 0")
    _rule(0 < stage.smallest <= 1, f"stage with smallest = {stage.smallest} is not above 0 and at most 1")
    _rule(
        not stage.source_weights or len(stage.source_weights) == len(stage.sources),
        "stage: source_weights are as many as sources",
    )
    _rule(stage.kind == "supervised" or stage.critic_rate > 0, f"stage of kind {stage.kind} needs a critic_rate")


def _choices(where: str, name: str, value: str, choices: tuple[str, ...]) -> None:
    _rule(value in choices, f"{where}: {name} cannot be {value!r}, but {', '.join(choices)}")


def _rule(holds: bool, fault: str) -> None:
    if not holds:
        raise ValueError(fault)
