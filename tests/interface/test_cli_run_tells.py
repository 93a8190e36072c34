"""What a run tells: everything that was left out, why a result was kept, how far it came when it was broken off."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from picture_files import in_many_colors
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    Command = Callable[..., Result]
    Save = Callable[..., Path]


@pytest.fixture
def photos(save_gray: Save, tmp_path: Path) -> Path:
    for name in ("1.jpg", "2.png", "sub/3.tif"):
        save_gray(tmp_path / "photos" / name)
    return tmp_path / "photos"


def test_what_is_left_out_is_counted_by_kind_and_listed_in_the_report(
    run: Command, photos: Path, tmp_path: Path
) -> None:
    for name in ("a.nef", "b.nef", "c.pdf", "d.txt", ".cache/e.jpg"):
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_bytes(b"x")
    result = run("photos", "-o", "out", "--report", "report.json")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "3 colored, in out",
        "5 left out: 1 hidden folder (name it to have it colored), 2 camera RAW (develop it first), "
        "1 PDF (export its pages as pictures), 1 file that is no picture",
    ]
    rows = json.loads((tmp_path / "report.json").read_text())
    assert [(row["source"], row["reason"]) for row in rows if row["outcome"] == "left out"] == [
        ("photos/.cache", "hidden folder; name it to have it colored"),
        ("photos/a.nef", "camera RAW; develop it first"),
        ("photos/b.nef", "camera RAW; develop it first"),
        ("photos/c.pdf", "PDF; export its pages as pictures"),
        ("photos/d.txt", "file that is no picture"),
    ]


def test_what_is_in_color_and_what_has_no_mark_is_said_at_the_end(run: Command, photos: Path, tmp_path: Path) -> None:
    gray = np.linspace(0, 255, 96 * 128).astype(np.uint8).reshape(96, 128)
    for name in ("a.jpg", "b.png"):
        Image.fromarray(in_many_colors(gray)).save(photos / name)
    for name in ("c.bmp", "d.tga"):
        Image.fromarray(gray).save(photos / name)
    for _ in range(2):
        result = run("photos", "-o", "out", "--overwrite", "--report", "report.json", "--sheet", "sheet.png")
        assert result.exit_code == 0
        assert result.stdout.splitlines() == [
            "5 colored, in out",
            "2 pictures are in color already: left as they are (--recolor colors them)",
            "2 results carry no mark: BMP and TGA cannot hold one",
        ]
    rows = {row["source"]: row for row in json.loads((tmp_path / "report.json").read_text())}
    assert rows["photos/a.jpg"]["outcome"] == "skipped"
    assert rows["photos/a.jpg"]["reason"].startswith("photos/a.jpg: it is in color already")
    assert rows["photos/c.bmp"]["notes"] == ["no mark: BMP cannot hold one"]
    assert run("photos", "-o", "out", "--recolor").stdout.startswith("2 colored, in out; 5 skipped: done before")


def test_missing_file_is_told_before_where_its_result_would_go(run: Command) -> None:
    result = run("missing.jpg", "-o", "out.mp4")
    assert result.exit_code == 1
    assert "failed: missing.jpg: no such file or folder; check the path" in result.stderr


def test_report_is_an_export_of_the_journal_as_json_or_csv(run: Command, photos: Path, tmp_path: Path) -> None:
    (photos / "2.png").write_bytes(b"")
    assert run("photos", "-o", "out", "--report", "report.csv").exit_code == 1
    with (tmp_path / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["outcome"] for row in rows] == ["done", "failed", "done"]
    assert rows[0]["target"] == "out/1.jpg"
    assert rows[0]["source_size"] == str((photos / "1.jpg").stat().st_size)
    assert len(rows[0]["source_sha256"]) == 64
    assert rows[0]["model"] == "tiny"
    assert rows[1]["reason"].startswith("photos/2.png: it is empty")
    assert run("photos", "-o", "out", "--report", "report.txt").exit_code == 2


def test_results_of_other_settings_and_of_others_are_counted_apart(run: Command, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/1.jpg").write_bytes(b"mine")
    run("photos", "-o", "out")
    result = run("photos", "-o", "out", "--saturation", "2")
    assert result.stdout == (
        "0 colored; 1 skipped: there already and in no journal (--overwrite makes them anew); "
        "2 skipped: made with other settings (--overwrite makes them anew)\n"
    )


@pytest.mark.parametrize("option", ["--report", "--sheet"])
def test_report_and_sheet_never_take_the_name_of_a_result(
    run: Command, photos: Path, tmp_path: Path, option: str
) -> None:
    (photos / "report.gif").write_bytes((photos / "2.png").read_bytes())
    for name in ("out/1.jpg", "out/report.png"):
        result = run("photos", "-o", "out", option, name)
        assert result.exit_code == 2
        assert "one of the results gets this name" in result.stderr
    assert not (tmp_path / "out").exists()


def test_report_that_cannot_be_written_is_refused_before_any_work(
    run: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "closed" and real(path, mode))
    (tmp_path / "closed").mkdir()
    result = run("photos", "-o", "out", "--report", "closed/report.json")
    assert result.exit_code == 2
    assert "no permission to write here" in result.stderr
    assert not (tmp_path / "out").exists()


def test_empty_output_does_not_mean_the_working_folder(run: Command, photos: Path) -> None:
    result = run("photos", "-o", "")
    assert (result.exit_code, result.stderr) == (
        2, "error: -o is empty; check the variable or the quotes that it came from\n",
    )  # fmt: skip


def test_sheet_that_fails_does_not_hide_what_was_done(run: Command, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/1.jpg").write_bytes(b"broken")
    result = run("photos", "-o", "out", "--sheet", "sheet.png")
    assert result.stdout.startswith("2 colored, in out; 1 skipped")
    assert "Traceback" not in result.stderr


def test_shards_color_every_picture_once(run: Command, photos: Path, tmp_path: Path) -> None:
    for number in range(1, 4):
        run("photos", "-o", "out", "--shard", f"{number}/3")
    found = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("[0-9]*"))
    assert found == ["1.jpg", "2.png", "sub/3.tif"]
    for wrong in ("3", "0/3", "4/3", "a/b"):
        result = run("photos", "-o", "out", "--shard", wrong)
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1


def test_verbose_prints_a_line_for_each_picture(run: Command, photos: Path) -> None:
    (photos / "2.png").write_bytes(b"")
    lines = run("photos", "-o", "out", "--verbose").stderr.splitlines()
    assert lines[1].startswith("done: photos/1.jpg -> out/1.jpg (")
    assert lines[2].startswith("failed: photos/2.png: it is empty")


def test_names_that_a_terminal_would_obey_are_shown_escaped(save_gray: Save, tmp_path: Path) -> None:
    import rich.console

    from colorrt.cli.progress import Progress
    from colorrt.runtime.folder import Outcome
    from colorrt.runtime.folder import Result as Colored
    from colorrt.runtime.jobs import Job

    name = "a\x1b]0;owned\x07.jpg"
    with pytest.MonkeyPatch.context() as patch, (tmp_path / "terminal").open("w+", encoding="utf-8") as stream:
        real = rich.console.Console
        patch.setattr(rich.console, "Console", lambda **_: real(file=stream, force_terminal=True, width=120))
        with Progress(2) as progress:
            for _ in progress.follow([Colored(Job(Path(name), Path("out")), Outcome.DONE)]):
                progress._bar.refresh()
        stream.seek(0)
        assert "\x1b]0;" not in stream.read()


def test_lines_tell_how_it_goes_where_there_is_no_terminal(
    run: Command, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("colorrt.cli.progress.EVERY", 0.0)
    lines = run("photos", "-o", "out").stderr.splitlines()
    assert lines[1].startswith("1 of 3 pictures, ")
    assert " a second, about " in lines[1]
    assert len(lines) == 4


PROGRAM = """
import os, signal, sys
from colorrt.runtime.colorizer import Colorizer
real, calls = Colorizer.guess, iter(range(99))
def guess(self, squares):
    if next(calls) == 2:
        os.kill(os.getpid(), signal.SIGTERM)
    return real(self, squares)
Colorizer.guess = guess
from colorrt.cli import main
main()
"""


def test_report_that_cannot_be_written_any_more_stops_no_run(
    run: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from colorrt.cli.outcome import Report
    from colorrt.errors import UsageError

    real, calls = Report.write, []

    def write(self: Report) -> None:
        calls.append(len(self.results))
        if len(calls) > 1:
            raise UsageError("report.json: cannot be written: the disk is full")
        real(self)

    monkeypatch.setattr(Report, "write", write)
    monkeypatch.setattr("colorrt.cli.outcome._FIRST", -1.0)
    monkeypatch.setattr("colorrt.cli.outcome._MOST_SHARE", float("inf"))
    monkeypatch.setattr("colorrt.cli.outcome.REFRESH", -1.0)
    result = run("photos", "-o", "out", "--report", "report.json")
    assert result.exit_code == 1
    assert "3 colored, in out" in result.stdout
    assert result.stderr.count("report.json: cannot be written: the disk is full") == 1
    # Tried before the first picture, after each, and at the end.
    assert calls == [0, 1, 2, 3, 3]


def test_termination_ends_like_an_interrupt_with_its_own_code_and_a_report(
    save_gray: Save, tiny_onnx: Path, tmp_path: Path
) -> None:
    for number in range(8):
        save_gray(tmp_path / f"photos/{number}.png")
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, "run", "photos", "-o", "out", "--engine", tiny_onnx, "--render-factor", "1",
         "--report", "report.json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 143, answer.stderr
    said = answer.stderr.splitlines()[-1]
    assert said.startswith("terminated: ")
    assert said.endswith("nothing is half-written; run the same command again to go on")
    rows = json.loads((tmp_path / "report.json").read_text())
    assert all(row["outcome"] == "done" for row in rows)
    # Those that were being written when it came are counted and reported too.
    results = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert {Path(row["target"]).name for row in rows} == results
    assert said.startswith(f"terminated: {len(results)} colored, {8 - len(results)} to go; ")
    assert not list((tmp_path / "out").glob(".*.part"))


def test_signals_while_modules_are_loaded_are_one_line() -> None:
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        for delay in (0.15, 0.3, 0.5):
            process = subprocess.Popen(
                [sys.executable, "-m", "colorrt", "run", "nothing.jpg"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True,
                # A parent that ignores the signal, as some runners do, would pass that on.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 (one thread here)
            )  # fmt: skip
            time.sleep(delay)
            process.send_signal(number)
            _, errors = process.communicate()
            # Ended before the signal came, by it before any of our lines ran, or by it in one line.
            assert process.returncode in (1, code, -number), errors
            if process.returncode == code:
                assert "Traceback" not in errors


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only where there is a device that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["run", "photos", "-o", "out"]])
def test_output_that_cannot_be_written_is_one_line(
    photos: Path, tiny_onnx: Path, tmp_path: Path, arguments: list[Any]
) -> None:
    more = ["--engine", str(tiny_onnx), "--render-factor", "1"] if "run" in arguments else []
    with Path("/dev/full").open("w") as full:
        answer = subprocess.run(
            [sys.executable, "-m", "colorrt", *arguments, *more],
            cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr
    assert answer.stderr.splitlines()[-1].startswith("error: the output cannot be written (No space left on device)")
