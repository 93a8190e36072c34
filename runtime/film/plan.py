"""A film before its first picture is guessed: how it is read, written and steadied, and what it depends on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorrt.atomic import printable
from colorrt.errors import PictureError, UsageError
from colorrt.kernels.steady import WINDOW
from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.film.codecs import FilmCoding, Output, Tags, check_container, choose_output
from colorrt.runtime.film.color_look import NONE, FilmColor, look_at_color
from colorrt.runtime.film.decoding import Span
from colorrt.runtime.film.joining import Carried, plan_carrying
from colorrt.runtime.film.opening import FilmFacts, import_av, open_film
from colorrt.runtime.film.state import FilmState, identify
from colorrt.runtime.journal import Making
from colorrt.runtime.pictures.color_spread import InColorError
from colorrt.runtime.render_factors import as_value

if TYPE_CHECKING:
    from colorrt.runtime.signing import Credentials

SIGNED = (".mp4", ".m4v", ".mov")
"""Suffixes of films that can be signed."""

STEADY = ("on", "off", "causal")


@dataclass(frozen=True)
class FilmSettings:
    """How a film is colored.

    `saturation`: None takes the model's own. `steady`: "on", "off", or "causal", which uses no later frames.
    `guess_every`: one in so many pictures is guessed, and what begins a shot; the others take their color from those
    around them. None: those that differ from the last that was guessed (`colorrt.runtime.film.choosing`). `begin`,
    `end`: seconds from the first picture on, for a part of the film; None: all of it. `recolor`: color a film that is
    in color already, too. `mark`: the film says that it was colored. `credentials`: who signs it, see
    `load_credentials`; None signs nothing.
    """

    coding: FilmCoding = field(default_factory=FilmCoding)
    saturation: float | None = None
    steady: str = "on"
    guess_every: int | None = None
    begin: float | None = None
    end: float | None = None
    recolor: bool = False
    mark: bool = True
    credentials: Credentials | None = None

    def __post_init__(self) -> None:
        if self.steady not in STEADY:
            raise UsageError(f"--steady is {', '.join(STEADY)}, not {self.steady!r}")
        if self.guess_every is not None and not 1 <= self.guess_every <= WINDOW:
            raise UsageError(f"--guess-every is 1 to {WINDOW}, not {self.guess_every}")
        if self.steady == "off" and self.guess_every not in (None, 1):
            raise UsageError("--guess-every needs neighbors to take color from; leave --steady on, or causal")
        if self.begin is not None and self.end is not None and self.begin >= self.end:
            raise UsageError(f"--from {self.begin:g} s is not before --to {self.end:g} s")


@dataclass(frozen=True)
class FilmPlan:
    """A film, and all that is settled before the first picture is guessed."""

    facts: FilmFacts
    target: Path
    output: Output
    tags: Tags
    span: Span
    carried: Carried
    color: FilmColor
    state: FilmState

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known before hours are spent, a line each."""
        if not self.color.in_color:
            return self.carried.lost
        part = f"{self.color.in_color} of {self.color.looked} pictures looked at are in color already"
        return (*self.carried.lost, f"{part}, and are colored anew like the rest; --from and --to color a part")


def plan_film(colorizer: Colorizer, source: Path, target: Path, settings: FilmSettings) -> FilmPlan:
    """Look at a film and settle how it is written; nothing is written yet.

    Raises InColorError for a film that is in color already and is not to be colored anew, PictureError for films that
    cannot be read or written so, UsageError for settings that do not go together.
    """
    check_container(target, settings.coding)
    if settings.credentials is not None and target.suffix.lower() not in SIGNED:
        raise PictureError(
            f"{printable(target)}: '{printable(target.suffix)}' has no place for Content Credentials; "
            "name it .mp4 or .mov, or leave --sign out"
        )
    facts = open_film(source)
    try:
        output = choose_output(settings.coding, facts.layout, facts.coding, (facts.height, facts.width))
    except PictureError as error:
        raise PictureError(f"{printable(source)}: {error}") from error
    tags = Tags(
        facts.width,
        facts.height,
        facts.time_base,
        facts.rate,
        facts.matrix,
        facts.primaries,
        facts.transfer,
        facts.coding.full,
        facts.aspect,
    )
    span = _span(facts, settings)
    color = NONE if settings.recolor else look_at_color(facts, span)
    if color.is_color:
        part = "" if color.in_color == color.looked else f", in {color.in_color} of {color.looked} pictures looked at"
        raise InColorError(source, part)
    carried = plan_carrying(facts, output, tags, target, target.parent)
    state = FilmState(target.with_name(target.name + ".colorrt"), _identity(colorizer, source, settings, output))
    return FilmPlan(facts, target, output, tags, span, carried, color, state)


def make_film_making(colorizer: Colorizer, settings: FilmSettings) -> Making:
    """Return what decides how films of these settings look, for their journal."""
    coding, contract = settings.coding, colorizer.contract
    words = [
        coding.codec,
        "lossless" if coding.lossless else f"crf {coding.crf}",
        coding.preset,
        f"steady {settings.steady}",
        "guess what changes" if settings.guess_every is None else f"guess every {settings.guess_every}",
        *(f"{name} {time:g} s" for name, time in (("from", settings.begin), ("to", settings.end)) if time is not None),
    ]
    return Making(
        colorizer.network_name,
        contract.weights_sha256,
        as_value(colorizer.render_factors),
        colorizer.choose_saturation(settings.saturation),
        str(colorizer.upsample),
        # Both are asked of pictures alone.
        quality=0,
        lossless_luma=False,
        mark=settings.mark,
        signed=settings.credentials is not None,
        version=version("colorrt"),
        film=", ".join(words),
    )


def _span(facts: FilmFacts, settings: FilmSettings) -> Span:
    def place(seconds: float | None) -> int | None:
        return None if seconds is None else facts.start + round(Fraction(seconds) / facts.time_base)

    if settings.begin is not None and facts.seconds is not None and settings.begin >= facts.seconds:
        raise UsageError(f"{printable(facts.path)}: --from lies behind its end, which is at {facts.seconds:.1f} s")
    return Span(place(settings.begin), place(settings.end))


def _identity(colorizer: Colorizer, source: Path, settings: FilmSettings, output: Output) -> dict[str, Any]:
    """Return all that the result depends on."""
    contract = colorizer.contract
    return {
        "source": identify(source),
        "model": [
            colorizer.network_name,
            contract.weights_sha256,
            contract.precision,
            as_value(colorizer.render_factors),
            colorizer.upsample,
        ],
        # Not what is settled before it and after it. Nor does a key belong on the disk.
        "settings": asdict(replace(settings, recolor=False, mark=True, credentials=None)),
        "output": [output.encoder, output.pixel_format, output.options],
        "av": import_av().__version__,
    }
