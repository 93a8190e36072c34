"""What `colorrt run` draws beside its results: the preview of a film, and pictures before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from colorrt.cli.app import say

if TYPE_CHECKING:
    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.folder import Result
    from colorrt.runtime.jobs import Job


def check_preview(
    path: Path | None, others: Mapping[str, object], films: Sequence[Job], pictures: Sequence[Job]
) -> None:
    """Raise UsageError when there is not just one film to preview, or an option asks for what a preview has not.

    path: of the preview; None asks for none. others: such options and what they got, None where they were not given.
    """
    from colorrt.errors import UsageError

    if path is None:
        return
    if len(films) != 1 or pictures or films[0].problem is not None:
        raise UsageError("--preview is of one film; name just one")
    given = [option for option, value in others.items() if value is not None]
    if given:
        raise UsageError(f"--preview colors no film, so there is nothing for {' and '.join(given)}; leave it out")


def write_preview_of(colorizer: Colorizer, film: Job, path: Path, saturation: float | None) -> None:
    """Write the preview of a film; say so where the film, or a part of it, is in color already."""
    from colorrt.runtime.film.color_look import look_at_color
    from colorrt.runtime.film.decoding import Span
    from colorrt.runtime.film.opening import open_film
    from colorrt.runtime.film.preview import write_preview

    color = look_at_color(open_film(film.source), Span())
    if color.in_color:
        found = f"{film.source.name}: {color.in_color} of {color.looked} pictures looked at are in color already"
        rest = "colored without --recolor" if color.is_color else "left out"
        say(f"{found}; the sheet shows them colored anew, and the film is not {rest}")
    shots = write_preview(colorizer, film.source, path, saturation)
    say(f"{shots} shot{'s' if shots != 1 else ''}: {path}", err=False)


def write_sheet(path: Path, results: Sequence[Result]) -> None:
    """Write pictures before and after; say so where there is none."""
    from colorrt.evaluation.proof_sheet import write_proof
    from colorrt.runtime.film.suffixes import is_film
    from colorrt.runtime.folder import Outcome
    from colorrt.runtime.history import Skip

    shown = [one for one in results if one.outcome is not Outcome.FAILED and one.skip is not Skip.IN_COLOR]
    # Of a film --preview makes a sheet.
    pairs = [(one.job.source, one.job.target) for one in shown if not is_film(one.job.source)]
    if pairs:
        write_proof(path, pairs)
    else:
        say(f"{path}: not written, for there is no picture to show before and after")
