"""`colorrt page`: the page of `colorrt serve` as static files that need no service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colorrt.cli.app import COLORIZE, command, say
from colorrt.cli.options import MODEL
from colorrt.contract import Precision


@command(
    COLORIZE,
    "colorrt page site/ --ort onnxruntime-web-1.30.0.tgz",
    "colorrt page site/ --ort node_modules/onnxruntime-web --precision int8",
)
def page(
    folder: Annotated[Path, typer.Argument(help="Folder to write to; it is made.", metavar="DIR")],
    ort: Annotated[
        Path | None,
        typer.Option(
            help="The npm package onnxruntime-web, which runs the network in browsers: the file that 'npm pack "
            "onnxruntime-web@1.30.0' writes, or its folder in node_modules.",
            metavar="TGZ|FOLDER",
            show_default="it has to be given",
        ),
    ] = None,
    engine: Annotated[
        Path | None,
        typer.Option(
            help="Model file: ONNX from 'colorrt export'.",
            metavar="FILE",
            show_default="the shipped model",
            rich_help_panel=MODEL,
        ),
    ] = None,
    precision: Annotated[
        Precision,
        typer.Option(
            help="How weights are stored: fp16 halves the file, fp32 leaves it as it is, int8 takes the model that "
            "ships in INT8.",
            rich_help_panel=MODEL,
        ),
    ] = Precision.FP16,
    max_pixels: Annotated[
        int | None,
        typer.Option(min=1, help="Refuse pictures with more pixels.", metavar="N", show_default="50 million"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write into a folder that is not empty.")] = False,
) -> None:
    """Write the page of 'colorrt serve' as static files: pictures are colored in the browser itself (docs/page.md).

    Any host of files may serve them, 'python -m http.server', too. Nothing of a picture leaves the browser.

    Exit codes: 0 written, 2 wrong usage, 3 the model cannot be used.
    """
    from colorrt.errors import UsageError
    from colorrt.runtime.shipped import shipped_artifact
    from colorrt.service.ort_web import VERSION, read_ort_web
    from colorrt.service.static_page import DEFAULT_MAX_PIXELS, write_page

    if engine is not None and precision == Precision.INT8:
        raise UsageError("--precision int8 is of the model that ships; give an INT8 file with --engine alone")
    package = read_ort_web(ort)
    if not package.known:
        say(f"onnxruntime-web {package.version} is not known to this colorrt, which was tested with {VERSION}")
    artifact = engine or shipped_artifact(Precision.INT8 if precision == Precision.INT8 else Precision.FP32)
    written = write_page(
        folder,
        package,
        artifact,
        half=precision == Precision.FP16,
        max_pixels=max_pixels or DEFAULT_MAX_PIXELS,
        overwrite=overwrite,
    )
    say(f"{folder}: {len(written.files)} files, {written.size / 1e6:.1f} MB", err=False)
    say(f"to look at it: python -m http.server -d {folder}", err=False)
