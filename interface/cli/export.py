"""`colorrt export`: weights to ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorrt.cli.app import MAKE, command, needs, say
from colorrt.contract import AttentionForm, Precision, Target

if TYPE_CHECKING:
    from colorrt.contract import Parity


@command(
    MAKE,
    "colorrt export ColorizeArtistic_gen.pth --render-factor 35 -o artistic-rf35.onnx",
    "colorrt export ColorizeArtistic_gen.pth --render-factor 35 --target tensorrt",
    "colorrt export --render-factor 16",
    "colorrt export --precision int8 --calibrate photos/ -o lite-int8.onnx",
)
def export(
    weights: Annotated[
        Path | None,
        typer.Argument(
            help="A checkpoint: .pth, .pt or .safetensors.", metavar="WEIGHTS", show_default="the shipped weights"
        ),
    ] = None,
    render_factor: Annotated[
        int | None,
        typer.Option(
            help="Make the graph for this render factor alone: 1 to 64.",
            metavar="N",
            show_default="one graph for all of them",
        ),
    ] = None,
    precision: Annotated[
        Precision,
        typer.Option(
            help="fp16 is for GPUs, and slower on CPUs; int8 is the fastest on CPUs. Both are compared with fp32 on "
            "photographs."
        ),
    ] = Precision.FP32,
    target: Annotated[
        Target, typer.Option(help="What the file is to run on; this chooses the form of attention and of int8.")
    ] = Target.CPU,
    attention: Annotated[
        AttentionForm | None,
        typer.Option(
            help="Form of attention: tiled needs the least memory on the CPU and a fixed --render-factor, heads is for "
            "TensorRT. All give the same colors.",
            show_default="by --target",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The ONNX file.", metavar="FILE", show_default="colorrt-MODEL-rfN.onnx"),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Folder with photographs (at least four) to compare with PyTorch on.",
            metavar="FOLDER",
            show_default="the shipped photographs",
        ),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            help="Folder or .tar with photographs to measure the ranges of int8 on; pictures like those that will be "
            "colored are best.",
            metavar="PHOTOS",
            show_default="the shipped photographs, aged",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Export a network to a checked ONNX file.

    Checkpoints of all networks that 'colorrt models' lists are detected automatically.
    The graph is compared with PyTorch on real photographs; if a check fails, nothing is written. The file carries what
    was measured: see 'colorrt info'.
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
        calibrate=calibrate,
        overwrite=overwrite,
        say=say,
    )
    parity = exported.contract.parity
    assert parity is not None
    size = exported.path.stat().st_size / 1e6
    lower = exported.contract.precision_parity
    # Of a file of lower precision, the difference from FP32 is a thousand times that of FP32 from PyTorch.
    other, measured = ("PyTorch", parity) if lower is None else ("FP32", lower)
    say(
        f"{exported.path}: {exported.contract.model}, {size:.1f} MB; differs from {other} on {measured.photos} photos "
        f"by {measured.mean:.1e} levels of 255 on average, {measured.worst:.1e} at most{_gain(lower)}",
        err=False,
    )


def _gain(lower: Parity | None) -> str:
    return "" if lower is None or lower.gain is None else f", gain {lower.gain:.3f}"
