"""Journals after the run: what they hold, whether the results are still that, and several of them as one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colorrt.errors import UsageError
from colorrt.runtime.fixity import Fixity, merge_journals, open_journal, summarize_journal, verify_results
from colorrt.runtime.journal import Identity, Journal, Making, Row, identify, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAKING = Making("lite", "ab" * 32, 16, 1.0, "guided", 95, False, True, False, "0.1.0")


def row(target: str, at: int, outcome: str = "done", source: str = "s", **parts: Identity) -> Row:
    return Row(
        f"/{source}/{target}", target, outcome, None, 0.1, making=MAKING, at=f"2026-11-24T10:00:{at:02}", **parts
    )


def keep(folder: Path, rows: Iterable[Row]) -> Path:
    journal = Journal(folder)
    for one in rows:
        journal.add(one)
    journal.close()
    return folder


def result(folder: Path, name: str, data: bytes, *, digest: bool = True) -> Row:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return row(name, 0, target_was=identify(folder / name, digest=digest))


def test_results_are_told_apart(tmp_path: Path) -> None:
    out = tmp_path / "out"
    names = ("same.jpg", "moved.jpg", "changed.jpg", "gone.jpg", "old.jpg", "folder.jpg", "old-changed.jpg")
    rows = [result(out, name, name.encode(), digest=not name.startswith("old")) for name in names]
    keep(out, [*rows, row("failed.jpg", 1, "failed")])
    # Copied without its time, it is still what it was.
    (out / "moved.jpg").touch()
    (out / "changed.jpg").write_bytes(b"CHANGED.JPG")
    (out / "old-changed.jpg").write_bytes(b"other")
    (out / "gone.jpg").unlink()
    (out / "folder.jpg").unlink()
    (out / "folder.jpg").mkdir()
    found = {one.target: fixity for one, fixity in verify_results(open_journal(out))}
    assert found == {
        "same.jpg": Fixity.SAME,
        "moved.jpg": Fixity.SAME,
        "changed.jpg": Fixity.CHANGED,
        "gone.jpg": Fixity.MISSING,
        "old.jpg": Fixity.PROBABLY_SAME,
        "folder.jpg": Fixity.UNREADABLE,
        "old-changed.jpg": Fixity.CHANGED,
    }


def test_summary_counts_rows_results_and_settings(tmp_path: Path) -> None:
    several = replace(MAKING, render_factor=[8, 16])
    keep(tmp_path, [row("a", 3), row("b", 1), row("a", 5), row("c", 2, "failed")])
    keep(tmp_path, [replace(row("d", 4), making=several), row("e", 4)])
    with (tmp_path / ".colorrt/journal.jsonl").open("a") as file:
        file.write('{"torn": ')
    journal, found = summarize_journal(tmp_path)
    assert (found.rows, found.torn, found.results, found.outcomes) == (6, 1, 4, {"done": 5, "failed": 1})
    assert found.makings == ((MAKING, 3), (several, 1))
    assert [one.target for one in journal.results()] == ["a", "b", "d", "e"]
    assert (found.first[-2:], found.last[-2:]) == ("01", "05")


def test_folder_without_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no journal in it"):
        open_journal(tmp_path)
    with pytest.raises(UsageError, match="no journal in it"):
        merge_journals(tmp_path, [tmp_path / "other"])
    assert not list(tmp_path.iterdir())


PARTS = st.lists(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 59), st.sampled_from(["done", "failed"])), min_size=1),
    min_size=1,
    max_size=4,
)


@given(PARTS)
def test_merged_journal_holds_every_row_and_ends_with_the_newest(
    tmp_path_factory: pytest.TempPathFactory, parts: Sequence[Sequence[tuple[str, int, str]]]
) -> None:
    place = tmp_path_factory.mktemp("merge")
    several = [[row(*one, source=f"machine{number}") for one in part] for number, part in enumerate(parts)]
    folders = [keep(place / str(number), rows) for number, rows in enumerate(several)]
    wanted = {one.to_json() for rows in several for one in rows}
    own = {one.to_json() for one in read_rows(folders[0] / ".colorrt/journal.jsonl")}
    added, _ = merge_journals(folders[0], folders[1:])
    assert added == len(wanted - own)
    merged = open_journal(folders[0])
    assert {one.to_json() for one in read_rows(merged.path)} == wanted
    assert merge_journals(folders[0], folders[1:]) == (0, _)
    done = [one for rows in several for one in rows if one.outcome == "done"]
    others = [one for rows in several[1:] for one in rows if one.outcome == "done"]
    for target in {one.target for one in others}:
        newest = max(one.at for one in done if one.target == target)
        found = merged.made(merged.folder / target)
        assert found is not None
        assert found.at == newest


def test_sources_that_share_a_result_are_counted(tmp_path: Path) -> None:
    same, other = Identity(1, 1, "aa"), Identity(1, 1, "bb")
    one = keep(tmp_path / "1", [row("a", 1, source="x", source_was=same), row("b", 1, source="x", source_was=same)])
    two = keep(tmp_path / "2", [row("a", 2, source="y", source_was=same), row("b", 2, source="y", source_was=other)])
    assert merge_journals(tmp_path / "all", [one, two]) == (4, 1)


def test_journal_is_written_while_another_is_merged_in(tmp_path: Path) -> None:
    out, other = tmp_path / "out", keep(tmp_path / "other", [row("b", 1)])
    living = Journal(out)
    living.add(row("a", 1))
    merge_journals(out, [other])
    living.add(row("c", 2))
    living.close()
    lines = (out / ".colorrt/journal.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["target"] for line in lines) == ["a", "b", "c"]
