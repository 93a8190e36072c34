"""Which files are pictures, and the one sentence for each that is none."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from picture_files import GRAY, png_bytes, refusal, saved, tiff_bytes
from PIL import Image, features

from colorrt.errors import PictureError
from colorrt.runtime.pictures.reading import PICTURE_SUFFIXES, read_picture


def test_suffixes_are_those_of_formats_that_this_build_reads() -> None:
    assert {".jpg", ".jpeg", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".gif", ".pgm"} <= PICTURE_SUFFIXES
    assert (".webp" in PICTURE_SUFFIXES) == features.check("webp")
    # Those of plugins are registered when the first such picture is read.
    plugged = {".heic", ".heif", ".hif", ".jxl"}
    assert all(Image.registered_extensions()[suffix] in Image.OPEN for suffix in PICTURE_SUFFIXES - plugged)


def test_format_is_told_by_content_and_not_by_name(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.jpg", Image.fromarray(GRAY), format="PNG")

    picture = read_picture(path)

    assert picture.format == "PNG"
    assert np.array_equal(picture.pixels, GRAY)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "missing.png")
    (tmp_path / "file").touch()
    assert "not a folder" in refusal(tmp_path / "file" / "a.png")


def test_folder_is_refused(tmp_path: Path) -> None:
    assert "it is a folder" in refusal(tmp_path)


def test_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.touch()

    assert "0 bytes" in refusal(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.png"
    os.mkfifo(path)

    assert "not a regular file" in refusal(path)


def test_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, "a.png", Image.fromarray(GRAY))

    # chmod does not keep root out.
    def denied(self: Path, *_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", denied)

    assert "no permission" in refusal(path)


@pytest.mark.parametrize("content", [b"Dear diary,\n" * 9, bytes(500), b"%PDF-1.7\n", b"\xff\xd8"])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.jpg"
    path.write_bytes(content)

    assert "its content is none of" in refusal(path)


def test_tga_is_told_by_its_name_alone(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.tga", Image.fromarray(GRAY)).rename(tmp_path / "a.jpg")

    assert "TGA" not in refusal(path)
    assert np.array_equal(read_picture(path.rename(tmp_path / "A.TGA")).pixels, GRAY)


def test_name_of_two_lines_makes_one_line(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"two\\nlines\.png: there is no such file") as caught:
        read_picture(tmp_path / "two\nlines.png")
    assert "\n" not in str(caught.value)


def test_picture_without_width_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes(0, 8, 0, [b""]))

    assert "begins like PNG" in refusal(path)


def test_tiff_of_unknown_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff_bytes(bytes(24), (4, 3), bits=16, samples=3))

    assert "a TIFF of 16 bits, 1 channels, photometric 1, is not read; convert it to PNG" in refusal(path)
