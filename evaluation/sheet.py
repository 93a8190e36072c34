"""Contact sheets: gray, ours and original side by side, for the eye to judge what figures cannot."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from colorrt.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

# Neutral: a colored ground would shift how the colors beside it look.
_GROUND = (30, 30, 30)
_INK = (205, 205, 205)
_GAP = 4
_MARGIN = 16
_WIDEST = 1.5


def even_choice(count: int, wanted: int = 24) -> list[int]:
    """Return at most `wanted` indices, spread evenly over 0..count-1, ascending and all different."""
    chosen = min(count, wanted)
    return [(2 * index + 1) * count // (2 * chosen) for index in range(chosen)]


def contact_sheet(
    rows: Sequence[Sequence[NDArray[np.uint8]]],
    titles: Sequence[str],
    columns: int = 2,
    height: int = 160,
) -> NDArray[np.uint8]:
    """Lay out rows of pictures, `columns` rows side by side, under small headings.

    rows: pictures that belong together, one for each title: (H, W, 3) RGB or (H, W) gray, uint8, of any size.
    Each is scaled as a whole, as `thumbnail` does, into a cell `height` pixels high and as wide as the widest picture
    needs, but at most 1.5 `height`. Rows go to the right first, then down.

    Returns (H, W, 3) uint8, dark neutral gray between the pictures.

    Raises ValueError if there are no rows, a row has not one picture for each title, or a size is below one.
    """
    _check(rows, titles, columns, height)
    columns = min(columns, len(rows))
    scaled = [[thumbnail(picture, height) for picture in row] for row in rows]
    cell_width = max(picture.shape[1] for row in scaled for picture in row)
    font = ImageFont.load_default(size=max(10, height / 12))
    heading = round(font.getbbox("Ag")[3]) + 2 * _GAP
    step_x = len(titles) * (cell_width + _GAP) - _GAP + _MARGIN
    step_y = height + _GAP
    lines = -(-len(rows) // columns)
    size = (_MARGIN + columns * step_x, heading + lines * step_y - _GAP + _MARGIN)
    sheet = Image.new("RGB", size, _GROUND)
    pen = ImageDraw.Draw(sheet)
    for column in range(columns):
        for place, title in enumerate(titles):
            middle = _MARGIN + column * step_x + place * (cell_width + _GAP) + cell_width / 2
            pen.text((middle, heading / 2), title, fill=_INK, font=font, anchor="mm")
    for index, row in enumerate(scaled):
        line, column = divmod(index, columns)
        for place, picture in enumerate(row):
            left = _MARGIN + column * step_x + place * (cell_width + _GAP) + (cell_width - picture.shape[1]) // 2
            top = heading + line * step_y + (height - picture.shape[0]) // 2
            sheet.paste(Image.fromarray(picture), (left, top))
    return np.array(sheet)


def thumbnail(picture: NDArray[np.uint8], height: int = 160) -> NDArray[np.uint8]:
    """Scale a picture to what `contact_sheet` shows of it: a sheet of thumbnails is the sheet of the pictures.

    picture: (H, W, 3) RGB or (H, W) gray, uint8, of any size. height: that of a cell, in pixels, at least 1.

    Returns (h, w, 3) uint8, the largest that fits into `height` times 1.5 `height`.
    """
    image = Image.fromarray(picture).convert("RGB")
    width = max(1, round(height * _WIDEST))
    scale = min(width / image.width, height / image.height)
    size = (
        min(width, max(1, round(image.width * scale))),
        min(height, max(1, round(image.height * scale))),
    )
    return np.array(image.resize(size, Image.Resampling.LANCZOS))


def write_sheet(
    path: Path,
    rows: Sequence[Sequence[NDArray[np.uint8]]],
    titles: Sequence[str],
    columns: int = 2,
    height: int = 160,
) -> None:
    """Write `contact_sheet` as a PNG, beside its name and then moved into place.

    Raises what `contact_sheet` and `atomic_path` raise.
    """
    encoded = io.BytesIO()
    Image.fromarray(contact_sheet(rows, titles, columns, height)).save(encoded, format="PNG")
    # Written by Python, for Pillow's own writing hides that a disk is full.
    with atomic_path(path) as unfinished:
        unfinished.write_bytes(encoded.getvalue())


def _check(rows: Sequence[Sequence[NDArray[Any]]], titles: Sequence[str], columns: int, height: int) -> None:
    if not rows or not titles:
        raise ValueError("a contact sheet needs at least one row and one title")
    if columns < 1 or height < 1:
        raise ValueError(f"columns and height have to be at least 1, got {columns} and {height}")
    for index, row in enumerate(rows):
        if len(row) != len(titles):
            raise ValueError(
                f"row {index} has {len(row)} pictures for {len(titles)} titles; give one picture for each title"
            )
