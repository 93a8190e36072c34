"""`colorrt run`: colorize files, folders and globs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from colorrt.cli.app import announce_compiling, app, check_result_file, guarded, say

if TYPE_CHECKING:
    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.film.coloring import FilmSettings
    from colorrt.runtime.folder import Result
    from colorrt.runtime.jobs import Job

LISTED = 20
"""Failures that are listed at the end; --report lists all."""


@app.command()
@guarded
def run(
    sources: Annotated[
        list[str],
        typer.Argument(help="Pictures, films, folders (searched recursively) or quoted globs.", metavar="PICTURES"),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder for the results (or a file name for a single picture or film). Without it: NAME-color.jpg "
            "beside each file, FOLDER-color/ beside a folder.",
        ),
    ] = None,
    engine: Annotated[
        Path | None,
        typer.Option(
            help="An ONNX file made by 'colorrt export' or an engine by 'colorrt build'; without it, the model that "
            "ships."
        ),
    ] = None,
    render_factor: Annotated[
        int | None,
        typer.Option(help="Side of the square that the network sees, in units of 16 pixels: 1 to 64; 16 if not given."),
    ] = None,
    saturation: Annotated[
        float | None, typer.Option(help="Factor on the guessed color: 0 is gray, 1 the network's guess. Up to 10.")
    ] = None,
    upsample: Annotated[
        str,
        typer.Option(help="How color comes to full size: guided follows the edges of the picture, bilinear does not."),
    ] = "guided",
    quality: Annotated[int, typer.Option(min=1, max=100, help="JPEG and WebP quality.")] = 95,
    lossless_luma: Annotated[
        bool,
        typer.Option(
            "--lossless-luma",
            help="For archives, JPEG only: keep the coded luma of each JPEG bit for bit and add chroma beside it; "
            "--quality is that of chroma alone.",
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write again what exists already.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads; all cores if not given.")] = None,
    max_pixels: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Refuse pictures and pages of more pixels than this, a guard against bombs; 150 million if not given.",
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write what became of each picture as JSON.")] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Write a proof sheet as PNG: up to 24 of the pictures, before and after.")
    ] = None,
    steady: Annotated[
        str, typer.Option(help="Films: color that stays. on, off, or causal, which uses no later pictures.")
    ] = "on",
    codec: Annotated[str, typer.Option(help="Films: x264, x265, av1, prores, dnxhr or ffv1.")] = "x264",
    crf: Annotated[int, typer.Option(help="Films: quality of x264, x265 and av1; less is better, 0 to 51.")] = 16,
    preset: Annotated[str, typer.Option(help="Films: speed of x264 and x265, ultrafast to veryslow.")] = "veryfast",
    lossless: Annotated[bool, typer.Option("--lossless", help="Films: x264 that keeps luma bit for bit.")] = False,
    begin: Annotated[
        str | None, typer.Option("--from", help="Films: begin here; 90, 1:30 or 0:01:30.", metavar="TIME")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Films: end before this.", metavar="TIME")] = None,
    preview: Annotated[
        Path | None,
        typer.Option(help="Films: write a sheet of one picture a shot as PNG, and stop; for a single film."),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")] = False,
) -> None:
    """Colorize pictures and films; the luma of each is kept exactly.

    Of a color picture (a tinted or sepia scan) only the luma is used. Of a TIFF every page is colored, and 16 bits stay
    16 in TIFF and PNG. Existing results are skipped, inputs are never overwritten. A film that was stopped goes on when
    the same command is given again. Exit code: 0 all done, 1 some pictures failed, 2 wrong usage, 3 the model cannot be
    used.
    """
    from colorrt.cli.films import color_films, parse_time, report_of, split_films
    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.folder import Settings, color_jobs
    from colorrt.runtime.jobs import plan_jobs
    from colorrt.runtime.pictures.reading import DEFAULT_MAX_PIXELS

    jobs = plan_jobs(sources, output, overwrite=overwrite)
    pictures, films = split_films(jobs, output, codec)
    jobs = [*pictures, *films]
    film_settings = _film_settings(
        FilmChoices(codec, crf, preset, lossless, steady),
        saturation,
        parse_time(begin),
        parse_time(end),
        films=bool(films),
    )
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
        shown = list(results)
        outcomes = []
        if film_settings is not None:
            outcomes = list(color_films(colorizer, films, film_settings, overwrite=overwrite, quiet=quiet))
        results += [outcome.result for outcome in outcomes]
    if report is not None:
        _write_report(report, results, [{}] * len(shown) + [report_of(outcome) for outcome in outcomes])
    if sheet is not None:
        _write_sheet(sheet, shown)
    _summarize(results, output, quiet=quiet)


class FilmChoices(NamedTuple):
    """What was asked of films."""

    codec: str
    crf: int
    preset: str
    lossless: bool
    steady: str


def _film_settings(
    choices: FilmChoices, saturation: float | None, begin: float | None, end: float | None, *, films: bool
) -> FilmSettings | None:
    """Return how films are colored, None where there are none. Raises UsageError for impossible settings."""
    if not films:
        return None
    from colorrt.runtime.film.codecs import FilmCoding
    from colorrt.runtime.film.coloring import FilmSettings

    coding = FilmCoding(choices.codec, choices.crf, choices.lossless, choices.preset)
    return FilmSettings(coding, saturation, choices.steady, begin, end)


def _write_preview(colorizer: Colorizer, films: Sequence[Job], path: Path, saturation: float | None) -> None:
    from colorrt.errors import UsageError
    from colorrt.runtime.film.preview import write_preview

    if len(films) != 1 or films[0].problem is not None:
        raise UsageError("--preview is of one film; name just one")
    shots = write_preview(colorizer, films[0].source, path, saturation)
    say(f"{shots} shots: {path}", err=False)


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
        raise UsageError(f"{folder}: there is no permission to write here; name another folder with -o")


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


def _write_report(path: Path, results: Sequence[Result], more: Sequence[dict[str, Any]]) -> None:
    from colorrt.atomic import atomic_path
    from colorrt.errors import UsageError

    rows = [
        {
            "source": str(result.job.source),
            "target": str(result.job.target),
            "outcome": result.outcome.value,
            "reason": result.reason,
            "seconds": round(result.seconds, 4),
            **known,
        }
        for result, known in zip(results, more, strict=True)
    ]
    with atomic_path(path, UsageError) as part:
        part.write_text(json.dumps(rows, indent=1), encoding="utf-8")


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
        counts += [f"{len(skipped)} skipped, for their results exist (--overwrite makes them anew)"] if skipped else []
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
