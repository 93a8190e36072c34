"""A file appears whole under its name or not at all, and what prevents it is told in one sentence."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from picture_files import assert_sentence, names_in

from colorrt.atomic import atomic_path, part_folder, printable, remove_parts, telling_moves
from colorrt.errors import ArtifactError, ColorrtError, PictureError


def write_half(path: Path, error: BaseException, failure: type[ColorrtError] = ColorrtError) -> None:
    with atomic_path(path, failure) as part:
        part.write_text("half of it")
        raise error


def test_file_appears_under_its_name_once_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "report.json"

    with atomic_path(path) as part:
        part.write_text("{}")
        assert part.parent == tmp_path
        assert part.name.startswith(".report.json.")
        assert part.suffix == ".part"
        assert not path.exists()

    assert path.read_text() == "{}"
    assert names_in(tmp_path) == ["report.json"]


@pytest.mark.parametrize("error", [ValueError("half"), KeyboardInterrupt(), SystemExit(1)])
@pytest.mark.parametrize("existing", [None, "old"])
def test_failing_block_leaves_all_as_it_was(tmp_path: Path, error: BaseException, existing: str | None) -> None:
    path = tmp_path / "a.txt"
    if existing is not None:
        path.write_text(existing)

    with pytest.raises(type(error)) as caught:
        write_half(path, error)

    assert caught.value is error
    assert names_in(tmp_path) == ([] if existing is None else ["a.txt"])
    assert existing is None or path.read_text() == existing


@pytest.mark.parametrize("failure", [ColorrtError, PictureError, ArtifactError])
def test_full_disk_becomes_a_sentence_and_leaves_nothing(tmp_path: Path, failure: type[ColorrtError]) -> None:
    path = tmp_path / "a.txt"

    with pytest.raises(failure, match="the disk is full") as caught:
        write_half(path, OSError(errno.ENOSPC, "No space left on device"), failure)

    assert type(caught.value) is failure
    assert_sentence(caught.value, path)
    assert names_in(tmp_path) == []


def test_error_without_number_becomes_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"

    with pytest.raises(ColorrtError, match="encoder error -2; ") as caught, atomic_path(path):
        raise OSError("encoder\nerror -2")

    assert_sentence(caught.value, path)


def test_missing_folder_and_folder_as_name_are_refused_before_the_block(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, words in (
        (tmp_path / "missing" / "a.png", "folder does not exist"),
        (tmp_path / "file" / "a.png", "is a file"),
        (tmp_path, "it is a folder"),
        (tmp_path / ("n" * 300), "too long"),
    ):
        entered = False
        with pytest.raises(ColorrtError, match=words) as caught, atomic_path(path):
            entered = True

        # A name that is too long shows when the file is moved to it.
        assert not entered or words == "too long"
        assert_sentence(caught.value, path)
    assert names_in(tmp_path) == ["file"]


def test_unwritable_folder_becomes_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # chmod does not keep root out.
    def denied(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(ColorrtError, match="no permission to write") as caught, atomic_path(tmp_path / "a"):
        pass

    assert_sentence(caught.value, tmp_path / "a")


def test_device_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    with pytest.raises(ColorrtError, match="not a regular file") as caught, atomic_path(path):
        pass

    assert_sentence(caught.value, path)
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert names_in(tmp_path) == ["pipe"]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "a") as part:
            part.write_text("a")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_symbolic_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "real" / "a.txt")

    with atomic_path(link) as part:
        part.write_text("a")

    assert link.is_symlink()
    assert (tmp_path / "real" / "a.txt").read_text() == "a"
    assert names_in(tmp_path / "real") == ["a.txt"]


def test_long_name_in_any_script_can_be_saved(tmp_path: Path) -> None:
    path = tmp_path / ("写" * 83 + ".txt")

    with atomic_path(path) as part:
        part.write_text("a")

    assert path.read_text() == "a"


def test_two_writers_of_one_name_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "a"

    with atomic_path(path) as first, atomic_path(path) as second:
        first.write_text("first")
        second.write_text("second")
        assert first != second

    assert path.read_text() == "first"
    assert names_in(tmp_path) == ["a"]


def test_shown_path_is_one_printable_line() -> None:
    assert printable(Path("фото 1.png")) == "фото 1.png"
    assert printable("a\nb\tc") == "a\\nb\\tc"
    assert printable(os.fsdecode(b"a\xff")) == "a\\udcff"


HOLDS = """
import sys
from pathlib import Path
from colorrt.atomic import atomic_path
with atomic_path(Path(sys.argv[1])) as part:
    print(part, flush=True)
    sys.stdin.read()
"""


HOLDS_FOLDER = """
import sys
from pathlib import Path
from colorrt.atomic import part_folder
with part_folder(Path(sys.argv[1]).parent) as folder:
    (folder / "unsigned.png").write_bytes(b"half")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holders(tmp_path: Path) -> Iterator[Callable[[str, str], tuple[subprocess.Popen[str], Path]]]:
    """Start processes that hold a part, and tell which."""
    pytest.importorskip("fcntl")
    with contextlib.ExitStack() as stack:

        def start(program: str, name: str) -> tuple[subprocess.Popen[str], Path]:
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", program, str(tmp_path / name)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            return process, Path(process.stdout.readline().strip())

        yield start


@pytest.mark.parametrize("program", [HOLDS, HOLDS_FOLDER], ids=["file", "folder"])
def test_parts_of_killed_runs_are_removed_at_once_and_those_of_living_ones_stay(
    holders: Callable[[str, str], tuple[subprocess.Popen[str], Path]], tmp_path: Path, program: str
) -> None:
    foreign = [".mine.part", "x.0123456789ab.part", ".colorrt-mine.part"]
    for name in foreign[:2]:
        (tmp_path / name).write_bytes(b"not ours")
    (tmp_path / foreign[2]).mkdir()
    killed, living = holders(program, "killed.png"), holders(program, "living.png")
    killed[0].kill()
    killed[0].wait()
    assert remove_parts(tmp_path) == 1
    assert [part.exists() for _, part in (killed, living)] == [False, True]
    assert remove_parts(tmp_path) == 0
    living[0].communicate("")
    assert living[0].returncode == 0
    left = [*foreign, *(["living.png"] if program == HOLDS else [])]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(left)


def test_folders_of_signings_that_were_killed_before_they_were_locked_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".colorrt-ab12_cd9.part").mkdir()
    (tmp_path / ".colorrt-ab12_cd9.part/unsigned.png").write_bytes(b"half")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/precious").write_bytes(b"mine")
    (tmp_path / ".colorrt-0123456789ab.part").symlink_to(tmp_path / "elsewhere")
    assert remove_parts(tmp_path) == 1
    # A link is none of ours, and is not followed.
    assert (tmp_path / "elsewhere/precious").read_bytes() == b"mine"
    assert (tmp_path / ".colorrt-0123456789ab.part").is_symlink()


def test_writer_whose_part_is_taken_for_an_abandoned_one_makes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")
    real, removed = fcntl.flock, []

    def slow(file: Any, how: int) -> None:
        # Between the making of a part and its lock, another run cleans up.
        if how == fcntl.LOCK_EX and len(removed) < 3:
            removed.append(remove_parts(tmp_path))
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", slow)
    with atomic_path(tmp_path / "a.txt") as part:
        part.write_text("whole")
    with part_folder(tmp_path) as folder:
        (folder / "b").write_text("whole")
    assert removed == [1, 1, 1]
    assert names_in(tmp_path) == ["a.txt"]


def test_moves_are_told_before_they_happen_to_their_own_thread(tmp_path: Path) -> None:
    told: list[tuple[bytes, Path, bool]] = []
    with telling_moves(lambda part, path: told.append((part.read_bytes(), path, path.exists()))):
        with atomic_path(tmp_path / "a") as part:
            part.write_bytes(b"x")
        with ThreadPoolExecutor(1) as threads:
            threads.submit(write_whole, tmp_path / "b").result()
    write_whole(tmp_path / "c")
    assert told == [(b"x", tmp_path / "a", False)]


def write_whole(path: Path) -> None:
    with atomic_path(path) as part:
        part.write_bytes(b"y")


def test_file_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    real_sync, real_replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda file: (calls.append("sync"), real_sync(file))[1])
    monkeypatch.setattr(Path, "replace", lambda self, to: (calls.append("replace"), real_replace(self, to))[1])
    with atomic_path(tmp_path / "a") as part:
        part.write_bytes(b"x")
    assert calls == ["sync", "replace"]
