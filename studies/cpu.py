"""One network on one CPU by every way there is: ONNX Runtime, OpenVINO and PyTorch, in turns, in one process."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from colorrt.bench.machine import describe_machine
from colorrt.bench.timing import ratio_of, take_turns
from colorrt.calibration.quantizing import to_int8
from colorrt.contract import INPUT, OUTPUT, UNIT, AttentionForm
from colorrt.errors import ColorrtError
from colorrt.export.attention import attention_as
from colorrt.export.graph import trace
from colorrt.export.precision.parity import Comparison
from colorrt.models.registry import load_network
from colorrt.photos.shipped import parity_lumas

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
BASE = "ONNX Runtime FP32"


@dataclass(frozen=True)
class CpuRow:
    """One way. `ratio`: how many times as fast as ONNX Runtime in FP32, the median of the rounds' ratios.

    `mean`, `p99`: difference of chroma from that, in levels of 255; `gain`: slope of its chroma on that.
    """

    runner: str
    p50_ms: float
    ratio: float
    mean: float
    p99: float | None
    gain: float | None


@dataclass(frozen=True)
class CpuReport:
    """What a comparison found, and on what machine; `left_out`: ways that do not run here, and why."""

    model: str
    render_factor: int
    threads: int
    rounds: int
    rows: tuple[CpuRow, ...]
    left_out: tuple[str, ...]
    machine: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the report as what `json.dumps` takes."""
        return asdict(self)


def compare_cpu(weights: Path, render_factor: int, threads: int, rounds: int, *, compiled: bool = False) -> CpuReport:
    """Time the network of a weights file by every way that is installed, and how far its answers are from FP32.

    The ways take turns on the photographs that ship. `compiled`: torch.compile too, which takes minutes. Raises
    WeightsError when the weights cannot be loaded.
    """
    network = load_network(weights)
    form = None if network.family.attention_stride is None else AttentionForm.TILED
    with attention_as(network.module, form):
        model = trace(network.module, render_factor)
    lumas = [luma[None, None] for luma in parity_lumas(UNIT * render_factor)]
    torch.set_num_threads(threads)
    runs: dict[str, Run] = {BASE: _on_ort(model, threads)}
    left_out: list[str] = []
    try:
        int8 = to_int8(model, [UNIT * render_factor]).model
        runs["ONNX Runtime INT8"] = _on_ort(int8, threads)
    except ColorrtError as error:
        int8 = None
        left_out.append(f"ONNX Runtime INT8: {error}")
    try:
        runs |= _on_openvino(model, int8, threads)
    except ImportError:
        left_out.append("OpenVINO: pip install openvino")
    runs["PyTorch eager"] = _on_torch(network.module)
    if compiled:
        runs["PyTorch compiled"] = _on_torch(torch.compile(network.module))
    truth = [runs[BASE](luma) for luma in lumas]
    parities = {name: _compare(run, lumas, truth) for name, run in runs.items()}
    turns = {name: _turn(run, lumas) for name, run in runs.items()}
    taken = take_turns(turns, rounds, settle=True)
    rows = tuple(
        CpuRow(
            name,
            statistics.median(times),
            ratio_of(taken[BASE], times),
            parities[name].mean,
            parities[name].p99,
            parities[name].gain,
        )
        for name, times in taken.items()
    )
    return CpuReport(network.model, render_factor, threads, rounds, rows, tuple(left_out), describe_machine())


def cpu_lines(report: CpuReport) -> list[str]:
    """Return the table of a report, line by line."""
    return [
        f"{report.model}, render factor {report.render_factor}, {report.threads} threads, {report.rounds} rounds",
        f"{report.machine['processor']}, {report.machine['cores']} cores",
        f"{'network alone':<24} {'p50 ms':>9} {'ratio':>6} {'mean':>7} {'p99':>7} {'gain':>7}",
        *(
            f"{row.runner:<24} {row.p50_ms:>9.2f} {row.ratio:>6.2f} {row.mean:>7.3f} {row.p99 or 0:>7.2f} "
            f"{'' if row.gain is None else f'{row.gain:.4f}':>7}"
            for row in report.rows
        ),
        *(f"left out: {reason}" for reason in report.left_out),
    ]


def _turn(run: Run, lumas: list[NDArray[np.float32]]) -> Callable[[int], object]:
    return lambda turn: run(lumas[turn % len(lumas)])


def _compare(run: Run, lumas: list[NDArray[np.float32]], truth: list[NDArray[np.float32]]) -> Any:
    comparison = Comparison()
    for luma, wanted in zip(lumas, truth, strict=True):
        comparison.add(run(luma), wanted)
    return comparison.parity()


def _on_ort(model: onnx.ModelProto, threads: int) -> Run:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def run(luma: NDArray[np.float32]) -> NDArray[np.float32]:
        chroma: NDArray[np.float32] = session.run([OUTPUT], {INPUT: luma})[0]
        return chroma

    return run


def _on_openvino(model: onnx.ModelProto, int8: onnx.ModelProto | None, threads: int) -> dict[str, Run]:
    """Compile the graph for OpenVINO's CPU plugin in each precision that it has, INT8 from our own Q/DQ graph."""
    import openvino

    core = openvino.Core()
    common = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}

    def compiled(graph: onnx.ModelProto, kind: str) -> Run:
        read = core.read_model(graph.SerializeToString())
        request = core.compile_model(read, "CPU", {**common, "INFERENCE_PRECISION_HINT": kind}).create_infer_request()

        def run(luma: NDArray[np.float32]) -> NDArray[np.float32]:
            chroma: NDArray[np.float32] = next(iter(request.infer({INPUT: luma}).values()))
            return chroma.copy()

        return run

    runs = {"OpenVINO FP32": compiled(model, "f32")}
    if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        runs["OpenVINO BF16"] = compiled(model, "bf16")
    if int8 is not None:
        runs["OpenVINO INT8 (our Q/DQ)"] = compiled(int8, "f32")
    return runs


def _on_torch(module: Callable[[torch.Tensor], torch.Tensor]) -> Run:
    def run(luma: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            chroma: NDArray[np.float32] = module(torch.from_numpy(luma)).numpy()
        return chroma

    return run
