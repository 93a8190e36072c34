"""`colorrt bench`: what a model costs on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorrt.bench.building import Backend
from colorrt.cli.app import MEASURE, app, check_result_file, command, needs, say, write_json
from colorrt.cli.layout import DefaultGroup
from colorrt.cli.options import (
    MODEL,
    RESULTS,
    DeviceOption,
    EngineOption,
    JsonFileOption,
    RenderFactorOption,
    ThreadsOption,
)
from colorrt.contract import HIGHEST_RENDER_FACTOR, Device, Precision

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_BATCH = 64
ROUNDS = 20
MEASURING = "Measurement"

bench = typer.Typer(
    cls=DefaultGroup,
    help="Measure how fast models are on this machine.\n\nWithout a command, latency runs: 'colorrt bench --rounds 5' "
    "is 'colorrt bench latency --rounds 5'. 'colorrt bench latency --help' shows its options.",
    epilog="colorrt bench\ncolorrt bench --engine fp16.plan --against fp32.plan\n"
    "colorrt bench factors 8,16,24,35 --weights artistic.pth\ncolorrt bench folder scans/\n"
    "colorrt bench film film.mp4",
    rich_markup_mode=None,
)
app.add_typer(bench, name="bench", rich_help_panel=MEASURE)

RoundsOption = Annotated[
    int, typer.Option(min=1, help="How often each thing is measured.", metavar="N", rich_help_panel=MEASURING)
]


@command(
    None,
    "colorrt bench latency",
    "colorrt bench latency --engine fp16.plan --against fp32.plan --weights artistic.pth",
    "colorrt bench latency --sizes 1920x1080 --batches 1 --cold 0 --plot stages.png",
    group=bench,
)
def latency(
    engine: Annotated[
        Path | None,
        typer.Option(
            help="Model file, ONNX or engine.",
            metavar="FILE",
            show_default="the shipped model",
            rich_help_panel=MODEL,
        ),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another model file of the same render factor, measured in alternation with the first; repeatable.",
            metavar="FILE",
            rich_help_panel=MODEL,
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="A checkpoint, or 'shipped', to run in eager PyTorch in alternation with the rest.",
            metavar="FILE",
            rich_help_panel=MODEL,
        ),
    ] = None,
    render_factor: Annotated[
        int | None,
        typer.Option(
            help="Render factor of models that take any: 1 to 64.",
            metavar="N",
            show_default="16",
            rich_help_panel=MODEL,
        ),
    ] = None,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    sizes: Annotated[
        str, typer.Option(help="Picture sizes, comma-separated.", metavar="WxH,...", rich_help_panel=MEASURING)
    ] = "640x480,1920x1080,4000x3000",
    batches: Annotated[
        str,
        typer.Option(
            help="Batch sizes for the network alone, comma-separated.", metavar="N,...", rich_help_panel=MEASURING
        ),
    ] = "1,2,4,8",
    rounds: RoundsOption = ROUNDS,
    cold: Annotated[
        int,
        typer.Option(
            min=0, help="Fresh processes started for each picture size.", metavar="N", rich_help_panel=MEASURING
        ),
    ] = 3,
    json_file: JsonFileOption = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Plot the stages by picture size, as PNG.", metavar="FILE", rich_help_panel=RESULTS),
    ] = None,
) -> None:
    """Measure every stage, cold start, memory, and the network alone at several batch sizes.

    Pictures are real photographs, scaled to each size. Stages (decode, resize, network, render, encode) and the whole
    call are given as p50, p90 and p99; a fresh process shows the time to the first picture and the peak memory. Times
    are of the host clock; engines are timed with CUDA events too, with and without a CUDA graph. On a Jetson,
    tegrastats measures power. Ratio: how many times as fast as the first row of the same batch size and clock.
    """
    for path in (json_file, plot):
        check_result_file(path, [path for path in (engine, *(against or ())) if path is not None])
    _check_plot(plot)
    from colorrt.bench.factors import read_weights
    from colorrt.bench.latency import Plan, measure_latency
    from colorrt.bench.pictures import read_numbers, read_sizes
    from colorrt.bench.tables import latency_lines
    from colorrt.runtime.shipped import shipped_weights

    plan = Plan(
        engine=engine,
        against=tuple(against or ()),
        weights=None if weights is None else read_weights(weights) or shipped_weights(),
        render_factor=render_factor,
        device=device,
        threads=threads,
        sizes=read_sizes(sizes),
        batches=read_numbers(batches, "--batches", 1, MOST_BATCH),
        rounds=rounds,
        processes=cold,
    )
    report = measure_latency(plan, say)
    _show(latency_lines(report))
    write_json(json_file, report.as_json())
    if plot is not None:
        from colorrt.bench.plots import plot_latency

        plot_latency(plot, report)


@command(
    None,
    "colorrt bench factors",
    "colorrt bench factors 8,16,24,35 --weights artistic.pth --plot latency.png",
    group=bench,
)
def factors(
    render_factors: Annotated[
        str, typer.Argument(help="Render factors, comma-separated.", metavar="RENDER_FACTORS")
    ] = "8,16,24",
    weights: Annotated[
        str | None,
        typer.Option(
            help="The checkpoint to build models of.",
            metavar="FILE",
            show_default="the shipped weights",
            rich_help_panel=MODEL,
        ),
    ] = None,
    backend: Annotated[
        Backend,
        typer.Option(
            help="What to build. auto: an engine where TensorRT and a GPU are present, otherwise ONNX.",
            rich_help_panel=MODEL,
        ),
    ] = Backend.AUTO,
    precision: Annotated[
        Precision, typer.Option(help="Precision of engines; ONNX is measured in fp32.", rich_help_panel=MODEL)
    ] = Precision.FP16,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    rounds: RoundsOption = ROUNDS,
    json_file: JsonFileOption = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Plot latency by render factor, as PNG.", metavar="FILE", rich_help_panel=RESULTS),
    ] = None,
) -> None:
    """Build a model for each render factor and measure it: a row for each.

    Each is measured in alternation with eager PyTorch: the network alone at batch size 1, a whole picture of
    1920 x 1080, build time, file size and peak memory. The models are built in a temporary folder.
    """
    for path in (json_file, plot):
        check_result_file(path, [] if weights is None else [Path(weights)])
    _check_plot(plot)
    try:
        import onnx  # noqa: F401 (only whether they are there)
        import torch  # noqa: F401 (only whether they are there)
    except ImportError as error:
        raise needs("export", error) from error
    from colorrt.bench.factors import FactorPlan, choose_backend, measure_factors, read_weights
    from colorrt.bench.pictures import read_numbers
    from colorrt.bench.tables import factor_lines

    sides = read_numbers(render_factors, "RENDER_FACTORS", 1, HIGHEST_RENDER_FACTOR)
    plan = FactorPlan(read_weights(weights), sides, choose_backend(backend), precision, device, threads, rounds)
    report = measure_factors(plan, say)
    _show(factor_lines(report))
    write_json(json_file, report.as_json())
    if plot is not None:
        from colorrt.bench.plots import plot_factors

        plot_factors(plot, [report])


@command(
    None,
    "colorrt bench folder",
    "colorrt bench folder scans/ --json folder.json",
    group=bench,
)
def folder(
    source: Annotated[
        Path | None,
        typer.Argument(help="A folder of pictures.", metavar="FOLDER", show_default="synthesized JPEGs"),
    ] = None,
    engine: EngineOption = None,
    render_factor: RenderFactorOption = None,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    pictures: Annotated[
        int,
        typer.Option(
            min=3,
            help="Synthesized pictures: one third of 12 megapixels, two thirds of 2.",
            metavar="N",
            rich_help_panel=MEASURING,
        ),
    ] = 60,
    json_file: JsonFileOption = None,
) -> None:
    """Measure what a folder costs: each stage by itself, then the whole run with all of them side by side.

    Stages are the digest of each source, reading, the network, writing, and the journal. The pictures are colored
    twice, and the results are thrown away. The most memory is shown early in the run and at its end.
    """
    check_result_file(json_file, [] if source is None else [source])
    from tempfile import TemporaryDirectory

    from colorrt.bench.folder import folder_lines, measure_folder, write_mixed
    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.render_factors import read_render_factors

    with (
        TemporaryDirectory(prefix="colorrt-") as place,
        Colorizer(
            engine, render_factor=read_render_factors(render_factor), device=device, threads=threads
        ) as colorizer,
    ):
        if source is None:
            source = Path(place)
            write_mixed(source, pictures)
        report = measure_folder(colorizer, source)
    _show(folder_lines(report))
    write_json(json_file, report.as_json())


@command(
    None,
    "colorrt bench film film.mp4 --rounds 240",
    group=bench,
)
def film(
    source: Annotated[Path, typer.Argument(help="The film.", metavar="FILM")],
    engine: EngineOption = None,
    render_factor: RenderFactorOption = None,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    guess_every: Annotated[
        int | None,
        typer.Option(
            "--guess-every",
            min=1,
            help="As of 'colorrt run'.",
            metavar="N",
            show_default="frames that changed, 1 in 3 at least",
            rich_help_panel=MEASURING,
        ),
    ] = None,
    rounds: Annotated[
        int, typer.Option(min=3, help="Frames from the start.", metavar="N", rich_help_panel=MEASURING)
    ] = 120,
    json_file: JsonFileOption = None,
) -> None:
    """Measure what a film costs: each stage by itself, then all of them side by side, with the codec's share.

    What is written is thrown away.
    """
    check_result_file(json_file, [source])
    from colorrt.bench.film import film_lines, measure_film
    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.film.plan import FilmSettings
    from colorrt.runtime.render_factors import read_render_factors

    factors = read_render_factors(render_factor)
    with Colorizer(engine, render_factor=factors, device=device, threads=threads) as colorizer:
        report = measure_film(colorizer, source, FilmSettings(guess_every=guess_every), rounds)
    _show(film_lines(report))
    write_json(json_file, report.as_json())


def _check_plot(plot: Path | None) -> None:
    from importlib.util import find_spec

    from colorrt.errors import BackendError, UsageError

    if plot is None:
        return
    if plot.suffix.lower() != ".png":
        raise UsageError(f"{plot}: the plot is a PNG file; end its name in .png")
    # Asked before minutes of measuring, not after.
    if find_spec("matplotlib") is None:
        raise BackendError("matplotlib is not installed, and --plot needs it: pip install 'colorrt[bench]'")


def _show(lines: Sequence[str]) -> None:
    for line in lines:
        say(line, err=False)
