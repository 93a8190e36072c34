"""`colorrt run`: colorize files, films, folders and globs."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorrt.cli.app import COLORIZE, announce_compiling, command, compile_ahead, say
from colorrt.cli.options import (
    COLOR,
    RESULTS,
    DeviceOption,
    EngineOption,
    RenderFactorOption,
    SaturationOption,
    ShippedPrecisionOption,
    ThreadsOption,
    UpsampleOption,
)
from colorrt.cli.outcome import Report, count_outcomes, summarize
from colorrt.cli.pipes import PIPE, Pipe
from colorrt.cli.places import check_files, make_output, output_of
from colorrt.cli.progress import Progress
from colorrt.cli.remote import Remote
from colorrt.cli.sheets import check_preview, write_preview_of, write_sheet
from colorrt.cli.signals import exit_code, word
from colorrt.cli.ways import Wish, find_jobs
from colorrt.contract import Device, FilmCodec, Precision, Steady, Upsampling

if TYPE_CHECKING:
    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.film.plan import FilmSettings
    from colorrt.runtime.folder import Result, Settings
    from colorrt.runtime.hints import Hints
    from colorrt.runtime.history import Journals
    from colorrt.runtime.jobs import Job
    from colorrt.runtime.signing import Credentials

FILMS, SAFETY = "Films", "Safety"


@command(
    COLORIZE,
    "colorrt run photos/ -o out/",
    "colorrt run old.jpg --render-factor 24 --saturation 1.3",
    "colorrt run old.jpg --hints strokes.png",
    "colorrt run 'scans/*.tif' --engine artistic-rf35.onnx --report report.json",
    "colorrt run film.mp4 -o out.mp4",
    "colorrt run s3://archive/scans -o s3://archive/color --shard 3/16",
    "colorrt run - -o - < old.jpg > new.jpg",
)
def run(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, films, folders (searched recursively), quoted globs or addresses (s3://bucket/scans); - is "
            "standard input.",
            metavar="PICTURES",
        ),
    ],
    engine: EngineOption = None,
    render_factor: RenderFactorOption = None,
    precision: ShippedPrecisionOption = None,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    saturation: SaturationOption = None,
    upsample: UpsampleOption = Upsampling.GUIDED,
    hints: Annotated[
        Path | None,
        typer.Option(
            help="Colors that you want at some places of one picture: a transparent PNG with strokes, of the same "
            "proportions.",
            metavar="FILE",
            rich_help_panel=COLOR,
        ),
    ] = None,
    hint_reach: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=3.0,
            help="How far hints spread: less keeps a color that is far from the guess on one thing.",
            metavar="X",
            rich_help_panel=COLOR,
        ),
    ] = 1.0,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder for the results, or a file name for a single picture or film; - is standard output.",
            metavar="PATH",
            show_default="NAME-color.jpg beside each file, FOLDER-color/ beside each folder",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    quality: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            help="Quality of JPEG, WebP and AVIF. Without it, a gray JPEG keeps its coded luma bit for bit.",
            metavar="N",
            show_default="95, and the luma of gray JPEGs as it is",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    lossless_luma: Annotated[
        bool,
        typer.Option(
            "--lossless-luma",
            help="For archives, JPEG only: keep the coded luma of JPEGs with chroma too, refuse what cannot keep it; "
            "--quality then applies to chroma alone.",
            rich_help_panel=RESULTS,
        ),
    ] = False,
    recolor: Annotated[
        bool,
        typer.Option(
            "--recolor",
            help="Color pictures and films that are in color already too; without it, they are left as they are.",
            rich_help_panel=RESULTS,
        ),
    ] = False,
    no_mark: Annotated[
        bool,
        typer.Option(
            "--no-mark",
            help="Do not write into the metadata of each result that it was colored, and how.",
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
    guess_every: Annotated[
        int | None,
        typer.Option(
            "--guess-every",
            min=1,
            help="Guess one in N frames, and each that begins a shot; the others take color from those around them. "
            "2 is quicker, and a little less true.",
            metavar="N",
            show_default="frames that changed, 1 in 3 at least",
            rich_help_panel=FILMS,
        ),
    ] = None,
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

    A picture or film that is in color already is left as it is; of a tinted, toned or yellowed one only the luma is
    used. Every page of a TIFF is colored; 16-bit TIFF and PNG stay 16-bit. Of an animation only the first frame is
    colored.

    Addresses (s3, gs, az) need the extra 'remote', films the extra 'video'. An interrupted film resumes when the same
    command is run again.

    Exit codes: 0 all done, 1 some pictures failed, 2 wrong usage, 3 the model cannot be used.
    """
    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.film.suffixes import is_film
    from colorrt.runtime.folder import Settings
    from colorrt.runtime.pictures.reading import DEFAULT_MAX_PIXELS
    from colorrt.runtime.render_factors import read_render_factors
    from colorrt.runtime.searching import LeftOut

    (engine, exact), factors = _choose_engine(engine, precision, device), read_render_factors(render_factor)
    folder, most_pixels = output_of(output), max_pixels or DEFAULT_MAX_PIXELS
    left_out: list[LeftOut] = []
    with ExitStack() as stack:
        wish = Wish(sources, output, shard, {"--sheet": sheet, "--preview": preview})
        way, jobs = stack.enter_context(find_jobs(wish, most_pixels, left_out.append, overwrite=overwrite))
        credentials, wanted = _credentials_of(sign), _hints_of(hints, hint_reach, jobs)
        pictures = [job for job in jobs if not is_film(job.source)]
        films, chosen = [job for job in jobs if is_film(job.source)], None
        if films:
            from colorrt.cli.films import FilmChoices, film_settings, name_films, parse_time

            choices = FilmChoices(
                codec.value,
                crf,
                preset,
                lossless,
                steady.value,
                guess_every,
                parse_time(begin),
                parse_time(end),
                recolor,
                not no_mark,
                credentials,
            )
            chosen = film_settings(choices, saturation)
            films = name_films(films, folder, codec.value)
            jobs = [*pictures, *films]
        check_files({"--report": report, "--sheet": sheet, "--preview": preview}, jobs, folder)
        written = Report(report, left_out)
        check_preview(preview, {"--report": report, "--sheet": sheet, "--sign": sign}, films, pictures)
        _prepare_kernels(pictures, quiet=quiet)
        colorizer = stack.enter_context(
            Colorizer(engine, render_factor=factors, device=device, exact=exact, threads=threads, upsample=upsample)
        )
        colorizer.choose_saturation(saturation)
        if preview is not None:
            write_preview_of(colorizer, films[0], preview, saturation)
            return
        if not isinstance(way, Pipe):
            make_output(folder, jobs)
        settings = Settings(
            saturation, quality, overwrite, most_pixels, lossless_luma, not no_mark, credentials, recolor, wanted
        )
        _tell_model(colorizer, quiet=quiet)
        work = _FilmWork(films, chosen)
        interrupt = _color(colorizer, pictures, settings, work, written, way, quiet=quiet, verbose=verbose)
    if interrupt is not None:
        raise _interrupted(interrupt, written.results, len(jobs))
    done = summarize(written.results, left_out, folder, quiet=quiet, err=output == PIPE)
    if sheet is not None:
        write_sheet(sheet, written.results)
    if not done or written.failed:
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
    way: Pipe | Remote | None,
    *,
    quiet: bool,
    verbose: bool,
) -> KeyboardInterrupt | None:
    """Color the pictures, then the films; the report is written however it ends. Returns what broke it off."""
    from colorrt.runtime.history import Journals

    journals = Journals()
    # What was left out is known already, and a kill must not leave the report of another run.
    report.write()
    try:
        results = _results(colorizer, pictures, settings, journals, way)
        # Closed before the journals are: an interrupt may come between two results, while others are written.
        with closing(results), Progress(len(pictures), hidden=quiet, verbose=verbose) as progress:
            for _ in progress.follow(report.follow(results)):
                """Each is shown and noted as it ends."""
        if films.settings is not None:
            from colorrt.cli.films import color_films, report_of

            sources = [job.source for job in (*pictures, *films.jobs)]
            work = color_films(
                colorizer, films.jobs, films.settings, sources, journals, overwrite=settings.overwrite, quiet=quiet
            )
            for one in work:
                report.note(one.result, report_of(one))
    except KeyboardInterrupt as interrupt:
        return interrupt
    finally:
        journals.close()
        report.close()
    return None


def _interrupted(interrupt: KeyboardInterrupt, results: Sequence[Result], jobs: int) -> typer.Exit:
    counts = count_outcomes(results, jobs)
    say(f"{word(interrupt)}: {counts}; nothing is half-written; run the same command again to go on")
    return typer.Exit(exit_code(interrupt))


def _choose_engine(engine: Path | None, precision: Precision | None, device: Device) -> tuple[Path | None, bool]:
    """Return the model file, the one that is named or the shipped one of a precision, and whether it is to be computed
    with its own numbers."""
    from colorrt.errors import UsageError
    from colorrt.runtime.shipped import shipped_artifact

    if precision is None:
        return engine, False
    exact = device == Device.OPENVINO and precision == Precision.FP32
    if engine is not None and exact:
        return engine, True
    if engine is not None:
        raise UsageError(
            f"--precision {precision} chooses among the models that ship, and --engine {engine} has its own; leave one "
            "of them out"
        )
    return shipped_artifact(precision), exact


def _tell_model(colorizer: Colorizer, *, quiet: bool) -> None:
    """Say what colors."""
    from colorrt.runtime.render_factors import in_words

    contract = colorizer.contract
    factors = in_words(colorizer.render_factors)
    if quiet:
        return
    say(f"{contract.model} at render factor {factors}, {colorizer.precision}, {colorizer.backend}")


def _prepare_kernels(pictures: Sequence[Job], *, quiet: bool) -> None:
    if not quiet:
        announce_compiling()
    if pictures:
        compile_ahead(pictures[0].target)


def _hints_of(path: Path | None, reach: float, jobs: Sequence[Job]) -> Hints | None:
    """Read the hints of a run of one picture. Raises UsageError for another run, PictureError for a bad file."""
    if path is None:
        return None
    from colorrt.errors import UsageError
    from colorrt.runtime.film.suffixes import is_film
    from colorrt.runtime.hints import read_hints

    if len(jobs) != 1 or is_film(jobs[0].source):
        raise UsageError(
            f"--hints {path}: hints are of one picture, and this run has {len(jobs)} pictures and films; name that one "
            "picture alone"
        )
    return read_hints(path, reach=reach)


def _credentials_of(sign: tuple[Path, Path] | None) -> Credentials | None:
    if sign is None:
        return None
    # Most runs sign nothing, and start sooner without it.
    from colorrt.runtime.signing import load_credentials

    return load_credentials(*sign)


def _results(
    colorizer: Colorizer,
    pictures: Sequence[Job],
    settings: Settings,
    journals: Journals,
    way: Pipe | Remote | None,
) -> Generator[Result, None, None]:
    from colorrt.runtime.folder import color_jobs

    yield from (color_jobs if way is None else way.color)(colorizer, pictures, settings, journals)
