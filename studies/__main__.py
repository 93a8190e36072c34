"""`python -m studies COMMAND`: measurements for those who work on colorrt, or compare it with others.

`colorrt bench` and `colorrt verify` measure artifacts.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorrt.atomic import atomic_path
from colorrt.contract import check_render_factor
from colorrt.errors import ColorrtError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> int:
    """Parse the command line, measure, print. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m studies", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run: dict[str, Callable[[argparse.Namespace], None]] = {}
    for name, add, call in (
        ("speed", _add_speed, _speed),
        ("cpu", _add_cpu, _cpu),
        ("peers", _add_peers, _peers),
        ("gpu", _add_gpu, _gpu),
        ("jpeg", _add_jpeg, _jpeg),
        ("stills", _add_stills, _stills),
        ("memory", _add_memory, _memory),
        ("kernels", _add_kernels, _kernels),
        ("bleeding", _add_bleeding, _bleeding),
        ("film", _add_film, _film),
        ("film-strip", _add_film_strip, _film_strip),
        ("color", _add_color, _color),
        ("oracle", _add_oracle, _oracle),
        ("hints", _add_hints, _hints),
        ("load", _add_load, _load),
    ):
        add(commands)
        run[name] = call
    arguments = parser.parse_args()
    try:
        run[arguments.command](arguments)
    except ColorrtError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted: what was finished stays", file=sys.stderr)
        return 130
    return 0


def _add_memory(commands: Any) -> None:
    from studies.memory import KINDS

    memory = commands.add_parser(
        "memory", help="peak memory of pictures of each format and depth, from read to written"
    )
    memory.add_argument("kinds", nargs="*", metavar="KIND", help=f"all if not given: {', '.join(KINDS)}")
    memory.add_argument("--width", type=int, default=4800)
    memory.add_argument("--height", type=int, default=3600)
    memory.add_argument("--json", type=Path, help="write the figures here")


def _memory(arguments: argparse.Namespace) -> None:
    from studies.memory import KINDS, as_json, measure_kinds, memory_lines

    unknown = [kind for kind in arguments.kinds if kind not in KINDS]
    if unknown or min(arguments.width, arguments.height) < 1:
        raise UsageError(f"{', '.join(unknown) or 'the size'}: this is measured for {', '.join(KINDS)}, of 1 x 1 up")
    rows = list(measure_kinds(arguments.kinds or KINDS, arguments.width, arguments.height, print))
    print("\n".join(memory_lines(rows)))
    _write(arguments.json, {"rows": as_json(rows)})


def _add_cpu(commands: Any) -> None:
    cpu = commands.add_parser(
        "cpu",
        help="ONNX Runtime, OpenVINO and PyTorch on the CPU, FP32, BF16 and INT8, in turns",
        description="Parts that are in the JSON file already are not measured again.",
    )
    cpu.add_argument("--network", default="lite", help="lite, artistic (made-up weights), or a weights file")
    cpu.add_argument("--factors", default="16", help="render factors, with commas")
    cpu.add_argument("--threads", default="2", help="with commas")
    cpu.add_argument("--rounds", type=int, default=30)
    cpu.add_argument("--compiled", action="store_true", help="torch.compile too; it takes minutes")
    cpu.add_argument("--knobs", action="store_true", help="ONNX Runtime's settings, one by one, instead")
    cpu.add_argument("--exports", type=Path, metavar="FOLDER", help="keep the exports here for the next time")
    cpu.add_argument("--json", type=Path, help="write the figures here, and go on from what is there")


def _cpu(arguments: argparse.Namespace) -> None:
    from colorrt.bench.pictures import read_numbers
    from studies.cpu.ways import CpuPlan, cpu_lines, study_cpu

    if arguments.rounds < 1:
        raise UsageError("--rounds takes 1 or more")
    plan = CpuPlan(
        network=arguments.network,
        factors=read_numbers(arguments.factors, "--factors", 1, 64),
        threads=read_numbers(arguments.threads, "--threads", 1, 256),
        rounds=arguments.rounds,
        compiled=arguments.compiled,
        knobs=arguments.knobs,
        exports=arguments.exports,
    )
    for part in study_cpu(plan, arguments.json, _say):
        print("\n".join(cpu_lines(part)))


def _add_film(commands: Any) -> None:
    film = commands.add_parser("film", help="how much steadier films become, and how near to true color that is")
    film.add_argument("clips", nargs="+", type=Path, help="films; those named *gray_and_color* show both side by side")
    film.add_argument("--engine", type=Path, help="an artifact of any render factor; the model that ships if not given")
    film.add_argument("--frames", type=int, help="the first pictures of each alone")
    film.add_argument(
        "--guess-every",
        nargs="+",
        default=["1", "changed"],
        metavar="N",
        help="which pictures are guessed: one in N, or those that changed; several are compared",
    )
    film.add_argument("--json", type=Path, help="write the figures here")


def _film(arguments: argparse.Namespace) -> None:
    from studies.film import study_films

    everies = [None if every == "changed" else int(every) for every in arguments.guess_every]
    study = study_films(arguments.clips, arguments.engine, arguments.frames, print, everies)
    _write(arguments.json, study.as_json())


def _add_film_strip(commands: Any) -> None:
    strip = commands.add_parser("film-strip", help="a picture of a made film, guessed and steadied")
    strip.add_argument("photo", type=Path, help="a gray photograph, over which a camera pans")
    strip.add_argument("target", type=Path, help="the strip, a JPEG")


def _film_strip(arguments: argparse.Namespace) -> None:
    from studies.film_strip import write_strip

    write_strip(arguments.photo, arguments.target)


def _add_color(commands: Any) -> None:
    color = commands.add_parser("color", help="which pictures are taken for pictures in color: photographs, and grays")
    color.add_argument("photos", nargs="+", type=Path, help="color photographs: folders or .tar")
    color.add_argument("--scans", nargs="*", type=Path, default=[], metavar="FILE", help="real gray pictures")
    color.add_argument("--most", type=int, default=200, help="photographs at most, evenly chosen")
    color.add_argument("--json", type=Path, help="write the figures here")


def _color(arguments: argparse.Namespace) -> None:
    from studies.color import color_lines, study_color

    if arguments.most < 1:
        raise UsageError("--most takes 1 or more")
    report = study_color(arguments.photos, arguments.scans, arguments.most)
    for line in color_lines(report):
        print(line)
    _write(arguments.json, report.as_json())


def _add_oracle(commands: Any) -> None:
    oracle = commands.add_parser("oracle", help="the papers' networks against what their original classes answered")
    oracle.add_argument("zoo", type=Path, help="the folder with the originals' answers")
    oracle.add_argument("names", nargs="*", metavar="NETWORK", help="all if not given")
    oracle.add_argument("--json", type=Path, help="write the figures here")


def _oracle(arguments: argparse.Namespace) -> None:
    from studies.oracle import NAMES, agreement_line, as_json, compare_with_originals

    print(f"{'network':<16} {'size':>5} {'cases':>6} {'ab':>12} {'chroma':>12} {'ONNX chroma':>12}")
    rows = []
    for row in compare_with_originals(arguments.zoo, arguments.names or list(NAMES)):
        print(agreement_line(row), flush=True)
        rows.append(row)
    _write(arguments.json, {"rows": as_json(rows)})


def _add_hints(commands: Any) -> None:
    hints = commands.add_parser(
        "hints", help="what points of true color add to the guess, by three ways to spread them"
    )
    hints.add_argument("photos", type=Path, help="color photographs: a folder or .tar")
    hints.add_argument("--most", type=int, default=100, help="photographs at most, evenly chosen")
    hints.add_argument("--json", type=Path, help="write the figures here")


def _hints(arguments: argparse.Namespace) -> None:
    from studies.hints import hint_lines, study_hints

    if arguments.most < 1:
        raise UsageError("--most takes 1 or more")
    report = study_hints(arguments.photos, arguments.most)
    for line in hint_lines(report):
        print(line)
    _write(arguments.json, report.as_json())


def _add_load(commands: Any) -> None:
    load = commands.add_parser("load", help="many clients at one service, beside colorrt run; or random files")
    load.add_argument("--clients", type=int, default=16)
    load.add_argument("--seconds", type=float, default=60.0)
    load.add_argument("--fuzz", type=int, metavar="N", help="send N random and damaged files instead")
    load.add_argument("--json", type=Path, help="write the figures here")


def _load(arguments: argparse.Namespace) -> None:
    from studies.load import fuzz_lines, load_lines, study_fuzz, study_load

    if arguments.fuzz is not None:
        print("\n".join(fuzz_lines(study_fuzz(max(1, arguments.fuzz)))))
        return
    if arguments.clients < 1 or not arguments.seconds > 0:
        raise UsageError("--clients takes 1 or more, --seconds more than 0")
    report = study_load(arguments.clients, arguments.seconds)
    print("\n".join(load_lines(report)))
    _write(arguments.json, report.as_json())


def _add_speed(commands: Any) -> None:
    speed = commands.add_parser("speed", help="ONNX Runtime beside eager PyTorch, in turn, in one process")
    speed.add_argument("weights", nargs="?", type=Path, help="a checkpoint; the shipped weights if not given")
    speed.add_argument("--render-factor", type=int, default=16)
    speed.add_argument("--threads", type=int, default=2)
    speed.add_argument("--rounds", type=int, default=12)
    speed.add_argument("--json", type=Path, help="write the figures here")


def _speed(arguments: argparse.Namespace) -> None:
    from colorrt.runtime.shipped import shipped_weights
    from studies.speed import compare_speed, speed_lines

    _check(arguments)
    report = compare_speed(
        arguments.weights or shipped_weights(), arguments.render_factor, arguments.threads, arguments.rounds
    )
    for line in speed_lines(report):
        print(line)
    _write(arguments.json, report.as_json())


def _add_peers(commands: Any) -> None:
    peers = commands.add_parser(
        "peers",
        help="the original DeOldify beside ours: the same pictures, weights and threads, in turns",
        description="Runs your checkout of DeOldify (its weights in models/, as its README says) and ours on the "
        "photographs that ship, and prints times from file to file, their ratio and how far the pictures are apart.",
    )
    peers.add_argument("--deoldify", type=Path, required=True, metavar="PATH", help="a clone of DeOldify's repository")
    peers.add_argument("--python", type=Path, help="the Python that DeOldify runs in; this one if not given")
    peers.add_argument("--model", default="artistic", help="artistic or stable")
    peers.add_argument("--engine", type=Path, help="our artifact; exported from the checkout's weights if not given")
    peers.add_argument("--render-factor", type=int, default=16)
    peers.add_argument("--size", default="1920x1080", help="size of the pictures")
    peers.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    peers.add_argument("--threads", type=int, default=2)
    peers.add_argument("--rounds", type=int, default=6)
    peers.add_argument("--json", type=Path, help="write the figures here")
    peers.add_argument("--sheet", type=Path, help="write gray, theirs and ours beside each other as PNG here")


def _peers(arguments: argparse.Namespace) -> None:
    from colorrt.bench.pictures import read_sizes
    from studies.peers import PeerPlan, compare_with_deoldify, peer_lines

    _check(arguments)
    plan = PeerPlan(
        checkout=arguments.deoldify,
        model=arguments.model,
        python=arguments.python,
        engine=arguments.engine,
        render_factor=arguments.render_factor,
        device=arguments.device,
        threads=arguments.threads,
        size=read_sizes(arguments.size)[0],
        rounds=arguments.rounds,
    )
    report = compare_with_deoldify(plan, arguments.sheet, _say)
    for line in peer_lines(report):
        print(line)
    _write(arguments.json, report.as_json())


def _add_gpu(commands: Any) -> None:
    gpu = commands.add_parser(
        "gpu",
        help="one script for a GPU that is lent: what runs on it, how fast, and how near FP16 comes to FP32",
        description="Tells whether TensorRT or TensorRT for RTX runs here, else measures ONNX Runtime's CUDA provider, "
        "beside PyTorch. Results go to DIR/gpu.json after every step; a step that fails is recorded and the others go "
        "on; started again, it goes on where it stopped.",
    )
    gpu.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    gpu.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help="cpu tries the script without a GPU")
    gpu.add_argument("--models", default="lite,artistic,wide", help="with commas")
    gpu.add_argument("--render-factors", default="8,16,24,35", help="with commas")
    gpu.add_argument("--batches", default="1,8", help="with commas")
    gpu.add_argument("--rounds", type=int, default=30)
    gpu.add_argument(
        "--weights", action="append", default=[], metavar="MODEL=FILE",
        help="a checkpoint; without it, DeOldify's networks get made-up weights; repeatable",
    )  # fmt: skip
    gpu.add_argument("--step-seconds", type=float, default=420, help="the longest that a step may take")
    gpu.add_argument("--total-seconds", type=float, help="begin no step after these")


def _gpu(arguments: argparse.Namespace) -> None:
    from colorrt.bench.pictures import read_numbers
    from studies.gpu import GpuPlan, gpu_lines, measure_gpu

    if arguments.rounds < 1:
        raise UsageError("--rounds takes 1 or more")
    plan = GpuPlan(
        out=arguments.out,
        device=arguments.device,
        models=tuple(arguments.models.split(",")),
        factors=read_numbers(arguments.render_factors, "--render-factors", 1, 64),
        batches=read_numbers(arguments.batches, "--batches", 1, 64),
        rounds=arguments.rounds,
        weights=dict(map(_read_weights, arguments.weights)),
        step_s=arguments.step_seconds,
        total_s=arguments.total_seconds,
    )
    for line in gpu_lines(measure_gpu(plan, _say)):
        print(line)


def _add_jpeg(commands: Any) -> None:
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


def _jpeg(arguments: argparse.Namespace) -> None:
    from colorrt.bench.pictures import read_sizes
    from studies.jpeg import compare_jpeg, jpeg_lines

    if arguments.threads < 1 or arguments.rounds < 1:
        raise UsageError("--threads and --rounds take 1 or more")
    grain = _grain_of(arguments.grain)
    report = compare_jpeg(read_sizes(arguments.sizes), arguments.threads, arguments.rounds, grain)
    for line in jpeg_lines(report):
        print(line)
    _write(arguments.json, report.as_json())


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


def _add_kernels(commands: Any) -> None:
    timed = commands.add_parser("kernels", help="the full-size work beside the original's chain, in turns")
    timed.add_argument("--sizes", default="1920x1080,4000x3000,8000x6000", help="WIDTHxHEIGHT, with commas")
    timed.add_argument("--threads", default="1,2", help="with commas")
    timed.add_argument("--rounds", type=int, default=9)
    timed.add_argument("--json", type=Path, help="write the figures here")


def _kernels(arguments: argparse.Namespace) -> None:
    from colorrt.bench.pictures import read_numbers, read_sizes
    from studies.kernels import compare_kernels, kernel_lines

    if arguments.rounds < 1:
        raise UsageError("--rounds takes 1 or more")
    counts = read_numbers(arguments.threads, "--threads", 1, 256)
    report = compare_kernels(read_sizes(arguments.sizes), counts, arguments.rounds)
    for line in kernel_lines(report):
        print(line)
    _write(arguments.json, report.as_json())


def _add_bleeding(commands: Any) -> None:
    bleeding = commands.add_parser("bleeding", help="guided beside bilinear upsampling: true chroma, and the network's")
    bleeding.add_argument("photos", type=Path, help="color photographs: a folder or a .tar")
    bleeding.add_argument("--sizes", default="64,128", help="sides of the square in pixels, with commas")
    bleeding.add_argument("--most", type=int, default=200, help="photographs at most, evenly chosen")
    bleeding.add_argument("--json", type=Path, help="write the figures here")


def _bleeding(arguments: argparse.Namespace) -> None:
    from colorrt.bench.pictures import read_numbers
    from studies.bleeding import bleeding_lines, compare_upsampling

    if arguments.most < 1:
        raise UsageError("--most takes 1 or more")
    sizes = read_numbers(arguments.sizes, "--sizes", 16, 1024)
    report = compare_upsampling(arguments.photos, sizes, arguments.most)
    for line in bleeding_lines(report):
        print(line)
    _write(arguments.json, report.as_json())


def _add_stills(commands: Any) -> None:
    stills = commands.add_parser("stills", help="very large gray TIFFs through 'colorrt run': time and peak memory")
    stills.add_argument("--size", default="20000x15000", help="WIDTHxHEIGHT")
    stills.add_argument("--threads", type=int, default=2)
    stills.add_argument("--json", type=Path, help="write the figures here")


def _stills(arguments: argparse.Namespace) -> None:
    from colorrt.bench.pictures import read_sizes
    from studies.stills import measure_stills, still_lines

    if arguments.threads < 1:
        raise UsageError("--threads takes 1 or more")
    ((width, height),) = read_sizes(arguments.size)[:1]
    report = measure_stills(width, height, arguments.threads, _say)
    for line in still_lines(report):
        print(line)
    _write(arguments.json, report.as_json())


def _read_weights(text: str) -> tuple[str, Path]:
    model, sign, path = text.partition("=")
    if not sign or not path:
        raise UsageError(f"--weights {text}: write MODEL=FILE, such as --weights artistic=ColorizeArtistic_gen.pth")
    return model, Path(path)


def _check(arguments: argparse.Namespace) -> None:
    if arguments.threads < 1 or arguments.rounds < 1:
        raise UsageError("--threads and --rounds take 1 or more")
    try:
        check_render_factor(arguments.render_factor)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _write(path: Path | None, table: dict[str, Any]) -> None:
    if path is not None:
        with atomic_path(path, UsageError) as part:
            part.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
