"""The photographs that ship, and squares of luma for parity: of them, or of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorrt.errors import PictureError, UsageError
from colorrt.photos.finding import Entry
from colorrt.photos.reading import decode_photos, list_photos

FEWEST = 4
_MOST = 8


def shipped_photos() -> Path:
    """Path of the folder with the photographs that ship."""
    return Path(str(resources.files("colorrt.photos"))) / "pictures"


def parity_lumas(size: int, folder: Path | None = None) -> list[NDArray[np.float32]]:
    """Luma squares (size x size float32, 0..1) of the photographs that ship, or of up to eight of those in `folder`.

    `folder`: a folder or a tar shard, as `list_photos` takes it; photographs that cannot be decoded are passed over.
    Raises UsageError when they are fewer than four, and what `list_photos` raises.
    """
    entries = list_photos(folder or shipped_photos())
    chosen = entries if folder is None else _spread(entries, _MOST)
    decoded = [picture for _, picture in decode_photos(chosen)]
    photos = [picture for picture in decoded if not isinstance(picture, PictureError)]
    if len(photos) < FEWEST:
        unread = f", and {len(decoded) - len(photos)} that cannot be read" if len(photos) < len(decoded) else ""
        raise UsageError(
            f"{folder}: {len(photos)} photographs here{unread}; parity takes at least {FEWEST}; name another folder"
        )
    return [_square(photo, size) for photo in photos]


def _spread(entries: Sequence[Entry], most: int) -> list[Entry]:
    step = max(1, len(entries) // most)
    return list(entries[::step][:most])


def _square(photo: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    gray = Image.fromarray(photo).convert("L").resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(gray, np.float32) / np.float32(255)
