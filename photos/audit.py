"""What a set of photographs holds before anything is trained on it: counts, grays, copies, hues."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from colorrt.contract import LUMA_OF_RGB, U_SCALE, V_SCALE
from colorrt.errors import PictureError
from colorrt.photos.copies import Print, find_copies, take_print
from colorrt.photos.reading import decode_photos, list_photos

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

NEAR_GRAY = 0.015
"""Mean of |U| + |V| (luma 0..1) below which a photograph teaches nothing but gray: training leaves it out."""
HUES = 36
"""Parts of the circle of hue, the first from 0 (red) to 10 degrees."""
_LARGEST = 256


@dataclass(frozen=True)
class Audit:
    """What was found. `gray`: all pixels with R = G = B; `near_gray`: others whose mean chroma is below 0.015.

    `copies`: groups of names that show the same picture, by a perceptual hash; a picture stands in one group at most.
    `hues`: share of all chroma in each of 36 parts of the circle of HSV hue, each picture counting by its own chroma.
    `short_sides`: smallest, median and largest, in pixels. `unread`: names, with the reason.
    """

    pictures: int
    classes: dict[str, int]
    gray: tuple[str, ...]
    near_gray: tuple[str, ...]
    copies: tuple[tuple[str, ...], ...]
    hues: tuple[float, ...]
    short_sides: tuple[int, int, int] | None
    unread: dict[str, str]


def audit_photos(source: Path, on_progress: Callable[[int, int], None] = lambda _done, _all: None) -> Audit:
    """Look at every photograph of a folder or tar shard, in its order of names; one is in memory at a time.

    `on_progress` is told how many of how many are done. Raises what `list_photos` raises.
    """
    entries = list_photos(source)
    classes: Counter[str] = Counter()
    gray, near, prints, sides = [], [], [], []
    unread: dict[str, str] = {}
    hues = np.zeros(HUES)
    for done, (entry, picture) in enumerate(decode_photos(entries), start=1):
        on_progress(done, len(entries))
        if isinstance(picture, PictureError):
            unread[entry.name] = str(picture)
            continue
        classes[entry.name.rpartition("/")[0]] += 1
        sides.append(min(picture.shape[:2]))
        small = _reduced(picture)
        if bool((np.ptp(picture, axis=-1) == 0).all()):
            gray.append(entry.name)
        elif mean_chroma(small) < NEAR_GRAY:
            near.append(entry.name)
        hues += hue_mass(small)
        prints.append(take_print(entry.name, small))
    span = (min(sides), int(np.median(sides)), max(sides)) if sides else None
    return Audit(
        pictures=len(sides),
        classes=dict(sorted(classes.items())),
        gray=tuple(gray),
        near_gray=tuple(near),
        copies=_copies(prints),
        hues=tuple(float(share) for share in hues / (hues.sum() or 1.0)),
        short_sides=span,
        unread=unread,
    )


def mean_chroma(rgb: NDArray[np.uint8]) -> float:
    """Return the mean of |U| + |V|, in units of luma, of (H, W, 3) uint8 sRGB."""
    pixels = rgb.astype(np.float32) / 255
    luma = pixels @ np.array(LUMA_OF_RGB, np.float32)
    return float(np.mean(U_SCALE * np.abs(pixels[..., 2] - luma) + V_SCALE * np.abs(pixels[..., 0] - luma)))


def hue_mass(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the HSV chroma (max - min, 0..1) in each of 36 parts of the circle, a pixel: (H, W, 3) uint8 -> (36,)."""
    hsv = np.asarray(Image.fromarray(rgb).convert("HSV"))
    chroma = np.ptp(rgb, axis=-1).astype(np.float64) / 255
    part = hsv[..., 0].astype(np.intp) * HUES // 256
    mass: NDArray[np.float64] = np.bincount(part.ravel(), chroma.ravel(), minlength=HUES) / chroma.size
    return mass


def _copies(prints: list[Print]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(prints[place].name for place in group) for group in find_copies(prints))


def _reduced(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if max(rgb.shape[:2]) <= _LARGEST:
        return rgb
    image = Image.fromarray(rgb)
    image.thumbnail((_LARGEST, _LARGEST), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(image)
