"""One step of each kind of stage: supervised, of the critic alone, of both in turn (NoGAN)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from colorrt.training.losses.critic import adversarial_loss, critic_loss
from colorrt.training.objective import Examples, Objective
from colorrt.training.recipes.recipe import OptimizerRecipe, Recipe, Stage
from colorrt.training.schedule import Cycle, decayed
from colorrt.training.state import State
from colorrt.training.validation import trainee_clamped


def rates_of(recipe: OptimizerRecipe, stage: Stage) -> tuple[float, float, float]:
    """Highest rates of the encoder's shallower half, its deeper half and the rest, in a stage."""
    encoder = recipe.encoder_rate if stage.encoder_rate < 0 else stage.encoder_rate
    early = recipe.early_rate if stage.early_rate < 0 else stage.early_rate
    decoder = recipe.decoder_rate if stage.decoder_rate < 0 else stage.decoder_rate
    return (encoder if early < 0 else early), encoder, decoder


def cycle_of(recipe: OptimizerRecipe, stage: Stage) -> Cycle:
    """The cycle of a stage; a GAN's rate stays where it is, as DeOldify has it."""
    if stage.kind == "gan":
        return Cycle(0.0, 1.0, 1.0, "linear", (0.0, 0.0))
    warmup = recipe.warmup if stage.warmup < 0 else stage.warmup
    high, low = recipe.momentum
    return Cycle(warmup, recipe.start, recipe.end, recipe.rise, (high, low))


def make_optimizer(state: State, recipe: Recipe, stage: Stage) -> Optimizer:
    """Make the optimizer of the generator; parts whose rate is zero are frozen."""
    asked = recipe.optimizer
    betas = recipe.critic.gan_betas if stage.kind == "gan" else (asked.momentum[0], asked.second_beta)
    decay = recipe.critic.weight_decay if stage.kind == "gan" else asked.weight_decay
    early, encoder, rest = state.trainee.parameters()
    if state.side is not None:
        rest = [*rest, *state.side.parameters()]
    groups = [{"params": part, "lr": 0.0} for part in (early, encoder, rest)]
    if asked.method == "sgd":
        return SGD(groups, lr=0.0, weight_decay=decay)
    if asked.method == "adam":
        # Fused: small batches of large networks spend a tenth of a step here otherwise.
        return Adam(groups, lr=0.0, betas=(betas[0], betas[1]), weight_decay=decay, fused=True)
    return AdamW(groups, lr=0.0, betas=(betas[0], betas[1]), weight_decay=decay)


def make_critic_optimizer(critic: nn.Module, recipe: Recipe, stage: Stage) -> Optimizer:
    """Make the optimizer of the critic: AdamW, or for the judges of papers Adam as the network has it."""
    if stage.kind == "judged":
        asked = recipe.optimizer
        return Adam(critic.parameters(), lr=0.0, betas=(asked.momentum[0], asked.second_beta), fused=True)
    betas = recipe.critic.gan_betas if stage.kind == "gan" else recipe.critic.betas
    return AdamW(critic.parameters(), lr=0.0, betas=(betas[0], betas[1]), weight_decay=recipe.critic.weight_decay)


def set_pace(state: State, recipe: Recipe, stage: Stage, progress: float) -> tuple[float, float]:
    """Set rates and momenta for `progress` (0..1). Returns the decoder's rate and momentum (or the critic's)."""
    asked = recipe.optimizer
    cycle, rates = cycle_of(asked, stage), rates_of(asked, stage)
    share, beta = cycle.rate(progress), cycle.beta(progress)
    if asked.course != "cycle":
        share = max(asked.least, decayed(asked.course, asked.decay, asked.decay_steps, state.step))
        beta = asked.momentum[0]
    if state.optimizer is not None:
        for group, highest in zip(state.optimizer.param_groups, rates, strict=True):
            group["lr"] = share * highest
            if stage.kind != "gan" and "betas" in group:
                group["betas"] = (beta, group["betas"][1])
            for parameter in group["params"]:
                parameter.requires_grad_(highest > 0)
    if state.critic_optimizer is not None:
        for group in state.critic_optimizer.param_groups:
            group["lr"] = share * stage.critic_rate
    return share * (stage.critic_rate if stage.kind == "critic" else rates[2]), beta


def take_step(
    state: State,
    recipe: Recipe,
    stage: Stage,
    objective: Objective,
    prepared: Sequence[Examples],
    precision: AbstractContextManager[Any],
) -> dict[str, float]:
    """Take one step on `prepared` (as many as the stage accumulates). Returns the terms of the loss by name."""
    if stage.kind == "critic":
        return _critic_step(state, objective, prepared, precision, frozen=True)
    if stage.kind == "supervised":
        return _generator_step(state, recipe, objective, prepared, precision, None)
    if state.generator_turn:
        state.generator_turn = False
        return _generator_step(state, recipe, objective, prepared, precision, stage)
    terms = _critic_step(state, objective, prepared, precision, frozen=False)
    # The generator has its turn once the critic can tell: DeOldify's adaptive switch.
    state.generator_turn = terms["critic"] < stage.threshold
    return terms


def _generator_step(
    state: State,
    recipe: Recipe,
    objective: Objective,
    prepared: Sequence[Examples],
    precision: AbstractContextManager[Any],
    gan: Stage | None,
) -> dict[str, float]:
    assert state.optimizer is not None
    sums: dict[str, float] = {}
    state.optimizer.zero_grad(set_to_none=True)
    for examples in prepared:
        with precision:
            answer = objective.answer(examples)
        terms = objective.loss(examples, answer)
        if gan is not None:
            assert state.critic is not None
            terms = {name: gan.pixel_weight * term for name, term in terms.items()}
            state.critic.requires_grad_(False)
            with precision:
                scores = state.critic(answer.rgb)
            state.critic.requires_grad_(True)
            terms["adversarial"] = gan.critic_weight * adversarial_loss(scores.float(), real=True)
        backward(state, _sum(terms.values()) / len(prepared))
        for name, term in terms.items():
            sums[name] = sums.get(name, 0.0) + term.item() / len(prepared)
    advance(state, state.optimizer, state.trainee.network, recipe.optimizer.clip)
    return sums


def _critic_step(
    state: State,
    objective: Objective,
    prepared: Sequence[Examples],
    precision: AbstractContextManager[Any],
    *,
    frozen: bool,
) -> dict[str, float]:
    """Teach the critic. `frozen`: the generator's finished pictures, as a user would see them."""
    assert state.critic is not None
    assert state.critic_optimizer is not None
    total = 0.0
    state.critic_optimizer.zero_grad(set_to_none=True)
    network = state.trainee.network
    for examples in prepared:
        training = network.training
        if frozen:
            network.eval()
        with torch.no_grad(), precision:
            fake = objective.answer(examples).rgb
        if frozen:
            fake = trainee_clamped(state.trainee, fake)
            network.train(training)
        real = state.trainee.normalize(examples.luma, examples.chroma)
        with precision:
            scores_real, scores_fake = state.critic(real), state.critic(fake)
        loss = critic_loss(scores_real.float(), scores_fake.float())
        backward(state, loss / len(prepared))
        total += loss.item() / len(prepared)
    advance(state, state.critic_optimizer, state.critic, 0.0)
    return {"critic": total}


def backward(state: State, loss: Tensor) -> None:
    """Find the gradients of a loss, scaled where precision is half."""
    scaled = loss if state.scaler is None else state.scaler.scale(loss)
    scaled.backward()  # type: ignore[no-untyped-call]  # torch: backward has no types


def advance(state: State, optimizer: Optimizer, network: nn.Module, clip: float) -> None:
    """Let an optimizer take its step along the gradients of `network`; `clip`: their largest norm, 0: any."""
    if state.scaler is not None:
        state.scaler.unscale_(optimizer)
    if clip:
        nn.utils.clip_grad_norm_(network.parameters(), clip)
    if state.scaler is None:
        optimizer.step()
    else:
        state.scaler.step(optimizer)
        state.scaler.update()


def _sum(terms: Iterable[Tensor]) -> Tensor:
    total: Tensor | None = None
    for term in terms:
        total = term if total is None else total + term
    assert total is not None
    return total
