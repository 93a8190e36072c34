"""Plots of latency: stages by picture size, and the network by render factor."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from colorrt.atomic import atomic_path
from colorrt.bench.machine import title_of
from colorrt.evaluation.curves import new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from colorrt.bench.factors import FactorReport
    from colorrt.bench.latency import LatencyReport

_COLORS = {"decode": "#8da0cb", "resize": "#66c2a5", "network": "#fc8d62", "render": "#e5c494", "encode": "#b3b3b3"}


def plot_latency(path: Path, report: LatencyReport) -> None:
    """Draw the stages of each picture size (medians, stacked) into a PNG.

    Raises BackendError if matplotlib is missing, ValueError without sizes, and what `atomic_path` raises.
    """
    if not report.sizes:
        raise ValueError("there are no picture sizes to draw; measure at least one")
    figure = new_figure()
    axes = figure.add_subplot()
    names = [f"{size.width} x {size.height}" for size in report.sizes]
    left = [0.0] * len(names)
    for stage in report.sizes[0].stages:
        widths = [size.stages[stage].p50_ms for size in report.sizes]
        axes.barh(names, widths, left=left, height=0.6, label=stage, color=_COLORS.get(stage))
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for name, end, size in zip(names, left, report.sizes, strict=True):
        axes.annotate(
            f"{size.whole.p50_ms:.0f} ms",
            (end, name),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    axes.margins(x=0.12)
    axes.invert_yaxis()
    axes.set_xlabel("ms a picture, file to file (medians, host clock)")
    _dress(axes, f"{report.model} {report.precision}, render factor {report.render_factor}, {report.backend}")
    axes.grid(visible=False, axis="y")
    axes.legend(frameon=False, ncols=len(_COLORS), loc="upper center", bbox_to_anchor=(0.5, -0.14))
    _sign(figure, report.machine)
    _save(figure, path)


def plot_factors(path: Path, reports: Sequence[FactorReport]) -> None:
    """Draw the milliseconds of the network (medians) against the render factor, a line a report, into a PNG.

    Engines are drawn by CUDA events, all others by the host clock; eager PyTorch is dashed, in the same color.
    Raises BackendError if matplotlib is missing, ValueError without figures, and what `atomic_path` raises.
    """
    if not any(row.host for report in reports for row in report.rows):
        raise ValueError("there are no figures to draw; measure at least one render factor")
    figure = new_figure()
    axes = figure.add_subplot()
    factors: set[int] = set()
    for report in reports:
        engine = any(row.device for row in report.rows)
        clock = "CUDA events" if engine else "host clock"
        points = [
            (row.render_factor, times.p50_ms)
            for row in report.rows
            if (times := row.device if engine else row.host) is not None
        ]
        factors |= {factor for factor, _ in points}
        label = f"{report.model} {report.precision}, {report.backend} ({clock})"
        (line,) = axes.plot(*zip(*points, strict=True), marker="o", markersize=5, linewidth=1.8, label=label)
        for factor, taken in points:
            axes.annotate(
                f"{taken:.3g}" if taken < 1000 else f"{taken:.0f}",
                (factor, taken),
                xytext=(0, -13),
                textcoords="offset points",
                ha="center",
                fontsize=8,
            )
        slow = [(row.render_factor, row.torch.p50_ms) for row in report.rows if row.torch is not None]
        if slow:
            axes.plot(
                *zip(*slow, strict=True), marker="o", markersize=3, linewidth=1, linestyle="--", color=line.get_color(),
                label=f"{report.model}, PyTorch eager (host clock)",
            )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xticks(sorted(factors))
    axes.margins(y=0.12)
    axes.set_xlabel("render factor (the network sees 16 x render factor pixels squared)")
    axes.set_ylabel("ms a picture, the network alone (medians)")
    _dress(axes, "Latency of the network against the render factor")
    axes.legend(frameon=False)
    _sign(figure, reports[0].machine)
    _save(figure, path)


def _dress(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(visible=True, color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _sign(figure: Figure, machine: dict[str, object]) -> None:
    figure.supxlabel(title_of(machine), fontsize=8, color="0.4", x=0.99, ha="right")


def _save(figure: Figure, path: Path) -> None:
    encoded = io.BytesIO()
    figure.savefig(encoded, format="png")
    with atomic_path(path) as unfinished:
        unfinished.write_bytes(encoded.getvalue())
