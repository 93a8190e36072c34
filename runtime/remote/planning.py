"""What is to be colored where stores are sources or take the results: objects become jobs with a local copy each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from colorrt.atomic import printable
from colorrt.errors import UsageError
from colorrt.runtime.film.suffixes import is_film
from colorrt.runtime.jobs import Job, Names, Origin, plan_jobs
from colorrt.runtime.journal import OWN_FOLDER
from colorrt.runtime.pictures.formats import PICTURE_SUFFIXES
from colorrt.runtime.remote.address import Address, is_address
from colorrt.runtime.remote.store import Found, Place, open_place
from colorrt.runtime.searching import LeftOut, kind_of

_LONGEST_NAME = 200
_FILM = "film at a store", "download it first"


@dataclass(frozen=True)
class Plan:
    """The jobs of a run with stores. `sources`: the stores of jobs with an origin, and the name of the object, by the
    path of the job's local copy; `sink`: where results are put, None: they stay in the local folder `results`."""

    jobs: Sequence[Job]
    sources: dict[Path, tuple[Place, str]]
    sink: Place | None
    results: Path


def plan_stored(
    sources: Sequence[str], output: str | None, scratch: Path, on_left_out: Callable[[LeftOut], None]
) -> Plan:
    """Turn sources and -o, some of which are addresses, into jobs.

    scratch: an empty folder for copies. Raises UsageError for what cannot be, or a store that does not answer.
    """
    if output is None:
        raise UsageError("pictures at an address need a place for their results: -o FOLDER, or -o ADDRESS")
    sink = open_place(output) if is_address(output) else None
    results = scratch / "out" if sink is not None else Path(output)
    places: dict[Path, tuple[Place, str]] = {}
    jobs: list[Job] = []
    numbers = itertools.count()
    for source in sources:
        if not is_address(source):
            jobs += plan_jobs([source], results, on_left_out=on_left_out)
            continue
        for place, found in _find(source, output, on_left_out):
            job = _job(place, found, results, scratch / "in" / str(next(numbers)))
            places[job.source] = place, found.name
            jobs.append(job)
    settled = Names(job.source for job in jobs).settle(jobs)
    return Plan(settled, places, sink, results)


def _find(source: str, output: str, on_left_out: Callable[[LeftOut], None]) -> Iterator[tuple[Place, Found]]:
    """Yield the pictures at an address: one that is named, or all below a prefix, in the order of their names."""
    address = Address(source)
    if not source.endswith("/") and address.suffix.lower() in PICTURE_SUFFIXES:
        place = open_place(str(address.parent))
        found = place.look(address.name)
        if found is not None:
            yield place, found
            return
    place = open_place(source)
    if str(place.address) == output.rstrip("/"):
        raise UsageError(f"{printable(output)}: results would overwrite their pictures; name another address with -o")
    # Results below the pictures would be colored again on the next run.
    inside = f"{output.rstrip('/')}/"
    empty = True
    for found in sorted(place.list(), key=lambda one: one.name):
        if f"{place.address}/{found.name}".startswith(inside):
            continue
        left = _why_left_out(found.name)
        if left is None:
            empty = False
            yield place, found
        elif left[0]:
            on_left_out(LeftOut(place.of(found.name), *left))
    if empty:
        raise UsageError(f"{printable(source)}: no pictures at this address; check the bucket and the prefix")


def _why_left_out(name: str) -> tuple[str, str] | None:
    """Return kind and advice of what is not colored, ("", "") for colorrt's own, None for pictures."""
    path = PurePosixPath(name)
    if OWN_FOLDER in path.parts:
        return "", ""
    if any(part.startswith(".") for part in path.parts):
        return "hidden file", ""
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return None
    if is_film(Path(name)):
        return _FILM
    return kind_of(Path(name)) or ("file that is no picture", "")


def _job(place: Place, found: Found, results: Path, folder: Path) -> Job:
    path = PurePosixPath(found.name)
    origin = Origin(str(place.of(found.name)), found.size, found.tag)
    # A name of a store may be none of a file: it is never taken out of the folder of the results.
    sound = all(len(part.encode()) <= _LONGEST_NAME and "\0" not in part and part != ".." for part in path.parts)
    if not sound or path.is_absolute():
        address = place.of(found.name)
        return Job(address, address, "its name cannot be that of a file; rename it at the store")
    return Job(folder / path.name, results / path, root=results, origin=origin)
