"""Splits of photographs into training, validation and test, and which of them are gray: as the papers have it.

Positions in, positions out; all of it is repeatable by its seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Positions = NDArray[np.intp]

PUBLISHED_GRAYS = 582
"""Training pictures of CIFAR-10 that KTH's code drops, the first by mean hue: 562 gray ones, 20 that are nearly red."""
_EVERY = 10
_AT_ONCE = 4096


def is_gray(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether all pixels of each picture have R = G = B: (N, H, W, 3) uint8 -> (N,) bool."""
    first = pixels[..., 0]
    return np.asarray(((first == pixels[..., 1]) & (first == pixels[..., 2])).all((1, 2)))


def mean_hues(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the mean over pixels of the HSV hue, 0..1 with gray 0: (N, H, W, 3) uint8 -> (N,) float64.

    As KTH's code has it: hue is an angle, and this mean is not circular, so red jumps between 0 and 1.
    """
    parts = [_hues(pixels[start : start + _AT_ONCE]).mean((1, 2)) for start in range(0, len(pixels), _AT_ONCE)]
    return np.concatenate([np.empty(0), *parts])


def split_by_hue(hues: NDArray[np.float64], drop: int, seed: int) -> tuple[Positions, Positions]:
    """Sort by mean hue, leave out the first `drop`, take every tenth for validation; both shuffled.

    Returns positions of training and validation. Pictures of one hue stay in their order.
    Source: KTH's code, `smart_split`.
    """
    order = np.argsort(hues, kind="stable")[drop:]
    random = np.random.default_rng(seed)
    held = np.zeros(len(order), bool)
    held[::_EVERY] = True
    return random.permutation(order[~held]), random.permutation(order[held])


def split_at_random(positions: Positions, seed: int) -> tuple[Positions, Positions]:
    """Shuffle; the first tenth is for validation. Returns positions of training and validation."""
    order = np.random.default_rng(seed).permutation(positions)
    held = len(order) // _EVERY
    return order[held:], order[:held]


def split_by_class(labels: Sequence[str], shares: tuple[float, float, float], seed: int) -> tuple[Positions, ...]:
    """Split each class alike into training, validation and test, of about these shares; each shuffled.

    `labels`: the class of each picture; `shares`: with sum 1. Counts are rounded in each class so that nothing is lost.
    """
    random = np.random.default_rng(seed)
    places = np.asarray(labels)
    parts: tuple[list[Positions], ...] = ([], [], [])
    for label in sorted(set(labels)):
        order = random.permutation(np.flatnonzero(places == label))
        ends = np.round(np.cumsum(shares)[:2] * len(order)).astype(int)
        for part, some in zip(parts, np.split(order, ends), strict=True):
            part.append(some)
    return tuple(random.permutation(np.concatenate([np.empty(0, np.intp), *part])) for part in parts)


def labels_of(names: Sequence[str]) -> list[str]:
    """Return the class of each picture: the first folder in its name, "" where there is none."""
    return [name.split("/", 1)[0] if "/" in name else "" for name in names]


def _hues(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    rgb = pixels.astype(np.float64) / 255
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    highest, spread = rgb.max(-1), np.ptp(rgb, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        sixths = np.where(
            highest == blue,
            4 + (red - green) / spread,
            np.where(highest == green, 2 + (blue - red) / spread, (green - blue) / spread),
        )
    return np.where(spread > 0, sixths / 6 % 1, 0.0)
