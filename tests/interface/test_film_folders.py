"""Films among pictures: one journal, one report, and whatever goes wrong with one of them stays with it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from colorrt.atomic import lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    Command = Callable[..., Result]
    Save = Callable[..., Path]

av = pytest.importorskip("av")


def make_film(path: Path, frames: int = 10, start: int = 0, size: tuple[int, int] = (48, 64)) -> Path:
    """Write a film; `start` makes it another one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(start, start + frames):
            levels = np.add.outer(np.arange(height), 2 * np.arange(width) + 4 * number) % 200 + 20
            frame = av.VideoFrame(width, height, "yuv420p")
            for index, plane in enumerate(frame.planes):
                lines = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)
                lines[:] = 128
                if index == 0:
                    lines[:, :width] = levels
            frame.pts = number - start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def count_frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def rows_of(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / ".colorrt" / "journal.jsonl").read_text(encoding="ascii").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def old(tmp_path: Path, save_gray: Save) -> Path:
    """A folder with two pictures and two films."""
    save_gray(tmp_path / "old" / "a.jpg")
    save_gray(tmp_path / "old" / "film.jpg")
    make_film(tmp_path / "old" / "film.mp4")
    make_film(tmp_path / "old" / "sub" / "b.mov", start=5)
    return tmp_path / "old"


def test_journal_tells_of_films_as_of_pictures(run: Command, old: Path, tmp_path: Path) -> None:
    assert run("old").exit_code == 0
    rows = {row["target"]: row for row in rows_of(tmp_path / "old-color")}
    assert set(rows) == {"a.jpg", "film.jpg", "film.mp4", "sub/b.mov"}
    row = rows["film.mp4"]
    assert row["outcome"] == "done"
    assert row["source_was"]["size"] == (old / "film.mp4").stat().st_size
    assert len(row["source_was"]["sha256"]) == 64
    assert row["target_was"]["size"] == (tmp_path / "old-color" / "film.mp4").stat().st_size
    assert row["making"]["film"] == "x264, crf 16, veryfast, steady on, guess what changes"
    assert rows["a.jpg"]["making"]["film"] == ""


def test_done_film_is_skipped_and_one_with_other_settings_is_said(run: Command, old: Path) -> None:
    run("old")
    assert run("old").stdout == "0 colored; 4 skipped: done before\n"
    result = run("old", "--crf", 20)
    assert result.stdout == (
        "0 colored; 2 skipped: done before; 2 skipped: made with other settings (--overwrite makes them anew)\n"
    )
    # What is asked of pictures alone makes no other film.
    assert "2 skipped: done before; 2 skipped: made" in run("old", "--quality", 80).stdout.replace(
        "2 skipped: made with other settings (--overwrite makes them anew); 2 skipped: done before",
        "2 skipped: done before; 2 skipped: made",
    )
    assert run("old", "--guess-every", 2, "--overwrite").stdout == "4 colored, in old-color\n"
    assert run("old", "--guess-every", 2).stdout == "0 colored; 4 skipped: done before\n"


def test_film_that_was_replaced_is_colored_anew(run: Command, old: Path, tmp_path: Path) -> None:
    run("old")
    before = (tmp_path / "old-color" / "film.mp4").read_bytes()
    make_film(old / "film.mp4", frames=14, start=3)
    assert run("old").stdout == "1 colored: old-color/film.mp4; 3 skipped: done before\n"
    assert (tmp_path / "old-color" / "film.mp4").read_bytes() != before
    assert count_frames(tmp_path / "old-color" / "film.mp4") == 14


def test_film_that_was_only_touched_or_moved_is_done(run: Command, old: Path, tmp_path: Path) -> None:
    run("old")
    os.utime(old / "film.mp4", (1, 1))
    assert "4 skipped: done before" in run("old").stdout
    old.rename(tmp_path / "older")
    assert "4 skipped: done before" in run("older", "-o", "old-color").stdout


def test_result_that_was_changed_or_is_foreign_stays(run: Command, old: Path, tmp_path: Path) -> None:
    run("old")
    with (tmp_path / "old-color" / "film.mp4").open("ab") as file:
        file.write(b"\0")
    assert "1 skipped: changed since colorrt made them" in run("old").stdout
    shutil.rmtree(tmp_path / "old-color" / ".colorrt")
    assert "4 skipped: there already and in no journal" in run("old").stdout


def test_failed_film_is_in_the_journal_and_tried_again(run: Command, old: Path, tmp_path: Path) -> None:
    whole = (old / "film.mp4").read_bytes()
    (old / "film.mp4").write_bytes(whole[: len(whole) // 2])
    result = run("old", "--report", "report.json")
    assert result.exit_code == 1
    assert "failed: old/film.mp4: this is no film, or damaged from its beginning" in result.stderr
    assert [row["outcome"] for row in rows_of(tmp_path / "old-color") if row["target"] == "film.mp4"] == ["failed"]
    rows = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert {Path(row["source"]).name: row["outcome"] for row in rows} == {
        "a.jpg": "done",
        "film.jpg": "done",
        "film.mp4": "failed",
        "b.mov": "done",
    }
    (old / "film.mp4").write_bytes(whole)
    assert run("old").stdout == "1 colored: old-color/film.mp4; 3 skipped: done before\n"


def test_films_of_one_stem_do_not_share_their_unfinished_work(run: Command, tmp_path: Path) -> None:
    make_film(tmp_path / "film.mp4")
    make_film(tmp_path / "film.mov", start=7)
    make_film(tmp_path / "film.avi", start=9)
    make_film(tmp_path / "film.mkv", start=11)
    result = run("film.mp4", "film.mov", "film.avi", "film.mkv", "-o", "out")
    assert result.exit_code == 0
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == [".colorrt", "film-2.mkv", "film.mkv", "film.mov", "film.mp4"]
    again = run("film.mkv", "film.avi", "film.mov", "film.mp4", "-o", "out")
    assert again.stdout == "0 colored; 4 skipped: done before\n"


def test_shards_part_films_and_pictures_between_them(run: Command, old: Path, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        assert run("old", "--shard", f"{number}/3").exit_code == 0
    assert len(rows_of(tmp_path / "old-color")) == 4
    assert run("old").stdout == "0 colored; 4 skipped: done before\n"


def test_second_run_on_a_film_that_is_being_colored_says_so_in_one_line(run: Command, old: Path) -> None:
    folder = old.parent / "out.mp4.colorrt"
    folder.mkdir()
    with (folder / "lock").open("wb") as file:
        lock(file.fileno())
        result = run("old/film.mp4", "-o", "out.mp4")
        assert result.exit_code == 1
        said = [line for line in result.stderr.splitlines() if "out.mp4" in line]
        assert said == [
            "failed: out.mp4: another run is coloring this film; wait for that one, or name another output with -o"
        ]
        assert not (old.parent / "out.mp4").exists()
    assert run("old/film.mp4", "-o", "out.mp4").exit_code == 0
    assert not folder.exists()


def test_unfinished_film_is_no_input_of_the_next_run(run: Command, old: Path) -> None:
    folder = old / "film-color.mp4.colorrt"
    folder.mkdir()
    (folder / "lock").touch()
    (folder / "piece-00000.packets").write_bytes(b"x")
    assert "1 left out: 1 folder of an unfinished film" in run("old").stdout


def test_picture_that_is_named_like_a_film_and_the_other_way_round_fail_alone(
    run: Command, old: Path, tmp_path: Path
) -> None:
    shutil.copy(old / "a.jpg", old / "picture.mp4")
    shutil.copy(old / "film.mp4", old / "movie.jpg")
    result = run("old")
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("failed: ")]
    assert {line.split(": ")[1] for line in lines if "movie.jpg" in line} == {"old/movie.jpg"}
    # One picture is a film of one frame to FFmpeg; whichever it is, nothing else suffers.
    assert "4 colored" in result.stdout or "5 colored" in result.stdout
    assert (tmp_path / "old-color" / "film.mp4").exists()


def start(tiny_onnx: Path, folder: Path, *arguments: str, limit: int | None = None) -> subprocess.Popen[str]:
    def restrict() -> None:
        if limit is not None:
            import resource

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "colorrt", "run", *arguments, "--engine", str(tiny_onnx), "--render-factor", "1"]
    return subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=restrict,  # noqa: PLW1509 (no other thread of this process holds a lock that the child needs)
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")
def test_kill_in_the_middle_of_a_film_loses_nothing(old: Path, tmp_path: Path, tiny_onnx: Path, run: Command) -> None:
    make_film(old / "long.mp4", frames=1500, size=(96, 128))
    run("old/long.mp4", "-o", "whole.mp4")
    journal = tmp_path / "old-color" / ".colorrt" / "journal.jsonl"
    with start(tiny_onnx, tmp_path, "old") as process:
        state = tmp_path / "old-color" / "long.mp4.colorrt" / "state.json"
        ending = time.monotonic() + 60
        while not state.exists() and process.poll() is None and time.monotonic() < ending:
            time.sleep(0.01)
        process.kill()
        process.communicate()
    assert state.exists()
    assert not (tmp_path / "old-color" / "long.mp4").exists()
    done = [json.loads(line)["target"] for line in journal.read_text(encoding="ascii").splitlines()]
    result = run("old", "--report", "report.json")
    assert result.exit_code == 0
    assert f"{5 - len(done)} colored" in result.stdout
    assert f"{len(done)} skipped: done before" in result.stdout
    rows = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert next(row for row in rows if row["target"].endswith("long.mp4"))["resumed"] > 0
    assert not state.parent.exists()
    # The container numbers nothing by chance: the whole file is the same.
    assert (tmp_path / "old-color" / "long.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")
def test_film_that_does_not_fit_onto_the_disk_is_said_and_the_others_are_made(
    old: Path, tmp_path: Path, tiny_onnx: Path, run: Command
) -> None:
    random = np.random.default_rng(0)
    with av.open(str(old / "large.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 256, 192, "yuv420p"
        for _ in range(30):
            noise = random.integers(0, 256, (192, 256)).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="gray")))
        container.mux(stream.encode(None))
    with start(tiny_onnx, tmp_path, "old", limit=200_000) as process:
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert [line for line in errors.splitlines() if line.startswith("failed: ")] == [
        line for line in errors.splitlines() if "large.mp4" in line and "cannot be written" in line
    ]
    assert "4 colored" in output
    assert not (tmp_path / "old-color" / "large.mp4").exists()
    assert not list((tmp_path / "old-color").glob(".*.part"))
    assert run("old").stdout.startswith("1 colored: old-color/large.mp4; 4 skipped: done before")
    assert count_frames(tmp_path / "old-color" / "large.mp4") == 30


def test_sheet_shows_the_pictures_beside_films(run: Command, old: Path, tmp_path: Path) -> None:
    result = run("old", "--sheet", "sheet.png")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "sheet.png").is_file()
    result = run("old/film.mp4", "-o", "one.mp4", "--sheet", "none.png")
    assert result.exit_code == 0, result.output
    assert "none.png: not written, for there is no picture to show" in result.stderr
    assert not (tmp_path / "none.png").exists()


def test_preview_refuses_what_it_would_not_write(run: Command, old: Path, tmp_path: Path) -> None:
    result = run("old/film.mp4", "--preview", "shots.png", "--report", "r.json", "--sheet", "s.png")
    assert result.exit_code == 2
    assert "--preview colors no film, so there is nothing for --report and --sheet; leave it out" in result.stderr
    assert not (tmp_path / "shots.png").exists()


def test_preview_leaves_no_picture_out_in_silence(run: Command, old: Path, tmp_path: Path) -> None:
    result = run("old/a.jpg", "old/film.mp4", "--preview", "shots.png")
    assert result.exit_code == 2
    assert "--preview is of one film; name just one" in result.stderr
    assert not (tmp_path / "shots.png").exists()


KILLED = """
import os, signal
from colorrt.runtime.film.state import FilmState
FilmState.remove = lambda self: os.kill(os.getpid(), signal.SIGKILL)
from colorrt.cli import main
main()
"""


def test_film_whose_run_was_killed_before_its_row_is_known(
    run: Command, colorrt: Command, tiny_onnx: Path, tmp_path: Path
) -> None:
    make_film(tmp_path / "old" / "film.mp4")
    command = [sys.executable, "-c", KILLED, "run", "old", "--engine", tiny_onnx, "--render-factor", "1"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == -signal.SIGKILL
    out = tmp_path / "old-color"
    assert (out / "film.mp4").is_file()
    assert "1 skipped: done before" in run("old").stdout
    (row,) = rows_of(out)
    assert (row["target"], row["outcome"], len(row["source_was"]["sha256"])) == ("film.mp4", "done", 64)
    assert colorrt("journal", "verify", "old-color").stdout == "1 results: 1 as they were made\n"
    shown = colorrt("journal", "show", "old-color").stdout
    assert "guided, x264, crf 16, veryfast, steady on, guess what changes, colorrt " in shown


def test_what_cannot_be_signed_is_refused_before_the_work(
    run: Command, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from colorrt.runtime import signing

    monkeypatch.setattr(signing, "load_credentials", lambda *_: signing.Credentials(b"", b"", "es256"))
    result = run("old/film.mp4", "-o", "new.mkv", "--sign", "cert.pem", "key.pem")
    assert result.exit_code == 1
    assert "new.mkv: '.mkv' has no place for Content Credentials; name it .mp4 or .mov, or leave" in result.stderr
    assert not list(old.parent.glob("new*"))
