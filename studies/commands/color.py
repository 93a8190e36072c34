"""Options of the studies of color: `color`, `film`, `film-strip`, `hints`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorrt.errors import UsageError
from studies.commands.reporting import write_json

if TYPE_CHECKING:
    import argparse


def add_color(commands: Any) -> None:
    """Add the options of `color`."""
    color = commands.add_parser("color", help="which pictures are taken for pictures in color: photographs, and grays")
    color.add_argument("photos", nargs="+", type=Path, help="color photographs: folders or .tar")
    color.add_argument("--scans", nargs="*", type=Path, default=[], metavar="FILE", help="real gray pictures")
    color.add_argument("--most", type=int, default=200, help="photographs at most, evenly chosen")
    color.add_argument("--json", type=Path, help="write the figures here")


def run_color(arguments: argparse.Namespace) -> None:
    """Measure what `color` asks for, and print it."""
    from studies.color import color_lines, study_color

    if arguments.most < 1:
        raise UsageError("--most takes 1 or more")
    report = study_color(arguments.photos, arguments.scans, arguments.most)
    for line in color_lines(report):
        print(line)
    write_json(arguments.json, report.as_json())


def add_film(commands: Any) -> None:
    """Add the options of `film`."""
    film = commands.add_parser("film", help="how much steadier films become, and how near to true color that is")
    film.add_argument("clips", nargs="+", type=Path, help="films; those named *gray_and_color* show both side by side")
    film.add_argument("--engine", type=Path, help="an artifact of any render factor; the model that ships if not given")
    film.add_argument("--frames", type=int, help="the first pictures of each alone")
    film.add_argument(
        "--guess-every",
        nargs="+",
        default=["1", "changed"],
        metavar="N",
        help="which pictures are guessed: one in N, or those that changed; several are compared",
    )
    film.add_argument("--json", type=Path, help="write the figures here")


def run_film(arguments: argparse.Namespace) -> None:
    """Measure what `film` asks for, and print it."""
    from studies.film import study_films

    everies = [None if every == "changed" else int(every) for every in arguments.guess_every]
    study = study_films(arguments.clips, arguments.engine, arguments.frames, print, everies)
    write_json(arguments.json, study.as_json())


def add_film_strip(commands: Any) -> None:
    """Add the options of `film-strip`."""
    strip = commands.add_parser("film-strip", help="a picture of a made film, guessed and steadied")
    strip.add_argument("photo", type=Path, help="a gray photograph, over which a camera pans")
    strip.add_argument("target", type=Path, help="the strip, a JPEG")


def run_film_strip(arguments: argparse.Namespace) -> None:
    """Measure what `film-strip` asks for, and print it."""
    from studies.film_strip import write_strip

    write_strip(arguments.photo, arguments.target)


def add_hints(commands: Any) -> None:
    """Add the options of `hints`."""
    hints = commands.add_parser(
        "hints", help="what points of true color add to the guess, by three ways to spread them"
    )
    hints.add_argument("photos", type=Path, help="color photographs: a folder or .tar")
    hints.add_argument("--most", type=int, default=100, help="photographs at most, evenly chosen")
    hints.add_argument("--json", type=Path, help="write the figures here")


def run_hints(arguments: argparse.Namespace) -> None:
    """Measure what `hints` asks for, and print it."""
    from studies.hints import hint_lines, study_hints

    if arguments.most < 1:
        raise UsageError("--most takes 1 or more")
    report = study_hints(arguments.photos, arguments.most)
    for line in hint_lines(report):
        print(line)
    write_json(arguments.json, report.as_json())
