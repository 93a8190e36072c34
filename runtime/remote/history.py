"""What a store knows of results, and how a result gets its name there once and for all.

A result's identity is what it was made of: the digest of the input's bytes and the digest of settings and model. Both
are put with the result, in one step; journals repeat them. A result is put on the condition that nobody has put one
of its name before: of two runs, or of one that tries again because no answer came, exactly one wins.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from colorrt.atomic import printable
from colorrt.errors import PictureError
from colorrt.runtime.folder import SkippedError
from colorrt.runtime.history import History, Journals, Skip
from colorrt.runtime.jobs import Job
from colorrt.runtime.journal import DONE, Identity, Making, Row, identify
from colorrt.runtime.remote.store import Found, Place, TakenError

# Letters alone: each provider refuses some other sign in names.
SOURCE, MAKING, RESULT, ORIGIN, RUN = (
    "colorrtsource",
    "colorrtmaking",
    "colorrtresult",
    "colorrtorigin",
    "colorrtrun",
)
"""Attributes of a result: SHA-256 of its source, of its settings and model, of itself, of what its source is known as;
and the run that put it."""
_TRIES = 5
_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
}


def digest_making(making: Making) -> str:
    """Return the digest of settings and model; as everywhere, the version of colorrt is not part of them."""
    table = asdict(making) | {"version": ""}
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


class StoredHistory(History):
    """The history of results at a store, which gives results their names there. Jobs go to a local folder first.

    listed: the objects that are there, by name; what is put and found later is added.
    """

    def __init__(
        self,
        journals: Journals,
        making: Making,
        place: Place,
        listed: dict[str, Found],
        run: str,
        *,
        recolor: bool = False,
        overwrite: bool = False,
    ) -> None:
        super().__init__(journals, making, recolor=recolor)
        self._place = place
        self._listed = listed
        self._run = run
        self._overwrite = overwrite
        self._kind = digest_making(making)
        self._put: dict[str, Identity] = {}

    def has_result(self, job: Job) -> bool:
        """Whether the store has an object of the result's name."""
        return job.name in self._listed

    def knows_source(self, job: Job) -> bool:
        """Whether a row tells of the object that is there, and of the source as it is."""
        found, row = self._listed.get(job.name), self._row(job)
        return found is not None and row is not None and _tells_of(row, found) and super().knows_source(job)

    def is_taken(self, job: Job) -> bool:
        """Whether the object of this name is the result of another source."""
        found, row = self._listed.get(job.name), self._row(job)
        if found is None or (row is not None and _tells_of(row, found)):
            return super().is_taken(job)
        origin = self._look(job.name).get(ORIGIN)
        return origin is not None and origin != _digest(job.known_as)

    def why_skip(self, job: Job) -> Skip | None:
        """Return why the object that is there stays; None: the source was replaced."""
        found, row = self._listed.get(job.name), self._row(job)
        if found is None:
            return None
        if row is not None and _tells_of(row, found):
            return self._why_of(job, row)
        told = self._look(job.name)
        if SOURCE not in told or MAKING not in told:
            return Skip.FOREIGN if row is None else Skip.CHANGED
        source = self.identify(job)
        if source is None or source.sha256 != told[SOURCE]:
            return None
        if told[MAKING] != self._kind:
            return Skip.OTHER_SETTINGS
        self._recover(job, self._listed[job.name], source)
        return Skip.DONE

    def of_before(self, job: Job) -> Path | None:
        """Return None: results of sources that were replaced are not looked for at stores."""
        return None

    def announce(self, job: Job, part: Path, seconds: float, source: Identity | None, kept: int = 0) -> None:
        """Put the result. Raises SkippedError where another run has done so, PictureError when it cannot be put."""
        data = part.read_bytes()
        result = hashlib.sha256(data).hexdigest()
        attributes = {
            "Content-Type": _TYPES.get(job.target.suffix.lower(), "application/octet-stream"),
            SOURCE: "" if source is None else source.sha256,
            MAKING: self._kind,
            RESULT: result,
            ORIGIN: _digest(job.known_as),
            RUN: self._run,
        }
        for _ in range(_TRIES):
            found = self._listed.get(job.name)
            try:
                tag = self._place.put(job.name, data, attributes, None if found is None else found.tag)
            except TakenError:
                taken = self._find(job.name)
                if taken is None:
                    continue
                if taken.attributes.get(RUN) != self._run:
                    self._yield_to(job, taken, attributes)
                    continue
                # A first try had arrived, and its answer had not.
                tag = taken.tag
            self._put[job.name] = Identity(len(data), 0, result, tag)
            self._listed[job.name] = Found(job.name, len(data), 0, tag, attributes)
            return
        raise PictureError(f"{printable(self._place.of(job.name))}: other runs keep writing it; run it again later")

    def enter(
        self, job: Job, outcome: str, reason: str | None, seconds: float, source: Identity | None, kept: int = 0
    ) -> Row | None:
        """Enter what became of a job into the local journal."""
        if self._journals is None or job.problem is not None:
            return None
        target = self._put.pop(job.name, None)
        row = self._new_row(job, outcome, reason, seconds, source, target if outcome == DONE else None, kept)
        self._journals.of(job).add(row)
        return row

    def _why_of(self, job: Job, row: Row) -> Skip | None:
        if row.making is None:
            return Skip.FOREIGN
        if not (super().knows_source(job) or self._is_of(job, row)) or (row.kept and self._recolor):
            return None
        return Skip.DONE if row.making.like(self._making) else Skip.OTHER_SETTINGS

    def _is_of(self, job: Job, row: Row) -> bool:
        try:
            return row.source_was is not None and identify(job.source, digest=True).sha256 == row.source_was.sha256
        except OSError:
            return False

    def _yield_to(self, job: Job, taken: Found, attributes: Mapping[str, str]) -> None:
        """Raise SkippedError, unless what is there is to be replaced all the same."""
        if all(taken.attributes.get(name) == attributes[name] for name in (SOURCE, MAKING)):
            raise SkippedError(Skip.MEANWHILE, job.target)
        if self._overwrite:
            return
        why = self.why_skip(job)
        if why is not None:
            raise SkippedError(why, job.target)

    def _look(self, name: str) -> Mapping[str, str]:
        """Return what was put with an object."""
        known = self._listed.get(name)
        if known is not None and known.attributes:
            return known.attributes
        found = self._find(name)
        return {} if found is None else found.attributes

    def _find(self, name: str) -> Found | None:
        found = self._place.look(name)
        if found is None:
            self._listed.pop(name, None)
        else:
            self._listed[name] = found
        return found

    def _recover(self, job: Job, found: Found, source: Identity) -> None:
        """Enter the row of a result whose run was killed before it handed over its rows."""
        if self._journals is None:
            return
        target = Identity(found.size, found.time, found.attributes.get(RESULT, ""), found.tag)
        at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        row = Row(job.known_as, job.name, DONE, None, 0.0, source, target, self._making, at)
        self._journals.of(job).add(row)


def _tells_of(row: Row, found: Found) -> bool:
    return row.target_was is not None and bool(found.tag) and row.target_was.tag == found.tag


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
