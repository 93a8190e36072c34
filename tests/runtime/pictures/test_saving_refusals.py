"""What cannot be saved is refused in one sentence, and leaves an older file as it was."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_files import assert_sentence, names_in
from pictures_to_save import OPAQUE, RGB, TRANSPARENT
from PIL import Image

from colorrt.errors import PictureError, UsageError
from colorrt.runtime.pictures.reading import Picture
from colorrt.runtime.pictures.writing import write_picture


@pytest.mark.parametrize("quality", [0, 101, -1])
def test_senseless_quality_is_refused(tmp_path: Path, quality: int) -> None:
    with pytest.raises(UsageError, match="1 to 100") as caught:
        write_picture(tmp_path / "a.jpg", RGB, OPAQUE, quality=quality)

    assert_sentence(caught.value, tmp_path / "a.jpg")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("name", ["a.gif", "a.pgm", "a.xyz", "a"])
def test_suffix_without_color_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PictureError, match=r"names no format.*\.png") as caught:
        write_picture(tmp_path / name, RGB, OPAQUE)

    assert_sentence(caught.value, tmp_path / name)
    assert names_in(tmp_path) == []


def test_side_too_long_for_the_format_is_refused(tmp_path: Path) -> None:
    rgb = np.zeros((1, 65501, 3), np.uint8)

    with pytest.raises(PictureError, match="65501 x 1 pixels are too many for JPEG") as caught:
        write_picture(tmp_path / "a.jpg", rgb, Picture(rgb[..., 0]))

    assert_sentence(caught.value, tmp_path / "a.jpg")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError("no\nway"), MemoryError(), KeyboardInterrupt()])
def test_failing_encoder_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def half(self: object, stream: Any, **_: object) -> None:
        stream.write(b"half of it")
        raise error

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises((PictureError, KeyboardInterrupt)) as caught:
        write_picture(path, RGB, OPAQUE)

    if not isinstance(error, KeyboardInterrupt):
        assert_sentence(caught.value, path)
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.png"]


def test_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as stream:
            stream.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PictureError, match="the disk is full") as caught:
        write_picture(path, RGB, OPAQUE)

    assert_sentence(caught.value, path)
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.png"]


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="folder does not exist") as caught:
        write_picture(tmp_path / "missing" / "a.png", RGB, OPAQUE)

    assert_sentence(caught.value, tmp_path / "missing" / "a.png")


def test_arrays_that_are_no_picture_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(ValueError, match="H, W, 3"):
        write_picture(path, RGB[..., 0], OPAQUE)
    with pytest.raises(TypeError, match="uint8 or uint16"):
        write_picture(path, RGB / 255, OPAQUE)
    with pytest.raises(ValueError, match="as large as"):
        write_picture(path, RGB[:10], TRANSPARENT)
    assert names_in(tmp_path) == []
