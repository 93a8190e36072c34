"""`colorrt bench`: what an artifact costs on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from colorrt.cli.app import app, check_result_file, guarded, needs, say

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_BATCH = 64
MOST_FACTOR = 64


@app.command()
@guarded
def bench(
    subject: Annotated[
        list[str] | None,
        typer.Argument(
            help="'film FILE' to measure a film instead, its first --rounds pictures.", metavar="[film FILE]"
        ),
    ] = None,
    engine: Annotated[
        Path | None,
        typer.Option(help="The artifact, ONNX or engine; without it, the model that ships.", metavar="FILE"),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another artifact of the same render factor to measure in turn with it; repeatable.", metavar="FILE"
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="A checkpoint, or 'shipped', to run in eager PyTorch in turn with it; with --render-factors, what is "
            "built.",
            metavar="FILE",
        ),
    ] = None,
    sizes: Annotated[
        str, typer.Option(help="Sizes of the pictures, with commas.", metavar="WxH,...")
    ] = "640x480,1920x1080,4000x3000",
    batches: Annotated[
        str, typer.Option(help="Pictures at a time for the network alone, with commas.", metavar="N,...")
    ] = "1,2,4,8",
    rounds: Annotated[int, typer.Option(min=1, help="Times that each thing is measured.")] = 20,
    render_factor: Annotated[
        int | None, typer.Option(help="Render factor of artifacts that take any, 1 to 64; 16 if not given.")
    ] = None,
    render_factors: Annotated[
        str | None,
        typer.Option(
            help="Instead: build an artifact of --weights for each of these render factors and measure a row for each.",
            metavar="N,...",
        ),
    ] = None,
    backend: Annotated[
        str,
        typer.Option(
            help="What --render-factors builds: onnx, tensorrt, tensorrt_rtx; auto takes TensorRT where it and a GPU "
            "are there."
        ),
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="Precision of the engines of --render-factors: fp32 or fp16.")
    ] = "fp16",
    device: Annotated[
        str, typer.Option(help="auto, cpu or cuda; cuda takes ONNX files and PyTorch to the GPU too.")
    ] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads; all cores if not given.")] = None,
    cold: Annotated[int, typer.Option(min=0, help="Fresh processes started for each picture size; 0 for none.")] = 3,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures and the machine as JSON.", metavar="FILE")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Write a plot as PNG: stages by size, or latency by render factor.", metavar="FILE"),
    ] = None,
) -> None:
    """Measure what an artifact costs on this machine, on real photographs scaled to each size.

    Prints p50, p90 and p99 of every stage (decode, resize, network, render, encode) and of the whole call, the first
    picture and the peak memory of a fresh process, and the network alone at several batches. All of that is by the
    host clock; engines are timed by CUDA events too, with and without CUDA graph. On a Jetson, tegrastats tells the
    power. Ratio: how many times as fast as the first row of its batch and clock; PyTorch comes first, the artifact
    last.

    'colorrt bench film FILE' measures what a film costs, each stage and the whole; of --rounds 120 or more, say.

    Examples: 'colorrt bench', 'colorrt bench --engine fp16.plan --against fp32.plan --weights artistic.pth',
    'colorrt bench --render-factors 8,16,24,35 --weights artistic.pth --plot latency.png'.
    """
    for path in (json_file, plot):
        check_result_file(path, [path for path in (engine, *(against or ())) if path is not None])
    if subject:
        _film(subject, engine, render_factor, device, threads, rounds, json_file)
        return
    if plot is not None:
        _check_plot(plot)
    if render_factors is None:
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
        _write(json_file, report.as_json())
        if plot is not None:
            from colorrt.bench.plots import plot_latency

            plot_latency(plot, report)
        return
    _by_factor(
        render_factors, weights, backend, precision, device, threads, rounds,
        json_file, plot, alone=engine is None and not against and render_factor is None,
    )  # fmt: skip


def _film(
    subject: list[str],
    engine: Path | None,
    render_factor: int | None,
    device: str,
    threads: int | None,
    rounds: int,
    json_file: Path | None,
) -> None:
    from colorrt.bench.film import film_lines, measure_film
    from colorrt.errors import UsageError
    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.film.coloring import FilmSettings

    if len(subject) != 2 or subject[0] != "film":
        raise UsageError(f"bench measures artifacts, or 'film FILE'; not {' '.join(subject)!r}")
    with Colorizer(engine, render_factor=render_factor, device=device, threads=threads) as colorizer:
        report = measure_film(colorizer, Path(subject[1]), FilmSettings(), rounds)
    _show(film_lines(report))
    _write(json_file, report.as_json())


def _by_factor(
    render_factors: str,
    weights: str | None,
    backend: str,
    precision: str,
    device: str,
    threads: int | None,
    rounds: int,
    json_file: Path | None,
    plot: Path | None,
    *,
    alone: bool,
) -> None:
    from colorrt.bench.factors import FactorPlan, choose_backend, measure_factors, read_weights
    from colorrt.bench.pictures import read_numbers
    from colorrt.bench.tables import factor_lines
    from colorrt.errors import UsageError

    if not alone:
        raise UsageError(
            "--render-factors builds what it measures, from --weights; leave out --engine, --against, --render-factor"
        )
    if precision not in ("fp32", "fp16"):
        raise UsageError(f"there is no precision {precision!r}; take fp32 or fp16")
    factors = read_numbers(render_factors, "--render-factors", 1, MOST_FACTOR)
    try:
        import onnx  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise needs("export", error) from error
    plan = FactorPlan(read_weights(weights), factors, choose_backend(backend), precision, device, threads, rounds)
    report = measure_factors(plan, say)
    _show(factor_lines(report))
    _write(json_file, report.as_json())
    if plot is not None:
        from colorrt.bench.plots import plot_factors

        plot_factors(plot, [report])


def _check_plot(plot: Path) -> None:
    from importlib.util import find_spec

    from colorrt.errors import BackendError, UsageError

    if plot.suffix.lower() != ".png":
        raise UsageError(f"{plot}: the plot is a PNG; end its name in .png")
    # Asked before minutes of measuring, not after.
    if find_spec("matplotlib") is None:
        raise BackendError("matplotlib is not installed, and --plot needs it: pip install 'colorrt[bench]'")


def _show(lines: Sequence[str]) -> None:
    for line in lines:
        say(line, err=False)


def _write(path: Path | None, table: dict[str, Any]) -> None:
    if path is None:
        return
    from colorrt.atomic import atomic_path
    from colorrt.errors import UsageError

    with atomic_path(path, UsageError) as part:
        part.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
