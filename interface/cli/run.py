"""`colorrt run`: colorize files, films, folders and globs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorrt.cli.app import COLORIZE, announce_compiling, check_result_file, command, say, write_json
from colorrt.cli.options import (
    RESULTS,
    DeviceOption,
    EngineOption,
    RenderFactorOption,
    SaturationOption,
    ThreadsOption,
    UpsampleOption,
)
from colorrt.contract import Device, FilmCodec, Steady, Upsampling

if TYPE_CHECKING:
    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.folder import Result
    from colorrt.runtime.jobs import Job

FILMS, SAFETY = "Films", "Safety"
LISTED = 20
"""Failures that are listed at the end; --report lists all."""


@command(
    COLORIZE,
    "colorrt run photos/ -o out/",
    "colorrt run old.jpg --render-factor 24 --saturation 1.3",
    "colorrt run 'scans/*.tif' --engine artistic-rf35.onnx --report report.json",
    "colorrt run film.mp4 -o out.mp4",
)
def run(
    sources: Annotated[
        list[str],
        typer.Argument(help="Pictures, films, folders (searched recursively) or quoted globs.", metavar="PICTURES"),
    ],
    engine: EngineOption = None,
    render_factor: RenderFactorOption = None,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    saturation: SaturationOption = None,
    upsample: UpsampleOption = Upsampling.GUIDED,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder for the results, or a file name for a single picture or film.",
            metavar="PATH",
            show_default="NAME-color.jpg beside each file, FOLDER-color/ beside each folder",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    quality: Annotated[
        int,
        typer.Option(min=1, max=100, help="JPEG and WebP quality.", metavar="N", rich_help_panel=RESULTS),
    ] = 95,
    lossless_luma: Annotated[
        bool,
        typer.Option(
            "--lossless-luma",
            help="For archives, JPEG only: keep the coded luma of each JPEG bit for bit and add chroma to it; "
            "--quality then applies to chroma alone.",
            rich_help_panel=RESULTS,
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(help="Write the outcome of each picture as JSON.", metavar="FILE", rich_help_panel=RESULTS),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            help="Write a contact sheet as PNG: up to 24 pictures, before and after.",
            metavar="FILE",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace existing results; without it, they are skipped. Inputs are never overwritten.",
            rich_help_panel=SAFETY,
        ),
    ] = False,
    max_pixels: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Refuse pictures and pages with more pixels than this, as a guard against decompression bombs.",
            metavar="N",
            show_default="150 million",
            rich_help_panel=SAFETY,
        ),
    ] = None,
    steady: Annotated[
        Steady,
        typer.Option(
            help="Keep colors steady from frame to frame. causal: without later frames.", rich_help_panel=FILMS
        ),
    ] = Steady.ON,
    codec: Annotated[FilmCodec, typer.Option(help="Video codec.", rich_help_panel=FILMS)] = FilmCodec.X264,
    crf: Annotated[
        int,
        typer.Option(
            help="Quality of x264, x265 and av1, 0 to 51: lower is better.", metavar="N", rich_help_panel=FILMS
        ),
    ] = 16,
    preset: Annotated[
        str, typer.Option(help="Speed of x264 and x265: ultrafast to veryslow.", metavar="NAME", rich_help_panel=FILMS)
    ] = "veryfast",
    lossless: Annotated[
        bool, typer.Option("--lossless", help="x264: keep luma bit for bit.", rich_help_panel=FILMS)
    ] = False,
    begin: Annotated[
        str | None,
        typer.Option("--from", help="Start here: 90, 1:30 or 0:01:30.", metavar="TIME", rich_help_panel=FILMS),
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Stop here.", metavar="TIME", rich_help_panel=FILMS)] = None,
    preview: Annotated[
        Path | None,
        typer.Option(
            help="Only write a contact sheet as PNG, one frame per shot, of a single film.",
            metavar="FILE",
            rich_help_panel=FILMS,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")] = False,
) -> None:
    """Colorize pictures and films; the luma of each is kept exactly.

    Only the luma of a color picture (a tinted or sepia scan) is used. Every page of a TIFF is colored; 16-bit TIFF and
    PNG stay 16-bit.

    Films need the extra 'video'. An interrupted film resumes when the same command is run again.

    Exit codes: 0 all done, 1 some pictures failed, 2 wrong usage, 3 the model cannot be used.
    """
    from colorrt.cli.films import FilmChoices, color_films, film_settings, parse_time, report_of, split_films
    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.folder import Settings, color_jobs
    from colorrt.runtime.jobs import plan_jobs
    from colorrt.runtime.pictures.reading import DEFAULT_MAX_PIXELS

    pictures, films = split_films(plan_jobs(sources, output, overwrite=overwrite), output, codec.value)
    jobs = [*pictures, *films]
    choices = FilmChoices(codec.value, crf, preset, lossless, steady.value, parse_time(begin), parse_time(end))
    chosen = film_settings(choices, saturation) if films else None
    for path in (report, sheet, preview):
        check_result_file(path, [job.source for job in jobs], to_be_made=output)
    if not quiet:
        announce_compiling()
    with Colorizer(engine, render_factor=render_factor, device=device, threads=threads, upsample=upsample) as colorizer:
        colorizer.choose_saturation(saturation)
        if preview is not None:
            _write_preview(colorizer, films, preview, saturation)
            return
        _make_output(output, jobs)
        settings = Settings(saturation, quality, overwrite, max_pixels or DEFAULT_MAX_PIXELS, lossless_luma)
        if not quiet:
            say(f"{colorizer.contract.model} at render factor {colorizer.render_factor}, {colorizer.backend}")
        with _Progress(pictures, hidden=quiet) as progress:
            results = list(progress.follow(color_jobs(colorizer, pictures, settings)))
        outcomes = (
            [] if chosen is None else list(color_films(colorizer, films, chosen, overwrite=overwrite, quiet=quiet))
        )
    if report is not None:
        film_rows = zip(_rows([outcome.result for outcome in outcomes]), map(report_of, outcomes), strict=True)
        write_json(report, [*_rows(results), *({**row, **more} for row, more in film_rows)])
    if sheet is not None:
        _write_sheet(sheet, results)
    _summarize([*results, *(outcome.result for outcome in outcomes)], output, quiet=quiet)


def _write_preview(colorizer: Colorizer, films: Sequence[Job], path: Path, saturation: float | None) -> None:
    from colorrt.errors import UsageError
    from colorrt.runtime.film.preview import write_preview

    if len(films) != 1 or films[0].problem is not None:
        raise UsageError("--preview is of one film; name just one")
    shots = write_preview(colorizer, films[0].source, path, saturation)
    say(f"{shots} shot{'s' if shots != 1 else ''}: {path}", err=False)


def _make_output(output: Path | None, jobs: Sequence[Job]) -> None:
    """Make the output folder before any work is done. Raises UsageError when nothing can be written there."""
    from colorrt.errors import PictureError, UsageError
    from colorrt.runtime.folder import make_folder

    targets = [job.target for job in jobs if job.problem is None]
    if output is None or not targets:
        return
    folder = output.parent if targets == [output] else output
    try:
        make_folder(folder)
    except PictureError as error:
        raise UsageError(str(error)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{folder}: no permission to write here; choose another folder with -o")


class _Progress:
    """A bar with files, pictures a second and the time left, where a terminal can show it."""

    def __init__(self, jobs: Sequence[Job], *, hidden: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self._bar = Progress(
            # File names may look like rich's markup.
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=hidden or len(jobs) < 2 or not console.is_terminal,
        )
        self._task = self._bar.add_task("coloring", total=len(jobs), pace="")

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def follow(self, results: Iterable[Result]) -> Iterator[Result]:
        """Count each picture as it ends."""
        for result in results:
            speed = self._bar.tasks[0].speed
            pace = f"{speed:.1f} pictures/s" if speed else ""
            self._bar.update(self._task, advance=1, description=result.job.source.name[:32], pace=pace)
            yield result


def _rows(results: Sequence[Result]) -> list[dict[str, str | float | None]]:
    return [
        {
            "source": str(result.job.source),
            "target": str(result.job.target),
            "outcome": result.outcome.value,
            "reason": result.reason,
            "seconds": round(result.seconds, 4),
        }
        for result in results
    ]


def _write_sheet(path: Path, results: Sequence[Result]) -> None:
    from colorrt.evaluation.proof_sheet import write_proof
    from colorrt.runtime.folder import Outcome

    pairs = [(result.job.source, result.job.target) for result in results if result.outcome is not Outcome.FAILED]
    if pairs:
        write_proof(path, pairs)


def _summarize(results: Sequence[Result], output: Path | None, *, quiet: bool) -> None:
    from colorrt.runtime.folder import Outcome

    failed = [result for result in results if result.outcome is Outcome.FAILED]
    skipped = [result for result in results if result.outcome is Outcome.SKIPPED]
    done = [result for result in results if result.outcome is Outcome.DONE]
    for result in failed[:LISTED]:
        say(f"failed: {result.reason}")
    if len(failed) > LISTED:
        say(f"failed: {len(failed) - LISTED} more; --report FILE lists them all")
    if not quiet:
        counts = [f"{len(done)} colored{_place([result.job for result in done], output)}"]
        counts += [f"{len(skipped)} skipped because their results exist (--overwrite replaces them)"] if skipped else []
        counts += [f"{len(failed)} failed"] if failed else []
        say("; ".join(counts), err=False)
    if failed:
        raise typer.Exit(1)


def _place(done: Sequence[Job], output: Path | None) -> str:
    """Say where the results are."""
    if len(done) == 1:
        return f": {done[0].target}"
    folders = {job.target.parent for job in done}
    if output is not None and folders:
        return f", in {output}"
    if all(job.target.parent == job.source.parent for job in done):
        return ", beside their originals" if done else ""
    # Without -o, each folder that was named has its own beside it.
    highest = {folder for folder in folders if not folders & set(folder.parents)}
    return f", in {', '.join(map(str, sorted(highest)))}" if len(highest) <= 3 else ""
