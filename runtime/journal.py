"""The journal of a folder of results: a row for each picture as it ends, and what the next run learns from them.

`.colorrt/journal.jsonl` in the folder of the results: one JSON object a line, appended in one write, so that a
killed run leaves at most a torn last line, which is passed over. Lines need no locks and no shared
memory, which network drives lack.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

from colorrt.atomic import in_one_line, printable
from colorrt.errors import UsageError

OWN_FOLDER = ".colorrt"
"""Folder in that of the results, which is never searched."""
NAME = "journal.jsonl"
DONE = "done"
"""The outcome of rows that stand for a result."""
# Small enough for the memory to be used again: the system would have to hand over each larger block anew.
_BLOCK = 1 << 18
# Of a row: three paths of 4,096 bytes, of which a byte may take six signs, and a reason.
_LONGEST_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class Making:
    """What decides how a result looks, but for its source. `weights`: SHA-256 of the network's weights. `film`: how a
    film is coded and steadied, "" for pictures. `hints`: the digest of those that were given, "" without."""

    model: str
    weights: str
    render_factor: int | list[int]
    """A list where the guesses at several were averaged."""
    saturation: float
    upsample: str
    quality: int | None
    """None: gray JPEGs keep their coded luma, and the rest is encoded with 95."""
    lossless_luma: bool
    mark: bool
    signed: bool
    version: str
    film: str = ""
    hints: str = ""

    def like(self, other: Making) -> bool:
        """Whether results of both look alike: all but the version of colorrt."""
        return asdict(self) | {"version": ""} == asdict(other) | {"version": ""}


@dataclass(frozen=True, slots=True)
class Identity:
    """What a file was. `mtime`: in nanoseconds. `sha256`: "" where it was not read. `tag`: the ETag of an object of a
    store, "" of a file."""

    size: int
    mtime: int
    sha256: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one picture.

    `source` is an absolute path; `target` is relative to the folder of the results. `outcome`: "done", "failed", or
    "skipped" for a picture that is in color already; what is skipped for another reason has its row from before.
    """

    source: str
    target: str
    outcome: str
    reason: str | None
    seconds: float
    source_was: Identity | None = None
    target_was: Identity | None = None
    making: Making | None = None
    at: str = ""
    """When it ended: ISO 8601, UTC."""
    kept: int = 0
    """Pages that stayed as they were, for they were in color already."""

    def to_json(self) -> str:
        """Return the row as one line of ASCII, without its line break."""
        table = asdict(self)
        for was in (table["source_was"], table["target_was"]):
            # Of files, of which there may be a million rows.
            if was is not None and not was["tag"]:
                del was["tag"]
        return json.dumps(table, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Row:
        """Read a row; fields of newer versions are ignored. Raises ValueError when the line is none."""
        try:
            table = json.loads(line)
            values = {name: table[name] for name in _NAMES[cls] if name in table}
            for name, kind in (("source_was", Identity), ("target_was", Identity), ("making", Making)):
                part = values.get(name)
                if part is not None:
                    values[name] = kind(**{own: part[own] for own in _NAMES[kind] if own in part})
            row = cls(**values)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ValueError(in_one_line(error)) from error
        if not isinstance(row.source, str) or not isinstance(row.target, str):
            raise ValueError("it names no files")
        return row


# Asked of each row of what may be a million.
_NAMES: dict[type, tuple[str, ...]] = {
    kind: tuple(one.name for one in fields(kind)) for kind in (Row, Identity, Making)
}


class Journal:
    """The rows of a folder of results, those of earlier runs and the ones that are added. Safe in threads.

    Of each row only its place in the file is kept in memory: a folder may hold a million.
    """

    def __init__(self, folder: Path, each: Callable[[Row], None] | None = None) -> None:
        """Read what is there. `folder`: that of the results; it need not exist yet. `each`: called with every row.

        Raises UsageError when a journal is there and cannot be read.
        """
        self.folder = folder
        self.path = folder / OWN_FOLDER / NAME
        self.torn = 0
        """Lines that are no rows: of runs that were killed while they wrote one."""
        self._each = each
        self._lock = threading.Lock()
        self._file: int | None = None
        self._made: dict[str, int] = {}
        self._left: dict[str, int] = {}
        self._read_to = 0
        self.refresh()

    def __len__(self) -> int:
        """Return how many results there are."""
        return len(self._made)

    def refresh(self) -> None:
        """Read what was added since: by other runs into the same folder. Raises UsageError when it cannot be read."""
        with self._lock, suppress(FileNotFoundError), self._told_of_reading():
            status = self.path.stat()
            if not stat.S_ISREG(status.st_mode):
                # A pipe would be waited for, a device would have no end.
                raise OSError(errno.EINVAL, "it is not a regular file")
            if status.st_size > self._read_to:
                self._read()

    def results(self) -> Iterator[Row]:
        """Yield the row of each result: the last that is done. Raises UsageError when it cannot be read."""
        with suppress(FileNotFoundError), self._told_of_reading(), self.path.open("rb") as file:
            for target, place in list(self._made.items()):
                row = _row_at(file, place, target)
                if row is not None:
                    yield row

    def targets(self) -> Iterable[str]:
        """Return the names of all results."""
        return self._made.keys()

    def made(self, target: Path) -> Row | None:
        """Return the row of the run that made this result, None where no run did."""
        return self._row_of(self._made, target)

    def left(self, target: Path) -> Row | None:
        """Return the row of the last run that left the source of this result as it is, None where no run did."""
        return self._row_of(self._left, target)

    def name_of(self, target: Path) -> str:
        """Return the name of a result in the journal: relative to its folder where it lies in it."""
        try:
            return target.relative_to(self.folder).as_posix()
        except ValueError:
            return str(target)

    def add(self, row: Row) -> None:
        """Append a row. Raises UsageError when it cannot be written: a run without its journal is not resumable."""
        with self._lock:
            try:
                if self._file is None:
                    self._file = self._opened()
                place = write_line(self._file, row.to_json())
            except OSError as error:
                raise UsageError(
                    f"{printable(self.path)}: the journal cannot be written ({error.strerror}); free some space or "
                    "name another folder with -o, and run it again to go on"
                ) from error
            self._keep(row.target, row.outcome, place)

    def close(self) -> None:
        """Bring the rows to the disk."""
        with self._lock:
            if self._file is not None:
                os.fsync(self._file)
                os.close(self._file)
                self._file = None

    def _opened(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        size = os.fstat(file).st_size
        # What a killed run left of its last line must not swallow the next row.
        if size and os.pread(file, 1, size - 1) != b"\n":
            os.write(file, b"\n")
        return file

    def _row_of(self, places: dict[str, int], target: Path) -> Row | None:
        name = self.name_of(target)
        place = places.get(name)
        if place is None:
            return None
        # Gone in the middle of a run, it knows nothing.
        with suppress(FileNotFoundError), self._told_of_reading(), self.path.open("rb") as file:
            return _row_at(file, place, name)
        return None

    @contextmanager
    def _told_of_reading(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise UsageError(
                f"{printable(self.path)}: the journal of earlier runs cannot be read ({error.strerror}); "
                "mend its permissions, or name another folder with -o"
            ) from error

    def _read(self) -> None:
        with self.path.open("rb") as file:
            place = file.seek(self._read_to)
            whole = True
            while line := file.readline(_LONGEST_LINE):
                begins, whole = whole, line.endswith(b"\n")
                if begins:
                    self._note(line, place)
                place += len(line)
                if whole:
                    # The last line may be one that another run is about to end.
                    self._read_to = place

    def _note(self, line: bytes, place: int) -> None:
        if not line.strip():
            return
        try:
            if self._each is None:
                self._keep(*_outline(line), place)
                return
            row = Row.from_json(_decoded(line))
        except ValueError:
            self.torn += 1
            return
        self._keep(row.target, row.outcome, place)
        self._each(row)

    def _keep(self, target: str, outcome: str, place: int) -> None:
        if outcome == DONE:
            self._made[target] = place
        elif outcome == "skipped":
            self._left[target] = place


def _outline(line: bytes) -> tuple[str, str]:
    """Return target and outcome of a row. Raises ValueError when the line is none."""
    try:
        table = json.loads(line)
        target, outcome = table["target"], sys.intern(table["outcome"])
        if not isinstance(table["source"], str) or not isinstance(target, str) or not isinstance(outcome, str):
            raise ValueError("it names no files")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(in_one_line(error)) from error
    return target, outcome


def _row_at(file: BinaryIO, place: int, target: str) -> Row | None:
    """Return the row at a place of an open journal; None where it is another's: somebody has changed the file."""
    file.seek(place)
    try:
        row = Row.from_json(_decoded(file.readline(_LONGEST_LINE)))
    except ValueError:
        return None
    return row if row.target == target else None


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")


def read_rows(path: Path) -> Iterator[Row]:
    """Read the rows of a journal's file, all of them in their order. Lines that are none are passed over.

    Raises UsageError when it cannot be read.
    """
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                with suppress(ValueError):
                    yield Row.from_json(line)
    except OSError as error:
        raise UsageError(f"{printable(path)}: the journal cannot be read ({error.strerror})") from error


def write_line(file: int, line: str) -> int:
    """Append a line of ASCII in one write: two runs at once never mix their lines.

    Returns where in the file it begins. Raises OSError.
    """
    data = (line + "\n").encode("ascii")
    if os.write(file, data) != len(data):
        # A nearly full disk takes the beginning.
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return os.lseek(file, 0, os.SEEK_CUR) - len(data)


def identify(path: Path, *, digest: bool = False) -> Identity:
    """Return what a file is now. `digest`: with its SHA-256, for which it is read.

    Raises OSError, for what is no regular file too.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        # A pipe would be waited for, a device would have no end.
        raise OSError(errno.EINVAL, "it is not a regular file")
    if not digest:
        return Identity(status.st_size, status.st_mtime_ns)
    found, block = hashlib.sha256(), memoryview(bytearray(_BLOCK))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(block):
            found.update(block[:size])
    return Identity(status.st_size, status.st_mtime_ns, found.hexdigest())


def is_same(path: Path, was: Identity) -> bool:
    """Whether a file is what it was: of the same size and time, or else of the same content."""
    try:
        now = identify(path)
        if now.size != was.size:
            return False
        return now.mtime == was.mtime or (bool(was.sha256) and identify(path, digest=True).sha256 == was.sha256)
    except OSError:
        return False


def flatten(table: dict[str, Any]) -> dict[str, Any]:
    """Return a row's table without tables in it, for CSV: source_size, target_mtime, model and so on."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            prefix = "" if name == "making" else f"{name.removesuffix('_was')}_"
            flat |= {f"{prefix}{key}": part for key, part in value.items()}
        elif not name.endswith("_was") and name != "making":
            flat[name] = value
    return flat
