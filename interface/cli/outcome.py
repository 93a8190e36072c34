"""What a run says at its end, and the report that it writes: every picture, and everything that was left out."""

from __future__ import annotations

import csv
import io
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorrt.cli.app import say
from colorrt.errors import UsageError

if TYPE_CHECKING:
    from colorrt.runtime.folder import Result
    from colorrt.runtime.jobs import Job
    from colorrt.runtime.searching import LeftOut

LISTED = 20
"""Failures that are listed at the end; --report lists all."""
REFRESH = 30.0
"""Seconds after which the report on disk is brought up to date: a kill leaves one that is hardly older."""
_FIRST = 1.0
# Of the time that a run takes: a report of a million pictures takes seconds to write.
_MOST_SHARE = 0.02
_SUFFIXES = (".json", ".csv")
_PLURALS = ("archive", "file", "film", "folder", "link", "picture")


class Report:
    """The report of a run: an export of what its journal says, and of what no journal holds.

    path: JSON or CSV by its suffix; None writes nothing. Raises UsageError for another suffix.
    """

    def __init__(self, path: Path | None, left_out: Sequence[LeftOut]) -> None:
        if path is not None and path.suffix.lower() not in _SUFFIXES:
            raise UsageError(f"{path}: a report is written as JSON or CSV; name it .json or .csv")
        self._path = path
        self._left_out = left_out
        self._written = time.monotonic()
        self._pause = _FIRST
        self._more: list[dict[str, Any]] = []
        self.results: list[Result] = []
        self.failed = False
        """Whether the last writing of the file has failed."""

    def follow(self, results: Iterable[Result]) -> Iterator[Result]:
        """Note each result, and bring the file up to date now and then."""
        for result in results:
            self.note(result, {})
            yield result

    def note(self, result: Result, more: dict[str, Any]) -> None:
        """Note a result, and what is to be said of it beside what is said of all; bring the file up to date."""
        self.results.append(result)
        self._more.append(more)
        if time.monotonic() - self._written > self._pause:
            # On a full disk, say, which fails pictures and not the run: the last one will tell.
            with suppress(UsageError):
                self.write()

    def close(self) -> None:
        """Write the file for the last time; say so when that is not possible: what was colored is still to be told."""
        try:
            self.write()
        except UsageError as error:
            self.failed = True
            say(f"error: {error}")

    def write(self) -> None:
        """Write the file, whole or not at all. Raises UsageError when that is not possible."""
        from colorrt.atomic import atomic_path, remove_parts

        began = self._written = time.monotonic()
        if self._path is None:
            return
        # Of reports whose runs were killed as they wrote one.
        remove_parts(self._path.parent)
        as_csv = self._path.suffix.lower() == ".csv"
        with atomic_path(self._path, UsageError) as part:
            text = _csv(self._flat()) if as_csv else json.dumps(list(self._rows()), indent=1) + "\n"
            part.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
        self._written = time.monotonic()
        # Soon at first: a run may be killed in its first seconds, too.
        self._pause = max(min(2 * self._pause, REFRESH), (self._written - began) / _MOST_SHARE)

    def _rows(self) -> Iterator[dict[str, Any]]:
        for result, more in zip(self.results, self._more, strict=True):
            row: dict[str, Any] = {
                "source": str(result.job.source),
                "target": str(result.job.target),
                "outcome": result.outcome.value,
                "reason": result.reason,
                "seconds": round(result.seconds, 4),
            }
            if result.row is not None:
                full = json.loads(result.row.to_json())
                row |= {name: full[name] for name in ("source_was", "target_was", "making", "at")}
            if result.notes:
                row["notes"] = [note.text for note in result.notes]
            yield row | more
        for one in self._left_out:
            reason = f"{one.kind}; {one.advice}" if one.advice else one.kind
            yield {"source": str(one.path), "target": None, "outcome": "left out", "reason": reason, "seconds": 0.0}

    def _flat(self) -> Iterator[dict[str, Any]]:
        from colorrt.runtime.journal import flatten

        rows = (flatten(row) for row in self._rows())
        return ({name: "; ".join(cell) if name == "notes" else cell for name, cell in row.items()} for row in rows)


def summarize(
    results: Sequence[Result], left_out: Sequence[LeftOut], output: Path | None, *, quiet: bool, err: bool = False
) -> bool:
    """Print what failed, the counts, and what was left out. Returns whether everything was done.

    err: print the counts to standard error too, for standard output is the picture's.
    """
    from colorrt.runtime.film.suffixes import is_film
    from colorrt.runtime.folder import Outcome
    from colorrt.runtime.history import Skip
    from colorrt.runtime.notes import describe_notes

    failed = [result for result in results if result.outcome is Outcome.FAILED]
    done = [result for result in results if result.outcome is Outcome.DONE]
    for result in failed[:LISTED]:
        say(f"failed: {result.reason}")
    if len(failed) > LISTED:
        say(f"failed: {len(failed) - LISTED} more; --report FILE lists them all")
    if not quiet:
        counts = [f"{len(done)} colored{place([result.job for result in done], output)}"]
        skipped = Counter(result.skip for result in results if result.skip is not None)
        del skipped[Skip.IN_COLOR]
        in_color = [is_film(result.job.source) for result in results if result.skip is Skip.IN_COLOR]
        counts += [f"{count} skipped: {skip.value}" for skip, count in skipped.items()]
        counts += [f"{len(failed)} failed"] if failed else []
        say("; ".join(counts), err=err)
        if in_color:
            say(describe_in_color(in_color.count(False), in_color.count(True)), err=err)
        for line in describe_notes(note for result in results for note in result.notes):
            say(line, err=err)
        if left_out:
            say(describe_left_out(left_out), err=err)
    return not failed


def describe_in_color(pictures: int, films: int = 0) -> str:
    """Say how many pictures and films were left as they are, for they are in color already."""
    counts = [
        f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in (("picture", pictures), ("film", films)) if count
    ]
    if pictures + films == 1:
        return f"{counts[0]} is in color already: left as it is (--recolor colors it)"
    return f"{' and '.join(counts)} are in color already: left as they are (--recolor colors them)"


def describe_left_out(left_out: Sequence[LeftOut]) -> str:
    """Count by kind what was left out: "3 left out: 2 HEIC (pip install 'colorrt[formats]'), 1 PDF"."""
    kinds = Counter((one.kind, one.advice) for one in left_out)
    parts = [
        f"{count} {_plural(kind, count)}{f' ({advice})' if advice else ''}" for (kind, advice), count in kinds.items()
    ]
    return f"{len(left_out)} left out: {', '.join(parts)}"


def count_outcomes(results: Sequence[Result], total: int) -> str:
    """Say what an interrupted run has come to: "12 colored, 3 skipped, 485 to go"."""
    counts = Counter(result.outcome.value for result in results)
    parts = [f"{counts['done']} colored"]
    parts += [f"{counts[name]} {name}" for name in ("skipped", "failed") if counts[name]]
    return ", ".join([*parts, f"{total - len(results)} to go"])


def place(done: Sequence[Job], output: Path | None) -> str:
    """Say where the results are."""
    if len(done) == 1:
        return f": {done[0].target}"
    folders = {job.target.parent for job in done}
    if output is not None and folders:
        return f", in {output}"
    if all(job.target.parent == job.source.parent for job in done):
        return ", beside their originals" if done else ""
    # Without -o, each folder that was named has its own beside it.
    highest = {folder for folder in folders if not folders & set(folder.parents)}
    return f", in {', '.join(map(str, sorted(highest)))}" if len(highest) <= 3 else ""


def _plural(kind: str, count: int) -> str:
    if count == 1:
        return kind
    words = kind.split(" ")
    at = next((index for index, one in enumerate(words) if one in _PLURALS), None)
    if at is not None:
        words[at] += "s"
        words = ["are" if word == "is" else word for word in words]
    return " ".join(words)


def _csv(rows: Iterator[dict[str, Any]]) -> str:
    table = list(rows)
    names = list(dict.fromkeys(name for row in table for name in row)) or ["source", "target", "outcome", "reason"]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names)
    writer.writeheader()
    writer.writerows(table)
    return stream.getvalue()
