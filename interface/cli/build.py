"""`colorrt build`: ONNX to a TensorRT engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorrt.cli.app import MAKE, command, needs, say
from colorrt.contract import EngineFlavor, Precision

if TYPE_CHECKING:
    from colorrt.contract import Contract

ENGINE = "Engine"
BUILDER = "Builder"
RESULTS = "Result and checks"


@command(
    MAKE,
    "colorrt build artistic-rf35.onnx -o fp16.plan",
    "colorrt build artistic-rf35.onnx --precision fp32 --batch 1:4:8",
    "colorrt build lite.onnx --backend tensorrt_rtx --capability 8.6 --capability 8.9",
)
def build(
    source: Annotated[
        Path | None,
        typer.Argument(help="An ONNX file from 'colorrt export'.", metavar="ONNX", show_default="the shipped model"),
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option(
            help="fp16 is made from an fp32 graph; int8 takes one from 'colorrt export --precision int8 --target "
            "tensorrt'.",
            show_default="int8 for an int8 graph, else fp16",
            rich_help_panel=ENGINE,
        ),
    ] = None,
    backend: Annotated[
        EngineFlavor | None,
        typer.Option(
            help="Which TensorRT builds it, and later runs it.",
            show_default="the first that is installed",
            rich_help_panel=ENGINE,
        ),
    ] = None,
    batch: Annotated[
        str,
        typer.Option(
            help="Batch size: 4, or 1:4:8 for the smallest, the tuned and the largest.",
            metavar="N|N:N:N",
            rich_help_panel=ENGINE,
        ),
    ] = "1",
    render_factors: Annotated[
        str | None,
        typer.Option(
            help="Render factors, for a graph that takes any: 16, or 8:16:24 for the smallest, the tuned and the "
            "largest.",
            metavar="N|N:N:N",
            show_default="8:16:24",
            rich_help_panel=ENGINE,
        ),
    ] = None,
    capability: Annotated[
        list[str] | None,
        typer.Option(
            help="Compute capability of the GPU to build for, such as 8.6, or 'all'; repeatable. Only for "
            "TensorRT for RTX.",
            metavar="X.Y",
            show_default="8.0 and later",
            rich_help_panel=ENGINE,
        ),
    ] = None,
    optimization_level: Annotated[
        int | None,
        typer.Option(
            help="How long to search for fast kernels: 0 to 5.",
            metavar="N",
            show_default="3",
            rich_help_panel=BUILDER,
        ),
    ] = None,
    workspace: Annotated[
        int | None,
        typer.Option(
            help="Scratch memory that the engine may use, in MB.",
            metavar="N",
            show_default="no limit",
            rich_help_panel=BUILDER,
        ),
    ] = None,
    timing_cache: Annotated[
        Path | None,
        typer.Option(
            help="File that builds share, so that later ones are faster; not with TensorRT for RTX.",
            metavar="FILE",
            rich_help_panel=BUILDER,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="The engine.",
            metavar="FILE",
            show_default="NAME-PRECISION.plan in this folder",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Folder with photographs (at least four) to compare on.",
            metavar="FOLDER",
            show_default="the shipped photographs",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.", rich_help_panel=RESULTS)
    ] = False,
) -> None:
    """Build a TensorRT engine from an ONNX file and check it.

    The types of its layers are checked in every build. Where the engine's GPU is present, its output is also compared
    with the ONNX file's on real photographs; if a check fails, nothing is written. TensorRT for RTX builds without a
    GPU too; such an engine is marked "not yet run".
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
    differs = (
        ""
        if parity is None
        else (
            f", which differs from FP32 by {parity.mean:.2f} levels of 255 on average"
            + ("" if parity.gain is None else f", gain {parity.gain:.3f}")
        )
    )
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
