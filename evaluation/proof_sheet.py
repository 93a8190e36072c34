"""Proof sheets: what went in and what came out, for a glance over a whole folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorrt.evaluation.sheet import even_choice, write_sheet
from colorrt.runtime.pictures.reading import read_picture

MOST = 24
HEIGHT = 320
TITLES = ("before", "after")


def write_proof(path: Path, pairs: Sequence[tuple[Path, Path]]) -> None:
    """Write up to 24 of `pairs` (input, colored output) beside each other as a PNG.

    Raises PictureError when one of the files cannot be read any more, ValueError without pairs, and what
    `colorrt.atomic.atomic_path` raises.
    """
    chosen = [pairs[index] for index in even_choice(len(pairs), MOST)]
    rows = [tuple(_thumbnail(file) for file in pair) for pair in chosen]
    write_sheet(path, rows, TITLES, columns=1 if len(rows) <= 3 else 3, height=HEIGHT)


def _thumbnail(path: Path) -> NDArray[np.uint8]:
    pixels = read_picture(path, None).pixels
    levels = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
    image = Image.fromarray(levels).convert("RGB")
    image.thumbnail((2 * HEIGHT, HEIGHT), Image.Resampling.LANCZOS)
    return np.asarray(image)
