"""A file appears whole under its name or not at all, and what prevents it is told in one sentence."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from picture_files import assert_sentence, names_in

from colorrt.atomic import atomic_path, printable
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
