"""Pages are colored one by one, each at its own size and depth, and one that is wrong fails its whole file."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from colored_files import DEEP, GRAY, assert_luma
from PIL import Image

from colorrt import kernels
from colorrt.runtime.folder import Outcome, Result, Settings, color_jobs
from colorrt.runtime.jobs import Job
from colorrt.runtime.pictures.reading import open_pages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from colorrt.runtime.colorizer import Colorizer


def assert_failed(result: Result, words: str) -> None:
    assert result.outcome is Outcome.FAILED
    assert result.reason is not None
    assert "\n" not in result.reason
    assert words in result.reason
    folder = result.job.target.parent
    assert not folder.exists() or [path.name for path in folder.iterdir()] == []


def write_pages(path: Path, pages: list[NDArray[Any]], **options: Any) -> Path:
    with tifffile.TiffWriter(path, **options) as file:
        for page in pages:
            file.write(page, photometric="rgb" if page.ndim == 3 else "minisblack", metadata=None, contiguous=False)
    return path


MIXED = [GRAY, DEEP[:, :11], np.dstack([GRAY, GRAY[::-1], GRAY])[:5], GRAY[:1, :1], DEEP]


@pytest.mark.parametrize("big", [False, True])
def test_every_page_is_colored_at_its_own_size_and_depth(
    color: Callable[..., Result], tmp_path: Path, big: bool
) -> None:
    source = write_pages(tmp_path / "a.tif", MIXED, bigtiff=big)
    assert color(source, recolor=True).outcome is Outcome.DONE
    with open_pages(tmp_path / "out/a.tif") as pages:
        assert len(pages) == len(MIXED)
    for number, page in enumerate(MIXED):
        assert_luma(tmp_path / "out/a.tif", kernels.luma(page), number)


def test_page_that_only_tifffile_reads_may_stand_anywhere(color: Callable[..., Result], tmp_path: Path) -> None:
    odd = np.dstack([DEEP, DEEP[::-1]])
    for pages in ([odd, GRAY], [GRAY, odd, DEEP]):
        with tifffile.TiffWriter(tmp_path / "a.tif") as file:
            for page in pages:
                kinds = {"extrasamples": ["unassalpha"], "planarconfig": "contig"} if page is odd else {}
                file.write(page, photometric="minisblack", metadata=None, **kinds)
        result = color(tmp_path / "a.tif")
        assert result.outcome is Outcome.DONE, result.reason
        for number, page in enumerate(pages):
            assert_luma(tmp_path / "out/a.tif", DEEP if page is odd else page, number)


def test_previews_are_no_pages(color: Callable[..., Result], tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page, kind in ((GRAY, 0), (GRAY[::4, ::4], 1), (DEEP, 0)):
            file.write(page, photometric="minisblack", metadata=None, subfiletype=kind)
    assert color(tmp_path / "a.tif").outcome is Outcome.DONE
    with tifffile.TiffFile(tmp_path / "out/a.tif") as file:
        assert [page.shape for page in file.pages] == [(24, 40, 3)] * 2


def test_each_page_keeps_its_metadata(color: Callable[..., Result], tmp_path: Path) -> None:
    pages = []
    for number in range(3):
        image = Image.fromarray(GRAY)
        image.encoderinfo = {"tiffinfo": {285: f"page {number}"}, "dpi": (100 + number, 100 + number)}
        pages.append(image)
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], **pages[0].encoderinfo)
    assert color(tmp_path / "a.tif").outcome is Outcome.DONE
    with Image.open(tmp_path / "out/a.tif") as image:
        for number in range(3):
            image.seek(number)
            assert image.getexif()[285] == f"page {number}"
            assert image.info["dpi"] == (100 + number, 100 + number)


def test_damaged_page_fails_the_file_and_names_the_page(color: Callable[..., Result], tmp_path: Path) -> None:
    source = write_pages(tmp_path / "a.tif", [GRAY, GRAY, GRAY])
    with tifffile.TiffFile(source) as file:
        place = file.pages[1].tags[273].valueoffset
    whole = bytearray(source.read_bytes())
    whole[place : place + 4] = struct.pack("<I", len(whole) - 10)
    source.write_bytes(whole)
    assert_failed(color(source), "page 2 of 3: it is damaged or cut off")


def test_too_large_page_fails_the_file_and_names_the_page(color: Callable[..., Result], tmp_path: Path) -> None:
    source = write_pages(tmp_path / "a.tif", [GRAY, GRAY, np.zeros((100, 100), np.uint8)])
    assert_failed(color(source, max_pixels=5000), "page 3 of 3: its 100 x 100 = 10,000 pixels are more than the limit")


def test_output_that_holds_one_page_is_refused_for_several(color: Callable[..., Result], tmp_path: Path) -> None:
    source = write_pages(tmp_path / "a.tif", [GRAY, GRAY])
    assert_failed(color(source, "a.png"), "it has 2 pages, and a.png would hold only one; name the output .tif")


def test_interrupt_between_pages_leaves_no_file(
    colorizer: Colorizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_pages(tmp_path / "a.tif", [GRAY, GRAY, GRAY])
    real, calls = colorizer.guess, iter(range(9))

    def guess(squares: Any) -> Any:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return real(squares)

    monkeypatch.setattr(colorizer, "guess", guess)
    with pytest.raises(KeyboardInterrupt):
        list(color_jobs(colorizer, [Job(source, tmp_path / "out/a.tif")], Settings()))
    assert list((tmp_path / "out").iterdir()) == []
