"""Formats are told by content; those of an optional package say so when it is missing."""

from __future__ import annotations

import importlib
import io
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from colorrt.errors import PictureError
from colorrt.runtime.pictures import formats
from colorrt.runtime.pictures.formats import PICTURE_SUFFIXES, formats_to_try, mark_of
from colorrt.runtime.pictures.reading import read_picture

if TYPE_CHECKING:
    from pathlib import Path

GRAY = np.tile(np.arange(0, 240, 4, dtype=np.uint8), (30, 1))
MARKS = {
    "HEIF": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "AVIF": b"\0\0\0\x20ftypmif1\0\0\0\0mif1avif",
    "JXL": b"\xff\x0a\x7a\x2a",
    "TIFF": b"MM\0+\0\x08\0\0",
    "JPEG": b"\xff\xd8\xff\xe0",
}


@pytest.mark.parametrize("name", MARKS)
def test_format_is_told_by_its_first_bytes(name: str) -> None:
    assert mark_of(io.BytesIO(MARKS[name])) == name
    assert mark_of(io.BytesIO(b"Dear all,")) is None
    assert mark_of(io.BytesIO(b"")) is None


@pytest.mark.parametrize("name", ["HEIF", "JXL"])
def test_missing_package_is_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def missing(package: str) -> Any:
        raise ImportError(package)

    monkeypatch.setattr(importlib, "import_module", missing)
    monkeypatch.delitem(Image.OPEN, name, raising=False)
    path = tmp_path / "a.bin"
    path.write_bytes(MARKS[name] + bytes(100))

    with pytest.raises(
        PictureError, match=rf"it is a {name} picture, which needs one more package; .*formats"
    ) as caught:
        read_picture(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "package", "suffix"), [("HEIF", "pi_heif", ".heic"), ("JXL", "pillow_jxl", ".jxl")])
def test_damaged_picture_of_a_package_that_is_there_is_refused(
    tmp_path: Path, name: str, package: str, suffix: str
) -> None:
    pytest.importorskip(package)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(MARKS[name] + bytes(100))

    assert name in formats_to_try("", name)
    assert suffix in PICTURE_SUFFIXES
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert "\n" not in str(caught.value)


def test_jpeg_xl_is_read(tmp_path: Path) -> None:
    pytest.importorskip("pillow_jxl")
    path = tmp_path / "a.jxl"
    Image.fromarray(GRAY).save(path, lossless=True)

    picture = read_picture(path)

    assert picture.format == "JXL"
    assert np.array_equal(picture.pixels, GRAY)


def test_suffixes_of_packages_count_only_where_they_are() -> None:
    assert (".heic" in PICTURE_SUFFIXES) == (find_spec("pi_heif") is not None)
    assert (".jxl" in PICTURE_SUFFIXES) == (find_spec("pillow_jxl") is not None)
    assert formats.formats_to_try(".tga", None)[-1] != "HEIF"
