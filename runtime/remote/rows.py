"""The journal at a store: each run adds objects of its own, for nothing can be appended to one.

`.colorrt/journal-TIME-RUN-NUMBER.jsonl`: the rows of a run since its object before, in the format of a folder's
journal. Read in the order of their names they are one journal; no run writes where another does.
"""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path

from colorrt.errors import PictureError, UsageError
from colorrt.runtime.journal import NAME, OWN_FOLDER
from colorrt.runtime.remote.store import Place, TakenError

PAUSE = 30.0
"""Seconds between two objects: what a run that is killed has not handed over, the results themselves tell."""
_PREFIX, _SUFFIX = f"{OWN_FOLDER}/journal-", ".jsonl"


def is_rows(name: str) -> bool:
    """Whether an object holds rows of a journal."""
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)


def gather_rows(place: Place, names: list[str], folder: Path) -> None:
    """Write the rows of all runs into the journal of a local folder. Raises UsageError when they cannot be read."""
    path = folder / OWN_FOLDER / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name("fetched")
    with path.open("ab") as file:
        for name in sorted(names):
            try:
                place.fetch(name, part)
            except PictureError as error:
                raise UsageError(str(error)) from error
            rows = part.read_bytes()
            file.write(rows if rows.endswith(b"\n") else rows + b"\n")
    part.unlink(missing_ok=True)


class RowSender:
    """Hands the rows that a run appends to a local journal over to the store, now and then and at its end."""

    def __init__(self, place: Place, folder: Path, run: str) -> None:
        """`folder`: of the local journal, whose present rows are the store's already. `run`: the name of this run."""
        self._place = place
        self._path = folder / OWN_FOLDER / NAME
        self._run = run
        self._sent = self._path.stat().st_size if self._path.exists() else 0
        self._number = 0
        self._at = time.monotonic()

    def send_now_and_then(self) -> None:
        """Hand over what is new, if that was long ago. Raises what `send` raises."""
        if time.monotonic() - self._at > PAUSE:
            self.send()

    def send(self) -> None:
        """Hand over what is new. Raises UsageError when the store does not take it."""
        self._at = time.monotonic()
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._sent)
            rows = file.read()
        # Whole lines alone: another thread may be at work on the last.
        rows = rows[: rows.rfind(b"\n") + 1]
        if not rows:
            return
        self._number += 1
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%f")
        name = f"{_PREFIX}{stamp}-{self._run}-{self._number:06}{_SUFFIX}"
        try:
            self._place.put(name, rows, {"Content-Type": "application/jsonl"})
        except TakenError:
            # Of a random name: the store has it from a first try whose answer was lost.
            pass
        except PictureError as error:
            raise UsageError(f"{error}; results are kept, and the next run enters their rows") from error
        self._sent += len(rows)
