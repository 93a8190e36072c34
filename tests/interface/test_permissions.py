"""What may not be read, entered or written, refused by the file system itself: said, counted, and no end of the run."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., subprocess.CompletedProcess[str]]

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


def obey_permissions() -> None:
    """Root passes all permissions; without these two of its powers, it is an owner like any other."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for power in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            libc.prctl(PR_CAPBSET_DROP, power, 0, 0, 0)


@pytest.fixture(scope="module", autouse=True)
def _only_where_permissions_hold(tmp_path_factory: pytest.TempPathFactory) -> None:
    if not hasattr(os, "geteuid"):
        pytest.skip("this system has other permissions")
    path = tmp_path_factory.mktemp("probe") / "closed"
    path.touch(0o000)
    probe = [sys.executable, "-c", f"open({str(path)!r})"]
    if subprocess.run(probe, capture_output=True, check=False, preexec_fn=obey_permissions).returncode == 0:
        pytest.skip("root cannot give up its powers here")


@pytest.fixture
def run(tiny_onnx: Path, tmp_path: Path) -> Run:
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "colorrt", "run", *arguments, "--engine", tiny_onnx, "--render-factor", "1"]
        answer = subprocess.run(
            list(map(str, command)), cwd=tmp_path, capture_output=True, text=True, check=False,
            preexec_fn=obey_permissions,
        )  # fmt: skip
        assert "Traceback" not in answer.stderr
        assert "foresee" not in answer.stderr
        return answer

    return run


@pytest.fixture
def photos(save_gray: Callable[..., Path], tmp_path: Path) -> Path:
    for name in ("1.png", "2.png", "a/3.png", "b/4.png", "c/5.png"):
        save_gray(tmp_path / "photos" / name)
    return tmp_path / "photos"


@pytest.fixture
def shut(tmp_path: Path) -> Iterator[Callable[[Path, int], None]]:
    """Change the mode of a path; it gets its own back, so that it can be removed."""
    changed: list[tuple[Path, int]] = []

    def shut(path: Path, mode: int) -> None:
        changed.append((path, path.stat().st_mode))
        path.chmod(mode)

    yield shut
    for path, mode in reversed(changed):
        path.chmod(mode)


@pytest.mark.parametrize(("mode", "kind"), [(0o000, "folder that cannot be entered"), (0o444, "cannot be reached")])
def test_folder_that_is_shut_fails_by_name_and_the_others_are_colored(
    run: Run, photos: Path, shut: Callable[[Path, int], None], tmp_path: Path, mode: int, kind: str
) -> None:
    shut(photos / "b", mode)
    answer = run("photos", "-o", "out", "--report", "report.json")
    assert answer.returncode == 1
    assert answer.stdout == "4 colored, in out; 1 failed\n"
    (failed,) = [line for line in answer.stderr.splitlines() if line.startswith("failed: ")]
    assert failed.startswith("failed: photos/b")
    assert kind in failed
    assert "Permission denied" in failed
    rows = json.loads((tmp_path / "report.json").read_text())
    assert sorted(row["outcome"] for row in rows) == ["done"] * 4 + ["failed"]


def test_picture_that_is_shut_fails_alone_and_is_tried_again(
    run: Run, photos: Path, shut: Callable[[Path, int], None]
) -> None:
    shut(photos / "2.png", 0o000)
    answer = run("photos", "-o", "out")
    assert answer.returncode == 1
    assert "photos/2.png: there is no permission to read it; make it readable (chmod +r)" in answer.stderr
    assert answer.stdout == "4 colored, in out; 1 failed\n"
    (photos / "2.png").chmod(0o644)
    answer = run("photos", "-o", "out")
    assert (answer.returncode, answer.stdout) == (0, "1 colored: out/2.png; 4 skipped: done before\n")


@pytest.mark.parametrize("mode", [0o000, 0o555, 0o666])
def test_output_that_is_shut_is_refused_before_any_work(
    run: Run, photos: Path, shut: Callable[[Path, int], None], tmp_path: Path, mode: int
) -> None:
    (tmp_path / "out").mkdir()
    shut(tmp_path / "out", mode)
    answer = run("photos", "-o", "out")
    assert answer.returncode == 2
    assert "no permission to write here" in answer.stderr
    answer = run("photos", "-o", "out/deep/er")
    assert answer.returncode == 2
    assert "this folder cannot be created (Permission denied)" in answer.stderr


def test_folder_of_results_that_is_shut_fails_its_pictures_alone(
    run: Run, photos: Path, shut: Callable[[Path, int], None], tmp_path: Path
) -> None:
    (tmp_path / "out/b").mkdir(parents=True)
    shut(tmp_path / "out/b", 0o555)
    answer = run("photos", "-o", "out")
    assert answer.returncode == 1
    assert answer.stdout == "4 colored, in out; 1 failed\n"
    assert "out/b/4.png: cannot be written: there is no permission to write here" in answer.stderr


def test_result_that_is_read_only_is_kept_or_replaced_as_asked(run: Run, photos: Path, tmp_path: Path) -> None:
    assert run("photos", "-o", "out").returncode == 0
    (tmp_path / "out/1.png").chmod(0o444)
    assert run("photos", "-o", "out").stdout == "0 colored; 5 skipped: done before\n"
    # Moving a file takes permission on its folder alone.
    assert run("photos", "-o", "out", "--overwrite").stdout == "5 colored, in out\n"


@pytest.mark.parametrize("option", ["--report", "--sheet"])
def test_place_of_the_report_that_is_shut_is_refused_before_any_work(
    run: Run, photos: Path, shut: Callable[[Path, int], None], tmp_path: Path, option: str
) -> None:
    (tmp_path / "closed").mkdir()
    for mode in (0o555, 0o000):
        shut(tmp_path / "closed", mode)
        answer = run("photos", "-o", "out", option, "closed/report.json")
        assert answer.returncode == 2
        assert len(answer.stderr.splitlines()) == 1
        assert "closed/report.json: cannot be written: " in answer.stderr
        assert not (tmp_path / "out").exists()


def test_journal_that_is_shut_is_one_line(
    run: Run, photos: Path, shut: Callable[[Path, int], None], tmp_path: Path
) -> None:
    assert run("photos/a", "-o", "out").returncode == 0
    shut(tmp_path / "out/.colorrt/journal.jsonl", 0o000)
    answer = run("photos", "-o", "out")
    assert answer.returncode == 2
    assert "the journal of earlier runs cannot be read (Permission denied)" in answer.stderr
    shut(tmp_path / "out/.colorrt/journal.jsonl", 0o444)
    answer = run("photos", "-o", "out")
    assert answer.returncode == 2
    assert "the journal cannot be written (Permission denied)" in answer.stderr
    # What was under way is not lost, once the journal can be written again.
    (tmp_path / "out/.colorrt/journal.jsonl").chmod(0o644)
    answer = run("photos", "-o", "out")
    assert answer.returncode == 0
    assert "in no journal" not in answer.stdout
