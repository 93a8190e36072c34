"""Which photographs a stage is about."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from colorrt.errors import UsageError
from colorrt.photos.finding import Entry, find_entries, is_held_out
from colorrt.training.recipes.recipe import Stage


@dataclass(frozen=True)
class Listing:
    """Photographs of a stage: for training, for validation, and how often each of the former is drawn.

    `weights` are empty where all are drawn alike: each once an epoch.
    """

    kept: list[Entry]
    held: list[Entry]
    weights: tuple[float, ...]

    @property
    def digest(self) -> str:
        """A short name of these photographs: what a training goes on with to the bit, or notices that it cannot."""
        weights = self.weights or (1.0,) * len(self.kept)
        said = [f"{entry.name}\0{entry.offset}\0{weight}" for entry, weight in zip(self.kept, weights, strict=True)]
        return hashlib.sha256("\n".join(said).encode("utf-8", "surrogateescape")).hexdigest()[:16]


@dataclass
class PhotoIndex:
    """The photographs below a data folder, listed once for all stages that share them.

    `validation`: patterns of files below it whose photographs are kept for validation; where none of them is there,
    `holdout` (0..1) of all are. `without`: a folder below it that is left out. `say` is told of what is left out, in
    one line each.
    """

    data: Path
    holdout: float
    without: Path | None
    say: Callable[[str], None]
    validation: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._listed: dict[tuple[object, ...], Listing] = {}

    def listing(self, stage: Stage) -> Listing:
        """List the photographs of a stage, some of them (`holdout`, 0..1) kept for validation.

        Recipes name files of the folder that they were made for; where none of them is there, every photograph is
        taken. Raises UsageError when a file is no tar shard or a damaged one, or they are fewer than a batch takes.
        """
        found = [[self.data] if pattern == "." else sorted(self.data.glob(pattern)) for pattern in stage.sources]
        everything = not any(found)
        sources = [[self.data]] if everything else found
        shares = (1.0,) if everything or not stage.source_weights else stage.source_weights
        key = (tuple(map(tuple, sources)), shares, stage.favored, stage.favor)
        if key not in self._listed:
            if everything:
                self.say(f"{self.data}: nothing matches {', '.join(stage.sources)}; using every photograph")
            self._listed[key] = self._list(sources, shares, stage)
        listing = self._listed[key]
        if len(listing.kept) < stage.batch:
            where = "are below it" if everything else f"match {', '.join(stage.sources)}"
            raise UsageError(
                f"{self.data}: {len(listing.kept)} photographs {where}, fewer than one batch of {stage.batch}; give "
                "--data another folder, or a recipe with a smaller batch"
            )
        return listing

    def _list(self, sources: list[list[Path]], shares: tuple[float, ...], stage: Stage) -> Listing:
        kept: list[Entry] = []
        apart = [path for pattern in self.validation for path in sorted(self.data.glob(pattern))]
        held = find_entries(apart, self.without, self.say)
        known = {(entry.file, entry.offset, entry.name) for entry in held}
        holdout = 0.0 if apart else self.holdout
        weights: list[float] = []
        for index, group in enumerate(sources):
            for entry in find_entries(group, self.without, self.say):
                if (entry.file, entry.offset, entry.name) in known:
                    continue
                if is_held_out(entry.name, holdout):
                    held.append(entry)
                    continue
                kept.append(entry)
                weights.append(shares[min(index, len(shares) - 1)] * _favor(entry.name, stage))
        # Draws by weight leave some out of each epoch: not where they make no difference.
        unequal = len(set(weights)) > 1
        return Listing(kept, held, tuple(weights) if unequal else ())


def _favor(name: str, stage: Stage) -> float:
    last = PurePosixPath(name).name
    pairs = zip(stage.favored, stage.favor, strict=True)
    return next((times for pattern, times in pairs if fnmatchcase(name, pattern) or fnmatchcase(last, pattern)), 1.0)
