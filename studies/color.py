"""Which pictures are taken for pictures in color: photographs, and the same made gray, toned, faded and stamped."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from colorrt.errors import UsageError
from colorrt.photos.finding import find_entries, read_entry
from colorrt.runtime.pictures.color_spread import is_in_color, measure_spread, reduce_to_cells
from colorrt.runtime.pictures.reading import read_picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

QUALITIES = (None, 30, 50, 75, 95)
"""Of JPEG with 4:2:0, in turn; None is without."""

_SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])
# Of each: luma as a share of white, and the color that it becomes; between them it is interpolated.
_TONES = {
    "cyanotype": ((0, (10, 20, 60)), (0.5, (60, 110, 160)), (1, (235, 245, 250))),
    "selenium": ((0, (20, 8, 20)), (0.5, (130, 118, 128)), (1, (250, 248, 245))),
    "split tone": ((0, (10, 15, 50)), (0.45, (110, 110, 115)), (1, (255, 240, 190))),
    "red to gold": ((0, (60, 10, 10)), (0.5, (190, 110, 40)), (1, (255, 240, 200))),
}
_MOUNTS = ((150, 90, 40), (40, 90, 60), (200, 170, 120), (120, 30, 40))


@dataclass(frozen=True)
class ColorRow:
    """One kind of pictures. `called_color`: the share that is taken for color.

    `low`, `middle`, `high`: quantiles (5, 50 and 95%) of the spread over the whole picture, in levels of 255.
    """

    kind: str
    pictures: int
    called_color: float
    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class ColorReport:
    """What was measured. `color`: kinds that are in color; `gray`: those that are not."""

    color: tuple[ColorRow, ...]
    gray: tuple[ColorRow, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the report as `json.dumps` takes it."""
        return {"kind": "color", **asdict(self)}


def study_color(photos: Sequence[Path], scans: Sequence[Path], most: int) -> ColorReport:
    """Ask of every photograph, and of what is made of it, whether it is in color.

    photos: folders or tar shards of color photographs, of which `most` are taken, evenly. scans: real gray pictures.
    Raises UsageError when there are no photographs.
    """
    entries = find_entries(photos)
    if not entries:
        raise UsageError("there are no photographs in these sources; name folders or tar shards of color photographs")
    picked = [entries[number * len(entries) // most] for number in range(min(most, len(entries)))]
    found: dict[str, list[tuple[float, bool]]] = {}
    in_color: dict[str, list[tuple[float, bool]]] = {}
    for number, entry in enumerate(picked):
        rgb = np.asarray(Image.open(io.BytesIO(read_entry(entry))).convert("RGB"))
        quality = QUALITIES[number % len(QUALITIES)]
        in_color.setdefault("as they are", []).append(_ask(rgb))
        in_color.setdefault("JPEG of quality 50", []).append(_ask(_coded(rgb.astype(float), 50)))
        for kind, made in make_grays(rgb @ np.array([0.299, 0.587, 0.114]), number):
            found.setdefault(kind, []).append(_ask(_coded(made, quality)))
    for path in scans:
        pixels = read_picture(path).pixels
        if pixels.ndim == 3:
            found.setdefault("real scans", []).append(_ask(pixels))
    return ColorReport(
        tuple(_row(kind, rows) for kind, rows in in_color.items()),
        tuple(_row(kind, rows) for kind, rows in found.items()),
    )


def make_grays(luma: NDArray[np.float64], seed: int) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Make of a luma plane (H, W; 0..255) pictures (H, W, 3) that an archivist wants colored: toned, faded, stamped."""
    random = np.random.default_rng(seed)
    gray = np.repeat(luma[..., None], 3, -1)
    for strength in (0.3, 0.6, 1.0):
        yield f"sepia {strength}", _sepia(gray, strength)
    for name, stops in _TONES.items():
        places = [255 * place for place, _ in stops]
        yield name, np.stack([np.interp(luma, places, [to[band] for _, to in stops]) for band in range(3)], -1)
    yield "cast of a scanner", gray * [1.02, 1, 0.96] + [2, 0, 3]
    down, across = np.mgrid[-1 : 1 : luma.shape[0] * 1j, -1 : 1 : luma.shape[1] * 1j]
    yield "stains", gray + _stain(down, across, random)
    edge = np.maximum(abs(down), abs(across))[..., None] ** 3
    yield "yellowed", 40 + 0.75 * gray + (0.5 + gray / 510) * [0, -8, -35] * (1 + 0.8 * edge)
    yield "grain in color", _sepia(gray, 0.6) + random.normal(0, 8, gray.shape)
    yield "red stamp, 4%", _stamped(gray, 0.04, random)
    yield "red stamp on sepia, 8%", _stamped(_sepia(gray, 0.5), 0.08, random)
    yield "color target", _with_target(gray, random)
    yield "mount, 10% a side", _mounted(gray, 0.10, random)
    yield "mount on sepia, 15% a side", _mounted(_sepia(gray, 0.5), 0.15, random)


def color_lines(report: ColorReport) -> list[str]:
    """Return the tables, line by line."""
    lines = [f"{'':<28}{'pictures':>9}{'called color':>14}{'spread: 5%':>12}{'50%':>7}{'95%':>7}"]
    for title, rows in (("in color", report.color), ("not in color", report.gray)):
        lines.append(title)
        lines += [
            f"  {row.kind:<26}{row.pictures:>9}{row.called_color:>14.1%}"
            f"{row.low:>12.2f}{row.middle:>7.2f}{row.high:>7.2f}"
            for row in rows
        ]
        pictures = sum(row.pictures for row in rows)
        called = sum(row.pictures * row.called_color for row in rows)
        lines.append(f"  {'all':<26}{pictures:>9}{called / max(pictures, 1):>14.1%}")
    return lines


def _row(kind: str, asked: Sequence[tuple[float, bool]]) -> ColorRow:
    spreads = [spread for spread, _ in asked]
    low, middle, high = (float(value) for value in np.quantile(spreads, (0.05, 0.5, 0.95)))
    return ColorRow(kind, len(asked), sum(called for _, called in asked) / len(asked), low, middle, high)


def _ask(rgb: NDArray[Any]) -> tuple[float, bool]:
    return measure_spread(reduce_to_cells(rgb)).spread, is_in_color(rgb)


def _coded(rgb: NDArray[np.float64], quality: int | None) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = np.rint(rgb.clip(0, 255)).astype(np.uint8)
    if quality is None:
        return levels
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "JPEG", quality=quality, subsampling=2)
    coded: NDArray[np.uint8] = np.asarray(Image.open(stream))
    return coded


def _sepia(gray: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    toned: NDArray[np.float64] = gray * (1 - strength) + strength * (gray @ _SEPIA.T)
    return toned


def _stain(down: NDArray[np.float64], across: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Return a cast of one color around a place, and of another from left to right, up to 16 levels."""
    colors = random.normal(size=(2, 3))
    colors -= colors.mean(axis=1, keepdims=True)
    colors /= abs(colors).max(axis=1, keepdims=True)
    x, y = random.uniform(-1, 1, 2)
    around = np.exp(-((across - x) ** 2 + (down - y) ** 2) / random.uniform(0.5, 2))
    stain: NDArray[np.float64] = 16 * around[..., None] * colors[0] + 8 * across[..., None] * colors[1]
    return stain


def _stamped(rgb: NDArray[np.float64], share: float, random: np.random.Generator) -> NDArray[np.float64]:
    height, width = rgb.shape[:2]
    side = min(height, width, int((share * height * width) ** 0.5))
    top, left = random.integers(0, height - side + 1), random.integers(0, width - side + 1)
    stamped = rgb.copy()
    stamped[top : top + side, left : left + side] *= 0.4
    stamped[top : top + side, left : left + side] += 0.6 * np.array([200, 30, 40])
    return stamped


def _with_target(rgb: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    height, width = rgb.shape[:2]
    patches = random.integers(0, 256, (12, 3))
    with_target = rgb.copy()
    with_target[height - height // 8 :] = patches[np.arange(width) * 12 // width]
    return with_target


def _mounted(rgb: NDArray[np.float64], share: float, random: np.random.Generator) -> NDArray[np.float64]:
    height, width = rgb.shape[:2]
    side = int(share * min(height, width))
    mount: NDArray[np.float64] = _MOUNTS[random.integers(len(_MOUNTS))] + random.normal(0, 6, rgb.shape)
    mount[side : height - side, side : width - side] = rgb[side : height - side, side : width - side]
    return mount
