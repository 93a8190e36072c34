"""`colorrt journal`: shown, verified and merged, on what `colorrt run` itself has kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    Command = Callable[..., Result]
    Save = Callable[..., Path]


@pytest.fixture
def out(run: Command, save_gray: Save, tmp_path: Path) -> Path:
    for name in ("1.jpg", "2.png", "sub/3.tif"):
        save_gray(tmp_path / "photos" / name)
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    assert run("photos", "-o", "out").exit_code == 1
    return tmp_path / "out"


def test_journal_is_shown(colorrt: Command, out: Path, tmp_path: Path) -> None:
    result = colorrt("journal", "show", "out", "--json", "journal.json")
    assert result.exit_code == 0
    for words in ("4 (3 done, 1 failed)", "results    3", "made with  3: ", "at render factor 1, saturation 1"):
        assert words in result.stdout, result.stdout
    table = json.loads((tmp_path / "journal.json").read_text())
    assert (table["rows"], table["results"], table["outcomes"]) == (4, 3, {"done": 3, "failed": 1})
    assert [making["results"] for making in table["makings"]] == [3]


def test_results_are_verified(colorrt: Command, out: Path, tmp_path: Path) -> None:
    result = colorrt("journal", "verify", "out")
    assert (result.exit_code, result.stdout) == (0, "3 results: 3 as they were made\n")
    (out / "1.jpg").write_bytes((out / "1.jpg").read_bytes() + b"x")
    (out / "2.png").unlink()
    result = colorrt("journal", "verify", "out", "--json", "fixity.json")
    assert result.exit_code == 1
    assert result.stdout == "3 results: 1 as they were made, 1 changed, 1 missing\n"
    assert sorted(result.stderr.splitlines()) == ["changed: out/1.jpg", "missing: out/2.png"]
    table = json.loads((tmp_path / "fixity.json").read_text())
    assert {row["target"]: row["fixity"] for row in table} == {
        "1.jpg": "changed", "2.png": "missing", "sub/3.tif": "same",
    }  # fmt: skip


def test_journals_of_shards_are_merged(colorrt: Command, run: Command, out: Path) -> None:
    for number in (1, 2):
        assert run("photos", "-o", f"out-{number}", "--shard", f"{number}/2").exit_code in (0, 1)
    result = colorrt("journal", "merge", "all", "out-1", "out-2")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "4 rows added to the journal of all\n", "")
    assert colorrt("journal", "merge", "all", "out-1", "out-2").stdout.startswith("0 rows added")
    assert "results    3" in colorrt("journal", "show", "all").stdout
    assert "3 results: 3 missing" in colorrt("journal", "verify", "all").stdout


@pytest.mark.parametrize("command", [["show", "nothing"], ["verify", "nothing"], ["merge", "all", "nothing"]])
def test_folder_without_journal_is_one_line(colorrt: Command, command: list[str], tmp_path: Path) -> None:
    result = colorrt("journal", *command)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: nothing: no journal in it")
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_shards_give_no_two_results_one_name(colorrt: Command, run: Command, save_gray: Save, tmp_path: Path) -> None:
    for number in range(6):
        for suffix in (".gif", ".png"):
            save_gray(tmp_path / "scans" / f"{number}{suffix}")
    for number in (1, 2, 3):
        run("scans", "-o", f"part-{number}", "--shard", f"{number}/3")
    names = [path.name for path in tmp_path.glob("part-*/*.png")]
    assert len(names) == len(set(names)) == 12
    parts = [path.name for path in tmp_path.glob("part-*") if (path / ".colorrt").exists()]
    assert colorrt("journal", "merge", "all", *parts).stderr == ""


@pytest.mark.parametrize("command", ["show", "verify"])
@pytest.mark.parametrize("name", [".colorrt/journal.jsonl", "sub/3.tif", "1.jpg"])
def test_figures_take_the_place_of_no_result_and_of_no_journal(
    colorrt: Command, out: Path, command: str, name: str
) -> None:
    before = (out / name).read_bytes()
    result = colorrt("journal", command, "out", "--json", out / name)
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr
    assert (out / name).read_bytes() == before


@pytest.mark.parametrize("option", ["--shard", "--render-factor"])
def test_endless_number_is_one_short_line(colorrt: Command, save_gray: Save, tmp_path: Path, option: str) -> None:
    save_gray(tmp_path / "a.jpg")
    value = "1" * 5000
    result = colorrt("run", "a.jpg", option, f"1/{value}" if option == "--shard" else value)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {option} ")
    assert len(result.stderr) < 400


@pytest.mark.parametrize("command", [["show"], ["verify"], ["merge", "all"]])
def test_file_in_place_of_a_folder_is_one_line(
    colorrt: Command, save_gray: Save, tmp_path: Path, command: list[str]
) -> None:
    save_gray(tmp_path / "a.jpg")
    result = colorrt("journal", *command, "a.jpg")
    assert (result.exit_code, result.stderr) == (
        2, "error: a.jpg: it is a file; name a folder that 'colorrt run' wrote into\n",
    )  # fmt: skip


@pytest.mark.parametrize("words", [("show", ""), ("verify", ""), ("merge", "", "out"), ("merge", "all", "")])
def test_empty_name_is_not_the_working_folder(colorrt: Command, out: Path, words: tuple[str, ...]) -> None:
    result = colorrt("journal", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "the name of a folder is empty" in result.stderr
    assert not (out.parent / ".colorrt").exists()
