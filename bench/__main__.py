"""`python -m colorrt.bench speed WEIGHTS`: the network on ONNX Runtime beside eager PyTorch, side by side."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from colorrt.bench.speed import SpeedReport, compare_speed
from colorrt.contract import check_render_factor
from colorrt.errors import ColorrtError, UsageError
from colorrt.runtime.saving import atomic_path
from colorrt.runtime.shipped import shipped_weights


def main() -> int:
    """Parse the command line, measure, print a table. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m colorrt.bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    speed = commands.add_parser("speed", help="ONNX Runtime beside eager PyTorch, in turn, in one process")
    speed.add_argument("weights", nargs="?", type=Path, help="a checkpoint; the shipped weights if not given")
    speed.add_argument("--render-factor", type=int, default=16)
    speed.add_argument("--threads", type=int, default=2)
    speed.add_argument("--rounds", type=int, default=12)
    speed.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    try:
        _check(arguments)
        report = compare_speed(
            arguments.weights or shipped_weights(), arguments.render_factor, arguments.threads, arguments.rounds
        )
        _print(report)
        if arguments.json is not None:
            with atomic_path(arguments.json, UsageError) as part:
                part.write_text(json.dumps(report.as_json(), indent=1) + "\n", encoding="utf-8")
    except ColorrtError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.threads < 1 or arguments.rounds < 1:
        raise UsageError("--threads and --rounds take 1 or more")
    try:
        check_render_factor(arguments.render_factor)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _print(report: SpeedReport) -> None:
    print(f"{report.model}, render factor {report.render_factor}, {report.threads} threads, {report.rounds} rounds")
    print(f"{report.machine['processor']}, {report.machine['cores']} cores")
    print(f"{'network alone':<30} {'p50 ms':>9} {'p90 ms':>9} {'ratio':>6}")
    for timing in report.timings:
        print(f"{timing.runner:<30} {timing.p50_ms:>9.1f} {timing.p90_ms:>9.1f} {timing.ratio:>6.2f}")


if __name__ == "__main__":
    sys.exit(main())
