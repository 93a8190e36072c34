"""What a recipe may say: values that exist, and numbers with which a training comes to an end."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from colorrt.atomic import in_one_line
from colorrt.training.recipes.recipe import (
    KINDS,
    NETWORKS,
    PAPER_NETWORKS,
    CriticRecipe,
    JudgesRecipe,
    LossRecipe,
    NetworkRecipe,
    OptimizerRecipe,
    Recipe,
    Stage,
)

# What trainings by the papers heed of a loss, and what they do not of a network.
_PAPER_LOSS = {"pixel", "pixel_weight", "knee", "blur", "neighbors", "rebalance"}
_NOT_OF_PAPERS = {"norms", "feature_dropout", "stem", "depths", "widths"}


def check(recipe: Recipe) -> None:
    """Refuse what would never end, or end somewhere inside of the network. Raises ValueError."""
    network, loss, optimizer = recipe.network, recipe.loss, recipe.optimizer
    _check_network(network)
    _choices("loss", "pixel", loss.pixel, ("huber", "l1", "l2"))
    _choices("loss", "blur", loss.blur, ("none", "normalized", "published"))
    dahl = network.name in ("dahl-residual", "dahl-hypercolumns")
    _rule(loss.blur == "none" or dahl, f"loss: blur is for Dahl's networks, not for {network.name}")
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
    _check_patterns("recipe: validation", recipe.validation)
    _rule(recipe.validation_photos >= 1, f"recipe: validation_photos = {recipe.validation_photos} is less than 1")
    _rule(0 <= recipe.gray_limit < 1, f"recipe: gray_limit = {recipe.gray_limit} is not at least 0 and below 1")
    _rule(1 <= loss.neighbors <= 50, f"loss: neighbors = {loss.neighbors} is not from 1 to 50")
    if network.name in PAPER_NETWORKS:
        _check_paper_options(network, loss)
    _check_views(loss)
    _rule(0 < loss.rebalance <= 1, f"loss: rebalance = {loss.rebalance} is not above 0 and at most 1")
    _check_critic(recipe.critic)
    _check_judges(recipe.judges)
    for name in ("bins_weight", "knowledge"):
        _rule(
            getattr(loss, name) == 0 or network.name in ("lite", "lite-bins"),
            f"loss: {name} is for lite and lite-bins, not for {network.name}",
        )
    for stage in recipe.stages:
        _check_stage(stage)
        least = recipe.critic.least_size if stage.kind in ("critic", "gan") else 16
        own = network.name in PAPER_NETWORKS
        _rule(
            stage.kind == "supervised" or own == (stage.kind == "judged"),
            f"stage of kind {stage.kind} is not for {network.name}",
        )
        _rule(stage.size >= least, f"stage with size = {stage.size} is below the {least} that its critic needs")
        rates = ((stage.encoder_rate, optimizer.encoder_rate), (stage.decoder_rate, optimizer.decoder_rate))
        learns = any((asked if own < 0 else own) > 0 for own, asked in rates)
        _rule(learns or stage.kind == "critic", "stage in which nothing would learn: its rates are all zero")


def _check_network(network: NetworkRecipe) -> None:
    _choices("network", "name", network.name, NETWORKS)
    _choices("network", "encoder", network.encoder, ("published", "random"))
    _choices("network", "norms", network.norms, ("plain", "spectral"))
    _choices("network", "statistics", network.statistics, ("moving", "frozen"))
    _choices("network", "attention", network.attention, ("equation5", "published"))
    _choices("network", "limits", network.limits, ("equation6", "published"))
    _choices("network", "lightness", network.lightness, ("color", "gray"))
    _choices("network", "batch_norm", network.batch_norm, ("affine", "batch"))
    _check_fusion(network)
    _choices("network", "vgg", network.vgg, ("caffe", "torchvision"))
    _choices("network", "initial", network.initial, ("uniform", "normal"))
    for name in ("feature_dropout", "dropout", "encoder_dropout"):
        chance = getattr(network, name)
        _rule(0 <= chance < 1, f"network: {name} = {chance} is not a probability")
    _choices("network", "body", network.body, ("lite0", "lite1", "lite2"))
    _rule(len(network.widths) <= 4, "network: widths are at most four")
    _rule(network.attention_at in (16, 32), "network: attention_at is 16 or 32")
    _rule(min((network.inner, *network.widths)) >= 1, "network: widths and inner are at least 1")


def _check_fusion(network: NetworkRecipe) -> None:
    _choices("network", "extractor", network.extractor, ("lite", "inception", "convnext"))
    _rule(1 <= network.features < 1000, f"network: features = {network.features} is not from 1 to 999")
    _rule(2 <= network.bins <= 1000, f"network: bins = {network.bins} is not from 2 to 1000")


def _check_paper_options(network: NetworkRecipe, loss: LossRecipe) -> None:
    """Refuse what trainings by the papers would pass over in silence."""
    for part, ignored in ((loss, {one.name for one in fields(loss)} - _PAPER_LOSS), (network, _NOT_OF_PAPERS)):
        for one in fields(part):
            said = one.name in ignored and getattr(part, one.name) != one.default
            _rule(not said, f"{one.name} is not for {network.name}")


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


def _check_judges(judges: JudgesRecipe) -> None:
    _choices("judges", "norm", judges.norm, ("none", "batch"))
    for name in ("width", "generator_steps", "classes"):
        _rule(getattr(judges, name) >= 1, f"judges: {name} = {getattr(judges, name)} is less than 1")
    _rule(0 <= judges.real_label <= 1, f"judges: real_label = {judges.real_label} is not from 0 to 1")
    _rule(judges.classifier_weight >= 0, f"judges: classifier_weight = {judges.classifier_weight} is below 0")


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
    _check_patterns("stage: sources", stage.sources)
    _rule(
        min(stage.source_weights, default=1) > 0,
        f"stage with source_weights = {list(stage.source_weights)}: not above 0",
    )
    _rule(len(stage.favored) == len(stage.favor), "stage: favored and favor are equally many")
    _rule(min(stage.favor, default=1) > 0, f"stage with favor = {list(stage.favor)} is not above 0")
    _rule(stage.kind == "supervised" or stage.critic_rate > 0, f"stage of kind {stage.kind} needs a critic_rate")


def _check_patterns(where: str, patterns: tuple[str, ...]) -> None:
    for pattern in patterns:
        below = bool(pattern) and not Path(pattern).is_absolute() and ".." not in Path(pattern).parts
        _rule(below, f"{where} cannot hold {brief(pattern)}, only patterns below the data folder")


def brief(value: object) -> str:
    """Return a value for a message, in one line."""
    try:
        return in_one_line(repr(value)[:80])
    except (RecursionError, ValueError):
        # Python writes no numbers of thousands of digits.
        return f"this {type(value).__name__}"


def _choices(where: str, name: str, value: str, choices: tuple[str, ...]) -> None:
    _rule(value in choices, f"{where}: {name} cannot be {brief(value)}, but {', '.join(choices)}")


def _rule(holds: bool, fault: str) -> None:
    if not holds:
        raise ValueError(fault)
