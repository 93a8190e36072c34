"""What `colorrt run` draws beside its results: the preview of a film, and pictures before and after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from colorrt.cli.app import say

if TYPE_CHECKING:
    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.folder import Result
    from colorrt.runtime.jobs import Job


def write_preview_of(
    colorizer: Colorizer, films: Sequence[Job], pictures: Sequence[Job], path: Path, saturation: float | None
) -> None:
    """Write the preview of a single film. Raises UsageError when there are others."""
    from colorrt.errors import UsageError
    from colorrt.runtime.film.preview import write_preview

    if len(films) != 1 or pictures or films[0].problem is not None:
        raise UsageError("--preview is of one film; name just one")
    shots = write_preview(colorizer, films[0].source, path, saturation)
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
