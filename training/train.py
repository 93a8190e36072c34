"""The training loop: stage after stage, resumable at any step, with logs, samples and weights on the way."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from colorrt.contract import Device
from colorrt.errors import UsageError
from colorrt.training.devices import choose_device, mixed_precision
from colorrt.training.interrupts import interruptible
from colorrt.training.logs import Log, Progress, Tally, describe_pace
from colorrt.training.losses.bins import SideHead
from colorrt.training.losses.features import make_features
from colorrt.training.losses.knowledge import make_twin
from colorrt.training.networks import make_trainee
from colorrt.training.objective import Examples, Objective, prepare
from colorrt.training.papers.objective import PaperObjective
from colorrt.training.papers.steps import take_paper_step
from colorrt.training.preparing import classes_of, make_parts, seed_of, set_modes, weigh_classes, weigh_colors
from colorrt.training.recipes.recipe import Recipe, Stage
from colorrt.training.squares.dataset import GIGABYTE, Batch, Dataset, Plan, cut_batches, prefetch
from colorrt.training.squares.listing import PhotoIndex
from colorrt.training.state import State, peek, restore_state, save_state
from colorrt.training.steps import set_pace, take_step
from colorrt.training.validation import SHEET_ROWS, validate, whole_squares, write_samples
from colorrt.training.weights import Average, save_weights

SAVE_SECONDS = 120.0
# A GPU wants more photographs than one thread decodes; the network needs the cores where there is none.
DECODERS = max(1, min(8, (os.cpu_count() or 1) - 1))
LOG_STEPS = 50
SAMPLE_STEPS = 1000


@dataclass(frozen=True)
class Files:
    """Weights that a training begins with: see `make_trainee` and `make_features`."""

    encoder: Path | None = None
    start: Path | None = None
    features: Path | None = None


@dataclass(frozen=True)
class Context:
    """What stays the same over all stages of a training."""

    recipe: Recipe
    data: Path
    out: Path
    device: torch.device
    objective: Objective
    paper: PaperObjective | None
    """What is minimized where the network is one of a paper's, with a frame of its own."""
    log: Log
    progress: Progress
    precision: contextlib.AbstractContextManager[Any]
    stop: threading.Event


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    files: Files | None = None,
    device: str = Device.AUTO,
    progress: Progress | None = None,
) -> Path:
    """Train by `recipe` on the photographs below `data`; go on where `out` was left, if it was.

    Writes into `out`: state.pt every two minutes and at an interrupt, log.csv, samples/, stage-N.safetensors after each
    stage, gan/ with the weights on the way through a GAN, and at the end weights.safetensors, whose path is returned.
    `device`: "auto", "cpu" or "cuda".

    Raises UsageError when no photographs are found, weights that the recipe needs are not given or `out` cannot be
    written to, WeightsError when files of weights are not what they should be, BackendError when the device is not
    there.
    """
    files, progress = files or Files(), progress or Progress()
    if recipe.blend and files.start is None:
        raise UsageError("the recipe mixes its starting weights into its own: give them as --start FILE")
    place = choose_device(device)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out}: a folder cannot be created here ({error.strerror}); give another --out") from error
    saved_at = out / "state.pt"
    saved = peek(saved_at, recipe) if saved_at.exists() else None
    torch.manual_seed(recipe.seed)
    trainee = make_trainee(recipe.network, files.encoder, files.start)
    trainee.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch: memory_format alone is not in its overloads
    trainee.to(place)
    average = Average(trainee.network, recipe.optimizer.average) if recipe.optimizer.average else None
    beside = recipe.loss.bins_weight > 0 and recipe.network.name == "lite"
    state = State(trainee, average, SideHead(trainee.network).to(place) if beside else None)  # type: ignore[arg-type]  # bins_weight is for lite alone: the network has features
    half = place.type == "cuda" and not torch.cuda.is_bf16_supported()
    state.scaler = torch.amp.GradScaler() if half else None
    own = trainee.space == "chroma" and recipe.network.body == "lite0"
    features = make_features(recipe.loss, files.features, files.encoder if own else None)
    features = None if features is None else features.to(place)
    twin = make_twin(recipe, trainee.network, files.encoder, place)
    objective = Objective(recipe.loss, trainee, features, state.side, None, place, twin)
    precision = mixed_precision(place, half=half)
    stop = threading.Event()
    frame = trainee.frame
    paper = None if frame is None else PaperObjective(recipe.loss, trainee.network, frame)
    context = Context(recipe, data, out, place, objective, paper, Log(out), progress, precision, stop)
    if saved is not None:
        make_parts(state, recipe, place, saved)
        restore_state(state, saved, saved_at)
        if state.stage == len(recipe.stages):
            progress.say(f"{out}: already finished, after {state.images} images")
        else:
            progress.say(f"resuming at step {state.step} of stage {state.stage + 1}, {state.images} images")
    # From the very beginning too: an older table belongs to no state then.
    context.log.rewind(state.stage, state.step)
    with interruptible(stop):
        _run_stages(state, context)
    context.log.close()
    save_weights(state.kept, out / "weights.safetensors", files.start, recipe.blend)
    return out / "weights.safetensors"


def _run_stages(state: State, context: Context) -> None:
    recipe = context.recipe
    photo_index = PhotoIndex(context.data, recipe.holdout, context.out, context.progress.say, recipe.validation)
    # All of them before the first step: a stage without photographs is not found out after a day.
    listings = [photo_index.listing(stage) for stage in recipe.stages]
    totals = [stage.count_steps(len(found.kept)) for stage, found in zip(recipe.stages, listings, strict=True)]
    costs = [
        total * stage.batch * stage.accumulate * stage.size**2
        for total, stage in zip(totals, recipe.stages, strict=True)
    ]
    dataset = held_out = Dataset([], recipe.short_side)
    for number, (stage, found) in enumerate(zip(recipe.stages, listings, strict=True)):
        if number < state.stage:
            continue
        if dataset.entries is not found.kept:
            room = round(recipe.cache_gigabytes * GIGABYTE)
            dataset = Dataset(found.kept, recipe.short_side, room, recipe.gray_limit)
            held_out = Dataset(found.held, recipe.short_side, 0, recipe.gray_limit)
        if state.step and state.photographs != found.digest:
            context.progress.say(
                f"{context.data}: not the photographs that this training was started with; it continues with these"
            )
        state.photographs = found.digest
        make_parts(state, recipe, context.device, None)
        before, share = (0.0, 1.0)
        if recipe.optimizer.schedule == "whole":
            before, share = sum(costs[:number]) / sum(costs), costs[number] / sum(costs)
        _run_stage(state, context, stage, dataset, held_out, found.weights, totals[number], before, share)
        state.stage, state.step, state.cursor = number + 1, 0, 0
        if recipe.optimizer.schedule == "stage":
            state.optimizer = None
        state.critic_optimizer = None
        save_weights(state.kept, context.out / f"stage-{number + 1}.safetensors")
        save_state(state, context.out / "state.pt", recipe)


def _run_stage(
    state: State,
    context: Context,
    stage: Stage,
    dataset: Dataset,
    held_out: Dataset,
    weights: tuple[float, ...],
    total: int,
    before: float,
    share: float,
) -> None:
    """Take the steps of one stage, from `state.step` to `total`."""
    recipe = context.recipe
    if context.paper is None:
        weigh_colors(state, recipe, context.objective, dataset, stage)
    else:
        weigh_classes(state, context.paper, dataset, stage.batch, context.device)
    shown = whole_squares(held_out if len(held_out) else dataset, stage.size, SHEET_ROWS)
    checked = whole_squares(held_out, stage.size, recipe.validation_photos)
    seed, mirrored = seed_of(recipe.seed, state.stage), stage.mirror == "random"
    plan = Plan(stage.size, stage.batch, stage.smallest, seed, weights, mirrored)
    classes = classes_of(dataset, recipe.judges) if stage.kind == "judged" else None
    batches = prefetch(cut_batches(dataset, plan, state.cursor, DECODERS))
    context.progress.say(
        f"stage {state.stage + 1}: {stage.kind}, {total} steps of {stage.batch * stage.accumulate} squares of "
        f"{stage.size} px; {len(dataset)} photographs, {len(checked)} kept for validation"
    )
    set_modes(state, recipe)
    begun = saved = time.monotonic()
    first, tally = state.step, Tally(state.images)
    with contextlib.closing(batches):
        while state.step < total:
            prepared = _prepare_next(state, context, stage, batches, classes)
            rate, momentum = set_pace(state, recipe, stage, before + share * state.step / total)
            if context.paper is None:
                terms = take_step(state, recipe, stage, context.objective, prepared, context.precision)
            else:
                terms = take_paper_step(state, recipe, stage, context.paper, prepared, context.precision)
            state.step += 1
            state.images += stage.batch * stage.accumulate
            if state.average is not None and stage.kind != "critic":
                state.average.follow(state.trainee.network, state.images // (stage.batch * stage.accumulate))
            tally.add(terms)
            now = time.monotonic()
            context.progress.show(
                f"stage {state.stage + 1} step {state.step}/{total}, loss {sum(terms.values()):.4f}, "
                + describe_pace(state.step - first, total - first, now - begun)
            )
            ended = state.step == total
            if state.step % LOG_STEPS == 0 or ended:
                row: dict[str, object] = {"stage": state.stage, "step": state.step, "kind": stage.kind}
                row |= {"images": state.images, "size": stage.size, "rate": rate, "momentum": momentum}
                row |= {"loss": sum(tally.means().values()), "images_per_second": tally.pace(state.images)}
                if (state.step % SAMPLE_STEPS == 0 or ended) and len(shown):
                    row |= _validate(state, context, shown, checked)
                context.log.write(row, tally.means())
                tally = Tally(state.images)
            if stage.kind == "gan" and state.step % stage.save_every == 0:
                name = f"stage-{state.stage + 1}-step-{state.step:06}.safetensors"
                save_weights(state.kept, context.out / "gan" / name)
            if context.stop.is_set() or now - saved > SAVE_SECONDS:
                save_state(state, context.out / "state.pt", recipe)
                saved = now
                if context.stop.is_set():
                    raise KeyboardInterrupt
    context.progress.say(f"stage {state.stage + 1}: {dataset.describe()}")


def _prepare_next(
    state: State, context: Context, stage: Stage, batches: Iterator[Batch], classes: Tensor | None
) -> list[Examples]:
    """Prepare the batches of the next step, all of its random numbers drawn from a seed of its own."""
    seed = seed_of(context.recipe.seed, state.stage, state.step)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    prepared = []
    for _ in range(stage.accumulate):
        batch = next(batches)
        state.cursor = batch.cursor
        labels = None if classes is None else classes[list(batch.numbers)]
        prepared.append(prepare(batch.squares, stage.aging, context.recipe.loss, generator, context.device, labels))
    return prepared


def _validate(state: State, context: Context, shown: Tensor, checked: Tensor) -> dict[str, object]:
    """Write a sample sheet, and measure PSNR where photographs are kept for it."""
    path = context.out / "samples" / f"stage-{state.stage + 1}-step-{state.step:06}.png"
    write_samples(path, state.trainee, context.objective, state.kept, shown, context.device)
    found: dict[str, object] = {}
    if len(checked):
        score = validate(state.trainee, context.objective, state.kept, checked, context.device)
        found = {"psnr_db": score.psnr_db, "gray_psnr_db": score.gray_psnr_db}
        errors = ""
        if score.mae is not None:
            found |= {"mae": score.mae, "gray_mae": score.gray_mae}
            errors = f"; mean absolute error {score.mae:.5f} (gray: {score.gray_mae:.5f})"
        context.progress.say(
            f"step {state.step}: {score.psnr_db:.2f} dB on {score.photos} photographs kept for validation "
            f"(gray: {score.gray_psnr_db:.2f}){errors}"
        )
    set_modes(state, context.recipe)
    return found
