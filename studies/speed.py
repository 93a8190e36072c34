"""ONNX Runtime beside eager PyTorch on the same network: the same luma, the same threads, in turn, in one process."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch

from colorrt.bench.machine import describe_machine
from colorrt.bench.timing import ratio_of, take_turns
from colorrt.contract import INPUT, OUTPUT, UNIT
from colorrt.export.graph import trace
from colorrt.models.registry import load_network
from colorrt.photos.shipped import parity_lumas


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one picture through the network alone; `ratio`: how many times as fast as eager PyTorch."""

    runner: str
    p50_ms: float
    p90_ms: float
    ratio: float


@dataclass(frozen=True)
class SpeedReport:
    """What a comparison found, and on what machine."""

    model: str
    render_factor: int
    threads: int
    rounds: int
    timings: tuple[Timing, ...]
    machine: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the report as what `json.dumps` takes."""
        return asdict(self)


def compare_speed(weights: Path, render_factor: int, threads: int, rounds: int) -> SpeedReport:
    """Time the network of a weights file in eager PyTorch and, exported, on ONNX Runtime's CPU provider.

    The runners take turns on the same photographs, so that a machine whose speed drifts favors neither. The ratio is
    the median of the pairs' ratios. Raises WeightsError when the weights cannot be loaded.
    """
    network = load_network(weights)
    model = trace(network.module, render_factor)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    del model
    torch.set_num_threads(threads)
    lumas = [luma[None, None] for luma in parity_lumas(UNIT * render_factor)]

    def eager(turn: int) -> None:
        with torch.inference_mode():
            network.module(torch.from_numpy(lumas[turn % len(lumas)]))

    def exported(turn: int) -> None:
        session.run([OUTPUT], {INPUT: lumas[turn % len(lumas)]})

    runners: dict[str, Callable[[int], None]] = {
        f"PyTorch {torch.__version__} eager": eager,
        f"ONNX Runtime {ort.__version__}": exported,
    }
    taken = take_turns(runners, rounds, settle=True)
    base = next(iter(taken.values()))
    timings = tuple(
        Timing(name, statistics.median(times), float(np.quantile(times, 0.9)), ratio_of(base, times))
        for name, times in taken.items()
    )
    return SpeedReport(network.model, render_factor, threads, rounds, timings, describe_machine())


def speed_lines(report: SpeedReport) -> list[str]:
    """Return the table of a report on ONNX Runtime beside eager PyTorch, line by line."""
    return [
        f"{report.model}, render factor {report.render_factor}, {report.threads} threads, {report.rounds} rounds",
        f"{report.machine['processor']}, {report.machine['cores']} cores",
        f"{'network alone':<30} {'p50 ms':>9} {'p90 ms':>9} {'ratio':>6}",
        *(
            f"{timing.runner:<30} {timing.p50_ms:>9.1f} {timing.p90_ms:>9.1f} {timing.ratio:>6.2f}"
            for timing in report.timings
        ),
    ]
