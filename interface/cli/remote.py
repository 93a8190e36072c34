"""Addresses of object stores on the command line of `run` and `journal`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from colorrt.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.fixity import Fixity
    from colorrt.runtime.folder import Result, Settings
    from colorrt.runtime.history import Journals
    from colorrt.runtime.jobs import Job
    from colorrt.runtime.journal import Journal, Row
    from colorrt.runtime.remote.planning import Plan
    from colorrt.runtime.searching import LeftOut


@dataclass(frozen=True)
class Remote:
    """A run whose pictures or results lie at stores."""

    plan: Plan
    jobs: Sequence[Job]

    def color(
        self, colorizer: Colorizer, pictures: Sequence[Job], settings: Settings, journals: Journals
    ) -> Iterator[Result]:
        """Color pictures of the plan."""
        from colorrt.runtime.remote.running import color_stored

        return color_stored(colorizer, pictures, self.plan, settings, journals)


def is_remote(sources: Sequence[str], output: str | None) -> bool:
    """Whether one of the sources, or -o, is the address of a store."""
    from colorrt.runtime.remote.address import is_address

    return any(map(is_address, sources if output is None else (*sources, output)))


@contextmanager
def open_remote(
    sources: Sequence[str],
    output: str | None,
    files: dict[str, Path | None],
    on_left_out: Callable[[LeftOut], None],
) -> Iterator[Remote]:
    """Plan a run with stores; copies that are under way lie in a folder of their own, which is removed in the end.

    files: options that read pictures or films again, and what they were given. Raises UsageError for those, and what
    `plan_stored` raises.
    """
    from colorrt.runtime.film.suffixes import is_film
    from colorrt.runtime.remote.planning import plan_stored
    from colorrt.runtime.searching import LeftOut

    for option, given in files.items():
        if given is not None:
            raise UsageError(f"{option} is of files, and pictures at an address are fetched one by one; leave it out")
    with tempfile.TemporaryDirectory(prefix="colorrt-") as place:
        plan = plan_stored(sources, output, Path(place), on_left_out)
        # Films are worked on in the folder of their results, for hours.
        films = [job for job in plan.jobs if plan.sink is not None and is_film(job.source)]
        for job in films:
            on_left_out(LeftOut(job.source, "film", "color it into a folder, and copy it"))
        yield Remote(plan, [job for job in plan.jobs if job not in films] if films else plan.jobs)


@contextmanager
def journal_folder(name: str) -> Iterator[Path]:
    """Lend a folder with the journal of a folder of results, or of an address: fetched, and removed in the end.

    Raises UsageError for an empty name, or a store that does not answer.
    """
    from colorrt.runtime.remote.address import is_address

    # Path would take it for the working folder.
    if name == "":
        raise UsageError("the name of a folder is empty; check the variable or the quotes that it came from")
    if not is_address(name):
        yield Path(name)
        return
    from colorrt.runtime.remote.rows import gather_rows, is_rows
    from colorrt.runtime.remote.store import open_place

    store = open_place(name)
    rows = [found.name for found in store.list() if is_rows(found.name)]
    if not rows:
        raise UsageError(f"{name}: no journal at this address; name one that 'colorrt run' wrote to")
    with tempfile.TemporaryDirectory(prefix="colorrt-") as place:
        gather_rows(store, rows, Path(place))
        yield Path(place)


def results_verified(name: str, journal: Journal) -> Iterator[tuple[Row, Fixity]]:
    """Read every result of a folder, or of an address, again and compare it with its row."""
    from colorrt.runtime.fixity import verify_results
    from colorrt.runtime.remote.address import is_address

    if not is_address(name):
        return verify_results(journal)
    from colorrt.runtime.remote.fixity import fixity_of
    from colorrt.runtime.remote.store import open_place

    store = open_place(name)
    return verify_results(journal, lambda row: fixity_of(store, row))
