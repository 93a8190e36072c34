"""`colorrt run`: colorize files, films, folders and globs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorrt.cli.app import COLORIZE, announce_compiling, check_result_file, command, say
from colorrt.cli.options import (
    RESULTS,
    DeviceOption,
    EngineOption,
    RenderFactorOption,
    SaturationOption,
    ThreadsOption,
    UpsampleOption,
)
from colorrt.cli.outcome import Report, count_outcomes, summarize
from colorrt.cli.progress import Progress
from colorrt.cli.signals import exit_code, word
from colorrt.contract import Device, FilmCodec, Steady, Upsampling

if TYPE_CHECKING:
    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.film.coloring import FilmSettings
    from colorrt.runtime.folder import Result, Settings
    from colorrt.runtime.jobs import Job

FILMS, SAFETY = "Films", "Safety"


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
        str | None,
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
    no_mark: Annotated[
        bool,
        typer.Option(
            "--no-mark",
            help="Do not write into the XMP of each result that it was colored, and how.",
            rich_help_panel=RESULTS,
        ),
    ] = False,
    sign: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            help="Sign each result with Content Credentials (C2PA): PEM files with the certificates, the signer's "
            "first, and the private key.",
            metavar="CERT KEY",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write the outcome of each picture, and what was left out, as JSON or CSV.",
            metavar="FILE",
            rich_help_panel=RESULTS,
        ),
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
    shard: Annotated[
        str | None,
        typer.Option(
            help="Color one part of the pictures: 3/16 is the third of sixteen machines.",
            metavar="N/COUNT",
            rich_help_panel=SAFETY,
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Print a line for each picture.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")] = False,
) -> None:
    """Colorize pictures and films; the luma of each is kept exactly.

    Only the luma of a color picture (a tinted or sepia scan) is used. Every page of a TIFF is colored; 16-bit TIFF and
    PNG stay 16-bit.

    Films need the extra 'video'. An interrupted film resumes when the same command is run again.

    Exit codes: 0 all done, 1 some pictures failed, 2 wrong usage, 3 the model cannot be used.
    """
    from colorrt.cli.films import FilmChoices, film_settings, parse_time, split_films
    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.folder import Settings
    from colorrt.runtime.jobs import plan_jobs, take_shard
    from colorrt.runtime.pictures.reading import DEFAULT_MAX_PIXELS
    from colorrt.runtime.render_factors import in_words, read_render_factors
    from colorrt.runtime.searching import LeftOut
    from colorrt.runtime.signing import load_credentials

    factors = None if render_factor is None else read_render_factors(render_factor)
    folder = _output_of(output)
    left_out: list[LeftOut] = []
    jobs = plan_jobs(sources, folder, overwrite=overwrite, on_left_out=left_out.append)
    if shard is not None:
        jobs = take_shard(jobs, *_numbers_of(shard))
    pictures, films = split_films(jobs, folder, codec.value)
    jobs = [*pictures, *films]
    choices = FilmChoices(codec.value, crf, preset, lossless, steady.value, parse_time(begin), parse_time(end))
    chosen = film_settings(choices, saturation) if films else None
    credentials = load_credentials(*sign) if sign else None
    for path in (report, sheet, preview):
        check_result_file(path, [job.source for job in jobs], to_be_made=folder)
        _check_no_result(path, jobs)
    written = Report(report, left_out)
    if not quiet:
        announce_compiling()
    with Colorizer(engine, render_factor=factors, device=device, threads=threads, upsample=upsample) as colorizer:
        colorizer.choose_saturation(saturation)
        if preview is not None:
            _write_preview(colorizer, films, preview, saturation)
            return
        _make_output(folder, jobs)
        settings = Settings(
            saturation, quality, overwrite, max_pixels or DEFAULT_MAX_PIXELS, lossless_luma, not no_mark, credentials
        )
        if not quiet:
            say(
                f"{colorizer.contract.model} at render factor {in_words(colorizer.render_factors)}, {colorizer.backend}"
            )
        films_too = _FilmWork(films, chosen)
        interrupt = _color(colorizer, pictures, settings, films_too, written, quiet=quiet, verbose=verbose)
    if interrupt is not None:
        counts = count_outcomes(written.results, len(jobs))
        say(f"{word(interrupt)}: {counts}; nothing is half-written; run the same command again to go on")
        raise typer.Exit(exit_code(interrupt))
    done = summarize(written.results, left_out, folder, quiet=quiet)
    if sheet is not None:
        _write_sheet(sheet, written.results)
    if not done:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _FilmWork:
    """The films of a run; `settings` is None where there are none."""

    jobs: Sequence[Job]
    settings: FilmSettings | None


def _color(
    colorizer: Colorizer,
    pictures: Sequence[Job],
    settings: Settings,
    films: _FilmWork,
    report: Report,
    *,
    quiet: bool,
    verbose: bool,
) -> KeyboardInterrupt | None:
    """Color the pictures, then the films; the report is written however it ends. Returns what broke it off."""
    from colorrt.cli.films import color_films, report_of
    from colorrt.runtime.folder import color_jobs
    from colorrt.runtime.history import Journals

    journals = Journals()
    try:
        with Progress(len(pictures), hidden=quiet, verbose=verbose) as progress:
            for _ in progress.follow(report.follow(color_jobs(colorizer, pictures, settings, journals))):
                """Each is shown and noted as it ends."""
        if films.settings is not None:
            for one in color_films(colorizer, films.jobs, films.settings, overwrite=settings.overwrite, quiet=quiet):
                report.note(one.result, report_of(one))
    except KeyboardInterrupt as interrupt:
        return interrupt
    finally:
        journals.close()
        report.write()
    return None


def _output_of(output: str | None) -> Path | None:
    from colorrt.errors import UsageError

    # Path would take it for the working folder.
    if output == "":
        raise UsageError("-o is empty; check the variable or the quotes that it came from")
    return None if output is None else Path(output)


def _numbers_of(shard: str) -> tuple[int, int]:
    from colorrt.errors import UsageError

    number, _, count = shard.partition("/")
    if not (number.isdecimal() and count.isdecimal()):
        raise UsageError(f"--shard {shard}: give two numbers, such as 3/16 for the third of sixteen machines")
    return int(number), int(count)


def _check_no_result(path: Path | None, jobs: Sequence[Job]) -> None:
    """Raise UsageError when a report or a sheet would take the place of a result, or cannot be written."""
    from colorrt.errors import UsageError

    if path is None:
        return
    real = os.path.realpath(path)
    # A result may become PNG.
    if any(real in map(os.path.realpath, (job.target, job.target.with_suffix(".png"))) for job in jobs):
        raise UsageError(f"{path}: cannot be written: one of the results gets this name; choose another name")
    place = path if path.exists() else path.parent
    if place.exists() and not os.access(place, os.W_OK):
        raise UsageError(f"{path}: cannot be written: no permission to write here; choose another name")


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


def _write_sheet(path: Path, results: Sequence[Result]) -> None:
    from colorrt.evaluation.proof_sheet import write_proof
    from colorrt.runtime.folder import Outcome

    pairs = [(result.job.source, result.job.target) for result in results if result.outcome is not Outcome.FAILED]
    if pairs:
        write_proof(path, pairs)
