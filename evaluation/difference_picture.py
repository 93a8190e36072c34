"""The difference picture: what two artifacts make of photographs, and where they differ, amplified."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from colorrt import kernels
from colorrt.evaluation.sheet import even_choice, write_sheet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from colorrt.evaluation.comparing import Seen

MOST = 24
"""Photographs in a picture; of more, some spread evenly."""
_HEIGHT = 240
_GROUND = 128
# Chroma that shows well on middle gray and mostly fits into RGB.
_VISIBLE = 0.25
_LARGEST = 4096


class DifferencePicture:
    """Collects photographs and draws them, a row each: A, B, and the chroma of B minus that of A on middle gray.

    The difference is multiplied by one power of two for all rows, which is written above them. Gray: no difference.
    `expected`: how many photographs will come, so that those shown are spread evenly over them.
    """

    def __init__(self, expected: int) -> None:
        self._shown = set(even_choice(expected, MOST))
        self._seen = 0
        self._rows: list[tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]] = []

    def add(self, photo: Seen) -> None:
        """Take in the next photograph."""
        if self._seen in self._shown:
            difference = photo.chroma_b - photo.chroma_a
            self._rows.append((_small(photo.a), _small(photo.b), difference))
        self._seen += 1

    def write(self, path: Path) -> int:
        """Write the picture as PNG, and return the amplification.

        Raises ValueError without photographs, and what `colorrt.atomic.atomic_path` raises.
        """
        factor = amplification([difference for *_, difference in self._rows])
        rows = [(a, b, draw_difference(difference, factor, a.shape[:2])) for a, b, difference in self._rows]
        titles = ("A", "B", f"chroma of B - A, x {factor}")
        write_sheet(path, rows, titles, columns=1 if len(rows) <= 4 else 2, height=_HEIGHT)
        return factor


def amplification(differences: Sequence[NDArray[np.float32]]) -> int:
    """Return the power of two, 1 to 4096, that makes the largest part of `differences` (2 x S x S) well visible."""
    peak = max((float(np.quantile(np.abs(difference), 0.999)) for difference in differences), default=0.0)
    factor = 1
    while factor < _LARGEST and 2 * factor * peak <= _VISIBLE:
        factor *= 2
    return factor


def draw_difference(difference: NDArray[np.float32], factor: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw a difference of chroma (2 x S x S) times `factor` on middle gray, `size` (height, width) pixels."""
    ground = np.full(size, _GROUND, np.uint8)
    rgb: NDArray[np.uint8] = kernels.render_rgb(ground, np.ascontiguousarray(difference), float(factor))
    return rgb


def _small(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = Image.fromarray(rgb)
    image.thumbnail((2 * _HEIGHT, 2 * _HEIGHT), Image.Resampling.LANCZOS)
    return np.asarray(image)
