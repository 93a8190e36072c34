"""One script for a GPU that is lent: what runs on it, how fast, and how near FP16 comes to FP32 on photographs.

It tells whether TensorRT or TensorRT for RTX runs there; where neither does, it measures ONNX Runtime's CUDA provider
in the same way. Beside them PyTorch: eager FP32, and FP16 with channels last, eager and through torch.compile. Every
step runs in a process of its own, a step that fails is recorded and the others go on, and the results are written
after each, so that nothing measured is lost when the loan ends. Started again with the same folder, it goes on with the
steps that have no result yet.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorrt.atomic import atomic_path
from colorrt.bench.building import ONNX
from colorrt.contract import FLAVORS
from colorrt.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = ("lite", "artistic", "wide")
RESULTS = "gpu.json"


@dataclass(frozen=True)
class GpuPlan:
    """What to measure. `weights`: checkpoints by model; DeOldify's networks get made-up weights without.

    `step_s`: the most seconds of a step. `total_s`: after these no further step begins; None: no bound.
    """

    out: Path
    device: str = "cuda"
    models: tuple[str, ...] = MODELS
    factors: tuple[int, ...] = (8, 16, 24, 35)
    batches: tuple[int, ...] = (1, 8)
    rounds: int = 30
    weights: dict[str, Path] = field(default_factory=dict)
    step_s: float = 420.0
    total_s: float | None = None


@dataclass
class _Record:
    """All steps so far, written after each."""

    path: Path
    steps: dict[str, dict[str, Any]]

    def write(self) -> None:
        with atomic_path(self.path, UsageError) as part:
            part.write_text(json.dumps({"kind": "gpu", "steps": self.steps}, indent=1) + "\n", encoding="utf-8")


def measure_gpu(plan: GpuPlan, say: Callable[[str], None] = lambda _: None) -> dict[str, dict[str, Any]]:
    """Run all steps and return their results by name; they are in `plan.out`/gpu.json as well.

    Raises UsageError for an unknown model or device, or a folder that cannot be written to.
    """
    _check(plan)
    record = _Record(plan.out / RESULTS, _read(plan.out / RESULTS))
    record.write()
    started = time.perf_counter()

    def run(name: str, step: str, job: dict[str, Any]) -> dict[str, Any]:
        if step != "synthetic" and record.steps.get(name, {}).get("ok"):
            say(f"{name}: measured before")
            return record.steps[name]
        if plan.total_s is not None and time.perf_counter() - started > plan.total_s:
            found: dict[str, Any] = {"ok": False, "failure": f"not begun: {plan.total_s:.0f} s were over"}
        else:
            say(name)
            found = run_step(step, job, plan.step_s)
        record.steps[name] = found
        record.write()
        if not found["ok"]:
            say(f"{name} failed: {found['failure']}")
        return found

    run("machine", "machine", {})
    engines = [name for name in FLAVORS if _runs(run(name, "backend", {"backend": name, "device": plan.device}))]
    provider = run(f"ONNX Runtime on {plan.device}", "backend", {"backend": ONNX, "device": plan.device})
    for model in plan.models:
        weights = _weights(plan, model, run)
        if weights is False:
            continue
        for factor in plan.factors:
            job = {
                "model": model,
                "weights": weights,
                "render_factor": factor,
                "device": plan.device,
                "batches": plan.batches,
                "rounds": plan.rounds,
                "engines": engines,
                # In place of engines; beside them it would only take the time of the loan.
                "onnx": _runs(provider) and not engines,
            }
            run(f"{model} at render factor {factor}", "network", job)
    return record.steps


def run_step(step: str, job: dict[str, Any], limit_s: float) -> dict[str, Any]:
    """Run a step of `studies.gpu_steps` in a process of its own, and return its result with its seconds."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="colorrt-gpu-") as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "studies.gpu_steps", step, json.dumps(job), str(answer)]
        try:
            code = subprocess.run(command, timeout=limit_s, check=False).returncode  # noqa: S603 (our own program, no shell)
            if answer.exists():
                found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
            else:
                found = {"ok": False, "failure": f"its process ended with {code} and no answer"}
        except subprocess.TimeoutExpired:
            found = {"ok": False, "failure": f"stopped after {limit_s:.0f} s"}
        except ValueError:
            found = {"ok": False, "failure": "its answer is cut off"}
    return {**found, "seconds": time.perf_counter() - started}


def gpu_lines(steps: dict[str, dict[str, Any]]) -> list[str]:
    """Return the results as a table, line by line: a picture's milliseconds, ratio to PyTorch FP32 eager, parity."""
    lines = []
    for name, step in steps.items():
        if not step["ok"]:
            lines.append(f"{name}: {step['failure']}")
            continue
        result = step["result"]
        if "times" not in result:
            if "backend" in result:
                lines.append(f"{name}: runs ({result['backend']})" if result["runs"] else f"{name}: answers NaN")
            continue
        lines.append(f"{name}, weights {result.get('weights')}")
        lines += [f"  {other}: {why}" for other, why in result["failures"].items()]
        parity = {row["name"]: row for row in result["parity"]}
        for row in result["times"]:
            lines.append(_time_line(row, parity.get(row["name"], {})))
    return lines


def _time_line(row: dict[str, Any], parity: dict[str, Any]) -> str:
    head = f"  batch {row['batch']}, {row['clock']:<11} {row['name']} {row['precision']}"
    if row["graph"] is not None:
        head += ", CUDA graph" if row["graph"] else ", no CUDA graph"
    if row["times"] is None:
        return f"{head}: {row['failure']}"
    line = f"{head}: {row['times']['p50_ms'] / row['batch']:.3f} ms a picture"
    if row["ratio"] is not None:
        line += f", ratio {row['ratio']:.2f}"
    return line if parity.get("mean") is None else f"{line}, off FP32 by {parity['mean']:.3f} of 255"


def _check(plan: GpuPlan) -> None:
    unknown = [model for model in (*plan.models, *plan.weights) if model not in MODELS]
    if unknown:
        raise UsageError(f"there is no model {unknown[0]!r}; take some of {', '.join(MODELS)}")
    if plan.device not in ("cuda", "cpu"):
        raise UsageError(f"--device {plan.device}: take cuda, or cpu to try the script without a GPU")
    for path in plan.weights.values():
        if not path.is_file():
            raise UsageError(f"{path}: no such file; --weights takes MODEL=FILE, a checkpoint")
    try:
        plan.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{plan.out}: this folder cannot be made ({error.strerror}); name another") from error


def _read(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    try:
        steps = json.loads(path.read_text(encoding="utf-8"))["steps"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: these are no results of this script; name another folder with --out") from error
    return dict(steps)


def _runs(step: dict[str, Any]) -> bool:
    return bool(step["ok"] and step["result"]["runs"])


def _weights(plan: GpuPlan, model: str, run: Callable[..., dict[str, Any]]) -> str | bool | None:
    """Return the path of a model's weights, None for those that ship, False where they could not be made."""
    if model in plan.weights:
        return str(plan.weights[model].resolve())
    if model == "lite":
        return None
    path = plan.out.resolve() / f"synthetic-{model}.safetensors"
    if not path.exists():
        step = run(f"made-up weights of {model}", "synthetic", {"model": model, "path": str(path)})
        if not step["ok"]:
            return False
    return str(path)
