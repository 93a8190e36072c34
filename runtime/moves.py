"""Results that are about to get their names: a run that is killed between that and its journal's row loses none.

`.colorrt/moves-….jsonl`, one file a run: the row of each result, written before the result takes its name. It is
removed when the run ends. Of a run that was killed, the next one enters those rows into the journal whose results
stand.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from colorrt.atomic import let_go, make_held
from colorrt.runtime.journal import OWN_FOLDER, Journal, Row, is_same, write_line

_PREFIX, _SUFFIX = "moves-", ".jsonl"


class Moves:
    """What a run is about to move into a folder of results. Safe in threads."""

    def __init__(self, folder: Path) -> None:
        self._place = folder / OWN_FOLDER
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._file: int | None = None
        self._end = 0
        self._open: set[str] = set()

    def announce(self, row: Row) -> None:
        """Note the row of a result that is about to get its name. Raises OSError."""
        with self._lock:
            if self._file is None:
                self._place.mkdir(parents=True, exist_ok=True)
                self._path, held = make_held(lambda mark: self._place / f"{_PREFIX}{mark}{_SUFFIX}")
                self._file, self._end = os.open(self._path, os.O_WRONLY) if held is None else held, 0
            try:
                write_line(self._file, row.to_json())
            except OSError:
                # Of a full disk, which may have taken the beginning: the next row must not be swallowed by it.
                os.ftruncate(self._file, self._end)
                os.lseek(self._file, self._end, os.SEEK_SET)
                raise
            self._end = os.lseek(self._file, 0, os.SEEK_CUR)
            self._open.add(row.target)

    def settle(self, row: Row) -> None:
        """Note that a result has its row in the journal."""
        with self._lock:
            self._open.discard(row.target)

    def close(self) -> None:
        """Forget it all, unless there are results without a row: of a disk that was too full for the journal."""
        with self._lock:
            if self._file is not None and self._path is not None:
                if not self._open:
                    with suppress(OSError):
                        self._path.unlink()
                os.close(self._file)
                self._file = None


def recover_rows(journal: Journal) -> None:
    """Enter results that stand and whose run was killed before it could. Where that cannot be, they stay unknown."""

    def recover(path: Path) -> None:
        with path.open(encoding="ascii", errors="replace") as lines:
            for line in lines:
                _recover(journal, line)
        path.unlink()

    with suppress(OSError):
        for path in sorted((journal.folder / OWN_FOLDER).glob(f"{_PREFIX}*{_SUFFIX}")):
            with suppress(OSError):
                let_go(path, recover)


def _recover(journal: Journal, line: str) -> None:
    try:
        row = Row.from_json(line)
    except ValueError:
        # Torn by the kill, before its result could get its name.
        return
    target = journal.folder / row.target
    known = journal.made(target)
    if row.target_was is None or (known is not None and known.target_was == row.target_was):
        return
    if is_same(target, row.target_was):
        journal.add(row)
