"""Memory of pictures on their way: peak bytes a pixel for each format and depth, beside what the budget plans."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from colorrt.errors import ColorrtError, UsageError
from colorrt.runtime.pictures.reading import PICTURE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

SMALL = 64
"""Side of the picture that each process colors first: what a run takes once is no part of a picture's memory."""

KINDS = (
    "JPEG L", "JPEG RGB", "JPEG CMYK", "JPEG RGB to PNG",
    "PNG L", "PNG LA", "PNG P", "PNG RGB", "PNG RGBA", "PNG L16", "PNG LA16", "PNG RGB16", "PNG RGBA16",
    "TIFF L", "TIFF RGB", "TIFF RGBA", "TIFF CMYK", "TIFF F", "TIFF L16", "TIFF LA16", "TIFF RGB16", "TIFF RGBA16",
    "BMP RGB", "GIF P", "PPM RGB", "TGA RGBA",
    "WEBP RGB", "WEBP RGBA", "JPEG2000 L", "JPEG2000 RGB", "JPEG2000 RGBA", "JPEG2000 L16",
    "AVIF RGB", "AVIF RGBA", "JXL L", "JXL RGB", "JXL RGBA",
)  # fmt: skip
"""Format and mode; "16" is of 16 bits. Results go to the suffix of their source where that can be written."""

_SUFFIX = {
    "JPEG": ".jpg", "PNG": ".png", "TIFF": ".tif", "BMP": ".bmp", "GIF": ".gif", "PPM": ".ppm", "TGA": ".tga",
    "WEBP": ".webp", "JPEG2000": ".jp2", "AVIF": ".avif", "JXL": ".jxl",
}  # fmt: skip
_ONE = "import sys; from studies.memory import report_one; report_one(sys.argv[1:])"


@dataclass(frozen=True)
class MemoryRow:
    """What pictures of one kind take, from reading to writing, in bytes a pixel."""

    kind: str
    planned: float
    """What is taken from the budget."""
    peak: float
    """The most beyond what the process held before."""


def measure_kinds(kinds: Sequence[str], width: int, height: int, say: Callable[[str], None]) -> Iterator[MemoryRow]:
    """Color a picture of each kind, in a process of its own each, and tell its peak memory.

    Kinds that this build does not read or make are passed over, and said. Raises UsageError where the system does not
    tell peaks, ColorrtError if a picture fails.
    """
    if not Path("/proc/self/clear_refs").exists():
        raise UsageError("this system does not tell the peak memory of a stretch of work; run it on Linux")
    for kind in kinds:
        format_, _, mode = kind.partition(" ")
        suffix = _SUFFIX[format_]
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{name}{suffix}" for name in ("small", "large")]
            if suffix not in PICTURE_SUFFIXES:
                say(f"{kind}: passed over, this build does not read it")
                continue
            for path, size in zip(paths, ((SMALL, SMALL), (width, height)), strict=True):
                make_picture(path, format_, mode.partition(" ")[0], size)
            target = ".png" if "to PNG" in kind else suffix
            yield MemoryRow(kind, *_measure(paths, Path(folder) / "out", target, width * height))


def memory_lines(rows: Sequence[MemoryRow]) -> list[str]:
    """Return the rows as lines of a table."""
    lines = [f"{'bytes a pixel':<18} {'planned':>8} {'peak':>8} {'peak of planned':>16}"]
    return lines + [
        f"{row.kind:<18} {row.planned:>8.1f} {row.peak:>8.1f} {row.peak / row.planned:>16.0%}" for row in rows
    ]


def as_json(rows: Sequence[MemoryRow]) -> list[dict[str, Any]]:
    """Return the rows as `json.dumps` takes them."""
    return [asdict(row) for row in rows]


def make_picture(path: Path, format_: str, mode: str, size: tuple[int, int]) -> None:
    """Write a picture of soft gradients under grain; a mode that ends in 16 has 16 bits."""
    channels = _channels(mode.removesuffix("16"), size)
    if mode.endswith("16"):
        _write_deep(path, format_, np.dstack(channels).squeeze().astype(np.uint16) * 257)
        return
    if mode == "F":
        image = Image.fromarray(channels[0].astype(np.float32) / 255)
    elif mode == "P":
        image = Image.merge("RGB", [Image.fromarray(one) for one in channels]).quantize(64)
    elif len(channels) == 1:
        image = Image.fromarray(channels[0])
    else:
        image = Image.merge(mode, [Image.fromarray(one) for one in channels])
    options: dict[str, Any] = {"JPEG": {"quality": 90}, "PNG": {"compress_level": 1}, "AVIF": {"speed": 10}}.get(
        format_, {}
    )
    if format_ == "JXL":
        import pillow_jxl  # noqa: F401 (importing it registers the format)

        options = {"effort": 1}
    image.save(path, "JPEG2000" if format_ == "JPEG2000" else format_, **options)


def _channels(mode: str, size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    width, height = size
    rng = np.random.default_rng(1)
    grain = rng.integers(0, 9, (height, width), np.uint8)
    across = np.linspace(20, 200, width, dtype=np.float32)[None, :]
    down = np.linspace(0, 40, height, dtype=np.float32)[:, None]
    count = {"L": 1, "F": 1, "P": 3, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    return [(np.roll(across, index * width // 5) + down).astype(np.uint8) + grain for index in range(count)]


def _write_deep(path: Path, format_: str, levels: NDArray[np.uint16]) -> None:
    if format_ == "JPEG2000":
        Image.fromarray(levels).save(path, "JPEG2000")
    elif format_ == "PNG":
        _write_deep_png(path, levels)
    else:
        import tifffile

        extra = {2: ("minisblack", ("unassalpha",)), 4: ("rgb", ("unassalpha",)), 3: ("rgb", None)}
        photometric, samples = extra[levels.shape[2]] if levels.ndim == 3 else ("minisblack", None)
        tifffile.imwrite(path, levels, photometric=photometric, extrasamples=samples, planarconfig=None, metadata=None,
                         rowsperstrip=64)  # fmt: skip


def _write_deep_png(path: Path, levels: NDArray[np.uint16]) -> None:
    import struct
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = levels.shape[:2]
    color = {1: 0, 2: 4, 3: 2, 4: 6}[1 if levels.ndim == 2 else levels.shape[2]]
    rows = levels.astype(">u2").reshape(height, -1).view(np.uint8)
    filtered = np.hstack([np.zeros((height, 1), np.uint8), rows])
    head = struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(filtered.tobytes(), 1))
        + chunk(b"IEND", b"")
    )  # fmt: skip


def _measure(paths: Sequence[Path], out: Path, suffix: str, pixels: int) -> tuple[float, float]:
    command = [sys.executable, "-c", _ONE, str(out), suffix, *map(str, paths)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])  # noqa: S603 (our own program, no shell)
    if answer.returncode != 0:
        raise ColorrtError(f"{paths[1].name}: the measurement failed: {answer.stderr.strip().splitlines()[-1]}")
    found = json.loads(answer.stdout)
    return found["planned"] / pixels, found["peak"] / pixels


def report_one(arguments: Sequence[str]) -> None:
    """Color the small picture, then the large one, and print what was planned and the most memory that it took."""
    from colorrt.runtime import memory_budget
    from colorrt.runtime.colorizer import Colorizer
    from colorrt.runtime.folder import Outcome, Settings, color_jobs
    from colorrt.runtime.jobs import Job

    out, suffix, small, large = Path(arguments[0]), *arguments[1:]
    planned: list[int] = []
    take = memory_budget.MemoryBudget.take

    def noted(self: Any, turn: int, size: int, *, more: bool = False) -> int:
        planned.append(size)
        return take(self, turn, size, more=more)

    with Colorizer(render_factor=8, threads=1) as colorizer:
        for path in map(Path, (small, small, large)):
            if path == Path(large):
                memory_budget.MemoryBudget.take = noted  # type: ignore[method-assign]  # to listen to it
                Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
                before = _status("VmRSS")
            job = Job(path, out / f"{path.stem}{suffix}")
            (result,) = color_jobs(colorizer, [job], Settings(overwrite=True, max_pixels=1 << 40, recolor=True))
            if result.outcome is not Outcome.DONE:
                raise SystemExit(str(result.reason))
    print(json.dumps({"planned": sum(planned), "peak": _status("VmHWM") - before}))


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise ColorrtError(f"this system does not tell {name} of a process; run it on Linux")
