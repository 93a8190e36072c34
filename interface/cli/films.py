"""The films among what `colorrt run` was given: each colored in turn, with a bar, its notes and its scores."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorrt.cli.app import say
from colorrt.errors import BackendError, ColorrtError, ModelError, UsageError

if TYPE_CHECKING:
    from colorrt.atomic import Told
    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.film.coloring import FilmResult, FilmStep
    from colorrt.runtime.film.plan import FilmPlan, FilmSettings
    from colorrt.runtime.folder import Result
    from colorrt.runtime.history import History, Journals
    from colorrt.runtime.jobs import Job
    from colorrt.runtime.journal import Identity
    from colorrt.runtime.signing import Credentials


@dataclass(frozen=True)
class FilmOutcome:
    """What became of a film: the result as pictures have it, and what is to be known of it as a film."""

    result: Result
    film: FilmResult | None


@dataclass(frozen=True)
class FilmChoices:
    """What was asked of films; `begin`, `end`: seconds."""

    codec: str
    crf: int
    preset: str
    lossless: bool
    steady: str
    guess_every: int | None
    begin: float | None
    end: float | None
    recolor: bool
    mark: bool
    credentials: Credentials | None


def film_settings(choices: FilmChoices, saturation: float | None) -> FilmSettings:
    """Return how films are colored. Raises UsageError for impossible settings."""
    from colorrt.runtime.film.codecs import FilmCoding
    from colorrt.runtime.film.plan import FilmSettings

    coding = FilmCoding(choices.codec, choices.crf, choices.lossless, choices.preset)
    return FilmSettings(
        coding,
        saturation,
        choices.steady,
        choices.guess_every,
        choices.begin,
        choices.end,
        choices.recolor,
        choices.mark,
        choices.credentials,
    )


def parse_time(text: str | None) -> float | None:
    """Return seconds from "90", "1:30", "0:01:30.5"; None for None. Raises UsageError for anything else."""
    if text is None:
        return None
    parts = text.split(":")
    try:
        numbers = [float(part) for part in parts]
        if len(parts) > 3 or not all(math.isfinite(number) and number >= 0 for number in numbers):
            raise ValueError
    except ValueError:
        raise UsageError(f"{text!r} is no time; write seconds, minutes:seconds or hours:minutes:seconds") from None
    seconds = 0.0
    for number in numbers:
        seconds = 60 * seconds + number
    return seconds


def show_time(seconds: float) -> str:
    """Return seconds as 0:01:30."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def name_films(films: Sequence[Job], output: Path | None, codec: str) -> list[Job]:
    """Give the outputs of films the suffix of a container that fits, unless one was named."""
    from colorrt.runtime.film.suffixes import film_suffix

    return [
        job
        if job.target == output or job.problem is not None
        else replace(job, target=job.target.with_suffix(film_suffix(job.target.suffix, codec)))
        for job in films
    ]


def color_films(
    colorizer: Colorizer,
    jobs: Sequence[Job],
    settings: FilmSettings,
    inputs: Sequence[Path],
    journals: Journals,
    *,
    overwrite: bool,
    quiet: bool,
) -> Iterator[FilmOutcome]:
    """Color films one after the other; one that fails does not stop the others.

    inputs: all that the run was given, which no result may replace. What is there already is skipped, and what is done
    is entered, as it is with pictures (`colorrt.runtime.folder.color_jobs`).
    """
    from colorrt.atomic import remove_parts
    from colorrt.kernels.warming import warm_up_film
    from colorrt.runtime.film.plan import make_film_making
    from colorrt.runtime.folder import Outcome, Result, SkippedError, check_target, left_result, skipped_result
    from colorrt.runtime.history import History
    from colorrt.runtime.jobs import Names
    from colorrt.runtime.pictures.color_spread import InColorError

    for folder in {job.target.parent for job in jobs if job.problem is None}:
        remove_parts(folder)
    history = History(journals, make_film_making(colorizer, settings), recolor=settings.recolor)
    names = Names(inputs, history.is_taken)
    warm = False
    for job in names.settle(jobs):
        if job.problem is not None:
            yield FilmOutcome(Result(job, Outcome.FAILED, f"{job.source}: {job.problem}"), None)
            continue
        try:
            check_target(job, history, overwrite=overwrite)
        except SkippedError as error:
            yield FilmOutcome(skipped_result(job, error), None)
            continue
        if history.stays_in_color(job):
            yield FilmOutcome(left_result(job, history, str(InColorError(job.source)), 0.0, None), None)
            continue
        if not warm:
            warm_up_film()
            warm = True
        yield _color(colorizer, job, settings, history, quiet=quiet)


def _color(colorizer: Colorizer, job: Job, settings: FilmSettings, history: History, *, quiet: bool) -> FilmOutcome:
    from colorrt.runtime.folder import Outcome, Result, left_result
    from colorrt.runtime.pictures.color_spread import InColorError

    begun = time.perf_counter()
    source: Identity | None = None

    def announce(part: Path, _: Path) -> None:
        nonlocal source
        # Read whole, and only now: beside coloring it that is nothing, and a film that is gone on with is read once.
        source = history.identify(job)
        history.announce(job, part, time.perf_counter() - begun, source)

    try:
        film, reason = _made(colorizer, job, settings, announce, quiet=quiet), None
    except ModelError as error:
        if not isinstance(error, BackendError):
            raise
        film, reason = None, f"{job.source}: {error}"
    except InColorError as error:
        source, seconds = history.identify(job), time.perf_counter() - begun
        return FilmOutcome(left_result(job, history, str(error), seconds, source), None)
    except ColorrtError as error:
        film, reason = None, str(error)
    outcome = Outcome.FAILED if film is None else Outcome.DONE
    seconds = time.perf_counter() - begun
    row = history.enter(job, outcome.value, reason, seconds, source)
    if film is not None and not quiet:
        _tell_result(film)
    return FilmOutcome(Result(job, outcome, reason, seconds, row=row), film)


def _made(colorizer: Colorizer, job: Job, settings: FilmSettings, announce: Told, *, quiet: bool) -> FilmResult:
    from colorrt.runtime.film.coloring import color_film
    from colorrt.runtime.film.plan import plan_film
    from colorrt.runtime.folder import make_folder

    make_folder(job.target.parent)
    plan = plan_film(colorizer, job.source, job.target, settings)
    with closing(plan.state):
        plan.state.begin()
        if not quiet:
            _tell_plan(plan, settings)
        with _FilmProgress(job.source.name, hidden=quiet) as progress:
            return color_film(colorizer, plan, settings, progress.advance, announce)


def _tell_plan(plan: FilmPlan, settings: FilmSettings) -> None:
    name = plan.facts.path.name
    for line in plan.notes:
        say(f"{name}: {line}")
    if not settings.coding.keeps_luma:
        codec = settings.coding.codec
        say(f"{name}: {codec} is lossy, luma too; --lossless (x264) or --codec ffv1 keep luma bit for bit")
    if plan.state.stale:
        say(f"{name}: what an earlier run left is of another film or other settings; starting anew")
    elif plan.state.progress.frames:
        say(f"{name}: going on after {plan.state.progress.frames} pictures that are done")


def _tell_result(film: FilmResult) -> None:
    pace = (film.frames - film.resumed) / film.seconds if film.seconds else 0.0
    shots = f" in {film.shots} shot{'s' if film.shots != 1 else ''}" if film.steadied is not None else ""
    say(f"{film.source.name}: {film.frames} pictures{shots}, {pace:.1f} a second")
    if film.steadied is not None:
        raw, steadied = film.raw, film.steadied
        versions = "guessed and then steadied" if raw is not None else "steadied"

        def change(name: str, places: int, scale: int = 1) -> str:
            values = [scale * float(getattr(scores, name)) for scores in (raw, steadied) if scores is not None]
            return " -> ".join(f"{value:.{places}f}" for value in values)

        say(
            f"{film.source.name}: steadiness, {versions} (less is steadier): F {change('flicker', 3)}, "
            f"W {change('warp', 2)}, CDC over gray {change('cdc', 3, 1000)} thousandths, chroma {change('chroma', 2)}"
        )
    for line in film.notes:
        if "damaged" in line or "no time" in line:
            say(f"{film.source.name}: {line}")


def report_of(outcome: FilmOutcome) -> dict[str, Any]:
    """Return what a report says of a film beside what it says of pictures."""
    film = outcome.film
    if film is None:
        return {}
    from dataclasses import asdict

    return {
        "frames": film.frames,
        "shots": film.shots,
        "resumed": film.resumed,
        "scores": None
        if film.steadied is None
        else {"raw": None if film.raw is None else asdict(film.raw), "steadied": asdict(film.steadied)},
        "notes": list(film.notes),
    }


class _FilmProgress:
    """A bar with the time of the current picture, pictures a second and the time left."""

    def __init__(self, name: str, *, hidden: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[state]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=hidden or not console.is_terminal,
        )
        self._task = self._bar.add_task(name[:32], total=None, state="")
        self._begun = False

    def __enter__(self) -> _FilmProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, step: FilmStep) -> None:
        """Show how far the film is."""
        if not self._begun:
            # What an earlier run did took no time now.
            self._begun = True
            self._bar.update(self._task, total=step.total and max(step.total - step.resumed, 1))
        speed = self._bar.tasks[0].speed
        pace = f"{speed:.1f} pictures/s" if speed else ""
        state = f"{show_time(step.seconds)}  {step.frames}/{step.total or '?'}  {pace}"
        self._bar.update(self._task, completed=step.frames - step.resumed, state=state)
