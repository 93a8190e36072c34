"""What earlier runs made: which results are done, which are stale, and which names are another source's."""

from __future__ import annotations

import enum
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from colorrt.runtime.jobs import Job, exists, results_of
from colorrt.runtime.journal import DONE, Identity, Journal, Making, Row, identify, is_same
from colorrt.runtime.moves import Moves, recover_rows

_LOOKS, _PAUSE, _NEW = 5, 0.02, 5.0
"""How often the row of a result is looked for that is newer than so many seconds, and the seconds between."""


class Skip(enum.Enum):
    """Why a picture is skipped, for people: "3 skipped: WHY"."""

    DONE = "done before"
    OTHER_SETTINGS = "made with other settings (--overwrite makes them anew)"
    CHANGED = "changed since colorrt made them (--overwrite makes them anew)"
    IN_COLOR = "in color already (--recolor colors them)"
    MEANWHILE = "made by another run meanwhile"
    FOREIGN = "there already and in no journal (--overwrite makes them anew)"


class Journals:
    """The journals of the folders of results of a run, each opened when it is first asked for."""

    def __init__(self) -> None:
        self._open: dict[Path, Journal] = {}
        self._moves: dict[Path, Moves] = {}
        self._lock = threading.Lock()

    def of(self, job: Job) -> Journal:
        """Return the journal that a job belongs into. Raises UsageError when it cannot be read."""
        with self._lock:
            if job.folder not in self._open:
                journal = self._open[job.folder] = Journal(job.folder)
                recover_rows(journal)
            return self._open[job.folder]

    def moves_of(self, job: Job) -> Moves:
        """Return where the result of a job is announced before it gets its name."""
        with self._lock:
            return self._moves.setdefault(job.folder, Moves(job.folder))

    def renew(self) -> None:
        """Learn what other runs have entered since, and what those that were killed could not. Raises UsageError."""
        with self._lock:
            for journal in self._open.values():
                journal.refresh()
                recover_rows(journal)

    def close(self) -> None:
        """Bring all rows to the disk; more may be entered after that."""
        for journal in self._open.values():
            journal.close()
        for moves in self._moves.values():
            moves.close()


class History:
    """The journals, read for a run of one making. Without journals, all that exists is foreign."""

    def __init__(self, journals: Journals | None, making: Making, *, recolor: bool = False) -> None:
        self._recolor = recolor
        self._journals = journals
        self._making = making
        self._announced: dict[Path, Identity] = {}

    def has_result(self, job: Job) -> bool:
        """Whether something is there already that has the name of the result."""
        return exists(job.target)

    def knows_source(self, job: Job) -> bool:
        """Whether a result stands of what the source is at its store, which then need not be fetched."""
        row = self._row(job)
        return row is not None and row.source_was is not None and _is_unchanged(job, row.source_was)

    def is_taken(self, job: Job) -> bool:
        """Whether the target holds the result of another source."""
        row = self._row(job)
        if row is None or row.source == job.known_as or not self.has_result(job):
            return False
        # An archive that was moved is the same archive.
        return row.source_was is None or not _is_source(job, row.source_was)

    def why_skip(self, job: Job) -> Skip | None:
        """Return why the result that is there stays; None: it is made anew, for its source was replaced, or pages that
        were left in their own colors are to be colored now."""
        row = self._row(job)
        if self._journals is not None and not _describes(row, job.target):
            # Another run may be at work in the same folder, and its row comes a moment after its result.
            for _ in range(_LOOKS):
                self._journals.of(job).refresh()
                row = self._row(job)
                if _describes(row, job.target) or not _is_new(job.target):
                    break
                time.sleep(_PAUSE)
        if row is None or row.target_was is None or row.making is None or row.source_was is None:
            return Skip.FOREIGN
        if not is_same(job.target, row.target_was):
            return Skip.CHANGED
        if not _is_source(job, row.source_was):
            return None
        if row.kept and self._recolor:
            return None
        return Skip.DONE if row.making.like(self._making) else Skip.OTHER_SETTINGS

    def stays_in_color(self, job: Job) -> bool:
        """Whether this version of colorrt has found that the source, as it is now, is in color already, and it is to
        stay so."""
        if self._recolor:
            return False
        row = None if self._journals is None else self._journals.of(job).left(job.target)
        if row is None or row.source_was is None or row.making is None or row.source != job.known_as:
            return False
        # Of a film, a part may be in color that another is not.
        now = (self._making.version, self._making.film)
        return (row.making.version, row.making.film) == now and _is_source(job, row.source_was)

    def of_before(self, job: Job) -> Path | None:
        """Return the result that was made of what the source was before it was replaced, None where none stands."""
        if self._journals is None:
            return None
        for target in results_of(job.target):
            row = self._journals.of(job).made(target)
            if row is None or row.source != job.known_as or row.source_was is None:
                continue
            if not _is_source(job, row.source_was) and _describes(row, target):
                return target
        return None

    def identify(self, job: Job) -> Identity | None:
        """Return what the source is now, with its digest; None where no journal is kept, or it cannot be read."""
        if self._journals is None:
            return None
        with suppress(OSError):
            found = identify(job.source, digest=True)
            return found if job.origin is None else replace(found, tag=job.origin.tag)
        return None

    def announce(self, job: Job, part: Path, seconds: float, source: Identity | None, kept: int = 0) -> None:
        """Note that `part`, which is whole, is about to become the result of a job. Raises OSError."""
        if self._journals is not None:
            # Here, where it is still in the page cache, and not once more when the row is entered.
            made = self._announced[job.target] = identify(part, digest=True)
            self._journals.moves_of(job).announce(self._new_row(job, DONE, None, seconds, source, made, kept))

    def enter(
        self, job: Job, outcome: str, reason: str | None, seconds: float, source: Identity | None, kept: int = 0
    ) -> Row | None:
        """Enter what became of a job; `kept`: pages left as they were.

        Returns its row; None where no journal is kept, or the job had a problem from the beginning: a name that does
        not exist has no folder of results.
        """
        if self._journals is None or job.problem is not None:
            return None
        target = self._announced.pop(job.target, None)
        if outcome != DONE:
            target = None
        elif target is None:
            with suppress(OSError):
                target = identify(job.target)
        row = self._new_row(job, outcome, reason, seconds, source, target, kept)
        self._journals.of(job).add(row)
        self._journals.moves_of(job).settle(row)
        return row

    def _new_row(
        self,
        job: Job,
        outcome: str,
        reason: str | None,
        seconds: float,
        source: Identity | None,
        target: Identity | None,
        kept: int,
    ) -> Row:
        return Row(
            job.known_as,
            job.name,
            outcome,
            reason,
            round(seconds, 4),
            source,
            target,
            self._making,
            datetime.now(timezone.utc).isoformat(timespec="seconds"),
            kept,
        )

    def _row(self, job: Job) -> Row | None:
        return None if self._journals is None else self._journals.of(job).made(job.target)


def _is_source(job: Job, was: Identity) -> bool:
    return _is_unchanged(job, was) or is_same(job.source, was)


def _is_unchanged(job: Job, was: Identity) -> bool:
    """Whether the object that the source is a copy of is what it was."""
    return job.origin is not None and bool(was.tag) and (job.origin.size, job.origin.tag) == (was.size, was.tag)


def _describes(row: Row | None, target: Path) -> bool:
    return row is not None and row.target_was is not None and is_same(target, row.target_was)


def _is_new(path: Path) -> bool:
    try:
        return abs(time.time() - path.stat().st_mtime) < _NEW
    except OSError:
        return False
