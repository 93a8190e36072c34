"""What eyes see at once and PSNR does not: missing hues, timid areas, one tint over everything, gray skin.

All of it in CIE Lab (D65, 2 degree observer): chroma C = hypot(a*, b*), hue = atan2(b*, a*). Every picture counts the
same, whatever its size. The definitions stand in docs/quality.md; there is no composite of them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from colorrt.evaluation.auc import Area, AreaMeter
from colorrt.evaluation.quality import lab_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from colorrt.evaluation.skin import Box

HUES = 12
"""Hues of the table: so many equal parts of the circle, the first from 0 to 30 degrees."""
_PARTS = 24
"""One-hued pictures are looked for in finer parts."""
_WINDOW = 4
"""So many of them in a row: 60 degrees."""
ONE_HUED = 0.9
"""A picture is one-hued when such a part of its chroma lies in one window."""
STRONG = 20.0
"""Chroma above which a color is strong."""
NEUTRAL = 5.0
"""Chroma of the original below which a pixel is neutral."""
_NOTHING = 0.05
"""Chroma below which there is no hue: scikit-image leaves some 0.01 in gray."""


@dataclass(frozen=True)
class ColorFigures:
    """Figures over all pictures; those with `original` are of the color originals. None: there was nothing to measure.

    `hue_mass`: chroma of each hue, colored over original. `hue_shares`, `hue_shares_original`: how the chroma of both
    is spread. `area`: areas under the curve of distances, see `colorrt.evaluation.auc`.
    `strong_area`: share of the area with chroma above 20; `strong_recall`: of the original's such area, the part that
    is strong in the result; `strong_precision`: of the result's, the part that is strong in the original. `one_hued`:
    share of the pictures with nine tenths of their chroma within 60 degrees. `cast_a`, `cast_b`: mean a* and b* where
    the original is neutral, `cast` the length of both, `neutral_chroma` the mean chroma there. `skin_chroma`: mean
    chroma in the boxes on skin, over `skin_pictures` pictures.
    """

    pictures: int
    hue_mass: tuple[float | None, ...]
    hue_shares: tuple[float, ...]
    hue_shares_original: tuple[float, ...]
    area: Area
    strong_area: float
    strong_area_original: float
    strong_recall: float | None
    strong_precision: float | None
    one_hued: float
    one_hued_original: float
    cast_a: float | None
    cast_b: float | None
    cast: float | None
    neutral_chroma: float | None
    skin_pictures: int
    skin_chroma: float | None
    skin_chroma_original: float | None

    def as_json(self) -> dict[str, Any]:
        """Return all of it as what `json.dumps` takes."""
        return asdict(self)


class ColorMeter:
    """Takes pictures one by one; `figures` says what was seen in all of them."""

    def __init__(self) -> None:
        self._pictures = 0
        self._area = AreaMeter()
        self._mass, self._mass_original = np.zeros(_PARTS), np.zeros(_PARTS)
        self._one_hued = np.zeros(2, np.int64)
        self._strong = np.zeros(3)
        self._neutral = np.zeros(4)
        self._skin: list[tuple[float, float]] = []

    def add(self, original: NDArray[np.uint8], colored: NDArray[np.uint8], skin: Sequence[Box] = ()) -> None:
        """Count in an original and its colored version, (H, W, 3) uint8 sRGB each, with boxes on its skin.

        Raises TypeError, ValueError for other arrays; BackendError if scikit-image is missing.
        """
        if original.shape != colored.shape:
            raise ValueError(f"the pictures have to be of equal shape, got {original.shape} and {colored.shape}")
        truth, ours = (lab_of(picture)[..., 1:] for picture in (original, colored))
        chroma_truth, chroma = (np.hypot(ab[..., 0], ab[..., 1]) for ab in (truth, ours))
        self._pictures += 1
        self._area.add(truth, ours)
        for index, (ab, strength) in enumerate(((ours, chroma), (truth, chroma_truth))):
            mass = _hue_mass(ab, strength)
            (self._mass, self._mass_original)[index][:] += mass
            self._one_hued[index] += is_one_hued(mass)
        strong, strong_truth = chroma > STRONG, chroma_truth > STRONG
        self._strong += [part.mean() for part in (strong, strong_truth, strong & strong_truth)]
        neutral = chroma_truth < NEUTRAL
        sums = (neutral, neutral * ours[..., 0], neutral * ours[..., 1], neutral * chroma)
        self._neutral += [part.mean() for part in sums]
        if skin:
            inside = np.zeros(chroma.shape, bool)
            for box in skin:
                inside[box.pixels(*chroma.shape)] = True
            self._skin.append((float(chroma[inside].mean()), float(chroma_truth[inside].mean())))

    def figures(self) -> ColorFigures:
        """Return the figures. Raises ValueError when no picture was added."""
        if not self._pictures:
            raise ValueError("there are no pictures to measure colors on; add at least one")
        mass, original = (part.reshape(HUES, -1).sum(1) for part in (self._mass, self._mass_original))
        strong, strong_original, both = (float(value) for value in self._strong / self._pictures)
        neutral, a, b, chroma = self._neutral
        cast = (float(a / neutral), float(b / neutral)) if neutral else None
        skin = np.mean(self._skin, axis=0) if self._skin else None
        return ColorFigures(
            pictures=self._pictures,
            hue_mass=tuple(float(ours / truth) if truth else None for ours, truth in zip(mass, original, strict=True)),
            hue_shares=_shares(mass),
            hue_shares_original=_shares(original),
            area=self._area.area(),
            strong_area=strong,
            strong_area_original=strong_original,
            strong_recall=both / strong_original if strong_original else None,
            strong_precision=both / strong if strong else None,
            one_hued=float(self._one_hued[0] / self._pictures),
            one_hued_original=float(self._one_hued[1] / self._pictures),
            cast_a=cast[0] if cast else None,
            cast_b=cast[1] if cast else None,
            cast=float(np.hypot(*cast)) if cast else None,
            neutral_chroma=float(chroma / neutral) if neutral else None,
            skin_pictures=len(self._skin),
            skin_chroma=None if skin is None else float(skin[0]),
            skin_chroma_original=None if skin is None else float(skin[1]),
        )


def is_one_hued(mass: NDArray[np.float64]) -> bool:
    """Whether nine tenths of the chroma of 24 equal parts of the circle lie in four in a row. Gray is not."""
    windows = np.convolve(np.concatenate([mass, mass[: _WINDOW - 1]]), np.ones(_WINDOW), "valid")
    return bool(windows.max() > ONE_HUED * mass.sum())


def _shares(mass: NDArray[np.float64]) -> tuple[float, ...]:
    total = mass.sum() or 1.0
    return tuple(float(value) for value in mass / total)


def _hue_mass(ab: NDArray[np.float64], chroma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of the chroma in each of 24 parts of the circle, a pixel of the picture: (H, W, 2), (H, W) -> (24,)."""
    turns = np.arctan2(ab[..., 1], ab[..., 0]) / (2 * np.pi)
    part = np.floor(turns * _PARTS).astype(np.intp) % _PARTS
    counted = np.where(chroma > _NOTHING, chroma, 0.0)
    return np.bincount(part.ravel(), counted.ravel(), minlength=_PARTS) / chroma.size
