"""Evaluating a colorizer on color photographs: what `colorrt eval` runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from colorrt.bench.curves import CurvePoint, saturation_curve, write_curves
from colorrt.bench.photos import photo_names, read_rgb_photos
from colorrt.bench.quality import Quality, gray_of, measure, summarize
from colorrt.bench.sheet import even_choice, write_sheet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from colorrt.runtime.colorizer import Colorizer

SHEET_TITLES = ("gray", "colorrt", "original")


def evaluate_photos(
    colorizer: Colorizer,
    photos: Path,
    saturation: float | None,
    sheet: Path | None,
    on_skip: Callable[[str, str], None],
    on_picture: Callable[[str, NDArray[np.uint8], NDArray[np.uint8]], None] | None = None,
) -> Quality:
    """Color the luma of each photograph and compare the result with the photograph.

    `photos`: a folder or a tar archive. `sheet`: where to write a contact sheet of up to 24 of them (PNG), or None.
    `on_skip` is told the name of a photograph that cannot be read, and why; `on_picture` the name, original and colored
    version, (H, W, 3) uint8, of every other one.

    Raises UsageError or PictureError when there is nothing to read, BackendError when scikit-image is missing.
    """
    names = photo_names(photos)
    shown = {names[index] for index in even_choice(len(names))}
    rows = []
    pictures = []
    for name, original in read_rgb_photos(photos, on_skip):
        colored = colorizer.colorize(original, saturation)
        rows.append(measure(original, colored, name))
        if on_picture is not None:
            on_picture(name, original, colored)
        if sheet is not None and name in shown:
            pictures.append((gray_of(original), colored, original))
    if sheet is not None and pictures:
        write_sheet(sheet, pictures, SHEET_TITLES)
    return summarize(rows)


def draw_curve(
    colorizer: Colorizer,
    photos: Path,
    saturations: Sequence[float],
    path: Path,
    on_skip: Callable[[str, str], None] | None = None,
) -> tuple[CurvePoint, ...]:
    """Measure PSNR and colorfulness at each saturation, and draw them into a PNG at `path`.

    Raises what `evaluate_photos` raises, and BackendError when matplotlib is missing.
    """
    last: list[Any] = [None, None, None]

    def colorize(luma: NDArray[np.uint8], saturation: float) -> NDArray[np.uint8]:
        # The network runs once a picture, not once a saturation: the curve asks for all of them in a row.
        if last[0] is not luma:
            square = colorizer.see(luma)
            last[:] = luma, square, colorizer.guess([square])[0]
        rgb: NDArray[np.uint8] = colorizer.render(last[1], last[2], saturation)
        return rgb

    originals = (original for _, original in read_rgb_photos(photos, on_skip))
    points = saturation_curve(originals, colorize, saturations)
    name = f"{colorizer.contract.model}, render factor {colorizer.render_factor}"
    write_curves(path, {name: points})
    return points
