"""Evaluating a colorizer on color photographs: what `colorrt eval` runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from colorrt.evaluation.curves import CurvePoint, saturation_curve, write_curves
from colorrt.evaluation.quality import Quality, gray_of, measure, summarize
from colorrt.evaluation.sheet import even_choice, thumbnail, write_sheet
from colorrt.photos.reading import read_rgb_photos
from colorrt.runtime.render_factors import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from colorrt.runtime.colorizer import Colorizer

SHEET_TITLES = ("gray", "colorrt", "original")


class SheetRows:
    """Called with each photograph; keeps up to 24 of them, spread evenly, for a contact sheet.

    They are kept at the size that the sheet shows, for at full size 24 photographs of a camera are gigabytes.
    `names`: of all photographs that may come, as `photo_names` gives them.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._shown = {names[index] for index in even_choice(len(names))}
        self._rows: list[tuple[NDArray[np.uint8], ...]] = []

    def __call__(self, name: str, original: NDArray[np.uint8], colored: NDArray[np.uint8]) -> None:
        """Take in one photograph: original and colored version, (H, W, 3) uint8 each."""
        if name in self._shown:
            self._rows.append(tuple(map(thumbnail, (gray_of(original), colored, original))))

    def write(self, path: Path) -> bool:
        """Write the sheet as a PNG; return False, and write nothing, when none of the chosen ones came.

        Raises what `colorrt.atomic.atomic_path` raises.
        """
        if self._rows:
            write_sheet(path, self._rows, SHEET_TITLES)
        return bool(self._rows)


def evaluate_photos(
    colorizer: Colorizer,
    photos: Path,
    saturation: float | None,
    on_skip: Callable[[str, str], None],
    on_picture: Sequence[Callable[[str, NDArray[np.uint8], NDArray[np.uint8]], None]] = (),
) -> Quality:
    """Color the luma of each photograph and compare the result with the photograph.

    `photos`: what `read_rgb_photos` takes. `on_skip` is told the name of a photograph that cannot be read, and why;
    each of `on_picture` the name, original and colored version, (H, W, 3) uint8, of every other one.

    Raises UsageError or PictureError when there is nothing to read, BackendError when scikit-image is missing.
    """
    rows = []
    for name, original in read_rgb_photos(photos, on_skip):
        colored = colorizer.colorize(original, saturation)
        rows.append(measure(original, colored, name))
        for told in on_picture:
            told(name, original, colored)
    return summarize(rows)


def measure_curve(
    colorizer: Colorizer,
    photos: Path,
    saturations: Sequence[float],
    on_skip: Callable[[str, str], None] | None = None,
) -> tuple[CurvePoint, ...]:
    """Measure PSNR and colorfulness at each saturation.

    Raises UsageError or PictureError when there is nothing to read.
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
    return saturation_curve(originals, colorize, saturations)


def draw_curve(colorizer: Colorizer, points: Sequence[CurvePoint], path: Path) -> None:
    """Draw what `measure_curve` measured into a PNG at `path`.

    Raises BackendError when matplotlib is missing, and what `colorrt.atomic.atomic_path` raises.
    """
    write_curves(path, {f"{colorizer.contract.model}, render factor {in_words(colorizer.render_factors)}": points})
