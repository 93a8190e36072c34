"""How a run shows that it goes on: a bar on a terminal, a line every half minute elsewhere, or a line a picture."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from colorrt.atomic import printable
from colorrt.cli.app import say

if TYPE_CHECKING:
    from colorrt.runtime.folder import Result

EVERY = 30.0
"""Seconds between two lines where there is no terminal."""


class Progress:
    """Counts pictures as they end. `verbose`: each gets a line; `hidden`: nothing is shown."""

    def __init__(self, total: int, *, hidden: bool = False, verbose: bool = False) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        self._total = total
        self._verbose = verbose and not hidden
        self._lines = not hidden and not verbose and not console.is_terminal
        self._bar = Bar(
            # File names may look like rich's markup.
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=hidden or verbose or total < 2 or not console.is_terminal,
        )
        self._task = self._bar.add_task("coloring", total=total, pace="")

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def follow(self, results: Iterable[Result]) -> Iterator[Result]:
        """Count each picture as it ends."""
        begun = said = time.monotonic()
        for count, result in enumerate(results, 1):
            speed = self._bar.tasks[0].speed
            pace = f"{speed:.1f} pictures/s" if speed else ""
            # A name may hold what a terminal obeys.
            self._bar.update(self._task, advance=1, description=printable(result.job.source.name)[:32], pace=pace)
            now = time.monotonic()
            if self._verbose:
                say(f"{result.outcome.value}: {result.reason or _arrow(result)}")
            elif self._lines and now - said >= EVERY:
                say(describe_pace(count, self._total, now - begun))
                said = now
            yield result


def describe_pace(count: int, total: int, seconds: float) -> str:
    """Say how far a run has come: "120 of 500 pictures, 4.0 a second, about 2 min left"."""
    pace = count / max(seconds, 1e-9)
    left = (total - count) / pace
    rest = f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"
    return f"{count} of {total} pictures, {pace:.1f} a second, about {rest} left"


def _arrow(result: Result) -> str:
    return f"{result.job.source} -> {result.job.target} ({result.seconds:.2f} s)"
