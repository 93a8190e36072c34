"""`python -m studies hints`: what points of true color add to the guess of the shipped model, and how to spread them.

Points are drawn at random, and take the mean color of the 3 x 3 pixels around them in the network's square, as one who
knows the colors would give them. Three ways to spread what they change: as a Gaussian process (the product's, see
`colorrt.kernels.hints`), as a mean weighted by nearness (of the bilateral kind), and by the optimization of Levin,
Lischinski and Weiss ("Colorization using optimization", 2004) on what is wrong with the guess, drawn to none of it.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorrt import kernels
from colorrt.bench.machine import describe_machine
from colorrt.contract import LUMA_OF_RGB, U_SCALE, V_SCALE
from colorrt.errors import BackendError
from colorrt.evaluation.quality import psnr
from colorrt.evaluation.sheet import even_choice
from colorrt.kernels.hints import CHROMA_REACH, LUMA_REACH, PLACE_REACH
from colorrt.photos.reading import photo_names, read_rgb_photos
from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.hints import Hints, add_hints

POINTS = (1, 3, 10, 30)
COMPARED = 10
"""Points at which the three ways are compared."""
_BACKGROUND = 0.3
"""What counts for no change in the weighted mean, beside a hint at no distance."""
_LEVIN_SIDE, _LEVIN_LUMA, _LEVIN_DRAWN, _LEVIN_HELD = 64, 0.05, 1e-3, 100.0


@dataclass(frozen=True)
class HintRow:
    """Mean PSNR (dB) over photographs with some points; `milliseconds`: of one picture, the spreading alone."""

    way: str
    points: int
    psnr_db: float
    gain_db: float
    milliseconds: float


@dataclass(frozen=True)
class HintReport:
    """All rows, and of what. `guess_db`: PSNR of the guess alone."""

    source: str
    photos: int
    guess_db: float
    rows: tuple[HintRow, ...]
    machine: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as what `json.dumps` takes."""
        return {"kind": "hints", **asdict(self)}


def study_hints(source: Path, most: int) -> HintReport:
    """Measure at most `most` photographs, evenly chosen. Raises what `read_rgb_photos` raises."""
    try:
        import scipy.sparse.linalg  # noqa: F401 (asked for before the work begins)
    except ImportError as error:
        raise BackendError("scipy is not installed: pip install 'colorrt[eval]'") from error
    names = photo_names(source)
    chosen = {names[index] for index in even_choice(len(names), min(most, len(names)))}
    rng = np.random.default_rng(18)
    ways = [("ours", points) for points in POINTS] + [("weighted mean", COMPARED), ("Levin", COMPARED)]
    found: dict[tuple[str, int], list[float]] = {way: [] for way in ways}
    spent = dict.fromkeys(ways, 0.0)
    alone: list[float] = []
    with Colorizer() as colorizer:
        for name, rgb in read_rgb_photos(source, lambda *_: None):
            if name not in chosen:
                continue
            square = colorizer.see(rgb)
            guess = colorizer.guess([square])[0]
            alone.append(psnr(rgb, colorizer.render(square, guess, 1.0)))
            truth = _chroma_of(rgb, square.small.shape[0])
            drawn = rng.uniform(0.02, 0.98, (max(POINTS), 2)).astype(np.float32)
            colors = _means_at(truth, drawn)
            for way, points in ways:
                hints = Hints(drawn[:points], colors[:points], (rgb.shape[1], rgb.shape[0]))
                began = time.perf_counter()
                hinted = _spread(way, guess, square.small, hints)
                spent[way, points] += time.perf_counter() - began
                found[way, points].append(psnr(rgb, colorizer.render(square, hinted, 1.0)))
    guess_db = float(np.mean(alone))
    rows = [
        HintRow(
            way,
            points,
            float(np.mean(values)),
            float(np.mean(values)) - guess_db,
            1000 * spent[way, points] / len(alone),
        )
        for (way, points), values in found.items()
    ]
    return HintReport(source.name, len(alone), guess_db, tuple(rows), describe_machine())


def hint_lines(report: HintReport) -> list[str]:
    """Return the table, line by line."""
    lines = [
        f"{report.source}: {report.photos} photographs, guess alone {report.guess_db:.2f} dB",
        f"{'way':<14} {'points':>6} {'PSNR':>9} {'gain':>9} {'time':>9}",
    ]
    return lines + [
        f"{row.way:<14} {row.points:>6} {row.psnr_db:>6.2f} dB {row.gain_db:>+6.2f} dB {row.milliseconds:>6.1f} ms"
        for row in report.rows
    ]


def _spread(way: str, guess: NDArray[np.float32], small: NDArray[np.float32], hints: Hints) -> NDArray[np.float32]:
    if way == "ours":
        return add_hints(guess, small, hints, 1.0)
    wrong = hints.colors - _means_at(guess, hints.places)
    if way == "Levin":
        return guess + _levin(small, hints.places, wrong)
    return guess + _weighted(guess, small, hints.places, wrong)


def _weighted(
    guess: NDArray[np.float32], small: NDArray[np.float32], places: NDArray[np.float32], wrong: NDArray[np.float32]
) -> NDArray[np.float32]:
    side = small.shape[0]
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side
    total, weight = np.zeros_like(guess), np.full((side, side), _BACKGROUND, np.float32)
    seen = _means_at(np.concatenate([small[np.newaxis], guess]), places)
    for (down, across), (level, blue, red), change in zip(places, seen, wrong, strict=True):
        near = np.exp(
            -((axis[:, np.newaxis] - down) ** 2 + (axis - across) ** 2) / PLACE_REACH**2
            - ((small - level) / LUMA_REACH) ** 2
            - ((guess[0] - blue) ** 2 + (guess[1] - red) ** 2) / CHROMA_REACH**2
        )
        total += change[:, np.newaxis, np.newaxis] * near
        weight += near
    changed: NDArray[np.float32] = total / weight
    return changed


def _levin(small: NDArray[np.float32], places: NDArray[np.float32], wrong: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy import sparse
    from scipy.sparse.linalg import spsolve

    side = _LEVIN_SIDE
    luma = kernels.resize_plane(small, side, side)
    index = np.arange(side * side).reshape(side, side)
    pairs = [(index[:, :-1], index[:, 1:]), (index[:-1], index[1:]), (index[:-1, :-1], index[1:, 1:])]
    pairs.append((index[:-1, 1:], index[1:, :-1]))
    first, second = (np.concatenate([pair[end].ravel() for pair in pairs]) for end in (0, 1))
    near = np.exp(-np.abs(luma.ravel()[first] - luma.ravel()[second]) / _LEVIN_LUMA) + 1e-3
    count = side * side
    half = sparse.coo_matrix((near, (first, second)), shape=(count, count))
    nearness = (half + half.T).tocsr()
    at = np.minimum((places * side).astype(np.int64), side - 1)
    held, wanted = np.zeros(count), np.zeros((count, 2))
    np.add.at(held, at[:, 0] * side + at[:, 1], _LEVIN_HELD)
    np.add.at(wanted, at[:, 0] * side + at[:, 1], _LEVIN_HELD * wrong)
    of_all = np.asarray(nearness.sum(axis=1)).ravel() + _LEVIN_DRAWN + held
    solved = spsolve((sparse.diags(of_all) - nearness).tocsc(), wanted)
    planes = solved.T.reshape(2, side, side).astype(np.float32)
    return np.stack([kernels.resize_plane(np.ascontiguousarray(plane), *small.shape) for plane in planes])


def _chroma_of(rgb: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    levels = rgb.astype(np.float32) / 255
    luma = levels @ np.array(LUMA_OF_RGB, np.float32)
    planes = (U_SCALE * (levels[..., 2] - luma), V_SCALE * (levels[..., 0] - luma))
    return np.stack([kernels.resize_plane(np.ascontiguousarray(plane), side, side) for plane in planes])


def _means_at(planes: NDArray[np.float32], places: NDArray[np.float32]) -> NDArray[np.float32]:
    side = planes.shape[1]
    rows, columns = np.clip((places.T * side).astype(np.int64), 1, side - 2)
    near = [planes[:, rows + down, columns + across] for down in (-1, 0, 1) for across in (-1, 0, 1)]
    means: NDArray[np.float32] = np.mean(near, axis=0).T.astype(np.float32)
    return means
