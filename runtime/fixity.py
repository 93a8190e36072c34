"""Whether results are still what their journal says, and one journal from those of several machines."""

from __future__ import annotations

import enum
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from colorrt.atomic import printable
from colorrt.errors import UsageError
from colorrt.runtime.journal import DONE, NAME, OWN_FOLDER, Journal, Making, Row, identify, read_rows


class Fixity(enum.Enum):
    """What became of a result since it was made, for people: "3 missing"."""

    SAME = "as they were made"
    PROBABLY_SAME = "of the size and time that they were made with, without a digest to compare"
    CHANGED = "changed"
    MISSING = "missing"
    UNREADABLE = "unreadable"

    @property
    def sound(self) -> bool:
        """Whether the result is what it was."""
        return self in (Fixity.SAME, Fixity.PROBABLY_SAME)


@dataclass(frozen=True)
class Summary:
    """What a journal holds.

    `results`: different names among the rows that are done. `makings`: and how many results were made so. `first`,
    `last`: ISO 8601, UTC.
    """

    rows: int
    torn: int
    results: int
    outcomes: dict[str, int]
    makings: tuple[tuple[Making, int], ...]
    first: str
    last: str


def open_journal(folder: Path, each: Callable[[Row], None] | None = None) -> Journal:
    """Open the journal of a folder of results. `each`: called with every row.

    Raises UsageError where there is none, or it cannot be read.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{printable(folder)}: it is a file; name a folder that 'colorrt run' wrote into")
    journal = Journal(folder, each)
    if not journal.path.is_file():
        raise UsageError(
            f"{printable(folder)}: no journal in it ({OWN_FOLDER}/{NAME}); name a folder that 'colorrt run' wrote into"
        )
    return journal


def summarize_journal(folder: Path) -> tuple[Journal, Summary]:
    """Open the journal of a folder of results, and count what it holds as it is read.

    Outcomes are sorted by name, for rows come in the order in which their threads end. Raises what `open_journal`
    raises.
    """
    outcomes, times = Counter[str](), ["", ""]
    # The same for most results, and so kept once.
    makings: dict[str, Making] = {}
    made: dict[str, str] = {}

    def count(row: Row) -> None:
        outcomes[row.outcome] += 1
        times[:] = min(times[0] or row.at, row.at), max(times[1], row.at)
        if row.outcome == DONE:
            key = sys.intern(repr(row.making))
            made[row.target] = key
            if row.making is not None:
                makings.setdefault(key, row.making)

    journal = open_journal(folder, count)
    found = tuple((makings[key], several) for key, several in Counter(made.values()).most_common() if key in makings)
    rows = sum(outcomes.values())
    return journal, Summary(rows, journal.torn, len(journal), dict(sorted(outcomes.items())), found, *times)


def verify_results(journal: Journal, fixity_of: Callable[[Row], Fixity] | None = None) -> Iterator[tuple[Row, Fixity]]:
    """Read every result again and compare it with its row, the last one of its name.

    fixity_of: does that for results that lie elsewhere than the journal.
    """
    for row in journal.results():
        yield row, fixity_of(row) if fixity_of else _fixity(journal.folder / row.target, row)


def merge_journals(into: Path, others: Sequence[Path]) -> tuple[int, int]:
    """Add to the journal of a folder the rows of others that it lacks, all in order of their time.

    into, others: folders of results; `into` may have no journal yet. The rows stand for results that are moved
    together, by whatever copies files. Doing it twice adds nothing.
    Returns how many rows were added, and how many results have rows of two sources.
    Raises UsageError when one of the others has no journal, or that of `into` cannot be written.
    """
    journal = Journal(into)
    known = list(read_rows(journal.path)) if journal.path.is_file() else []
    lines = {row.to_json() for row in known}
    coming: dict[str, Row] = {}
    for other in others:
        coming |= {row.to_json(): row for row in read_rows(open_journal(other).path)}
    added = sorted((row for line, row in coming.items() if line not in lines), key=lambda row: row.at)
    # Of several rows of a name the last line counts, and rows are only ever appended: a run may be writing here.
    newest = {row.target: row for row in sorted([*known, *added], key=lambda row: row.at) if row.outcome == DONE}
    try:
        for row in added:
            journal.add(row)
        for target in {row.target for row in added if row.outcome == DONE}:
            if journal.made(into / target) != newest[target]:
                journal.add(newest[target])
    finally:
        journal.close()
    sources: dict[str, set[str]] = {}
    for row in (*known, *added):
        if row.outcome == DONE:
            # The same source lies elsewhere on another machine.
            digest = row.source_was.sha256 if row.source_was is not None else ""
            sources.setdefault(row.target, set()).add(digest or row.source)
    return len(added), sum(len(several) > 1 for several in sources.values())


def _fixity(result: Path, row: Row) -> Fixity:
    was = row.target_was
    try:
        if was is None:
            result.stat()
            return Fixity.PROBABLY_SAME
        now = identify(result, digest=bool(was.sha256))
    except FileNotFoundError:
        return Fixity.MISSING
    except OSError:
        return Fixity.UNREADABLE
    if was.sha256:
        return Fixity.SAME if now.sha256 == was.sha256 else Fixity.CHANGED
    return Fixity.PROBABLY_SAME if (now.size, now.mtime) == (was.size, was.mtime) else Fixity.CHANGED
