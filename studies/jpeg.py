"""JPEG to JPEG, file to file, beside the chain that the original runs; the network's time is left out of both.

The original (`deoldify/filters.py`): the picture is decoded to RGB and scaled to the network's square, Pillow scales
the network's RGB answer up to the picture's size, OpenCV turns both to YUV, the picture's Y takes the place of the
answer's, OpenCV turns that to RGB, Pillow encodes. Ours keeps the coded luma, and renders and encodes planes of chroma
beside it; with `--quality` it decodes luma alone and encodes it again too. All write the same quality and 4:2:0.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from colorrt import kernels
from colorrt.bench.machine import describe_machine
from colorrt.bench.pictures import write_scaled
from colorrt.bench.timing import Times, ratio_of, summarize_times, take_turns
from colorrt.runtime.colorizer import Colorizer, Square
from colorrt.runtime.jpeg.lossless import LosslessStill
from colorrt.runtime.jpeg.still import JpegStill
from colorrt.runtime.stills import open_still
from studies.opencv import load_opencv

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from colorrt.runtime.paint import Paint

ORIGINAL, KEPT, ENCODED = "original chain", "coded luma kept", "--quality 95"
QUALITY = 95


@dataclass(frozen=True)
class JpegRow:
    """One way for pictures of one size. `ratio`: how many times as fast as the original chain, round by round."""

    width: int
    height: int
    way: str
    times: Times
    ratio: float


@dataclass(frozen=True)
class JpegReport:
    """All sizes and ways, and on what machine. `grain`: sigma of the noise that the pictures got, in levels."""

    threads: int
    grain: float
    quality: int
    rows: tuple[JpegRow, ...]
    machine: dict[str, Any]
    packages: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as what `json.dumps` takes."""
        return {"kind": "jpeg", **asdict(self)}


@dataclass(frozen=True, eq=False)
class _Case:
    """A file, and what the network says of it: to us chroma, to the original an RGB square."""

    path: Path
    square: Square
    chroma: NDArray[np.float32]
    answer: Image.Image


def compare_jpeg(sizes: Sequence[tuple[int, int]], threads: int, rounds: int, grain: float = 2.0) -> JpegReport:
    """Time both chains in turns in this process on gray JPEGs of the photographs that ship.

    sizes: (width, height). `grain`: film grain added to the pictures, as scans have it (sigma in levels of 255);
    without, scaled photographs decode and encode faster than scans do. OpenCV and the kernels run on `threads`.

    Raises BackendError when OpenCV is missing.
    """
    cv2 = load_opencv()
    cv2.setNumThreads(threads)
    rows: list[JpegRow] = []
    with Colorizer(threads=threads) as colorizer, kernels.thread_limit(threads):
        for width, height in sizes:
            with tempfile.TemporaryDirectory(prefix="colorrt-") as folder:
                paths = [_grained(path, grain) for path in write_scaled(Path(folder), (width, height), 3)]
                cases = [_case(colorizer, path) for path in paths]
                taken = take_turns(_ways(cv2, colorizer, cases, Path(folder) / "out.jpg"), rounds)
            rows += [
                JpegRow(width, height, way, summarize_times(times), ratio_of(taken[ORIGINAL], times))
                for way, times in taken.items()
            ]
    packages = {name: version(name) for name in ("opencv-python-headless", "simplejpeg")}
    return JpegReport(threads, grain, QUALITY, tuple(rows), describe_machine(), packages)


def jpeg_lines(report: JpegReport) -> list[str]:
    """Return the table, line by line."""
    head = [
        f"gray JPEG to color JPEG, file to file without the network, {report.threads} threads, "
        f"quality {report.quality}, 4:2:0, grain {report.grain:.2f}",
        f"{report.machine['processor']}, {report.machine['cores']} cores",
        f"{'picture':<13} {'way':<16} {'p50 ms':>9} {'p90 ms':>9} {'ratio':>6}",
    ]
    return head + [
        f"{f'{row.width} x {row.height}':<13} {row.way:<16} {row.times.p50_ms:>9.1f} {row.times.p90_ms:>9.1f} "
        f"{row.ratio:>6.2f}"
        for row in report.rows
    ]


def _grained(path: Path, grain: float) -> Path:
    with Image.open(path) as image:
        levels = np.asarray(image, np.float32)
    noise = np.random.default_rng(0).standard_normal(levels.shape, np.float32)
    Image.fromarray(np.rint(levels + grain * noise).clip(0, 255).astype(np.uint8)).save(path, quality=QUALITY)
    return path


def _case(colorizer: Colorizer, path: Path) -> _Case:
    with Image.open(path) as image:
        square = colorizer.see(np.asarray(image))
    chroma = colorizer.guess([square])[0]
    small = Square(np.rint(square.small * 255).astype(np.uint8), square.small)
    return _Case(path, square, chroma, Image.fromarray(colorizer.render(small, chroma)))


def _ways(cv2: Any, colorizer: Colorizer, cases: Sequence[_Case], out: Path) -> dict[str, Callable[[int], object]]:
    def original(turn: int) -> None:
        case = cases[turn % len(cases)]
        color_originally(cv2, case.path, out, case.answer)

    def kept(turn: int) -> None:
        case = cases[turn % len(cases)]
        _color(colorizer, case, out, encode_luma=False)

    def encoded(turn: int) -> None:
        case = cases[turn % len(cases)]
        _color(colorizer, case, out, encode_luma=True)

    return {ORIGINAL: original, KEPT: kept, ENCODED: encoded}


def color_originally(cv2: Any, path: Path, out: Path, answer: Image.Image) -> None:
    """Read `path`, scale it to the network's square, and put the network's `answer` (S x S RGB) onto it into `out`."""
    with Image.open(path) as image:
        picture = image.convert("RGB")
    picture.resize(answer.size, Image.Resampling.BILINEAR).convert("LA").convert("RGB")
    raw = answer.resize(picture.size, Image.Resampling.BILINEAR)
    color = cv2.cvtColor(np.asarray(raw), cv2.COLOR_RGB2YUV)
    gray = cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2YUV)
    mixed = np.copy(gray)
    mixed[:, :, 1:3] = color[:, :, 1:3]
    Image.fromarray(cv2.cvtColor(mixed, cv2.COLOR_YUV2RGB)).save(out, quality=QUALITY, subsampling=2)


def _color(colorizer: Colorizer, case: _Case, out: Path, *, encode_luma: bool) -> None:
    still = open_still(case.path, out, encode_luma=encode_luma, side=colorizer.size)
    assert isinstance(still, JpegStill if encode_luma else LosslessStill)
    paint: Paint = colorizer.paint(colorizer.see(still.luma), case.chroma)
    still.save(out, paint, QUALITY)
