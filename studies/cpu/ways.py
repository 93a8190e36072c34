"""One network on one CPU by every way there is: ONNX Runtime, OpenVINO and PyTorch, in turns, in one process."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from colorrt.atomic import atomic_path
from colorrt.bench.machine import describe_machine
from colorrt.bench.timing import ratio_of, take_turns
from colorrt.contract import UNIT, Device, Parity
from colorrt.errors import BackendError, UsageError
from colorrt.export.precision.parity import Comparison
from colorrt.photos.shipped import parity_lumas
from colorrt.runtime.artifact import read_artifact
from colorrt.runtime.sessions.opening import open_session
from colorrt.runtime.sessions.session import SessionOptions
from studies.cpu.by_nncf import open_by_nncf
from studies.cpu.files import CpuFiles, make_files
from studies.cpu.knobs import open_knobs

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
BASE = "ONNX Runtime FP32"
BY_NNCF = "OpenVINO INT8 by NNCF"
SLOW_SECONDS = 0.5
"""From here on, a run is long enough for the threads of the one before to fall asleep."""


@dataclass(frozen=True)
class CpuPlan:
    """What is measured. `network`: "lite", "artistic" (made-up weights) or a weights file. `compiled`: torch.compile
    too, which takes minutes. `knobs`: ONNX Runtime's settings instead of the ways."""

    network: str
    factors: tuple[int, ...]
    threads: tuple[int, ...]
    rounds: int
    compiled: bool = False
    knobs: bool = False
    exports: Path | None = None
    """A folder that keeps the exports for the next time; None: they are thrown away."""


@dataclass(frozen=True)
class CpuRow:
    """One way. `ratio`: how many times as fast as ONNX Runtime in FP32, the median of the rounds' ratios.

    `mean`, `p99`: difference of chroma from that, in levels of 255; `gain`: slope of its chroma on that. None where
    the weights are made up: what INT8 does to them says nothing.
    """

    runner: str
    p50_ms: float
    ratio: float
    mean: float | None
    p99: float | None
    gain: float | None


@dataclass(frozen=True)
class CpuPart:
    """What was found at one render factor on so many threads; `left_out`: ways that do not run here, and why."""

    network: str
    render_factor: int
    threads: int
    rounds: int
    compiled: bool
    knobs: bool
    rows: tuple[CpuRow, ...]
    left_out: tuple[str, ...]
    machine: dict[str, Any]

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from other parts of a study."""
        return (self.network, self.render_factor, self.threads, self.compiled, self.knobs)


def study_cpu(plan: CpuPlan, results: Path | None, say: Callable[[str], None] = lambda _: None) -> list[CpuPart]:
    """Measure every part of `plan` that is not in the JSON file `results` yet, which gets each as it ends.

    The ways take turns on the photographs that ship. Returns all parts of the plan. Raises WeightsError when the
    weights cannot be loaded, UsageError when `results` cannot be read.
    """
    done = {part.key: part for part in read_parts(results)}
    wanted = [(factor, threads) for factor in plan.factors for threads in plan.threads]
    keys = [(plan.network, *pair, plan.compiled, plan.knobs) for pair in wanted]
    with tempfile.TemporaryDirectory(prefix="colorrt-") as folder:
        for factor, threads in wanted:
            key = (plan.network, factor, threads, plan.compiled, plan.knobs)
            if key in done:
                continue
            files = make_files(plan.network, factor, plan.exports or Path(folder), say)
            say(f"{plan.network} at render factor {factor}, {threads} threads")
            done[key] = measure_part(plan, files, factor, threads)
            if results is not None:
                parts = [asdict(part) for part in done.values()]
                with atomic_path(results, UsageError) as part:
                    part.write_text(json.dumps({"parts": parts}, indent=1) + "\n", encoding="utf-8")
    return [done[key] for key in keys]


def read_parts(path: Path | None) -> list[CpuPart]:
    """Read the parts of an earlier study; none where there is no file."""
    if path is None or not path.exists():
        return []
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return [
            CpuPart(
                **{
                    **part,
                    "rows": tuple(CpuRow(**row) for row in part["rows"]),
                    "left_out": tuple(part["left_out"]),
                }
            )
            for part in table["parts"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: this is no result of the cpu study ({error}); name another file") from error


def measure_part(plan: CpuPlan, files: CpuFiles, factor: int, threads: int) -> CpuPart:
    """Time the ways, or the knobs, at one render factor on so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    lumas = [luma[None, None] for luma in parity_lumas(UNIT * factor)]
    try:
        with ExitStack() as stack:
            left_out: list[str] = []
            if plan.knobs:
                runs = stack.enter_context(open_knobs(files, factor, threads))
            else:
                runs, left_out = stack.enter_context(open_ways(files, threads, lumas, compiled=plan.compiled))
            base = next(iter(runs))
            started = time.perf_counter()
            truth = [runs[base](luma) for luma in lumas[: 1 if files.made_up else None]]
            slow = (time.perf_counter() - started) / len(truth) > SLOW_SECONDS
            parities = {name: _compare(run, lumas, truth) for name, run in runs.items()}
            turns = {name: _turn(run, lumas) for name, run in runs.items()}
            taken = take_turns(turns, plan.rounds, warmups=0 if slow else 1, settle=not slow)
    finally:
        torch.set_num_threads(before)
    rows = tuple(
        _row(name, times, ratio_of(taken[base], times), parities[name], told=not (files.made_up and "INT8" in name))
        for name, times in taken.items()
    )
    return CpuPart(
        plan.network, factor, threads, plan.rounds, plan.compiled, plan.knobs, rows, tuple(left_out), describe_machine()
    )


def _row(name: str, times: list[float], ratio: float, parity: Parity, *, told: bool) -> CpuRow:
    figures = (parity.mean, parity.p99, parity.gain) if told else (None, None, None)
    return CpuRow(name, statistics.median(times), ratio, *figures)


@contextmanager
def open_ways(
    files: CpuFiles, threads: int, lumas: Sequence[NDArray[np.float32]], *, compiled: bool
) -> Iterator[tuple[dict[str, Run], list[str]]]:
    """Open all that run here, ONNX Runtime in FP32 first; with it, why others do not. `lumas`: for NNCF to round on."""
    ways: dict[str, tuple[Path, str, bool]] = {
        BASE: (files.single, Device.CPU, False),
        "ONNX Runtime INT8": (files.int8, Device.CPU, False),
        "OpenVINO FP32": (files.single, Device.OPENVINO, True),
        "OpenVINO BF16": (files.single, Device.OPENVINO, False),
        "OpenVINO INT8": (files.int8, Device.OPENVINO, False),
    }
    runs: dict[str, Run] = {}
    left_out = []
    with ExitStack() as stack:
        for name, (path, device, exact) in ways.items():
            try:
                session = open_session(read_artifact(path), SessionOptions(device, threads, exact))
            except BackendError as error:
                left_out.append(f"{name}: {error}")
                continue
            stack.callback(session.close)
            if session.precision not in name.lower():
                left_out.append(f"{name}: this CPU has no instructions for it")
                continue
            runs[name] = session.run
        try:
            runs[BY_NNCF] = open_by_nncf(files.single, lumas, threads)
        except BackendError as error:
            left_out.append(f"{BY_NNCF}: {error}")
        runs["PyTorch eager"] = _on_torch(files.module)
        if compiled:
            try:
                runs["PyTorch compiled"] = run = _on_torch(torch.compile(files.module))
                run(np.zeros((1, 1, 4 * UNIT, 4 * UNIT), np.float32))
            # Whatever the compiler of this machine lacks, the others can be measured.
            except Exception as error:
                del runs["PyTorch compiled"]
                left_out.append(f"PyTorch compiled: {str(error).splitlines()[0][:200]}")
        yield runs, left_out


def cpu_lines(part: CpuPart) -> list[str]:
    """Return the table of a part, line by line."""

    def said(value: float | None, digits: int) -> str:
        return "" if value is None else f"{value:.{digits}f}"

    threads = f"{part.threads} thread{'' if part.threads == 1 else 's'}"
    return [
        f"{part.network}, render factor {part.render_factor}, {threads}, {part.rounds} rounds",
        f"{part.machine['processor']}, {part.machine['cores']} cores",
        f"{'network alone':<32} {'p50 ms':>9} {'ratio':>6} {'mean':>7} {'p99':>7} {'gain':>7}",
        *(
            f"{row.runner:<32} {row.p50_ms:>9.2f} {row.ratio:>6.2f} {said(row.mean, 3):>7} {said(row.p99, 2):>7} "
            f"{said(row.gain, 4):>7}"
            for row in part.rows
        ),
        *(f"left out: {reason}" for reason in part.left_out),
    ]


def _turn(run: Run, lumas: list[NDArray[np.float32]]) -> Callable[[int], object]:
    return lambda turn: run(lumas[turn % len(lumas)])


def _compare(run: Run, lumas: list[NDArray[np.float32]], truth: list[NDArray[np.float32]]) -> Parity:
    comparison = Comparison()
    for luma, wanted in zip(lumas, truth, strict=False):
        comparison.add(run(luma), wanted)
    return comparison.parity()


def _on_torch(module: Callable[[torch.Tensor], torch.Tensor]) -> Run:
    def run(luma: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            chroma: NDArray[np.float32] = module(torch.from_numpy(luma)).numpy()
        return chroma

    return run
