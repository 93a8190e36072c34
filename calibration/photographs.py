"""Squares of luma to calibrate on and to check with: of the user's photographs, or of those that ship."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorrt.errors import PictureError, UsageError
from colorrt.photos.aging import age
from colorrt.photos.finding import Entry, is_held_out
from colorrt.photos.reading import decode_photos, list_photos
from colorrt.photos.shipped import FEWEST, shipped_photos

MOST = 512
"""Photographs of a folder that are calibrated on; of more, evenly spread ones are taken."""
HELD_OUT, MOST_CHECKED = 0.2, 10
"""Share of a folder that is kept for the check, and the most photographs of it."""
AGINGS = 4
"""Aged versions of each shipped photograph, beside the photograph itself."""
FLAT = 2 / 255
"""Standard deviation of luma below which a picture shows nothing."""
SHIPPED = "shipped photographs, aged"

Luma = NDArray[np.float32]


@dataclass(frozen=True)
class Square:
    """One photograph to check with: `luma` is S x S float32, 0..1."""

    name: str
    luma: Luma


@dataclass(frozen=True)
class Photographs:
    """Which photographs are calibrated on, and which are checked with; none of them decoded yet."""

    source: str
    """For the contract: the name of the folder, or that they are those that ship."""
    calibrating: tuple[Entry, ...]
    checking: tuple[Entry, ...]
    """Of the user's folder, and not calibrated on; the shipped ones come on top."""
    agings: int


def choose_photographs(folder: Path | None, say: Callable[[str], None] = lambda _: None) -> Photographs:
    """Choose what to calibrate on from a folder or a tar shard, or from the photographs that ship if it is None.

    Raises UsageError when a folder holds too few photographs, and what `list_photos` raises.
    """
    if folder is None:
        shipped = tuple(list_photos(shipped_photos()))
        say(
            f"calibrating on the {len(shipped)} photographs in the package, aged {AGINGS} times each; --calibrate "
            "FOLDER takes yours, and pictures like those that will be colored are best"
        )
        return Photographs(SHIPPED, shipped, (), AGINGS)
    entries = list_photos(folder)
    if len(entries) < FEWEST:
        raise UsageError(
            f"{folder}: {len(entries) or 'no'} photographs here; calibration takes at least {FEWEST} and is best with "
            "100 or more; name another folder, or leave --calibrate out for those in the package"
        )
    held = [entry for entry in entries if is_held_out(entry.name, HELD_OUT)]
    # Of a few, all are needed; the shipped ones are there to check with.
    if len(entries) - len(held) < FEWEST:
        held = []
    names = {entry.name for entry in held}
    rest = [entry for entry in entries if entry.name not in names]
    if len(rest) > MOST:
        say(f"{folder}: {MOST} of its {len(entries)} photographs, evenly spread, are calibrated on")
    return Photographs(folder.name, tuple(_spread(rest, MOST)), tuple(_spread(held, MOST_CHECKED)), 1)


def read_squares(
    photographs: Photographs, sizes: Sequence[int], seed: int, say: Callable[[str], None] = lambda _: None
) -> Iterator[Luma]:
    """Yield the squares to calibrate on, one in memory at a time: each photograph as it is, and aged.

    `sizes`: sides in pixels, that the squares take turns in. The same `seed` gives the same squares. Photographs that
    cannot be read and pictures that show nothing are left out, and `say` is told. Raises UsageError, after the last,
    when fewer than four were left.
    """
    turns = cycle(sizes)
    used = 0
    for index, (entry, picture) in enumerate(decode_photos(photographs.calibrating)):
        if isinstance(picture, PictureError):
            say(f"left out: {entry.name}: {picture}")
            continue
        luma = _square(picture, next(turns))
        if luma.std() < FLAT:
            say(f"left out: {entry.name}: it is one even gray, which shows nothing")
            continue
        used += 1
        yield luma
        for turn in range(photographs.agings):
            # Of a size of its own: each is as different from the photograph as it can be.
            random = np.random.default_rng([seed, index, turn])
            yield age(_square(picture, next(turns)), random)
    if used < FEWEST:
        raise UsageError(
            f"{photographs.source}: {used} of its {len(photographs.calibrating)} photographs can be used; calibration "
            f"takes at least {FEWEST}; name another folder with --calibrate"
        )


def check_squares(photographs: Photographs, size: int, folder: Path | None = None) -> list[Square]:
    """Return the squares to check with: the photographs that ship, or of `folder`, and those that were held out."""
    entries = (*_spread(list_photos(folder or shipped_photos()), MOST_CHECKED), *photographs.checking)
    return [
        Square(entry.name, _square(picture, size))
        for entry, picture in decode_photos(entries)
        if not isinstance(picture, PictureError)
    ]


def _spread(entries: Sequence[Entry], most: int) -> list[Entry]:
    if len(entries) <= most:
        return list(entries)
    return [entries[index * len(entries) // most] for index in range(most)]


def _square(photo: NDArray[np.uint8], size: int) -> Luma:
    gray = Image.fromarray(photo).convert("L").resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(gray, np.float32) / np.float32(255)
