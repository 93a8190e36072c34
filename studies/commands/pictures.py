"""Options of the studies of the full-size work: `jpeg`, `stills`, `memory`, `kernels`, `bleeding`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorrt.errors import UsageError
from studies.commands.reporting import say, write_json

if TYPE_CHECKING:
    import argparse


def add_jpeg(commands: Any) -> None:
    """Add the options of `jpeg`."""
    jpeg = commands.add_parser("jpeg", help="JPEG to JPEG without the network: planes beside the original's chain")
    jpeg.add_argument("--sizes", default="1920x1080,4000x3000,3840x2160", help="WIDTHxHEIGHT, with commas")
    jpeg.add_argument("--threads", type=int, default=2)
    jpeg.add_argument("--rounds", type=int, default=12)
    jpeg.add_argument(
        "--grain",
        default="2",
        metavar="SIGMA|SCAN",
        help="film grain that the pictures get, in levels of 255, or a scan that has as much",
    )
    jpeg.add_argument("--json", type=Path, help="write the figures here")


def run_jpeg(arguments: argparse.Namespace) -> None:
    """Measure what `jpeg` asks for, and print it."""
    from colorrt.bench.pictures import read_sizes
    from studies.jpeg import compare_jpeg, jpeg_lines

    if arguments.threads < 1 or arguments.rounds < 1:
        raise UsageError("--threads and --rounds take 1 or more")
    grain = _grain_of(arguments.grain)
    report = compare_jpeg(read_sizes(arguments.sizes), arguments.threads, arguments.rounds, grain)
    for line in jpeg_lines(report):
        print(line)
    write_json(arguments.json, report.as_json())


def add_stills(commands: Any) -> None:
    """Add the options of `stills`."""
    stills = commands.add_parser("stills", help="very large gray TIFFs through 'colorrt run': time and peak memory")
    stills.add_argument("--size", default="20000x15000", help="WIDTHxHEIGHT")
    stills.add_argument("--threads", type=int, default=2)
    stills.add_argument("--json", type=Path, help="write the figures here")


def run_stills(arguments: argparse.Namespace) -> None:
    """Measure what `stills` asks for, and print it."""
    from colorrt.bench.pictures import read_sizes
    from studies.stills import measure_stills, still_lines

    if arguments.threads < 1:
        raise UsageError("--threads takes 1 or more")
    ((width, height),) = read_sizes(arguments.size)[:1]
    report = measure_stills(width, height, arguments.threads, say)
    for line in still_lines(report):
        print(line)
    write_json(arguments.json, report.as_json())


def add_memory(commands: Any) -> None:
    """Add the options of `memory`."""
    from studies.memory import KINDS

    memory = commands.add_parser(
        "memory", help="peak memory of pictures of each format and depth, from read to written"
    )
    memory.add_argument("kinds", nargs="*", metavar="KIND", help=f"all if not given: {', '.join(KINDS)}")
    memory.add_argument("--width", type=int, default=4800)
    memory.add_argument("--height", type=int, default=3600)
    memory.add_argument("--json", type=Path, help="write the figures here")


def run_memory(arguments: argparse.Namespace) -> None:
    """Measure what `memory` asks for, and print it."""
    from studies.memory import KINDS, as_json, measure_kinds, memory_lines

    unknown = [kind for kind in arguments.kinds if kind not in KINDS]
    if unknown or min(arguments.width, arguments.height) < 1:
        raise UsageError(f"{', '.join(unknown) or 'the size'}: this is measured for {', '.join(KINDS)}, of 1 x 1 up")
    rows = list(measure_kinds(arguments.kinds or KINDS, arguments.width, arguments.height, print))
    print("\n".join(memory_lines(rows)))
    write_json(arguments.json, {"rows": as_json(rows)})


def add_kernels(commands: Any) -> None:
    """Add the options of `kernels`."""
    timed = commands.add_parser("kernels", help="the full-size work beside the original's chain, in turns")
    timed.add_argument("--sizes", default="1920x1080,4000x3000,8000x6000", help="WIDTHxHEIGHT, with commas")
    timed.add_argument("--threads", default="1,2", help="with commas")
    timed.add_argument("--rounds", type=int, default=9)
    timed.add_argument("--json", type=Path, help="write the figures here")


def run_kernels(arguments: argparse.Namespace) -> None:
    """Measure what `kernels` asks for, and print it."""
    from colorrt.bench.pictures import read_numbers, read_sizes
    from studies.kernels import compare_kernels, kernel_lines

    if arguments.rounds < 1:
        raise UsageError("--rounds takes 1 or more")
    counts = read_numbers(arguments.threads, "--threads", 1, 256)
    report = compare_kernels(read_sizes(arguments.sizes), counts, arguments.rounds)
    for line in kernel_lines(report):
        print(line)
    write_json(arguments.json, report.as_json())


def add_bleeding(commands: Any) -> None:
    """Add the options of `bleeding`."""
    bleeding = commands.add_parser("bleeding", help="guided beside bilinear upsampling: true chroma, and the network's")
    bleeding.add_argument("photos", type=Path, help="color photographs: a folder or a .tar")
    bleeding.add_argument("--sizes", default="64,128", help="sides of the square in pixels, with commas")
    bleeding.add_argument("--most", type=int, default=200, help="photographs at most, evenly chosen")
    bleeding.add_argument("--json", type=Path, help="write the figures here")


def run_bleeding(arguments: argparse.Namespace) -> None:
    """Measure what `bleeding` asks for, and print it."""
    from colorrt.bench.pictures import read_numbers
    from studies.bleeding import bleeding_lines, compare_upsampling

    if arguments.most < 1:
        raise UsageError("--most takes 1 or more")
    sizes = read_numbers(arguments.sizes, "--sizes", 16, 1024)
    report = compare_upsampling(arguments.photos, sizes, arguments.most)
    for line in bleeding_lines(report):
        print(line)
    write_json(arguments.json, report.as_json())


def _grain_of(asked: str) -> float:
    from colorrt import kernels
    from colorrt.runtime.pictures.reading import read_picture
    from studies.grain import measure_grain

    try:
        grain = float(asked)
    except ValueError:
        return measure_grain(kernels.luma(read_picture(Path(asked)).pixels))
    if not 0 <= grain <= 50:
        raise UsageError(f"--grain {asked} is outside 0..50; take a number of levels, or a scan to measure it from")
    return grain
