"""`colorrt package`: a model for servers of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colorrt.cli.app import MAKE, command


@command(MAKE, "colorrt package -o models/", "colorrt package artistic-fp16.plan -o models/ --name artistic")
def package(
    engine: Annotated[
        Path | None,
        typer.Argument(
            help="Model file: ONNX from 'colorrt export', or an engine from 'colorrt build'.",
            metavar="FILE",
            show_default="the shipped model",
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of the model repository; it is made.", metavar="FOLDER")
    ] = Path("models"),
    name: Annotated[
        str | None,
        typer.Option(help="Name of the model.", metavar="NAME", show_default="that of its contract"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model of that name.")] = False,
) -> None:
    """Write a model repository for NVIDIA's Triton: the model, and its configuration with batching."""
    from colorrt.runtime.shipped import shipped_artifact
    from colorrt.runtime.triton import write_repository

    place = write_repository(engine or shipped_artifact(), output, name, overwrite=overwrite)
    typer.echo(f"{place}: tritonserver --model-repository {output}")
