"""Hints: colors that a person puts on some places of a picture, as strokes on a transparent picture of any size."""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorrt import kernels
from colorrt.atomic import printable
from colorrt.contract import U_SCALE, V_SCALE
from colorrt.errors import PictureError, UsageError
from colorrt.kernels.hints import spread_hints
from colorrt.runtime.pictures.reading import DEFAULT_MAX_PIXELS, open_pages

MOST = 128
"""Hints that are spread; strokes are thinned to as many points."""
LARGEST_SIDE = 384
"""Pixels of the square over which hints are spread; guesses of more get them enlarged."""

LEAST_REACH, LARGEST_REACH = 0.1, 3.0

_CELLS = 48
_COARSER = 1.25
# Of a picture's proportions: sizes are rounded to pixels, and a wrong picture is wrong by more.
_TOLERANCE = 0.03
_OPAQUE = 0.5
_UNNAMED = "the hints"


@dataclass(frozen=True, eq=False)
class Hints:
    """Colors wanted at places of a picture. Made by `read_hints`."""

    places: NDArray[np.float32]
    """(N, 2), down and across, 0..1 of the picture's sides."""
    colors: NDArray[np.float32]
    """(N, 2), U and V in units of white."""
    size: tuple[int, int]
    """Width and height of the picture of strokes."""
    name: str = _UNNAMED
    """What people know it as."""
    reach: float = 1.0
    """Factor on how far they spread: see `spread_hints`."""

    def __post_init__(self) -> None:
        if not LEAST_REACH <= self.reach <= LARGEST_REACH:
            raise UsageError(
                f"the reach of hints is {LEAST_REACH:g} to {LARGEST_REACH:g}, got {self.reach:g}; 1 is usual"
            )

    def __len__(self) -> int:
        return len(self.places)

    @property
    def digest(self) -> str:
        """What tells these hints from others: 16 hexadecimal digits."""
        values = (self.places, self.colors, np.float64(self.reach))
        return hashlib.sha256(b"".join(one.tobytes() for one in values)).hexdigest()[:16]

    def check_fits(self, width: int, height: int) -> None:
        """Raise PictureError unless a picture of this size has the proportions of the strokes."""
        own_width, own_height = self.size
        wrong = abs(math.log(own_width * height / (own_height * width)))
        if wrong > max(_TOLERANCE, 1.0 / min(own_width, own_height)):
            raise PictureError(
                f"{self.name}: its {own_width} x {own_height} pixels have other proportions than the picture "
                f"({width} x {height}, upright); draw hints on a layer over the picture itself, and scale both alike"
            )


HintsLike: TypeAlias = "Hints | str | Path | bytes | Image.Image | NDArray[Any]"
"""What `Colorizer.colorize` takes as hints."""


def read_hints(strokes: HintsLike, name: str | None = None, reach: float = 1.0) -> Hints:
    """Take the hints from a picture of strokes: every pixel that is more opaque than not is a hint of its color.

    strokes: a file or its bytes (PNG mostly), an image of Pillow with alpha, or an array (H, W, 4) of uint8 or uint16,
    red, green, blue and alpha. Its size may be another than that of the picture, its proportions may not. Strokes are
    thinned to at most `MOST` points. name: for messages, in place of that of the file. reach: 0.1..3, how far they
    spread; less is wanted where a color is far from what was guessed, and is meant for one thing alone.

    Raises PictureError when it cannot be read, has nothing transparent, or no strokes; UsageError for other arrays.
    """
    if isinstance(strokes, Hints):
        return strokes
    known = name or (printable(strokes) if isinstance(strokes, str | Path) else _UNNAMED)
    rgb, alpha = _levels_of(strokes, known)
    drawn = alpha > _OPAQUE * np.iinfo(alpha.dtype).max
    if drawn.all():
        raise PictureError(
            f"{known}: nothing of it is transparent, so that all of it would be strokes; draw hints on a transparent "
            "layer over the picture and save that layer alone as PNG"
        )
    if not drawn.any():
        raise PictureError(f"{known}: it has no strokes, all of it is transparent; draw some, or leave the hints out")
    rows, columns = np.nonzero(drawn)
    chosen = _thin(rows, columns, rgb[rows, columns], max(drawn.shape))
    rows, columns = rows[chosen], columns[chosen]
    height, width = drawn.shape
    places = np.stack([(rows + 0.5) / height, (columns + 0.5) / width], axis=1).astype(np.float32)
    return Hints(places, _chroma_of(rgb[rows, columns]), (width, height), known, reach)


def add_hints(
    chroma: NDArray[np.float32], small: NDArray[np.float32], hints: Hints, saturation: float
) -> NDArray[np.float32]:
    """Return a guess (2 x S x S) with the hints blended in. `small`: S x S float32, the luma that it was guessed from.

    `saturation`: what the result is going to be multiplied with; a hint's color is what is seen after that.
    """
    if saturation == 0:
        return chroma
    colors = (hints.colors / np.float32(saturation)).astype(np.float32)
    side = small.shape[0]
    if side <= LARGEST_SIDE:
        return chroma + spread_hints(chroma, small, hints.places, colors, hints.reach)
    reduced = np.stack([kernels.resize_plane(plane, LARGEST_SIDE, LARGEST_SIDE) for plane in chroma])
    guide = kernels.resize_plane(small, LARGEST_SIDE, LARGEST_SIDE)
    added = spread_hints(reduced, guide, hints.places, colors, hints.reach)
    return chroma + np.stack([kernels.resize_plane(plane, side, side) for plane in added])


def _levels_of(
    strokes: str | Path | bytes | Image.Image | NDArray[Any], name: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return (H, W, 3) and (H, W), uint8 or uint16."""
    if isinstance(strokes, np.ndarray):
        if strokes.ndim != 3 or strokes.shape[2] != 4 or strokes.dtype not in (np.uint8, np.uint16) or not strokes.size:
            raise UsageError(
                f"{name}: an array of hints is (H, W, 4) of uint8 or uint16, red, green, blue and alpha; got shape "
                f"{strokes.shape} of {strokes.dtype}"
            )
        return strokes[..., :3], strokes[..., 3]
    if isinstance(strokes, Image.Image):
        levels = np.asarray(strokes.convert("RGBA"))
        return levels[..., :3], levels[..., 3]
    if isinstance(strokes, bytes):
        from colorrt.runtime.pictures.guards import picture_errors, pillow_limit_lifted
        from colorrt.runtime.pictures.reading import Pages

        with picture_errors(Path(name)), pillow_limit_lifted:
            if not strokes:
                raise ValueError("it has 0 bytes")
            picture = Pages(io.BytesIO(strokes), Path(name), DEFAULT_MAX_PIXELS).read(0)
    else:
        with open_pages(Path(strokes)) as pages:
            picture = pages.read(0)
    pixels = picture.pixels if picture.pixels.ndim == 3 else np.repeat(picture.pixels[..., np.newaxis], 3, axis=2)
    alpha = np.full(pixels.shape[:2], 255, np.uint8) if picture.alpha is None else picture.alpha
    return pixels, alpha


def _chroma_of(rgb: NDArray[Any]) -> NDArray[np.float32]:
    levels = rgb.astype(np.float64) / np.iinfo(rgb.dtype).max
    luma = levels @ np.array([0.299, 0.587, 0.114])
    return np.stack([U_SCALE * (levels[:, 2] - luma), V_SCALE * (levels[:, 0] - luma)], axis=1).astype(np.float32)


def _thin(rows: NDArray[np.int64], columns: NDArray[np.int64], rgb: NDArray[Any], longest: int) -> NDArray[np.int64]:
    """Choose at most `MOST` pixels: one of each color in each cell of a grid, the nearest to the middle of its kind.

    Returns their indices.
    """
    shades = (rgb >> (3 if rgb.dtype == np.uint8 else 11)).astype(np.int64)
    shade = (shades[:, 0] * 32 + shades[:, 1]) * 32 + shades[:, 2]
    cell = max(1.0, longest / _CELLS)
    while True:
        across = int(longest / cell) + 1
        key = ((rows / cell).astype(np.int64) * across + (columns / cell).astype(np.int64)) * 32768 + shade
        _, group = np.unique(key, return_inverse=True)
        count = int(group.max()) + 1
        if count <= MOST or cell > longest:
            break
        cell *= _COARSER
    sizes = np.bincount(group)
    middle_row, middle_column = (np.bincount(group, values) / sizes for values in (rows, columns))
    off = (rows - middle_row[group]) ** 2 + (columns - middle_column[group]) ** 2
    order = np.lexsort((off, group))
    chosen = order[np.searchsorted(group[order], np.arange(count))]
    # A picture of more colors than hints, all in one cell.
    return chosen if count <= MOST else chosen[np.linspace(0, count - 1, MOST).astype(np.int64)]
