"""Very large scans through the real command: time, peak memory, and whether the luma came through."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from colorrt import kernels
from colorrt.bench.machine import describe_machine
from colorrt.errors import ColorrtError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

ROWS_PER_STRIP = 64
_COMMAND = "import sys; from colorrt.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class StillTiming:
    """One scan from the command's start to its end. The peak is that of the whole process."""

    bits: int
    compression: str
    seconds: float
    peak_mib: float
    input_mb: float
    output_mb: float
    luma_error: int
    """Largest difference of the output's luma from the input, in levels of its own depth."""


@dataclass(frozen=True)
class StillReport:
    """What was measured, and on what machine."""

    width: int
    height: int
    threads: int
    timings: tuple[StillTiming, ...]
    machine: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the report as `json.dumps` takes it."""
        return asdict(self)


def measure_stills(
    width: int, height: int, threads: int, say: Callable[[str], None], folder: Path | None = None
) -> StillReport:
    """Color gray TIFFs of this size, 8 and 16 bits, plain and deflated, by `colorrt run` in a process of its own.

    `folder`: where they are made and removed again; the system's temporary folder if not given. It takes up to 8 bytes
    a pixel. Raises UsageError for impossible sizes, ColorrtError if the command fails.
    """
    if not hasattr(os, "wait4"):
        raise UsageError("this system does not tell the peak memory of a process; run it on Linux or macOS")
    timings = []
    with tempfile.TemporaryDirectory(dir=folder) as made:
        for dtype in (np.uint8, np.uint16):
            for compression in ("none", "deflate"):
                say(f"{8 * np.dtype(dtype).itemsize} bits, {compression}")
                timings.append(_measure(Path(made), (height, width), dtype, compression, threads))
    return StillReport(width, height, threads, tuple(timings), describe_machine())


def still_lines(report: StillReport) -> list[str]:
    """Return the report as lines of a table."""
    pixels = report.width * report.height / 1e6
    lines = [
        f"gray TIFF of {report.width} x {report.height} = {pixels:.0f} megapixels, 'colorrt run', "
        f"{report.threads} threads; {report.machine['processor']}",
        f"{'bits':>4} {'strips':<8} {'seconds':>8} {'peak MiB':>9} {'in MB':>7} {'out MB':>7} {'luma error':>11}",
    ]
    lines += [
        f"{row.bits:>4} {row.compression:<8} {row.seconds:>8.1f} {row.peak_mib:>9.0f} {row.input_mb:>7.0f} "
        f"{row.output_mb:>7.0f} {row.luma_error:>11}"
        for row in report.timings
    ]
    return lines


def _measure(
    folder: Path, shape: tuple[int, int], dtype: type[np.uint8] | type[np.uint16], compression: str, threads: int
) -> StillTiming:
    source, target = folder / "scan.tif", folder / "color.tif"
    _write_scan(source, shape, dtype, compression)
    arguments = ["run", str(source), "-o", str(target), "--quiet", "--threads", str(threads)]
    arguments += ["--max-pixels", str(shape[0] * shape[1])]
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", _COMMAND, *arguments])  # noqa: S603 (our own program, no shell)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    # It was waited for already, which Popen does not know.
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise ColorrtError(f"'colorrt run' ended with exit code {process.returncode}; its own message is above")
    # Kilobytes on Linux, bytes on macOS.
    peak = used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    timing = StillTiming(
        bits=8 * np.dtype(dtype).itemsize,
        compression=compression,
        seconds=seconds,
        peak_mib=peak,
        input_mb=source.stat().st_size / 1e6,
        output_mb=target.stat().st_size / 1e6,
        luma_error=_luma_error(target, shape, dtype),
    )
    target.unlink()
    return timing


def _scan(shape: tuple[int, int], dtype: type[np.uint8] | type[np.uint16]) -> Iterator[NDArray[Any]]:
    """Yield strips of broad lights and shadows under grain, the same each time."""
    generator = np.random.default_rng(0)
    height, width = shape
    white = int(np.iinfo(dtype).max)
    across = np.sin(np.linspace(0, 6 * np.pi, width, dtype=np.float32))
    for top in range(0, height, ROWS_PER_STRIP):
        rows = min(ROWS_PER_STRIP, height - top)
        down = np.cos(np.linspace(top, top + rows, rows, dtype=np.float32)[:, None] * np.float32(9 / height))
        grain = generator.integers(0, white // 64 + 1, (rows, width)).astype(np.float32)
        yield (across * down * np.float32(0.35 * white) + np.float32(0.48 * white) + grain).astype(dtype)


def _write_scan(path: Path, shape: tuple[int, int], dtype: type[np.uint8] | type[np.uint16], compression: str) -> None:
    import zlib

    import tifffile

    little = np.dtype(dtype).newbyteorder("<")
    strips = (strip.astype(little).tobytes() for strip in _scan(shape, dtype))
    deflated = compression == "deflate"
    tifffile.imwrite(
        path,
        (zlib.compress(strip, 1) for strip in strips) if deflated else strips,
        shape=shape,
        dtype=little,
        byteorder="<",
        photometric="minisblack",
        rowsperstrip=ROWS_PER_STRIP,
        compression="adobe_deflate" if deflated else None,
        resolution=(600, 600),
        metadata=None,
    )


def _luma_error(path: Path, shape: tuple[int, int], dtype: type[np.uint8] | type[np.uint16]) -> int:
    """Return the largest difference of luma, reading the result strip by strip with another decoder than ours."""
    import tifffile

    worst = 0
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        segments = page.segments(maxworkers=1)
        color = np.empty((0, shape[1], 3), dtype)
        for gray in _scan(shape, dtype):
            while len(color) < len(gray):
                strip = next(segments)[0]
                assert strip is not None
                color = np.concatenate([color, strip.reshape(-1, shape[1], 3)])
            difference = kernels.luma(np.ascontiguousarray(color[: len(gray)])).astype(np.int32) - gray
            worst = max(worst, int(np.abs(difference).max()))
            color = color[len(gray) :]
    return worst
