"""How near colored photos come to their originals, and how colorful they are.

PSNR alone rewards timid colors: the plain gray picture scores 22 dB on ordinary photos. So each figure stands
beside the same figure for the gray picture, and beside the colorfulness of both.
"""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from colorrt.errors import BackendError
from colorrt.kernels.luma import luma

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

PSNR_CAP_DB = 100.0
"""What two equal pictures score, in place of infinity, so that means and JSON stay finite."""

# Pixels that go through Lab at once. dE2000 makes some thirty float64 planes; at this size they stay in the
# cache, measured at about a third of the time of whole pictures, and a large picture needs no more memory.
_LAB_BATCH = 8192


@dataclass(frozen=True)
class PictureQuality:
    """Figures of one colored photo; those with `gray` are of the plain gray picture in its place."""

    name: str
    psnr_db: float
    gray_psnr_db: float
    colorfulness: float
    colorfulness_original: float
    ab_mae: float
    gray_ab_mae: float
    de2000: float
    gray_de2000: float


@dataclass(frozen=True)
class Quality:
    """Means of the figures of `PictureQuality` over the pictures; `psnr_db` is the mean of their dB.

    `farther_than_gray`: share of the pictures whose mean dE2000 is above that of the gray picture.
    """

    pictures: int
    psnr_db: float
    gray_psnr_db: float
    colorfulness: float
    colorfulness_original: float
    ab_mae: float
    gray_ab_mae: float
    de2000: float
    gray_de2000: float
    farther_than_gray: float
    per_picture: tuple[PictureQuality, ...]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as what `json.dumps` takes; `per_picture` becomes a list of dicts."""
        return {**asdict(self), "per_picture": [asdict(row) for row in self.per_picture]}


def measure(original: NDArray[np.uint8], colored: NDArray[np.uint8], name: str = "") -> PictureQuality:
    """Compare a colored photo, and the plain gray picture in its place, with the color original.

    original, colored: (H, W, 3) uint8 sRGB of equal shape.

    Raises TypeError, ValueError for other arrays; BackendError if scikit-image is missing.
    """
    _check_pair(original, colored)
    gray = gray_of(original)
    (ab_mae, de2000), (gray_ab_mae, gray_de2000) = _lab_errors(original, colored, gray)
    return PictureQuality(
        name=name,
        psnr_db=psnr(original, colored),
        gray_psnr_db=psnr(original, gray),
        colorfulness=colorfulness(colored),
        colorfulness_original=colorfulness(original),
        ab_mae=ab_mae,
        gray_ab_mae=gray_ab_mae,
        de2000=de2000,
        gray_de2000=gray_de2000,
    )


def summarize(rows: Sequence[PictureQuality]) -> Quality:
    """Return the means over the pictures, each of which counts the same whatever its size.

    Raises ValueError if there are none.
    """
    if not rows:
        raise ValueError("there are no pictures to summarize; measure at least one")
    figures = [field.name for field in fields(PictureQuality) if field.name != "name"]
    means = {figure: statistics.fmean(getattr(row, figure) for row in rows) for figure in figures}
    farther = statistics.fmean(row.de2000 > row.gray_de2000 for row in rows)
    return Quality(pictures=len(rows), farther_than_gray=farther, per_picture=tuple(rows), **means)


def gray_of(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the gray picture of (H, W, 3) uint8 RGB: its BT.601 luma in all three channels."""
    return np.repeat(luma(rgb)[..., np.newaxis], 3, axis=2)


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio over all R, G, B values, in dB, at most `PSNR_CAP_DB`.

    10 log10(255^2 / mean((a - b)^2))

    a, b: (H, W, 3) uint8 of equal shape.
    """
    _check_pair(a, b)
    difference = np.subtract(a, b, dtype=np.int32)
    mean_square = float(np.mean(np.square(difference), dtype=np.float64))
    if mean_square == 0:
        return PSNR_CAP_DB
    return min(PSNR_CAP_DB, float(10 * np.log10(255**2 / mean_square)))


def colorfulness(rgb: NDArray[np.uint8]) -> float:
    """Return the colorfulness of a picture: 0 for gray, some 40 for ordinary photos, over 80 for garish ones.

    sqrt(var rg + var yb) + 0.3 sqrt((mean rg)^2 + (mean yb)^2), where rg = R - G, yb = (R + G) / 2 - B

    rgb: (H, W, 3) uint8 sRGB.
    Source: Hasler and Suesstrunk, "Measuring colourfulness in natural images" (2003), M-hat (3).
    """
    _check_rgb(rgb)
    red, green, blue = (rgb[..., channel].astype(np.float64) for channel in range(3))
    red_green = red - green
    yellow_blue = (red + green) / 2 - blue
    spread = np.sqrt(np.var(red_green) + np.var(yellow_blue))
    offset = np.hypot(np.mean(red_green), np.mean(yellow_blue))
    return float(spread + 0.3 * offset)


def lab_errors(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> tuple[float, float]:
    """Return (mean absolute error of a* and b*, mean dE2000) of two pictures in CIE Lab.

    The first is the mean over pixels and over both channels; the second the mean over pixels. Every pixel
    counts: nothing is subsampled.

    a, b: (H, W, 3) uint8 sRGB of equal shape.

    Raises TypeError, ValueError for other arrays; BackendError if scikit-image is missing.
    """
    _check_pair(a, b)
    (errors,) = _lab_errors(a, b)
    return errors


def lab_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    """Return (mean absolute error of a* and b*, mean dE2000) of two lists of Lab colors.

    a, b: (N, 3) float64: L* in 0..100, a*, b*; white point D65, 2 degree observer.

    Raises BackendError if scikit-image is missing.
    Source: Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula" (2005), through scikit-image.
    """
    color = _skimage_color()
    return (
        float(np.mean(np.abs(a[:, 1:] - b[:, 1:]))),
        float(np.mean(color.deltaE_ciede2000(a, b))),
    )


def lab_of(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return (H, W, 3) uint8 sRGB as CIE Lab, (H, W, 3) float64; white point D65, 2 degree observer.

    Raises TypeError, ValueError for other arrays; BackendError if scikit-image is missing.
    """
    _check_rgb(rgb)
    color, flat = _skimage_color(), rgb.reshape(-1, 3)
    parts = [color.rgb2lab(flat[batch]) for batch in _batches(len(flat))]
    lab: NDArray[np.float64] = np.concatenate(parts).reshape(rgb.shape)
    return lab


def _lab_errors(original: NDArray[np.uint8], *others: NDArray[np.uint8]) -> list[tuple[float, float]]:
    """Return `lab_errors` of the original and each of the others; the original goes to Lab once."""
    color = _skimage_color()
    pixels = original.size // 3
    sums = np.zeros((len(others), 2))
    for batch in _batches(pixels):
        lab = color.rgb2lab(original.reshape(-1, 3)[batch])
        for row, other in enumerate(others):
            errors = lab_distance(lab, color.rgb2lab(other.reshape(-1, 3)[batch]))
            sums[row] += np.multiply(errors, len(lab))
    return [(float(ab_mae), float(de2000)) for ab_mae, de2000 in sums / pixels]


def _batches(pixels: int) -> Iterator[slice]:
    for start in range(0, pixels, _LAB_BATCH):
        yield slice(start, min(start + _LAB_BATCH, pixels))


def _skimage_color() -> Any:
    try:
        from skimage import color
    except ImportError as error:
        raise BackendError(
            f"Lab errors need scikit-image, which cannot be imported here ({error}); "
            "install it: pip install 'colorrt[eval]'"
        ) from error
    return color


def _check_pair(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> None:
    _check_rgb(a)
    _check_rgb(b)
    if a.shape != b.shape:
        raise ValueError(f"the pictures have to be of equal shape, got {a.shape} and {b.shape}; resize one")


def _check_rgb(rgb: NDArray[np.uint8]) -> None:
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8:
        kind = rgb.dtype if isinstance(rgb, np.ndarray) else type(rgb).__name__
        raise TypeError(f"a picture has to be a uint8 array, got {kind}; convert it with astype")
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise ValueError(f"a picture has to be (H, W, 3) with at least one pixel, got shape {rgb.shape}")
