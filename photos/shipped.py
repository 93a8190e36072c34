"""The photographs that ship, and squares of luma for parity: of them, or of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorrt.errors import UsageError

FEWEST = 4
SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"}


def shipped_photos() -> Path:
    """Path of the folder with the photographs that ship."""
    return Path(str(resources.files("colorrt.photos"))) / "pictures"


def parity_lumas(size: int, folder: Path | None = None) -> list[NDArray[np.float32]]:
    """Luma squares (size x size float32, 0..1) of the photographs in `folder`, or of those that ship.

    Raises UsageError when `folder` holds fewer than four photographs.
    """
    if folder is None:
        with resources.as_file(resources.files("colorrt.photos") / "pictures") as shipped:
            return [_square(path, size) for path in sorted(shipped.glob("*.jpg"))]
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if len(paths) < FEWEST:
        raise UsageError(f"{folder}: {len(paths)} photographs here, parity takes at least {FEWEST}; name another")
    return [_square(path, size) for path in _spread(paths, 8)]


def _spread(paths: Sequence[Path], most: int) -> list[Path]:
    step = max(1, len(paths) // most)
    return list(paths[::step][:most])


def _square(path: Path, size: int) -> NDArray[np.float32]:
    with Image.open(path) as image:
        gray = image.convert("L").resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(gray, np.float32) / np.float32(255)
