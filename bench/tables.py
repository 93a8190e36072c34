"""The tables that the bench commands print: plain text, one row a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from colorrt.bench.machine import title_of
from colorrt.bench.timing import DEVICE_CLOCK, HOST_CLOCK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from colorrt.bench.factors import FactorReport
    from colorrt.bench.latency import LatencyReport
    from colorrt.bench.network import NetworkTimes
    from colorrt.bench.timing import Times


def latency_lines(report: LatencyReport) -> list[str]:
    """Return the tables of a latency report, line by line."""
    lines = [
        f"{report.artifact}: {report.model} {report.precision}, render factor {report.render_factor}, {report.backend}",
        title_of(report.machine),
    ]
    if report.sizes:
        lines += ["", "one picture at a time, file to file; ms by the host clock: p50 / p90 / p99"]
        rows: list[Sequence[str]] = [("picture", *report.sizes[0].stages, "whole call")]
        for size in report.sizes:
            times = (*size.stages.values(), size.whole)
            rows.append((f"{size.width} x {size.height}", *map(_quantiles, times)))
        lines += _aligned(rows)
    if report.cold:
        lines += ["", "first picture of a fresh process, from its start to the written file; host clock"]
        rows = [("picture", "first picture", "of it opening", "peak memory")]
        rows += [
            (
                f"{cold.width} x {cold.height}",
                f"{cold.first_picture_ms:.0f} ms",
                f"{cold.open_ms:.0f} ms",
                f"{cold.peak_rss / 1e6:.0f} MB",
            )
            for cold in report.cold
        ]
        lines += _aligned(rows)
    lines += network_lines(report.network)
    if report.device_memory is not None:
        lines += ["", f"device memory that the engine holds: {report.device_memory / 1e6:.0f} MB"]
    if report.consumption is not None:
        used = report.consumption
        rails = ", ".join(f"{name} {power / 1000:.2f} W" for name, power in used.power.rails_mw.items())
        lines += ["", f"power at {used.pictures_per_second:.1f} pictures/s, tegrastats: {rails}"]
        if used.joules is not None:
            lines.append(f"energy of the whole module: {used.joules:.3f} J a picture")
    return lines


def network_lines(rows: Iterable[NetworkTimes]) -> list[str]:
    """Return the table of the network alone, one part for each clock."""
    lines: list[str] = []
    rows = list(rows)
    for clock, title in (
        (HOST_CLOCK, "the network alone, luma to chroma in host memory; ms of the batch by the host clock"),
        (DEVICE_CLOCK, "the network alone on the GPU; ms of the batch by CUDA events"),
    ):
        chosen = [row for row in rows if row.clock == clock]
        if not chosen:
            continue
        table: list[Sequence[str]] = [("batch", "what", "precision", "p50 / p90 / p99", "a picture", "ratio")]
        for row in chosen:
            name = row.name if row.graph is None else f"{row.name}, {'CUDA graph' if row.graph else 'no CUDA graph'}"
            if row.times is None:
                table.append((str(row.batch), name, row.precision, f"- ({row.failure})", "", ""))
                continue
            ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
            each = f"{row.per_picture_ms:.2f}"
            table.append((str(row.batch), name, row.precision, _quantiles(row.times), each, ratio))
        lines += ["", title, *_aligned(table)]
    return lines


def factor_lines(report: FactorReport) -> list[str]:
    """Return the table of a report by render factor, line by line."""
    lines = [f"{report.model} {report.precision}, {report.backend}", title_of(report.machine), ""]
    lines.append("the network alone, ms a picture: p50 / p90 / p99; whole call and first picture at " + report.picture)
    table: list[Sequence[str]] = [
        ("render factor", "square", "built in", "file", "host clock", "CUDA events", "PyTorch", "ratio", "whole call",
         "peak memory"),
    ]  # fmt: skip
    for row in report.rows:
        head = (str(row.render_factor), f"{row.size} x {row.size}")
        if row.failure is not None or row.host is None:
            table.append((*head, f"- ({row.failure})"))
            continue
        table.append(
            (
                *head,
                f"{row.build_s:.1f} s",
                f"{row.file_bytes / 1e6:.1f} MB",
                _quantiles(row.host),
                _quantiles(row.device),
                _quantiles(row.torch),
                "" if row.ratio is None else f"{row.ratio:.2f}",
                "" if row.whole is None else f"{row.whole.p50_ms:.0f} ms",
                "" if row.peak_rss is None else f"{row.peak_rss / 1e6:.0f} MB",
            )
        )
    return lines + _aligned(table)


def _quantiles(times: Times | None) -> str:
    if times is None:
        return ""
    digits = 2 if times.p50_ms < 10 else 1 if times.p50_ms < 1000 else 0
    return " / ".join(f"{value:.{digits}f}" for value in (times.p50_ms, times.p90_ms, times.p99_ms))


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    columns = max(map(len, rows))
    # A remark that stands in place of figures may be as long as it likes.
    whole = [row for row in rows if len(row) == columns]
    widths = [max(len(row[column]) for row in whole) for column in range(columns)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]
