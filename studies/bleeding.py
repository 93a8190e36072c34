"""Upsampling of chroma, guided beside bilinear: how near it comes to the truth, and how little color bleeds.

The true chroma of photographs is reduced to the network's square and brought back: its PSNR tells what upsampling
alone costs. Of the network's own chroma there is no truth at that scale, but there are edges: where color changes,
luma nearly always changes too, and color that bleeds changes beside the edge instead of on it. The bleeding figure is
the share of the chroma's gradient (summed over the picture) that lies off the steepest tenth of its luma. Photographs
have one too, for their chroma is noisy and some edges are of color alone; upsampling should come near it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorrt import kernels
from colorrt.bench.machine import describe_machine
from colorrt.contract import U_SCALE, UNIT, V_SCALE
from colorrt.errors import UsageError
from colorrt.evaluation.sheet import even_choice
from colorrt.photos.reading import photo_names, read_rgb_photos
from colorrt.runtime.colorizer import Colorizer

STEEPEST = 0.1
"""Share of a picture's pixels, those of steepest luma, that count as edges."""


@dataclass(frozen=True)
class UpsamplingRow:
    """Means over the photographs, at one side of the square, of bilinear and of guided upsampling.

    `psnr`: of the true chroma reduced and brought back, dB, U and V together, peak 1. `bleeding`: of the same, and
    `network_bleeding` of the shipped model's chroma; 0..1, share of the chroma's gradient off the edges of luma.
    `original_bleeding`: of the photographs themselves.
    """

    size: int
    photos: int
    psnr_bilinear_db: float
    psnr_guided_db: float
    bleeding_bilinear: float
    bleeding_guided: float
    network_bleeding_bilinear: float
    network_bleeding_guided: float
    original_bleeding: float


@dataclass(frozen=True)
class UpsamplingReport:
    """All sizes, and on what machine."""

    source: str
    rows: tuple[UpsamplingRow, ...]
    machine: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as what `json.dumps` takes."""
        return {"kind": "upsampling", **asdict(self)}


def compare_upsampling(source: Path, sizes: Sequence[int], most: int) -> UpsamplingReport:
    """Measure both ways on at most `most` color photographs of a folder or a tar, evenly chosen.

    sizes: sides of the square, multiples of 16.

    Raises UsageError for other sizes, and what `read_rgb_photos` raises.
    """
    for size in sizes:
        if size % UNIT:
            raise UsageError(f"a square of {size} pixels is no render factor; take a multiple of {UNIT}")
    names = photo_names(source)
    chosen = {names[index] for index in even_choice(len(names), min(most, len(names)))}
    photos = [rgb for name, rgb in read_rgb_photos(source, lambda *_: None) if name in chosen]
    rows = []
    for size in sizes:
        with Colorizer(render_factor=size // UNIT) as colorizer:
            figures = np.mean([_measure(colorizer, rgb) for rgb in photos], axis=0)
        rows.append(UpsamplingRow(size, len(photos), *map(float, figures)))
    return UpsamplingReport(source.name, tuple(rows), describe_machine())


def bleeding_lines(report: UpsamplingReport) -> list[str]:
    """Return the table, line by line."""
    lines = [
        f"{report.source}: bilinear and guided upsampling of chroma",
        f"{'square':>6} {'photos':>6} | {'true chroma, dB':^24} | {'its bleeding':^17} | {'network bleeding':^17} | "
        "photos'",
    ]
    for row in report.rows:
        gain = row.psnr_guided_db - row.psnr_bilinear_db
        lines.append(
            f"{row.size:>6} {row.photos:>6} | {row.psnr_bilinear_db:>7.2f} {row.psnr_guided_db:>7.2f} "
            f"{f'({gain:+.2f})':>8} | {row.bleeding_bilinear:>8.3f} {row.bleeding_guided:>8.3f} | "
            f"{row.network_bleeding_bilinear:>8.3f} {row.network_bleeding_guided:>8.3f} | {row.original_bleeding:.3f}"
        )
    return lines


def measure_bleeding(luma: NDArray[Any], chroma: NDArray[np.floating[Any]]) -> float:
    """Return the share of the chroma's gradient that lies off the steepest tenth of the luma: 0..1, less is better.

    luma: (H, W), any unit. chroma: (2, H, W), U and V in any unit; 0 for chroma without a gradient.
    """
    if min(luma.shape) < 2:
        raise ValueError(f"a picture of {luma.shape[0]} x {luma.shape[1]} pixels has no gradient; take a larger one")
    steep = np.hypot(*np.gradient(luma.astype(np.float64)))
    change = np.sqrt(sum(part**2 for plane in chroma for part in np.gradient(plane.astype(np.float64))))
    edges = np.zeros(luma.size, bool)
    edges[np.argsort(steep, axis=None, kind="stable")[-max(1, round(STEEPEST * luma.size)) :]] = True
    edges &= steep.ravel() > 0
    total = float(change.sum())
    return 0.0 if total == 0 else float(change.ravel()[~edges].sum()) / total


def _measure(colorizer: Colorizer, rgb: NDArray[np.uint8]) -> tuple[float, ...]:
    # At 16 bits, lest rounding hide the differences.
    deep = rgb.astype(np.uint16) * np.uint16(257)
    luma = kernels.luma(deep)
    truth = _chroma_of(deep, luma)
    square = colorizer.see(deep)
    reduced = np.stack([kernels.resize_plane(plane, *square.small.shape) for plane in truth])
    guessed = colorizer.guess([square])[0]
    ways = [
        _chroma_of(kernels.render_rgb(luma, chroma, guide=guide), luma)
        for chroma in (reduced, guessed)
        for guide in (None, square.small)
    ]
    psnr = [-10.0 * np.log10(max(float(np.mean((way - truth) ** 2)), 1e-12)) for way in ways[:2]]
    return (*psnr, *(measure_bleeding(luma, way) for way in ways), measure_bleeding(luma, truth))


def _chroma_of(rgb: NDArray[np.uint16], luma: NDArray[np.uint16]) -> NDArray[np.float32]:
    red, blue = (rgb[..., channel].astype(np.float32) - luma for channel in (0, 2))
    return np.stack([blue * np.float32(U_SCALE / 65535), red * np.float32(V_SCALE / 65535)])
