"""Colors that a person gave at some places, spread over the picture: what they change of a guess fades with distance.

Distance is that in place, in luma and in the color that was guessed, so that a hint stays on the thing that it was put
on rather than in a circle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from colorrt.kernels.arrays import check_float32, check_plane, readonly_view
from colorrt.kernels.compiling import inner, striped

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLACE_REACH = 0.4
"""Distance in place, in sides of the picture, over which a hint fades to about a third."""
LUMA_REACH = 0.2
"""The same in luma; white is 1."""
CHROMA_REACH = 0.2
"""The same in U and V of the guess, in units of white."""
NOISE = 0.03
"""Variance of a hint that is taken for carelessness, beside that of what hints change: neighbors that contradict each
other are averaged."""


def spread_hints(
    chroma: NDArray[np.float32],
    guide: NDArray[np.float32],
    places: NDArray[np.float32],
    colors: NDArray[np.float32],
    reach: float = 1.0,
) -> NDArray[np.float32]:
    """Return what hints add to a guess of chroma, everywhere.

    With x a pixel and x_i the hints, each a point of place, luma and guessed chroma, all divided by their reach, and
    d_i = colors_i - chroma(x_i):

        added(x) = sum_i k(x, x_i) w_i,  (K + NOISE I) w = d,  K_ij = k(x_i, x_j),  k(a, b) = (1 + |a - b| / 8)^-8

    the mean of a Gaussian process over what is wrong with the guess, given its values at the hints. k is near to
    exp(-|a - b|) and takes no exponential. Luma and guess of a hint are means of 3 x 3 pixels.

    chroma: (2, S, S) float32, U and V in units of white. guide: (S, S) float32, 0..1, the luma that it was guessed
    from. Both are read as 0 where they are not finite. places: (N, 2) float32, down and across, 0..1 of the picture's
    sides. colors: (N, 2) float32, U and V wanted there. reach: above 0, a factor on all three
    reaches: colors that a person wants are farther from the guess than true ones are, and less is wanted to follow.
    Returns (2, S, S) float32; zeros without hints. The time is that of N S^2 square roots, and of an N x N solution.

    Raises TypeError for other dtypes, ValueError for other shapes or reaches.
    Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006), equation 2.25; chosen by
    `python -m studies hints`.
    """
    _check(chroma, guide, places, colors)
    if not reach > 0:
        raise ValueError(f"reach has to be above 0, got {reach}; 1 is usual")
    height, width = guide.shape
    added = np.zeros(chroma.shape, np.float32)
    if not len(places):
        return added
    planes = np.nan_to_num(np.stack([guide, chroma[0], chroma[1]]), nan=0.0, posinf=0.0, neginf=0.0)
    scales = reach * np.array([PLACE_REACH, PLACE_REACH, LUMA_REACH, CHROMA_REACH, CHROMA_REACH], np.float64)
    seen = _means_at(planes, places)
    points = np.concatenate([places.astype(np.float64), seen], axis=1) / scales
    weights = np.linalg.solve(_between(points) + NOISE * np.eye(len(points)), colors - seen[:, 1:])
    planes /= scales[2:, np.newaxis, np.newaxis].astype(np.float32)
    across = ((np.arange(width) + 0.5) / (width * scales[0])).astype(np.float32)
    down = ((np.arange(height) + 0.5) / (height * scales[0])).astype(np.float32)
    _add_hints(
        height,
        readonly_view(planes),
        readonly_view(down),
        readonly_view(across),
        readonly_view(points.astype(np.float32)),
        readonly_view(weights.astype(np.float32)),
        added,
    )
    return added


def _means_at(planes: NDArray[np.float32], places: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (N, planes): of each place the means of the 3 x 3 pixels around it that lie in the picture."""
    height, width = planes.shape[1:]
    rows = np.clip((places[:, 0] * height).astype(np.int64), 0, height - 1)
    columns = np.clip((places[:, 1] * width).astype(np.int64), 0, width - 1)
    near = [
        planes[:, np.clip(rows + down, 0, height - 1), np.clip(columns + across, 0, width - 1)]
        for down in (-1, 0, 1)
        for across in (-1, 0, 1)
    ]
    return np.asarray(np.mean(near, axis=0, dtype=np.float64)).T


def _between(points: NDArray[np.float64]) -> NDArray[np.float64]:
    distance = np.sqrt(((points[:, np.newaxis] - points[np.newaxis]) ** 2).sum(axis=2))
    nearness: NDArray[np.float64] = (1 + distance / 8) ** -8
    return nearness


@striped
def _add_hints(
    start: int,
    stop: int,
    planes: NDArray[np.float32],
    down: NDArray[np.float32],
    across: NDArray[np.float32],
    points: NDArray[np.float32],
    weights: NDArray[np.float32],
    added: NDArray[np.float32],
) -> None:
    for y in range(start, stop):
        for i in range(len(points)):
            _add_hint(
                planes[0, y], planes[1, y], planes[2, y], down[y], across, points[i], weights[i], added[0, y],
                added[1, y],
            )  # fmt: skip


@inner
def _add_hint(
    luma: NDArray[np.float32],
    blue: NDArray[np.float32],
    red: NDArray[np.float32],
    down: np.float32,
    across: NDArray[np.float32],
    point: NDArray[np.float32],
    weight: NDArray[np.float32],
    added_blue: NDArray[np.float32],
    added_red: NDArray[np.float32],
) -> None:
    one, eighth = np.float32(1.0), np.float32(0.125)
    below, beside, darker, bluer, redder = point[0], point[1], point[2], point[3], point[4]
    of_blue, of_red = weight[0], weight[1]
    vertical = (down - below) * (down - below)
    for x in range(luma.size):
        a, b, c, d = across[x] - beside, luma[x] - darker, blue[x] - bluer, red[x] - redder
        far = one + eighth * np.sqrt(vertical + a * a + b * b + c * c + d * d)
        squared = far * far
        fourth = squared * squared
        nearness = one / (fourth * fourth)
        added_blue[x] += of_blue * nearness
        added_red[x] += of_red * nearness


def _check(
    chroma: NDArray[np.float32],
    guide: NDArray[np.float32],
    places: NDArray[np.float32],
    colors: NDArray[np.float32],
) -> None:
    for array, name in ((chroma, "chroma"), (guide, "guide"), (places, "places"), (colors, "colors")):
        check_float32(array, name)
    check_plane(guide, "guide")
    if chroma.shape != (2, *guide.shape):
        raise ValueError(f"chroma has to be {(2, *guide.shape)} as guide is, got shape {chroma.shape}")
    if places.ndim != 2 or places.shape[1] != 2 or places.shape != colors.shape:
        raise ValueError(f"places and colors have to be (N, 2) both, got shapes {places.shape} and {colors.shape}")
    if not (np.isfinite(places).all() and np.isfinite(colors).all()):
        raise ValueError("places and colors have to be finite; leave out hints that are not")
