"""PSNR against colorfulness: the fair comparison of colorizers.

Saturation trades one for the other, so a single point says as much about the saturation as about the network.
Of two networks, the better one has the higher curve.
"""

from __future__ import annotations

import io
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from colorrt.atomic import atomic_path
from colorrt.errors import BackendError
from colorrt.evaluation.quality import colorfulness, psnr
from colorrt.kernels.luma import luma

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


@dataclass(frozen=True)
class CurvePoint:
    """Means over the pictures at one saturation."""

    saturation: float
    psnr_db: float
    colorfulness: float


def saturation_curve(
    originals: Iterable[NDArray[np.uint8]],
    colorize: Callable[[NDArray[np.uint8], float], NDArray[np.uint8]],
    saturations: Sequence[float],
) -> tuple[CurvePoint, ...]:
    """Return PSNR and colorfulness at each of the saturations, in their order.

    originals: (H, W, 3) uint8 sRGB each, gone through once.
    colorize: takes the luma, (H, W) uint8, and a saturation (0 is gray, 1 is as the network says); returns
    (H, W, 3) uint8. It is called with the very same luma array for all saturations in a row, so that it may
    keep the chroma of the last one.

    Raises ValueError without pictures or saturations, and whatever `colorize` raises.
    """
    if not saturations:
        raise ValueError("there are no saturations to measure at; give at least one")
    levels: list[list[float]] = [[] for _ in saturations]
    colors: list[list[float]] = [[] for _ in saturations]
    for original in originals:
        gray = luma(original)
        for index, saturation in enumerate(saturations):
            colored = colorize(gray, saturation)
            levels[index].append(psnr(original, colored))
            colors[index].append(colorfulness(colored))
    if not levels[0]:
        raise ValueError("there are no pictures to measure on; give at least one")
    return tuple(
        CurvePoint(saturation, statistics.fmean(psnr_db), statistics.fmean(colorful))
        for saturation, psnr_db, colorful in zip(saturations, levels, colors, strict=True)
    )


def write_curves(
    path: Path,
    curves: Mapping[str, Sequence[CurvePoint]],
    *,
    original_colorfulness: float | None = None,
    title: str = "Closeness to the original against colorfulness",
) -> None:
    """Draw curves of PSNR (dB, upward) against colorfulness (to the right) into a PNG of 1200 x 800 pixels.

    curves: points by the name of the network; each point is labeled with its saturation. A dashed line stands
    at the colorfulness of the originals, if it is given.

    Raises BackendError if matplotlib is missing, ValueError without curves, and what `atomic_path` raises.
    """
    if not curves:
        raise ValueError("there are no curves to draw; give at least one")
    figure = new_figure()
    axes = figure.add_subplot()
    for name, points in curves.items():
        colorful = [point.colorfulness for point in points]
        psnr_db = [point.psnr_db for point in points]
        (line,) = axes.plot(colorful, psnr_db, marker="o", markersize=4, linewidth=1.5, label=name)
        for point in points:
            axes.annotate(
                f"{point.saturation:g}",
                (point.colorfulness, point.psnr_db),
                xytext=(0, 6),
                textcoords="offset points",
                horizontalalignment="center",
                fontsize=7,
                color=line.get_color(),
            )
    if original_colorfulness is not None:
        axes.axvline(original_colorfulness, linestyle="--", linewidth=1, color="0.5", label="originals")
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel("colorfulness (Hasler and Suesstrunk); labels: saturation")
    axes.set_ylabel("PSNR in RGB, dB")
    axes.grid(visible=True, color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    encoded = io.BytesIO()
    figure.savefig(encoded, format="png")
    with atomic_path(path) as unfinished:
        unfinished.write_bytes(encoded.getvalue())


def check_plotting() -> None:
    """Raise BackendError if matplotlib is missing: to be called before anything is measured for a plot."""
    new_figure()


def new_figure() -> Figure:
    """Return an empty figure of 1200 x 800 pixels. Raises BackendError if matplotlib is missing."""
    try:
        # The figure alone, without pyplot: it draws with Agg, and touches no window system or global state.
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BackendError(
            f"the plot needs matplotlib, which cannot be imported here ({error}); "
            "install it: pip install 'colorrt[eval]'"
        ) from error
    return Figure(figsize=(8, 16 / 3), dpi=150, layout="constrained")
