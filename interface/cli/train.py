"""`colorrt train`: train a network by a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colorrt.cli.app import app, guarded, needs, say


@app.command()
@guarded
def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A .toml file, or the name of a recipe that ships: lite, lite-finish, ipol-video, deoldify-artistic, "
            "deoldify-stable, deoldify-video.",
            metavar="RECIPE",
        ),
    ],
    data: Annotated[Path, typer.Option(help="Folder with the photographs: folders or tar shards.")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, log, samples and weights.")],
    encoder: Annotated[
        Path | None,
        typer.Option(
            help="The encoder's ImageNet weights: torchvision's resnet34 or resnet101, or EfficientNet-Lite's."
        ),
    ] = None,
    start: Annotated[Path | None, typer.Option(help="Begin with these weights of the same network.")] = None,
    features: Annotated[Path | None, typer.Option(help="torchvision's vgg16_bn weights, for the feature loss.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads; all cores if not given.")] = None,
    steps: Annotated[int | None, typer.Option(help="Stop each stage after so many steps: for a trial.")] = None,
    scale: Annotated[float, typer.Option(help="Multiply sizes and batches by this: for a trial.")] = 1.0,
) -> None:
    """Train a network by a recipe; called again with the same --out, go on where it was stopped.

    The result is OUT/weights.safetensors, which `colorrt export` takes. Ctrl-C ends after the current step, saved.
    """
    from colorrt.errors import UsageError

    try:
        import torch

        from colorrt.training.recipe import shrink
        from colorrt.training.recipe_toml import find_recipe, read_recipe
        from colorrt.training.train import Files
        from colorrt.training.train import train as run
    except ImportError as error:
        raise needs("train", error) from error

    if not data.exists():
        raise UsageError(f"{data}: there is no such folder; give --data the folder with the photographs")
    if (steps is not None and steps < 1) or not 0 < scale <= 16 or (threads is not None and threads < 1):
        raise UsageError("--steps and --threads take 1 or more, --scale more than 0 and up to 16")
    if threads is not None:
        torch.set_num_threads(threads)
    asked = shrink(read_recipe(find_recipe(recipe)), steps, scale)
    try:
        weights = run(asked, data, out, Files(encoder, start, features), device)
    except OSError as error:
        where, why = error.filename or out, error.strerror or str(error)
        raise UsageError(f"{where}: {why}; see to the disk, then call this again to go on") from error
    say(str(weights), err=False)
