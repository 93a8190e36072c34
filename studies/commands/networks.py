"""Options of the studies of networks: `speed`, `cpu`, `session-memory`, `peers`, `gpu`, `oracle`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorrt.errors import UsageError
from studies.commands.reporting import check_counts, say, write_json

if TYPE_CHECKING:
    import argparse


def add_speed(commands: Any) -> None:
    """Add the options of `speed`."""
    speed = commands.add_parser("speed", help="ONNX Runtime beside eager PyTorch, in turn, in one process")
    speed.add_argument("weights", nargs="?", type=Path, help="a checkpoint; the shipped weights if not given")
    speed.add_argument("--render-factor", type=int, default=16)
    speed.add_argument("--threads", type=int, default=2)
    speed.add_argument("--rounds", type=int, default=12)
    speed.add_argument("--json", type=Path, help="write the figures here")


def run_speed(arguments: argparse.Namespace) -> None:
    """Measure what `speed` asks for, and print it."""
    from colorrt.runtime.shipped import shipped_weights
    from studies.speed import compare_speed, speed_lines

    check_counts(arguments)
    report = compare_speed(
        arguments.weights or shipped_weights(), arguments.render_factor, arguments.threads, arguments.rounds
    )
    for line in speed_lines(report):
        print(line)
    write_json(arguments.json, report.as_json())


def add_cpu(commands: Any) -> None:
    """Add the options of `cpu`."""
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


def run_cpu(arguments: argparse.Namespace) -> None:
    """Measure what `cpu` asks for, and print it."""
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
    for part in study_cpu(plan, arguments.json, say):
        print("\n".join(cpu_lines(part)))


def add_peers(commands: Any) -> None:
    """Add the options of `peers`."""
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


def run_peers(arguments: argparse.Namespace) -> None:
    """Measure what `peers` asks for, and print it."""
    from colorrt.bench.pictures import read_sizes
    from studies.peers import PeerPlan, compare_with_deoldify, peer_lines

    check_counts(arguments)
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
    report = compare_with_deoldify(plan, arguments.sheet, say)
    for line in peer_lines(report):
        print(line)
    write_json(arguments.json, report.as_json())


def add_gpu(commands: Any) -> None:
    """Add the options of `gpu`."""
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


def run_gpu(arguments: argparse.Namespace) -> None:
    """Measure what `gpu` asks for, and print it."""
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
    for line in gpu_lines(measure_gpu(plan, say)):
        print(line)


def add_oracle(commands: Any) -> None:
    """Add the options of `oracle`."""
    oracle = commands.add_parser("oracle", help="the papers' networks against what their original classes answered")
    oracle.add_argument("zoo", type=Path, help="the folder with the originals' answers")
    oracle.add_argument("names", nargs="*", metavar="NETWORK", help="all if not given")
    oracle.add_argument("--json", type=Path, help="write the figures here")


def run_oracle(arguments: argparse.Namespace) -> None:
    """Measure what `oracle` asks for, and print it."""
    from studies.oracle import NAMES, agreement_line, as_json, compare_with_originals

    print(f"{'network':<16} {'size':>5} {'cases':>6} {'ab':>12} {'chroma':>12} {'ONNX chroma':>12}")
    rows = []
    for row in compare_with_originals(arguments.zoo, arguments.names or list(NAMES)):
        print(agreement_line(row), flush=True)
        rows.append(row)
    write_json(arguments.json, {"rows": as_json(rows)})


def _read_weights(text: str) -> tuple[str, Path]:
    model, sign, path = text.partition("=")
    if not sign or not path:
        raise UsageError(f"--weights {text}: write MODEL=FILE, such as --weights artistic=ColorizeArtistic_gen.pth")
    return model, Path(path)


def add_session_memory(commands: Any) -> None:
    """Add the options of `session-memory`."""
    memory = commands.add_parser(
        "session-memory", help="what an exported network takes in memory: loaded, run, at most"
    )
    memory.add_argument("model", type=Path, metavar="FILE.onnx")


def run_session_memory(arguments: argparse.Namespace) -> None:
    """Measure what `session-memory` asks for, and print it."""
    from studies.session_memory import measure_session

    print(measure_session(arguments.model))
