"""Pictures that are in color already: left as they are and said, colored when asked, and remembered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from colored_files import DONE, SKIPPED, outcomes
from picture_files import in_many_colors
from PIL import Image

from colorrt import Colorizer
from colorrt.errors import PictureError
from colorrt.photos.shipped import shipped_photos
from colorrt.runtime import folder as running
from colorrt.runtime.folder import Result, Settings, color_jobs
from colorrt.runtime.history import Journals, Skip
from colorrt.runtime.jobs import plan_jobs
from colorrt.runtime.notes import NoteKind, describe_notes
from colorrt.runtime.pictures.reading import open_pages
from colorrt.runtime.stills import read_stills

if TYPE_CHECKING:
    from colorrt.runtime import colorizer as plain


IN_COLOR, GRAY = "in color", "nipomo-1936.jpg"


def image(name: str) -> Image.Image:
    if name == IN_COLOR:
        return Image.fromarray(in_many_colors(np.asarray(image(GRAY).convert("L"))))
    return Image.open(shipped_photos() / name)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder of a JPEG and a PNG in color, and of a gray JPEG."""
    place = tmp_path / "mixed"
    place.mkdir()
    image(IN_COLOR).save(place / "a.jpg")
    image(IN_COLOR).save(place / "b.png")
    image(GRAY).save(place / "c.jpg")
    return place


def run(colorizer: plain.Colorizer, source: Path, out: Path, **settings: Any) -> list[Result]:
    journals = Journals()
    try:
        return list(color_jobs(colorizer, plan_jobs([str(source)], out), Settings(**settings), journals))
    finally:
        journals.close()


def test_pictures_in_color_are_left_and_the_others_colored(
    colorizer: plain.Colorizer, mixed: Path, tmp_path: Path
) -> None:
    results = run(colorizer, mixed, tmp_path / "out")
    assert outcomes(results) == [SKIPPED, SKIPPED, DONE]
    assert [result.skip for result in results] == [Skip.IN_COLOR, Skip.IN_COLOR, None]
    assert results[0].reason == f"{mixed / 'a.jpg'}: it is in color already: left as it is; --recolor colors it"
    assert [path.name for path in (tmp_path / "out").glob("[!.]*")] == ["c.jpg"]


def test_recolor_colors_them(colorizer: plain.Colorizer, mixed: Path, tmp_path: Path) -> None:
    assert outcomes(run(colorizer, mixed, tmp_path / "out", recolor=True)) == [DONE] * 3


def test_next_run_says_the_same_without_reading_and_recolor_still_colors(
    colorizer: plain.Colorizer, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(colorizer, mixed, tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(running, "read_stills", lambda *_, **__: pytest.fail("it was read again"))
        again = run(colorizer, mixed, tmp_path / "out")
    assert [result.reason for result in again[:2]] == [result.reason for result in first[:2]]
    assert [result.skip for result in again] == [Skip.IN_COLOR, Skip.IN_COLOR, Skip.DONE]
    assert outcomes(run(colorizer, mixed, tmp_path / "out", recolor=True)) == [DONE, DONE, SKIPPED]
    assert [result.skip for result in run(colorizer, mixed, tmp_path / "out")] == [Skip.DONE] * 3


def test_scan_that_replaces_a_picture_in_color_is_colored(
    colorizer: plain.Colorizer, mixed: Path, tmp_path: Path
) -> None:
    run(colorizer, mixed, tmp_path / "out")
    image("buffalo-bank-1908.jpg").save(mixed / "a.jpg")
    assert outcomes(run(colorizer, mixed, tmp_path / "out")) == [DONE, SKIPPED, SKIPPED]


@pytest.mark.parametrize(("name", "result"), [("c.jpg", "c.jpg"), ("d.gif", "d.png")])
def test_result_of_what_was_there_before_a_picture_in_color_is_told(
    colorizer: plain.Colorizer, tmp_path: Path, name: str, result: str
) -> None:
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    image(GRAY).save(scans / name)
    run(colorizer, scans, out)
    image(IN_COLOR).save(scans / name)
    for _ in range(2):
        (left,) = run(colorizer, scans, out)
        assert left.skip is Skip.IN_COLOR
        assert describe_notes(left.notes) == [f"{out / result}: of an earlier picture, which one in color has replaced"]
    assert (out / result).is_file()
    (again,) = run(colorizer, scans, out, recolor=True)
    assert again.outcome is DONE
    # What is left with its own result, such as one by --recolor, is as it was.
    (left,) = run(colorizer, scans, out, overwrite=True)
    assert (left.skip, left.notes) == (Skip.IN_COLOR, ())


def save_pages(path: Path, *names: str) -> None:
    pages = [image(name).convert("RGB") for name in names]
    pages[0].save(path, save_all=True, append_images=pages[1:])


@pytest.mark.parametrize("order", [(IN_COLOR, GRAY), (GRAY, IN_COLOR)])
def test_page_in_color_goes_into_the_copy_as_it_is(
    colorizer: plain.Colorizer, tmp_path: Path, order: tuple[str, str]
) -> None:
    save_pages(tmp_path / "a.tif", *order)
    (result,) = run(colorizer, tmp_path / "a.tif", tmp_path / "out.tif")
    assert result.outcome is DONE
    assert [(note.kind, note.text) for note in result.notes] == [
        (NoteKind.PAGES_IN_COLOR, "1 of 2 pages is in color already: left as it is")
    ]
    with open_pages(tmp_path / "a.tif") as before, open_pages(tmp_path / "out.tif") as after:
        for number, name in enumerate(order):
            kept = np.array_equal(before.read(number).pixels, after.read(number).pixels)
            assert kept == (name == IN_COLOR)
    # It is done, but for those who ask for more.
    (again,) = run(colorizer, tmp_path / "a.tif", tmp_path / "out.tif")
    assert again.skip is Skip.DONE
    (recolored,) = run(colorizer, tmp_path / "a.tif", tmp_path / "out.tif", recolor=True)
    assert (recolored.outcome, recolored.notes) == (DONE, ())


def test_file_of_pages_that_are_all_in_color_is_left(colorizer: plain.Colorizer, tmp_path: Path) -> None:
    save_pages(tmp_path / "a.tif", IN_COLOR, IN_COLOR)
    (result,) = run(colorizer, tmp_path / "a.tif", tmp_path / "out.tif")
    assert result.skip is Skip.IN_COLOR
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize("lossless_luma", [False, True])
def test_lossless_luma_leaves_them_too(
    colorizer: plain.Colorizer,
    mixed: Path,
    tmp_path: Path,
    lossless_luma: bool,
) -> None:
    (result,) = run(colorizer, mixed / "a.jpg", tmp_path / "new.jpg", lossless_luma=lossless_luma)
    assert result.skip is Skip.IN_COLOR


def test_python_colors_what_it_is_given_unless_told_otherwise(tiny_onnx: Path, mixed: Path, tmp_path: Path) -> None:
    with Colorizer(tiny_onnx, render_factor=1) as colorizer:
        assert colorizer.colorize_file(mixed / "a.jpg", tmp_path / "new.jpg").exists()
        assert colorizer.colorize(mixed / "a.jpg").ndim == 3
        with pytest.raises(PictureError, match="it is in color already"):
            colorizer.colorize_file(mixed / "b.png", tmp_path / "new.png", recolor=False)
    assert not (tmp_path / "new.png").exists()


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_animation_says_that_its_first_frame_alone_is_colored(
    colorizer: plain.Colorizer, tmp_path: Path, name: str
) -> None:
    frames = [image(GRAY).convert("L").rotate(turn) for turn in (0, 90, 180)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=80)
    (result,) = run(colorizer, tmp_path / name, tmp_path / "out")
    assert [note.text for note in result.notes] == ["animated: only the first of 3 frames is colored"]


@pytest.mark.parametrize("name", ["a.bmp", "a.tga", "a.ppm"])
def test_result_that_holds_no_mark_says_so(colorizer: plain.Colorizer, tmp_path: Path, name: str) -> None:
    image(GRAY).convert("RGB").save(tmp_path / name)
    (result,) = run(colorizer, tmp_path / name, tmp_path / "out")
    assert [note.kind for note in result.notes] == [NoteKind.UNMARKED]
    (unwanted,) = run(colorizer, tmp_path / name, tmp_path / "other", mark=False)
    assert unwanted.notes == ()


def test_first_page_waits_for_the_share_of_the_largest_where_others_may_be_looked_at(tmp_path: Path) -> None:
    pages = [Image.new("L", size) for size in ((20, 20), (60, 50), (30, 30))]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    for recolor, expected in ((True, [400, 3000, 900]), (False, [3000, 3000, 900])):
        shares: list[int] = []

        def reserve(pixels: int, *, more: bool = False, each: float = 0.0, shares: list[int] = shares) -> None:
            shares.append(pixels)

        list(read_stills(tmp_path / "a.tif", tmp_path / "b.tif", None, reserve, recolor=recolor))
        assert shares == expected
