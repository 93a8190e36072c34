"""A picture that is fetched before it is read, and whose copies on this machine go when it has ended."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colorrt.runtime.folder import PicturePassage, Result, check_target
from colorrt.runtime.history import History
from colorrt.runtime.jobs import Job
from colorrt.runtime.passage import Frame, Reserve
from colorrt.runtime.pictures.color_spread import InColorError
from colorrt.runtime.remote.address import Address
from colorrt.runtime.remote.planning import Plan
from colorrt.runtime.stills import Sheet


class StoredPassage:
    """A `PicturePassage` between stores, or between a store and a folder. `inner`: that passage, of the same job."""

    def __init__(self, inner: PicturePassage, job: Job, plan: Plan, history: History, *, overwrite: bool) -> None:
        self._inner = inner
        self._job = job
        self._plan = plan
        self._history = history
        self._overwrite = overwrite

    def frames(self, reserve: Reserve) -> Generator[Frame[Sheet], None, None]:
        """Fetch the picture, unless its result is known to be there, and read it. Raises PictureError."""
        job = self._job
        if job.problem is None and job.origin is not None:
            if self._history.knows_source(job):
                check_target(job, self._history, overwrite=self._overwrite)
            if self._history.stays_in_color(job):
                raise InColorError(Path(job.origin.address))
            place, name = self._plan.sources[job.source]
            place.fetch(name, job.source)
        yield from self._inner.frames(reserve)

    def admit(self, first: Frame[Sheet]) -> None:
        """See `PicturePassage`."""
        self._inner.admit(first)

    def write(self, colored: Iterator[tuple[Frame[Sheet], NDArray[np.float32]]]) -> None:
        """See `PicturePassage`; the history has put the result before it gets its name here."""
        self._inner.write(colored)

    def end(self, error: Exception | None) -> Result:
        """Tell what became of the picture, by the names that people know; and remove its copies."""
        result = self._inner.end(error)
        job = result.job
        if job.origin is not None:
            _remove(job.source)
            with suppress(OSError):
                job.source.parent.rmdir()
        if self._plan.sink is not None and job.problem is None:
            _remove(job.target)
        return _tell(result, self._plan)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _tell(result: Result, plan: Plan) -> Result:
    """Return a result with addresses in place of the copies' paths."""
    job, reason = result.job, result.reason
    names: list[tuple[Path, Path]] = []
    if job.origin is not None:
        names.append((job.source, Address(job.origin.address)))
    if plan.sink is not None and job.target != job.source:
        names.append((job.target, plan.sink.of(job.name)))
    for path, name in names:
        reason = None if reason is None else reason.replace(str(path), str(name))
    known = dict(names)
    told = replace(job, source=known.get(job.source, job.source), target=known.get(job.target, job.target))
    return replace(result, job=told, reason=reason)
