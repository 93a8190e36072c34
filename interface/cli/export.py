"""`colorrt export`: weights to ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from colorrt.cli.app import app, guarded, needs, say


@app.command()
@guarded
def export(
    weights: Annotated[
        Path | None,
        typer.Argument(
            help="A checkpoint (.pth, .pt, .safetensors); without it, the weights that ship.", metavar="WEIGHTS"
        ),
    ] = None,
    render_factor: Annotated[
        int | None,
        typer.Option(help="Fix the graph to this render factor, 1 to 64; without it, one graph for all of them."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The ONNX file; colorrt-MODEL-rfN.onnx if not given.")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="fp32, or fp16 for GPUs; compared with FP32 on photographs. On CPUs fp16 is slower.")
    ] = "fp32",
    target: Annotated[
        str, typer.Option(help="cpu or tensorrt: what the file is to run on; it chooses the form of attention.")
    ] = "cpu",
    attention: Annotated[
        str | None,
        typer.Option(
            help="plain, tiled (least memory on the CPU, needs --render-factor) or heads (for TensorRT); the answers "
            "are the same."
        ),
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Compare with PyTorch on the photographs in this folder (at least four).")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Export a network to an ONNX file that carries its contract, checked against PyTorch on real photographs.

    Weights of DeOldify (artistic, stable, video) and of colorrt's own `lite` are recognized by themselves. Nothing
    is written when a check fails.
    """
    try:
        from colorrt.export.exporting import export_network
    except ImportError as error:
        raise needs("export", error) from error

    exported = export_network(
        weights,
        render_factor,
        output,
        precision=precision,
        target=target,
        attention=attention,
        photos=photos,
        overwrite=overwrite,
        say=say,
    )
    parity = exported.contract.parity
    assert parity is not None
    size = exported.path.stat().st_size / 1e6
    lower = exported.contract.precision_parity
    # Of an FP16 file, the difference from FP32 is a thousand times that of FP32 from PyTorch.
    other, measured = ("PyTorch", parity) if lower is None else ("FP32", lower)
    say(
        f"{exported.path}: {exported.contract.model}, {size:.1f} MB; differs from {other} on {measured.photos} photos "
        f"by {measured.mean:.1e} levels of 255 on average, {measured.worst:.1e} at most",
        err=False,
    )
