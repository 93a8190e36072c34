from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from colorrt.errors import ColorrtError
from colorrt.evaluation.sheet import contact_sheet, even_choice, thumbnail, write_sheet

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TITLES = ("gray", "ours", "original")
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def flat(color: tuple[int, int, int], height: int = 30, width: int = 40) -> NDArray[np.uint8]:
    return np.full((height, width, 3), color, np.uint8)


def colored_row(height: int = 30, width: int = 40) -> list[NDArray[np.uint8]]:
    return [flat(color, height, width) for color in (RED, GREEN, BLUE)]


def box(sheet: NDArray[np.uint8], color: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Return top, bottom, left, right (exclusive ends) of all pixels of a color."""
    rows, columns = np.nonzero((sheet == color).all(axis=2))
    return int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1


def area(sheet: NDArray[np.uint8], color: tuple[int, int, int]) -> int:
    return int((sheet == color).all(axis=2).sum())


def test_row_stands_side_by_side_in_its_order() -> None:
    sheet = contact_sheet([colored_row()], TITLES, columns=2, height=60)
    boxes = [box(sheet, color) for color in (RED, GREEN, BLUE)]
    assert [(bottom - top, right - left) for top, bottom, left, right in boxes] == [(60, 80)] * 3
    assert len({top for top, *_ in boxes}) == 1
    assert boxes[0][3] < boxes[1][2]
    assert boxes[1][3] < boxes[2][2]


def test_rows_go_to_the_right_first_and_then_down() -> None:
    shades = [(40 * index + 50, 0, 0) for index in range(3)]
    sheet = contact_sheet([[flat(shade)] for shade in shades], ["ours"], columns=2, height=30)
    first, second, third = (box(sheet, shade) for shade in shades)
    assert first[:2] == second[:2]
    assert first[3] < second[2]
    assert third[2:] == first[2:]
    assert third[0] > first[1]


def test_sheet_of_few_rows_has_no_empty_columns() -> None:
    narrow = contact_sheet([colored_row()], TITLES, columns=5, height=30)
    assert narrow.shape == contact_sheet([colored_row()], TITLES, columns=1, height=30).shape


def test_margins_are_the_same_left_right_and_below() -> None:
    sheet = contact_sheet([colored_row()] * 4, TITLES, columns=2, height=30)
    pictures = (sheet.max(axis=2) == 255) & (sheet.min(axis=2) == 0)
    rows, columns = np.nonzero(pictures)
    right = sheet.shape[1] - 1 - columns.max()
    below = sheet.shape[0] - 1 - rows.max()
    assert columns.min() == right == below


def test_pictures_keep_their_proportions() -> None:
    tall, wide = colored_row(40, 20), [flat((255, 255, 0), 10, 60), *colored_row(10, 60)[1:]]
    sheet = contact_sheet([tall, wide], TITLES, columns=1, height=60)
    top, bottom, left, right = box(sheet, RED)
    assert (bottom - top, right - left) == (60, 30)
    top, bottom, left, right = box(sheet, (255, 255, 0))
    assert (bottom - top, right - left) == (15, 90)


def test_ground_is_neutral() -> None:
    sheet = contact_sheet([colored_row()], TITLES)
    colored = np.ptp(sheet.astype(int), axis=2) > 0
    assert area(sheet, RED) + area(sheet, GREEN) + area(sheet, BLUE) == colored.sum()


def test_heading_is_drawn_over_each_picture() -> None:
    sheet = contact_sheet([colored_row()], TITLES, height=160)
    without = contact_sheet([colored_row()], ["", "", ""], height=160)
    for color in (RED, GREEN, BLUE):
        top, _, left, right = box(sheet, color)
        assert (sheet[:top, left:right] != without[:top, left:right]).any()
    # Headings stay out of the pictures and of the sheet's edge.
    top, *_ = box(sheet, RED)
    assert np.array_equal(sheet[top:], without[top:])
    assert np.array_equal(sheet[:1], without[:1])


def test_gray_planes_are_taken() -> None:
    plane = np.full((30, 40), 200, np.uint8)
    as_plane = contact_sheet([[plane]], ["gray"], height=30)
    assert np.array_equal(as_plane, contact_sheet([[np.stack([plane] * 3, axis=2)]], ["gray"], height=30))


def test_written_sheet_is_the_sheet(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    write_sheet(path, [colored_row()], TITLES, columns=1, height=50)
    with Image.open(path) as written:
        assert written.format == "PNG"
        assert np.array_equal(np.asarray(written), contact_sheet([colored_row()], TITLES, 1, 50))
    assert [file.name for file in tmp_path.iterdir()] == ["sheet.png"]


def test_sheet_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ColorrtError, match=r"sheet\.png"):
        write_sheet(tmp_path / "nowhere" / "sheet.png", [colored_row()], TITLES)


def test_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="row 1 has 2 pictures for 3 titles"):
        contact_sheet([colored_row(), colored_row()[:2]], TITLES)


@pytest.mark.parametrize(("columns", "height"), [(0, 160), (2, 0)])
def test_sizes_below_one_are_refused(columns: int, height: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        contact_sheet([colored_row()], TITLES, columns, height)


def test_sheet_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        contact_sheet([], TITLES)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 90), st.integers(1, 90)), min_size=1, max_size=3), st.integers(1, 40))
def test_sheet_of_thumbnails_is_the_sheet_of_the_pictures(sizes: list[tuple[int, int]], height: int) -> None:
    generator = np.random.default_rng(0)
    rows = [[generator.integers(0, 256, (*size, 3), dtype=np.uint8)] for size in sizes]
    small = [[thumbnail(picture, height) for picture in row] for row in rows]
    assert np.array_equal(contact_sheet(small, ["a"], 2, height), contact_sheet(rows, ["a"], 2, height))


@pytest.mark.parametrize(("height", "width"), [(480, 331), (500, 345), (700, 20), (400, 600), (30, 40)])
def test_picture_as_wide_as_its_cell_or_narrower_is_as_high_as_its_cell(height: int, width: int) -> None:
    top, bottom, *_ = box(contact_sheet([[flat(RED, height, width)]], [""]), RED)
    assert bottom - top == 160


def test_thumbnail_is_never_larger_than_a_cell() -> None:
    for size in ((4000, 6000), (6000, 4000), (90, 2000), (2000, 9), (1, 1)):
        small = thumbnail(np.zeros((*size, 3), np.uint8))
        assert small.dtype == np.uint8
        assert small.shape[0] <= 160
        assert small.shape[1] <= 240
        assert small.shape[0] == 160 or small.shape[1] == 240


@given(st.integers(0, 500), st.integers(1, 40))
def test_choice_is_even(count: int, wanted: int) -> None:
    chosen = even_choice(count, wanted)
    assert len(chosen) == min(count, wanted)
    assert all(0 <= index < count for index in chosen)
    steps = {after - before for before, after in itertools.pairwise(chosen)}
    assert all(step >= 1 for step in steps)
    assert not steps or max(steps) - min(steps) <= 1


def test_choice_is_centered() -> None:
    assert even_choice(200, 4) == [25, 75, 125, 175]
    assert even_choice(3, 24) == [0, 1, 2]
