"""Which photographs a stage is about."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from colorrt.errors import UsageError
from colorrt.training.files import Entry, find_entries, is_held_out
from colorrt.training.recipe import Stage


@dataclass(frozen=True)
class Listing:
    """Photographs of a stage: for training, for validation, and how often each of the former is drawn.

    `everything`: nothing matched the stage's sources, so that all photographs below the data folder were taken.
    """

    kept: list[Entry]
    held: list[Entry]
    weights: tuple[float, ...]
    everything: bool


def list_photographs(data: Path, stage: Stage, holdout: float) -> Listing:
    """List the photographs of a stage below `data`, `holdout` (0..1) of them kept for validation.

    Recipes name files of the folder that they were made for; where none of them is there, every photograph is taken.
    Raises UsageError when a file is no tar shard or a damaged one.
    """
    kept: list[Entry] = []
    held: list[Entry] = []
    weights: list[float] = []
    found = [[data] if pattern == "." else sorted(data.glob(pattern)) for pattern in stage.sources]
    everything = not any(found)
    for index, sources in enumerate([[data]] if everything else found):
        for entry in find_entries(sources):
            if is_held_out(entry.name, holdout):
                held.append(entry)
                continue
            kept.append(entry)
            if stage.source_weights or stage.favored:
                own = stage.source_weights[index] if stage.source_weights and not everything else 1.0
                weights.append(own * _favor(entry.name, stage))
    return Listing(kept, held, tuple(weights), everything)


def _favor(name: str, stage: Stage) -> float:
    matching = (times for pattern, times in zip(stage.favored, stage.favor, strict=True) if fnmatchcase(name, pattern))
    return next(matching, 1.0)


def check_enough(found: Listing, stage: Stage, data: Path) -> None:
    """Raise UsageError when there are fewer photographs than a batch takes."""
    if len(found.kept) < stage.batch:
        where = "are below it" if found.everything else f"match {', '.join(stage.sources)}"
        raise UsageError(
            f"{data}: {len(found.kept)} photographs {where}, fewer than a batch of {stage.batch}; give --data another "
            "folder, or a recipe with a smaller batch"
        )
