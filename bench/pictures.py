"""Pictures to measure on: the photographs that ship, scaled to any size."""

from __future__ import annotations

import io
import re
from pathlib import Path, PurePosixPath

from PIL import Image, ImageOps

from colorrt.errors import UsageError
from colorrt.photos.finding import find_entries, read_entry
from colorrt.photos.shipped import shipped_photos

LARGEST_SIDE = 30000
_SIZE = re.compile(r"\s*(\d{1,6})\s*[xX]\s*(\d{1,6})\s*")
_JPEG_QUALITY = 95


def read_sizes(text: str) -> tuple[tuple[int, int], ...]:
    """Read "640x480,1920x1080" as (width, height) pairs. Raises UsageError for anything else."""
    sizes = []
    for part in text.split(","):
        found = _SIZE.fullmatch(part)
        size = (int(found[1]), int(found[2])) if found else (0, 0)
        if not all(1 <= side <= LARGEST_SIDE for side in size):
            raise UsageError(
                f"{part.strip()!r} is not a picture size; give WIDTHxHEIGHT of 1 to {LARGEST_SIDE} pixels a side, "
                "comma-separated: 640x480,1920x1080"
            )
        sizes.append(size)
    return tuple(dict.fromkeys(sizes))


def read_numbers(text: str, option: str, least: int, most: int) -> tuple[int, ...]:
    """Read "1,2,4" as ascending whole numbers within `least`..`most`. Raises UsageError that names `option`."""
    numbers = set()
    for part in text.split(","):
        try:
            number = int(part)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise UsageError(
                f"{option}: {part.strip()!r} is not a whole number from {least} to {most}; give some, comma-separated, "
                f"such as {option} {least},{min(most, 8 * least)}"
            )
        numbers.add(number)
    return tuple(sorted(numbers))


def write_scaled(folder: Path, size: tuple[int, int], most: int = 6) -> list[Path]:
    """Write the photographs that ship, cropped and scaled to `size` (width, height), as gray JPEGs into `folder`.

    Returns the paths of at most `most` files. Their detail is that of smaller photographs, so JPEG decodes and
    encodes somewhat faster than on camera pictures of that size.
    """
    paths = []
    for entry in find_entries([shipped_photos()])[:most]:
        with Image.open(io.BytesIO(read_entry(entry))) as image:
            scaled = ImageOps.fit(image.convert("L"), size, Image.Resampling.LANCZOS)
        path = folder / f"{PurePosixPath(entry.name).stem}-{size[0]}x{size[1]}.jpg"
        scaled.save(path, format="JPEG", quality=_JPEG_QUALITY)
        paths.append(path)
    return paths
