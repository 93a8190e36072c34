"""The journal: what was made is known again, what is stale is made anew, and no kill or damage breaks it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from colored_files import DONE, FAILED, SKIPPED, files, outcomes
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from colorrt.errors import UsageError
from colorrt.runtime.folder import Result, Settings, color_jobs
from colorrt.runtime.history import Journals, Skip
from colorrt.runtime.jobs import plan_jobs
from colorrt.runtime.journal import Identity, Journal, Making, Row, flatten, identify, is_same

if TYPE_CHECKING:
    from collections.abc import Callable

    from colorrt.runtime.colorizer import Colorizer

MAKING = Making("lite", "ab" * 32, 16, 1.0, "guided", 95, False, True, False, "0.1.0")
TEXT = st.text(max_size=20)
IDENTITIES = st.builds(Identity, st.integers(0, 2**60), st.integers(0, 2**62), st.text("0123456789abcdef", max_size=64))
ROWS = st.builds(
    Row, TEXT, TEXT, st.sampled_from(["done", "failed"]), st.none() | TEXT, st.floats(0, 1e6), st.none() | IDENTITIES,
    st.none() | IDENTITIES, st.none() | st.just(MAKING), TEXT,
)  # fmt: skip


def run(colorizer: Colorizer, photos: Path, out: Path, **settings: Any) -> list[Result]:
    """A run of its own: journals are read anew."""
    journals = Journals()
    results = list(color_jobs(colorizer, plan_jobs([str(photos)], out), Settings(**settings), journals))
    journals.close()
    return results


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / ".colorrt/journal.jsonl").read_text().splitlines()]


@given(ROWS)
def test_row_survives_its_line(row: Row) -> None:
    line = row.to_json()
    assert "\n" not in line
    assert line.isascii()
    assert Row.from_json(line) == row
    assert flatten(json.loads(line))["source"] == row.source


@given(st.binary(max_size=60))
def test_lines_that_are_no_rows_are_counted_and_passed_over(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes
) -> None:
    folder = tmp_path_factory.mktemp("out")
    (folder / ".colorrt").mkdir()
    good = Row("/a", "a", "done", None, 0.1, Identity(1, 2), Identity(3, 4), MAKING)
    (folder / ".colorrt/journal.jsonl").write_bytes(junk.replace(b"\n", b"") + b"\n" + good.to_json().encode() + b"\n")
    assert Journal(folder).made(folder / "a") == good


def test_each_picture_is_entered_as_it_ends(colorizer: Colorizer, photos: Path, tmp_path: Path) -> None:
    (photos / "2.png").write_bytes(b"")
    run(colorizer, photos, tmp_path / "out", saturation=1.5)
    found = {row["target"]: row for row in rows(tmp_path / "out")}
    assert sorted(found) == ["1.jpg", "2.png", "3.tif", "4.bmp", "sub/5.webp", "sub/6.jpg"]
    one = found["sub/6.jpg"]
    assert one["source"] == str(photos / "sub/6.jpg")
    assert one["outcome"] == "done"
    assert one["reason"] is None
    assert one["seconds"] > 0
    assert Identity(**one["source_was"]) == identify(photos / "sub/6.jpg", digest=True)
    assert Identity(**one["target_was"]) == identify(tmp_path / "out/sub/6.jpg", digest=True)
    assert one["making"]["saturation"] == 1.5
    assert one["making"]["weights"] == "0" * 64
    assert (found["2.png"]["outcome"], found["2.png"]["target_was"]) == ("failed", None)
    assert "it is empty" in found["2.png"]["reason"]


def test_rerun_skips_what_is_done_and_tries_again_what_failed(
    colorizer: Colorizer, save_gray: Callable[..., Path], photos: Path, tmp_path: Path
) -> None:
    (photos / "1.jpg").write_bytes(b"")
    assert outcomes(run(colorizer, photos, tmp_path / "out")) == [FAILED] + [DONE] * 5
    save_gray(photos / "1.jpg")
    results = run(colorizer, photos, tmp_path / "out")
    assert outcomes(results) == [DONE] + [SKIPPED] * 5
    assert {result.skip for result in results[1:]} == {Skip.DONE}
    # What was skipped is not entered again: reruns do not make the journal grow.
    assert len(rows(tmp_path / "out")) == 7


def test_replaced_scan_is_colored_again(
    colorizer: Colorizer, save_gray: Callable[..., Path], photos: Path, tmp_path: Path
) -> None:
    run(colorizer, photos, tmp_path / "out")
    save_gray(photos / "2.png", size=(30, 20))
    os.utime(photos / "3.tif")
    results = run(colorizer, photos, tmp_path / "out")
    # The third was only touched: its content is the same.
    assert outcomes(results) == [SKIPPED, DONE, SKIPPED, SKIPPED, SKIPPED, SKIPPED]
    with Image.open(tmp_path / "out/2.png") as again:
        assert again.size == (30, 20)
    assert outcomes(run(colorizer, photos, tmp_path / "out")) == [SKIPPED] * 6


@pytest.mark.parametrize("settings", [{"saturation": 0.5}, {"quality": 60}, {"mark": False}])
def test_results_of_other_settings_are_said_and_made_anew_on_demand(
    colorizer: Colorizer, photos: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    run(colorizer, photos, tmp_path / "out")
    results = run(colorizer, photos, tmp_path / "out", **settings)
    assert {result.skip for result in results} == {Skip.OTHER_SETTINGS}
    assert outcomes(run(colorizer, photos, tmp_path / "out", overwrite=True, **settings)) == [DONE] * 6
    assert {result.skip for result in run(colorizer, photos, tmp_path / "out", **settings)} == {Skip.DONE}


def test_result_that_was_changed_or_never_ours_is_not_touched(
    colorizer: Colorizer, save_gray: Callable[..., Path], photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/4.bmp").write_bytes(b"mine")
    run(colorizer, photos, tmp_path / "out")
    (tmp_path / "out/2.png").write_bytes(b"retouched by hand")
    # Even when its source was replaced.
    save_gray(photos / "2.png", size=(30, 20))
    results = run(colorizer, photos, tmp_path / "out")
    assert [result.skip for result in results] == [
        Skip.DONE,
        Skip.CHANGED,
        Skip.DONE,
        Skip.FOREIGN,
        Skip.DONE,
        Skip.DONE,
    ]
    assert (tmp_path / "out/2.png").read_bytes() == b"retouched by hand"
    assert (tmp_path / "out/4.bmp").read_bytes() == b"mine"


def test_archive_that_was_moved_is_the_same_archive(colorizer: Colorizer, photos: Path, tmp_path: Path) -> None:
    run(colorizer, photos, tmp_path / "out")
    photos.rename(tmp_path / "moved")
    assert outcomes(run(colorizer, tmp_path / "moved", tmp_path / "out")) == [SKIPPED] * 6


def test_folder_of_the_same_names_keeps_away_from_the_results_of_another(
    colorizer: Colorizer, save_gray: Callable[..., Path], photos: Path, tmp_path: Path
) -> None:
    run(colorizer, photos, tmp_path / "out")
    before = {name: (tmp_path / "out" / name).read_bytes() for name in files(photos)}
    save_gray(tmp_path / "other/1.jpg", size=(40, 30))
    for outcome in (DONE, SKIPPED):
        (result,) = run(colorizer, tmp_path / "other", tmp_path / "out")
        assert (result.outcome, result.job.target.name) == (outcome, "1-2.jpg")
    assert {name: (tmp_path / "out" / name).read_bytes() for name in before} == before


def test_torn_line_of_a_killed_run_does_not_swallow_the_next(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add(Row("/a", "a", "done", None, 0.1))
    journal.close()
    with journal.path.open("ab") as file:
        file.write(b'{"source":"/b","tar')
    again = Journal(tmp_path)
    assert again.torn == 1
    again.add(Row("/c", "c", "done", None, 0.1))
    again.close()
    third = Journal(tmp_path)
    assert third.made(tmp_path / "a") is not None
    assert third.made(tmp_path / "c") is not None
    assert third.torn == 1


def test_rows_of_many_threads_and_two_runs_never_mix(tmp_path: Path) -> None:
    journals = [Journal(tmp_path), Journal(tmp_path)]

    def write(journal: Journal, name: str) -> None:
        for number in range(200):
            journal.add(Row("/" + "x" * 500, f"{name}{number}", "done", None, 0.0))

    threads = [threading.Thread(target=write, args=(journals[index % 2], f"{index}-")) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for journal in journals:
        journal.close()
    found = Journal(tmp_path)
    assert found.torn == 0
    assert all(found.made(tmp_path / f"{index}-{number}") for index in range(4) for number in range(200))


def test_journal_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / ".colorrt/journal.jsonl").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"journal\.jsonl: the journal of earlier runs cannot be read"):
        Journal(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only where there are pipes in folders")
def test_pipe_and_endless_device_are_never_read(colorizer: Colorizer, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    journals = Journals()
    jobs = plan_jobs([str(tmp_path / "pipe.png"), str(tmp_path / "zero.png")], tmp_path / "out")
    results = list(color_jobs(colorizer, jobs, Settings(), journals))
    journals.close()
    assert outcomes(results) == [FAILED] * 2
    assert all("it is not a regular file" in str(result.reason) for result in results)
    (tmp_path / "out/.colorrt/journal.jsonl").unlink()
    os.mkfifo(tmp_path / "out/.colorrt/journal.jsonl")
    with pytest.raises(UsageError, match="it is not a regular file"):
        Journal(tmp_path / "out")


def test_endless_line_is_passed_over_without_being_held(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add(Row("/a", "a", "done", None, 0.1))
    journal.close()
    with journal.path.open("ab") as file:
        file.write(b"x" * (5 << 20) + b"\n")
    journal = Journal(tmp_path)
    journal.add(Row("/b", "b", "done", None, 0.1))
    journal.close()
    again = Journal(tmp_path)
    assert again.made(tmp_path / "a") is not None
    assert again.made(tmp_path / "b") is not None
    assert again.torn == 1


def test_rows_of_a_run_at_the_same_time_are_seen(colorizer: Colorizer, photos: Path, tmp_path: Path) -> None:
    # This run has read the journal when there was nothing in it.
    journals = Journals()
    jobs = plan_jobs([str(photos)], tmp_path / "out")
    journals.of(jobs[0])
    run(colorizer, photos, tmp_path / "out")
    results = list(color_jobs(colorizer, jobs, Settings(), journals))
    journals.close()
    assert {result.skip for result in results} == {Skip.DONE}


def test_result_that_another_run_made_meanwhile_is_not_made_again(
    colorizer: Colorizer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, others = colorizer.guess, [photos]

    def guess(squares: Any) -> Any:
        # Another run colors all while this one has the first in hand.
        if others:
            run(colorizer, others.pop(), tmp_path / "out")
        return real(squares)

    monkeypatch.setattr(colorizer, "guess", guess)
    results = run(colorizer, photos, tmp_path / "out")
    assert [result.skip for result in results] == [Skip.DONE] * 6, results
    assert len(rows(tmp_path / "out")) == 6


def test_row_that_a_full_disk_cut_is_an_error_and_swallows_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    journal.add(Row("/a", "a", "done", None, 0.1))
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: real(file, data[:9]))
        with pytest.raises(UsageError, match="the journal cannot be written"):
            journal.add(Row("/b", "b", "done", None, 0.1))
    journal.close()
    again = Journal(tmp_path)
    again.add(Row("/c", "c", "done", None, 0.1))
    again.close()
    third = Journal(tmp_path)
    assert third.made(tmp_path / "a") is not None
    assert third.made(tmp_path / "c") is not None


def test_identity_knows_touched_from_changed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    was = identify(path, digest=True)
    os.utime(path, ns=(5, 5))
    assert is_same(path, was)
    assert not is_same(path, Identity(was.size, was.mtime))
    path.write_bytes(b"two")
    os.utime(path, ns=(5, 5))
    assert not is_same(path, was)
    path.unlink()
    assert not is_same(path, was)


SCRIPT = """
import sys
from pathlib import Path
from colorrt.runtime.journal import Journal, Row
journal = Journal(Path(sys.argv[1]))
number = 0
while True:
    journal.add(Row("/" + "s" * 300, f"{number:06}", "done", None, 0.1))
    number += 1
    print(number, flush=True)
"""


def test_rows_that_were_entered_survive_a_kill(tmp_path: Path) -> None:
    for delay in (0.0, 0.02, 0.05):
        folder = tmp_path / str(delay)
        folder.mkdir()
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        time.sleep(delay)
        process.kill()
        last = int((process.stdout.read().split() or ["1"])[-1])
        process.wait()
        process.stdout.close()
        found = Journal(folder)
        assert all(found.made(folder / f"{number:06}") for number in range(last))


def test_result_that_was_copied_without_its_time_is_known(colorizer: Colorizer, photos: Path, tmp_path: Path) -> None:
    run(colorizer, photos, tmp_path / "out")
    (tmp_path / "out/1.jpg").touch()
    again = {result.job.name: result for result in run(colorizer, photos, tmp_path / "out")}
    assert again["1.jpg"].skip is Skip.DONE
