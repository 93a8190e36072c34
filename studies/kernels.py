"""The full-size work beside the chain that the original runs, in turns, in one process.

The original (`deoldify/filters.py`, and the IPOL article's saturation): Pillow scales the network's RGB answer up to
the picture's size, OpenCV turns both to YUV, the picture's Y takes the place of the answer's, OpenCV turns that to
RGB, and Pillow's Color enhancement changes the saturation where it is not 1. Before the network, Pillow scales the RGB
picture down and makes it gray. Copying the colored array is the least that anything can take.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageEnhance

from colorrt import kernels
from colorrt.bench.machine import describe_machine
from colorrt.bench.timing import Times, ratio_of, summarize_times, take_turns
from colorrt.runtime.colorizer import Colorizer, Square
from studies.opencv import load_opencv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

SATURATION = 1.5

ORIGINAL, ORIGINAL_SATURATED = "original chain", f"original chain, saturation {SATURATION}"
COPY, COPY_INTO = "copying the output", "copying it into an array"
PILLOW_GRAY, PILLOW_RGB = "Pillow, gray to square", "Pillow, RGB to square"
BILINEAR = "bilinear to RGB"

# What each row is compared with: the original's way of doing the same.
_BASES = {
    BILINEAR: ORIGINAL,
    "guided to RGB": ORIGINAL,
    f"guided to RGB, saturation {SATURATION}": ORIGINAL_SATURATED,
    "bilinear into an array": ORIGINAL,
    "guided into an array": ORIGINAL,
    "guided to 4:2:0 planes": ORIGINAL,
    "gray to square": PILLOW_GRAY,
    "RGB to square": PILLOW_RGB,
}

_COMPILE = """
import time
import numpy as np
from colorrt import kernels
started = time.perf_counter(), time.process_time()
{work}
print(time.perf_counter() - started[0], time.process_time() - started[1])
"""
_FIRST_USE = """
luma = kernels.luma(np.zeros((64, 64, 3), np.uint8))
guide = (np.indices((32, 32)).sum(0) % 2).astype(np.float32)
# As smooth as a network's, so that it is drawn to edges.
kernels.resize_luma(luma, 32)
kernels.render_rgb(luma, np.indices((32, 32), np.float32), guide=guide)
"""


@dataclass(frozen=True)
class KernelRow:
    """One way at one size on so many threads.

    `ratio`: how many times as fast as the original's way, and `copies`: how many times as long as copying the output
    (into an array where the way writes into one), both the median over rounds; None where there is none.
    """

    width: int
    height: int
    threads: int
    way: str
    times: Times
    least_ms: float
    ratio: float | None
    copies: float | None


@dataclass(frozen=True)
class Compiling:
    """Seconds of the first use of 8-bit pictures and of everything, from an empty cache: on the wall, and of the CPU;
    and on the wall from a full one."""

    first_use_s: float
    first_use_cpu_s: float
    everything_s: float
    everything_cpu_s: float
    loading_s: float


@dataclass(frozen=True)
class KernelReport:
    """All sizes and ways, compile times, and on what machine."""

    render_factor: int
    rounds: int
    rows: tuple[KernelRow, ...]
    compiling: Compiling
    machine: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as what `json.dumps` takes."""
        return {"kind": "kernels", **asdict(self)}


def compare_kernels(
    sizes: Sequence[tuple[int, int]], thread_counts: Sequence[int], rounds: int, render_factor: int = 16
) -> KernelReport:
    """Time the kernels beside the original's chain, in turns in this process, with the shipped model's chroma.

    sizes: (width, height). OpenCV and the kernels run on each of `thread_counts`; Pillow and the copy know one thread.

    Raises BackendError when OpenCV is missing.
    """
    cv2 = load_opencv()
    machine = describe_machine()
    rows: list[KernelRow] = []
    with Colorizer(render_factor=render_factor) as colorizer:
        for width, height in sizes:
            luma = _picture(width, height)
            square = Square(luma, kernels.resize_luma(luma, colorizer.size))
            chroma = colorizer.guess([square])[0]
            ways = _ways(cv2, square, chroma)
            for count in thread_counts:
                cv2.setNumThreads(count)
                with kernels.thread_limit(count) as used:
                    taken = take_turns(ways, rounds)
                rows += [_row(width, height, used, way, taken) for way in taken]
    return KernelReport(render_factor, rounds, tuple(rows), _measure_compiling(), machine)


def kernel_lines(report: KernelReport) -> list[str]:
    """Return the table, line by line."""
    lines = [
        f"chroma of render factor {report.render_factor}, {report.rounds} rounds in turns",
        f"{report.machine['processor']}, {report.machine['cores']} cores, load {report.machine.get('load', 0):g}",
        f"{'picture':<12} {'threads':>7} {'way':<33} {'p50 ms':>9} {'least':>9} {'ratio':>7} {'copies':>7}",
    ]
    for row in report.rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.1f}"
        copies = "" if row.copies is None else f"{row.copies:.2f}"
        lines.append(
            f"{f'{row.width}x{row.height}':<12} {row.threads:>7} {row.way:<33} {row.times.p50_ms:>9.2f} "
            f"{row.least_ms:>9.2f} {ratio:>7} {copies:>7}"
        )
    found = report.compiling
    return [
        *lines,
        f"first use of 8-bit pictures compiles for {found.first_use_s:.1f} s ({found.first_use_cpu_s:.1f} s of one "
        f"core); everything for {found.everything_s:.1f} s ({found.everything_cpu_s:.1f} s); loaded from the cache in "
        f"{found.loading_s:.2f} s",
    ]


def _row(width: int, height: int, threads: int, way: str, taken: Mapping[str, Sequence[float]]) -> KernelRow:
    base = _BASES.get(way)
    copy = None if base not in (ORIGINAL, ORIGINAL_SATURATED) or "planes" in way else COPY
    if copy is not None and way.endswith("into an array"):
        copy = COPY_INTO
    return KernelRow(
        width,
        height,
        threads,
        way,
        summarize_times(taken[way]),
        min(taken[way]),
        None if base is None else ratio_of(taken[base], taken[way]),
        None if copy is None else statistics.median(a / b for a, b in zip(taken[way], taken[copy], strict=True)),
    )


def _ways(cv2: Any, square: Square, chroma: NDArray[np.float32]) -> dict[str, Callable[[int], object]]:
    luma, guide = square.luma, square.small
    size = guide.shape[0]
    gray = Image.fromarray(luma)
    picture = Image.fromarray(np.repeat(luma[..., None], 3, axis=-1))
    pixels = np.asarray(picture)
    answer = Image.fromarray(kernels.render_rgb(np.rint(guide * 255).astype(np.uint8), chroma))
    out = kernels.render_rgb(luma, chroma)
    other = out.copy()

    def original() -> Image.Image:
        large = np.asarray(answer.resize(picture.size, Image.Resampling.BILINEAR))
        colored = cv2.cvtColor(large, cv2.COLOR_RGB2YUV)
        kept = np.copy(cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2YUV))
        kept[:, :, 1:3] = colored[:, :, 1:3]
        return Image.fromarray(cv2.cvtColor(kept, cv2.COLOR_YUV2RGB))

    bilinear = Image.Resampling.BILINEAR
    ways: dict[str, Callable[[], object]] = {
        ORIGINAL: original,
        ORIGINAL_SATURATED: lambda: ImageEnhance.Color(original()).enhance(SATURATION),
        COPY: out.copy,
        COPY_INTO: lambda: np.copyto(other, out),
        BILINEAR: lambda: kernels.render_rgb(luma, chroma),
        "guided to RGB": lambda: kernels.render_rgb(luma, chroma, guide=guide),
        f"guided to RGB, saturation {SATURATION}": lambda: kernels.render_rgb(luma, chroma, SATURATION, guide=guide),
        "bilinear into an array": lambda: kernels.render_rgb(luma, chroma, out=out),
        "guided into an array": lambda: kernels.render_rgb(luma, chroma, guide=guide, out=out),
        "guided to 4:2:0 planes": lambda: kernels.render_planes(luma, chroma, 1.0, (2, 2), guide=guide),
        PILLOW_GRAY: lambda: gray.resize((size, size), bilinear),
        "gray to square": lambda: kernels.resize_luma(kernels.luma(luma), size),
        PILLOW_RGB: lambda: picture.resize((size, size), bilinear).convert("L"),
        "RGB to square": lambda: kernels.resize_luma(kernels.luma(pixels), size),
    }
    return {name: lambda _, run=run: run() for name, run in ways.items()}  # type: ignore[misc]  # mypy infers no default of a lambda


def _picture(width: int, height: int) -> NDArray[np.uint8]:
    """Broad forms with film grain on them; what a picture shows has no influence on the times."""
    rng = np.random.default_rng(0)
    forms = Image.fromarray(rng.integers(0, 256, (9, 12), np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    grain = rng.integers(0, 16, (height, width), np.uint8)
    levels: NDArray[np.uint8] = (np.asarray(forms) >> 4) * np.uint8(15) + grain
    return levels


def _measure_compiling() -> Compiling:
    with (
        tempfile.TemporaryDirectory(prefix="colorrt-") as first,
        tempfile.TemporaryDirectory(prefix="colorrt-") as all_,
    ):
        first_use, first_use_cpu = _timed(_FIRST_USE, first)
        everything, everything_cpu = _timed("kernels.warm_up()", all_)
        loading, _ = _timed("kernels.warm_up()", all_)
    return Compiling(first_use, first_use_cpu, everything, everything_cpu, loading)


def _timed(work: str, cache: str) -> tuple[float, float]:
    answer = subprocess.run(  # noqa: S603 (our own program, no shell)
        [sys.executable, "-c", _COMPILE.format(work=work)],
        env={**os.environ, "NUMBA_CACHE_DIR": cache},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    wall, cpu = map(float, answer.split())
    return wall, cpu
