"""`colorrt train`: train a network by a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colorrt.cli.app import MAKE, command, needs, say
from colorrt.contract import Device

FOLDERS, WEIGHTS, DEVICE, TRIAL = "Folders", "Weights", "Device", "For a trial"


@command(
    MAKE,
    "colorrt train lite --data photos/ --out runs/lite",
    "colorrt train my-recipe.toml --data photos/ --out runs/mine --steps 20 --scale 0.5",
)
def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A .toml file or the name of a shipped recipe: lite, lite-finish, ipol-video, deoldify-artistic, "
            "deoldify-stable, deoldify-video; of the papers kth-unet-l1, kth-unet-l2, kth-gan, kth-vac, dahl-residual, "
            "dahl-hypercolumns, fusion-lite, fusion-inception, fusion-convnext, fusion-256, fusion-bins, "
            "half-resnet18, zhang-class, zhang-l2.",
            metavar="RECIPE",
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            help="Folder with photographs or tar archives of them, at any depth.",
            metavar="FOLDER",
            rich_help_panel=FOLDERS,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for checkpoints, log, samples and weights.", metavar="FOLDER", rich_help_panel=FOLDERS
        ),
    ],
    encoder: Annotated[
        Path | None,
        typer.Option(
            help="ImageNet weights that the recipe begins with or looks through: torchvision's resnet18, 34 or 101, "
            "VGG-16, inception_v3 or convnext_tiny, or EfficientNet-Lite's.",
            metavar="FILE",
            rich_help_panel=WEIGHTS,
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(help="Start from these weights of the same network.", metavar="FILE", rich_help_panel=WEIGHTS),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            help="torchvision's vgg16_bn weights, for the feature loss.", metavar="FILE", rich_help_panel=WEIGHTS
        ),
    ] = None,
    device: Annotated[
        Device,
        typer.Option(
            help="What trains. auto: CUDA where PyTorch finds it.", metavar="auto|cpu|cuda", rich_help_panel=DEVICE
        ),
    ] = Device.AUTO,
    threads: Annotated[
        int | None,
        typer.Option(help="CPU threads.", metavar="N", show_default="all cores", rich_help_panel=DEVICE),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            help="Stop each stage after this many steps.",
            metavar="N",
            show_default="the recipe's",
            rich_help_panel=TRIAL,
        ),
    ] = None,
    scale: Annotated[
        float,
        typer.Option(help="Factor on picture and batch sizes, up to 16.", metavar="X", rich_help_panel=TRIAL),
    ] = 1.0,
) -> None:
    """Train a network; run again with the same --out, training resumes where it stopped.

    The result is OUT/weights.safetensors, for 'colorrt export'. Ctrl-C saves after the current step and ends.
    """
    from colorrt.errors import UsageError

    try:
        import torch

        from colorrt.runtime.sessions.session import count_cores
        from colorrt.training.recipes.reading import find_recipe, read_recipe
        from colorrt.training.recipes.recipe import shrink
        from colorrt.training.train import Files
        from colorrt.training.train import train as run
    except ImportError as error:
        raise needs("train", error) from error

    if not data.exists():
        raise UsageError(f"{data}: no such folder; give --data the folder with the photographs")
    if (steps is not None and steps < 1) or not 0 < scale <= 16 or (threads is not None and threads < 1):
        raise UsageError("--steps and --threads take 1 or more, --scale more than 0 and up to 16")
    if threads is not None:
        # More threads than cores only wait for each other, and thousands of them end the process.
        torch.set_num_threads(min(threads, count_cores()))
    asked = shrink(read_recipe(find_recipe(recipe)), steps, scale)
    try:
        weights = run(asked, data, out, Files(encoder, start, features), device)
    except OSError as error:
        where, why = error.filename or out, error.strerror or str(error)
        raise UsageError(f"{where}: {why}; fix the disk, then run this again to resume") from error
    say(str(weights), err=False)
