"""TIFFs that Pillow does not read: big-endian BigTIFF, planes apart, in strips and tiles of any shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_files import refusal
from PIL import Image
from tifffile import TiffFile, TiffWriter, imwrite

from colorrt.runtime.pictures.reading import open_pages, read_picture
from colorrt.runtime.pictures.tiff_samples import _unpack_bits, can_read, read_samples

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

GRAY = np.random.default_rng(1).integers(0, 256, (20, 30), np.uint8)
BIG = {"bigtiff": True, "byteorder": ">"}


@pytest.mark.parametrize(
    "levels", [GRAY, GRAY.astype(np.uint16) * 257, np.dstack([GRAY, GRAY.T.reshape(20, 30), GRAY])]
)
@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "predictor": True}, {"rowsperstrip": 7}])
def test_big_endian_bigtiff_is_read(tmp_path: Path, levels: NDArray[Any], options: dict[str, Any]) -> None:
    path = tmp_path / "a.tif"
    photometric = "rgb" if levels.ndim == 3 else "minisblack"
    imwrite(path, levels, **BIG, **options, photometric=photometric, description="A street", resolution=(300, 300))

    picture = read_picture(path)

    assert np.array_equal(picture.pixels, levels)
    assert picture.pixels.dtype.isnative
    assert picture.dpi == (300.0, 300.0)
    assert picture.exif is not None
    assert b"A street" in picture.exif


def test_pages_of_a_big_endian_bigtiff_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with TiffWriter(path, **BIG) as writer:
        for page in (GRAY, GRAY[:5].astype(np.uint16), GRAY[:, :9]):
            writer.write(page, photometric="minisblack", metadata=None)

    with open_pages(path) as pages:
        assert [pages.read(number).pixels.shape for number in range(len(pages))] == [(20, 30), (5, 30), (20, 9)]


def test_big_endian_bigtiff_of_floats_is_refused_for_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    imwrite(path, GRAY.astype(np.float32), **BIG, photometric="minisblack")

    assert "a TIFF of 32 bits, 1 channels" in refusal(path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rowsperstrip": 5},
        {"compression": "zlib", "rowsperstrip": 6},
        {"compression": "zlib", "predictor": True, "rowsperstrip": 23},
        {"tile": (16, 32)},
        {"tile": (32, 16), "compression": "zlib", "predictor": True},
    ],
    ids=str,
)
def test_samples_are_those_that_were_written(
    tmp_path: Path, order: str, bigtiff: bool, planar: str, dtype: type[np.generic], options: dict[str, Any]
) -> None:
    levels = np.random.default_rng(2).integers(0, np.iinfo(dtype).max, (23, 37, 3)).astype(dtype)  # type: ignore[type-var]  # dtype is one of two
    stored = np.moveaxis(levels, -1, 0) if planar == "separate" else levels
    path = tmp_path / "a.tif"
    imwrite(path, stored, photometric="rgb", planarconfig=planar, byteorder=order, bigtiff=bigtiff, **options)

    with path.open("rb") as stream, TiffFile(stream) as file:
        page = file.pages[0].aspage()
        assert can_read(page)
        assert np.array_equal(read_samples(stream, page), levels)


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=128), st.integers(0, 3))), st.integers(0, 40))
def test_packed_bits_are_unpacked_no_further_than_asked(runs: list[tuple[bytes, int]], extra: int) -> None:
    packed, plain = b"", b""
    for data, kind in runs:
        if kind == 0:
            packed += b"\x80"
        elif kind == 1 and len(data) > 1:
            packed += bytes((257 - len(data), data[0]))
            plain += data[:1] * len(data)
        else:
            packed += bytes((len(data) - 1,)) + data
            plain += data

    assert _unpack_bits(packed, len(plain)) == plain
    assert _unpack_bits(packed, len(plain) + extra) == plain
    assert _unpack_bits(packed, max(0, len(plain) - extra)) == plain[: max(0, len(plain) - extra)]


def test_strip_that_ends_early_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    imwrite(path, GRAY, **BIG, photometric="minisblack", metadata=None)
    path.write_bytes(path.read_bytes()[:-100])

    assert "strip or tile 1 of 1 ends early" in refusal(path)


def test_symbolic_link_to_a_picture_is_read_as_the_picture(tmp_path: Path) -> None:
    Image.fromarray(GRAY).save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")

    assert np.array_equal(read_picture(tmp_path / "b.png").pixels, GRAY)
