"""Writing tar shards of photographs: whole or not at all, never over what is there."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from PIL import Image

from colorrt.atomic import atomic_path, printable
from colorrt.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


def check_new(folder: Path, names: Sequence[str]) -> None:
    """Raise UsageError when one of the names is in the folder already, or the folder is a file."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{printable(folder)}: is a file; name a folder for the shards")
    for name in names:
        if (folder / name).exists():
            raise UsageError(f"{printable(folder / name)}: is there already; name another folder, or remove it first")


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it. Raises UsageError when it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{printable(folder)}: cannot be made ({error.strerror}); choose another name") from error


def write_shard(path: Path, members: Iterable[tuple[str, bytes]]) -> int:
    """Write named files into a tar archive, one after another, and return how many.

    The same members give the same bytes. Raises UsageError when it cannot be written.
    """
    count = 0
    with atomic_path(path, UsageError) as part, tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in members:
            # Nothing that unpacks outside of its folder.
            header = tarfile.TarInfo(name.lstrip("/"))
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
            count += 1
    return count


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return (H, W, 3) uint8 as a PNG file."""
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG", compress_level=3)
    return encoded.getvalue()
