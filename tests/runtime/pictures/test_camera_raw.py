"""Camera RAW is refused by its content, whatever it is named: what readers find in it is a preview."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from picture_files import GRAY, refusal
from PIL import Image, TiffImagePlugin

from colorrt.runtime.pictures.reading import read_picture

if TYPE_CHECKING:
    from pathlib import Path


def save_tiff(path: Path, tag: int, kind: int, value: object) -> Path:
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[tag], info.tagtype[tag] = value, kind
    Image.fromarray(GRAY).save(path, tiffinfo=info)
    return path


def test_dng_by_another_name_is_refused(tmp_path: Path) -> None:
    said = refusal(save_tiff(tmp_path / "a.tif", 50706, 1, b"\x01\x04\0\0"))
    assert said.endswith("it is camera RAW, and what could be read of it is a preview only; develop it first")


@pytest.mark.parametrize("photometric", [32803, 34892])
def test_tiff_whose_picture_lies_below_its_preview_is_refused(tmp_path: Path, photometric: int) -> None:
    path = save_tiff(tmp_path / "a.tif", 330, 4, 0)
    data = bytearray(path.read_bytes())
    # A directory of one entry at the end, and its place where the first one says where those below are.
    place = data.index(struct.pack("<HHI", 330, 4, 1)) + 8
    struct.pack_into("<I", data, place, len(data))
    data += struct.pack("<HHHIII", 1, 262, 3, 1, photometric, 0)
    path.write_bytes(data)
    assert "camera RAW" in refusal(path)


def test_tiff_whose_directory_below_is_damaged_is_read(tmp_path: Path) -> None:
    path = save_tiff(tmp_path / "a.tif", 330, 4, 1 << 30)
    assert np.array_equal(read_picture(path).pixels, GRAY)


@pytest.mark.parametrize(
    "beginning",
    [b"FUJIFILMCCD-RAW 0201", b"II*\0\x10\0\0\0CR\x02\0", b"\0\0\0\x18ftypcrx ", b"IIRO\x08\0\0\0", b"IIU\0"],
)
def test_other_kinds_are_told_by_how_they_begin(tmp_path: Path, beginning: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(beginning + bytes(64))
    assert "camera RAW" in refusal(tmp_path / "a.tif")
