"""Stability: how much the colors of one picture change when the picture hardly does.

In a video such changes are flicker. Three small ones are tried, each of them alone: noise, a shift by one pixel, a
little more or less contrast; what is measured is the mean change of the guessed chroma. So is its change between
render factors, where the artifact takes squares of any size.
Source: the quantity of equation 9 of Salmona et al., IPOL 2022, a mean change of chroma under noise, as far as it can
be told from the article's published code and summary; amounts, shifts and contrast are ours.
"""

from __future__ import annotations

import statistics
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from colorrt.kernels.luma import luma

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from colorrt.runtime.colorizer import Colorizer

NOISE_LEVELS = 4.0
SHIFT_PIXELS = 1
CONTRAST = 0.05
RENDER_FACTORS = (8, 16, 24)
_LEVELS = 255.0


@dataclass(frozen=True)
class PictureStability:
    """Mean change of chroma of one picture, |U' - U| and |V' - V| averaged, in levels of 255, before saturation.

    `chroma`: mean size of the chroma itself, for a network that answers gray is perfectly stable. `render_factor`:
    mean change from the render factor in use to those of 8, 16 and 24 that it is not; None for an artifact of one size.
    """

    noise: float
    shift: float
    contrast: float
    chroma: float
    render_factor: float | None = None


@dataclass(frozen=True)
class Stability:
    """Means over the pictures. `score`: mean of noise, shift and contrast; `relative`: by the size of the chroma."""

    pictures: int
    noise: float
    shift: float
    contrast: float
    chroma: float
    render_factor: float | None = None

    @property
    def score(self) -> float:
        """Mean change of chroma over the three disturbances, in levels of 255; 0 is perfectly stable."""
        return (self.noise + self.shift + self.contrast) / 3

    @property
    def relative(self) -> float:
        """`score` as a share of the mean chroma; 0 for a network that answers gray."""
        return self.score / self.chroma if self.chroma else 0.0


def disturb(plane: NDArray[np.uint8], name: str) -> dict[str, list[NDArray[np.uint8]]]:
    """Make the disturbed versions of a luma plane (H x W uint8), by the kind of disturbance.

    noise: Gaussian, of 4 levels of 255, drawn from a seed made of `name`. shift: by one pixel right and down, the edge
    repeated. contrast: 5% more and less around the middle level of the picture.
    """
    generator = np.random.default_rng(zlib.crc32(name.encode("utf-8", "surrogateescape")))
    levels = plane.astype(np.float64)
    middle = float(levels.mean())
    padded = np.pad(plane, ((SHIFT_PIXELS, 0), (SHIFT_PIXELS, 0)), mode="edge")
    height, width = plane.shape
    return {
        "noise": [_to_bytes(levels + generator.normal(0, NOISE_LEVELS, plane.shape))],
        "shift": [padded[SHIFT_PIXELS:, :width].copy(), padded[:height, SHIFT_PIXELS:].copy()],
        "contrast": [_to_bytes(middle + gain * (levels - middle)) for gain in (1 - CONTRAST, 1 + CONTRAST)],
    }


def measure_stability(colorizer: Colorizer, original: NDArray[np.uint8], name: str = "") -> PictureStability:
    """Color a photo's luma and its disturbed versions, and compare the guesses.

    original: (H, W, 3) uint8 sRGB. `name` decides the noise.
    """
    gray = luma(original)
    found = compare_guesses(gray, name, lambda planes: colorizer.guess([colorizer.see(plane) for plane in planes]))
    if colorizer.contract.render_factor is not None or colorizer.contract.engine is not None:
        return found
    others = [factor for factor in RENDER_FACTORS if factor not in colorizer.render_factors]
    own = colorizer.chroma(gray)
    changes = [compare_sizes(own, colorizer.guess([colorizer.see(gray, factor)])[0]) for factor in others]
    return replace(found, render_factor=statistics.fmean(changes) if changes else None)


def compare_guesses(
    gray: NDArray[np.uint8], name: str, guess: Callable[[Sequence[NDArray[np.uint8]]], NDArray[np.float32]]
) -> PictureStability:
    """Measure with any colorizer: `guess` takes luma planes (H x W uint8) and returns N x 2 x S x S chroma.

    A shifted guess is shifted back before it is compared, to a fraction of a pixel of the network's square: what is
    left is what the network makes of the shift.
    """
    clean = guess([gray])[0]
    changes: dict[str, list[float]] = {}
    for kind, planes in disturb(gray, name).items():
        for index, plane in enumerate(planes):
            other = guess([plane])[0]
            if kind == "shift":
                other = _shift_back(other, axis=1 + (1 - index), part=SHIFT_PIXELS / gray.shape[1 - index])
            changes.setdefault(kind, []).append(float(np.abs(other - clean).mean()) * _LEVELS)
    means = {kind: statistics.fmean(values) for kind, values in changes.items()}
    return PictureStability(**means, chroma=float(np.abs(clean).mean()) * _LEVELS)


def compare_sizes(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Mean difference of two guesses for one picture (2 x S x S, 2 x T x T), in levels of 255.

    Both are reduced to the smaller of both sizes by the mean over areas.
    """
    side = min(first.shape[-1], second.shape[-1])
    return float(np.abs(_reduce(first, side) - _reduce(second, side)).mean()) * _LEVELS


def summarize_stability(rows: Sequence[PictureStability]) -> Stability:
    """Return the means over the pictures. Raises ValueError if there are none."""
    if not rows:
        raise ValueError("there are no pictures to summarize; measure at least one")
    means: dict[str, float | None] = {}
    for name in PictureStability.__annotations__:
        values = [value for row in rows if (value := getattr(row, name)) is not None]
        means[name] = statistics.fmean(values) if values else None
    return Stability(pictures=len(rows), **means)  # type: ignore[arg-type]  # only the render factor's can be None


def _reduce(chroma: NDArray[np.float32], side: int) -> NDArray[np.float64]:
    """Reduce planes (2 x S x S) to `side` by means over areas, parts of pixels included."""
    edges = np.linspace(0, chroma.shape[-1], side + 1)
    pixels = np.arange(chroma.shape[-1])
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = overlap.clip(0) * side / chroma.shape[-1]
    reduced: NDArray[np.float64] = weights @ chroma @ weights.T
    return reduced


def _shift_back(chroma: NDArray[np.float32], axis: int, part: float) -> NDArray[np.float32]:
    """Shift planes (2 x S x S) by -`part` of their side along `axis`, linearly between pixels, the edge repeated."""
    size = chroma.shape[axis]
    places = np.minimum(np.arange(size) + part * size, size - 1)
    low = np.floor(places).astype(np.intp)
    high = np.minimum(low + 1, size - 1)
    shape = [1, 1, 1]
    shape[axis] = size
    share = (places - low).astype(np.float32).reshape(shape)
    shifted: NDArray[np.float32] = chroma.take(low, axis) * (1 - share) + chroma.take(high, axis) * share
    return shifted


def _to_bytes(levels: NDArray[np.float64]) -> NDArray[np.uint8]:
    whole: NDArray[np.uint8] = np.rint(levels.clip(0, 255)).astype(np.uint8)
    return whole
