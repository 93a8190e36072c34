"""`colorrt build`: ONNX to a TensorRT engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorrt.cli.app import app, guarded, needs, say

if TYPE_CHECKING:
    from colorrt.contract import Contract


@app.command()
@guarded
def build(
    source: Annotated[
        Path | None,
        typer.Argument(
            help="An ONNX file that 'colorrt export' wrote; without it, the one that ships.", metavar="ONNX"
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The engine; NAME-fp16.plan in this folder if not given.")
    ] = None,
    precision: Annotated[str, typer.Option(help="fp16 (made of FP32 graphs) or fp32.")] = "fp16",
    backend: Annotated[
        str | None, typer.Option(help="tensorrt or tensorrt_rtx; the first that is installed if not given.")
    ] = None,
    batch: Annotated[
        str, typer.Option(help="Pictures at a time: 4, or 1:4:8 for the least, the tuned and the largest number.")
    ] = "1",
    render_factors: Annotated[
        str | None,
        typer.Option(help="Of a graph of any size: 16, or least, tuned and largest; 8:16:24 if not given."),
    ] = None,
    capability: Annotated[
        list[str] | None,
        typer.Option(
            help="Compute capability of the GPU to build for, such as 8.6; may be given again; 'all' for every one. "
            "TensorRT for RTX only; without it, 8.0 and later."
        ),
    ] = None,
    optimization_level: Annotated[
        int | None, typer.Option(help="0 to 5: how long to look for fast kernels; 3 if not given.")
    ] = None,
    workspace: Annotated[
        int | None, typer.Option(help="Scratch memory for the engine in MB; all if not given.")
    ] = None,
    timing_cache: Annotated[
        Path | None,
        typer.Option(help="File that builds share, so that the next is faster (not with TensorRT for RTX)."),
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Compare on the photographs in this folder (at least four).")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Build a TensorRT engine of an ONNX file, proven to be of its precision.

    Where the engine's GPU is in this machine, the engine has to answer as its ONNX file does on real photographs, or
    nothing is written. TensorRT for RTX builds without a GPU too; such an engine says that it is not yet run.
    """
    try:
        from colorrt.export.engine.build import BuildRequest, Tuning, build_engine
    except ImportError as error:
        raise needs("build", error) from error

    tuning = Tuning(optimization_level, workspace, timing_cache)
    request = BuildRequest(precision, backend, batch, render_factors, tuple(capability or ()), tuning)
    with _Bar() as bar:
        built = build_engine(source, output, request, photos=photos, overwrite=overwrite, say=say, advance=bar.advance)
    scratch = "" if built.activations is None else f", takes {built.activations / 1e6:.0f} MB of scratch memory"
    size = built.path.stat().st_size / 1e6
    say(f"{built.path}: {_summary(built.contract)}, {size:.1f} MB{scratch}", err=False)


def _summary(contract: Contract) -> str:
    engine = contract.engine
    assert engine is not None
    parity = contract.precision_parity
    differs = "" if parity is None else f", FP16 differs from FP32 by {parity.mean:.2f} levels of 255 on average"
    return f"{contract.model}, {contract.precision.upper()}{differs}; {engine.proof}"


class _Bar:
    """What the builder does and how far it has come, where a terminal can show it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("building", total=1.0, start=False)
        self._shown = False

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, fraction: float, phase: str) -> None:
        """Show that `fraction` of the build is done, and the phase that is under way."""
        if not self._shown:
            self._shown = True
            self._bar.start()
            self._bar.start_task(self._task)
        self._bar.update(self._task, completed=fraction, description=(phase or "building")[:40])
        if fraction >= 1:
            self._bar.stop()
