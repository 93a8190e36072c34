"""The steps of `python -m studies.gpu`, each in a process of its own: a GPU that fails once may fail for good.

Run as `python -m studies.gpu_steps STEP JOB ANSWER`: JOB is JSON, ANSWER the file for the result, JSON too.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from colorrt.bench.building import ONNX, build_artifact
from colorrt.bench.machine import describe_machine
from colorrt.bench.network import Entrant, distinct, enter_torch, held_on_device, open_entrant, time_network
from colorrt.contract import UNIT, Device, Precision
from colorrt.errors import BackendError, ColorrtError
from colorrt.photos.shipped import parity_lumas
from colorrt.runtime.artifact import read_artifact
from colorrt.runtime.sessions.flavors import find_flavor
from colorrt.runtime.sessions.gpu import search_gpu
from colorrt.runtime.sessions.opening import open_session
from colorrt.runtime.sessions.session import SessionOptions

if TYPE_CHECKING:
    from collections.abc import Callable

LEVELS = 255
_PROBE_FACTOR = 8


@dataclass(frozen=True)
class Candidate:
    """Something to open: a name for the report, and how."""

    name: str
    open: Callable[[], Entrant]


def machine(_: dict[str, Any]) -> dict[str, Any]:
    """Describe the machine, and what PyTorch sees of its GPU."""
    import torch

    found = describe_machine()
    found["torch_cuda"] = torch.version.cuda
    found["torch_sees_gpu"] = torch.cuda.is_available()
    if torch.cuda.is_available():
        found["torch_gpu"] = torch.cuda.get_device_name()
        found["torch_capability"] = ".".join(map(str, torch.cuda.get_device_capability()))
    return found


def backend(job: dict[str, Any]) -> dict[str, Any]:
    """Tell whether a backend runs here: build or export the shipped network for render factor 8, and run it."""
    with tempfile.TemporaryDirectory(prefix="colorrt-gpu-") as folder:
        if job["backend"] != ONNX:
            find_flavor(job["backend"])
            search = search_gpu()
            if search.gpu is None:
                raise BackendError(f"engines run on a GPU, and there is none: {search.reason}")
        precision = Precision.FP32 if job["backend"] == ONNX else Precision.FP16
        started = time.perf_counter()
        path = build_artifact(None, _PROBE_FACTOR, Path(folder), backend=job["backend"], precision=precision, say=_say)
        built = time.perf_counter() - started
        device = Device.AUTO if job["backend"] != ONNX else job["device"]
        session = open_session(read_artifact(path), SessionOptions(device))
        chroma = session.run(parity_lumas(UNIT * _PROBE_FACTOR)[0][None, None])
        finite = bool(np.isfinite(chroma).all())
        session.close()
        return {"runs": finite, "backend": session.backend, "build_s": built}


def network(job: dict[str, Any]) -> dict[str, Any]:
    """Time one network at one render factor in all ways that there are, and compare their answers on photographs."""
    factor = int(job["render_factor"])
    weights = None if job["weights"] is None else Path(job["weights"])
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="colorrt-gpu-")))
        builds: list[dict[str, Any]] = []
        opened: list[Entrant] = []
        failures: dict[str, str] = {}
        memory: dict[str, int] = {}
        for candidate in _candidates(job, weights, factor, folder, builds):
            _say(candidate.name)
            try:
                entrant = candidate.open()
                held_bytes = held_on_device(entrant, factor)
            except Exception as error:
                # Whatever it is, it concerns this one alone; the report says what.
                failures[candidate.name] = _brief(error)
                _say(f"{candidate.name} failed: {failures[candidate.name]}")
                continue
            held.callback(entrant.close)
            opened.append(entrant)
            if held_bytes is not None:
                memory[candidate.name] = held_bytes
        if not opened:
            return {"failures": failures, "builds": builds, "times": [], "parity": []}
        entrants = distinct(opened)
        parity = _compare(job, weights, factor, entrants)
        times = time_network(entrants, factor, job["batches"], job["rounds"])
        return {
            "model": job["model"],
            "render_factor": factor,
            "weights": "shipped" if weights is None else weights.name,
            "builds": builds,
            "failures": failures,
            "device_memory": memory,
            "parity": parity,
            "times": [asdict(row) for row in times],
        }


def synthetic(job: dict[str, Any]) -> dict[str, Any]:
    """Make weights up."""
    from studies.synthetic import write_synthetic

    write_synthetic(Path(job["path"]), job["model"])
    return {"file": Path(job["path"]).name}


def _candidates(
    job: dict[str, Any], weights: Path | None, factor: int, folder: Path, builds: list[dict[str, Any]]
) -> list[Candidate]:
    device = job["device"]
    gpu = device == "cuda"
    most = max(job["batches"])

    def torch_way(*, half: bool = False, compiled: bool = False) -> Entrant:
        from colorrt.bench.eager import TorchRunner
        from colorrt.models.registry import load_network

        return enter_torch(TorchRunner(load_network(_path(weights)), device, half=half, compiled=compiled))

    def artifact(backend: str, precision: str) -> Entrant:
        started = time.perf_counter()
        path = build_artifact(
            weights, factor, folder, backend=backend, precision=precision, batch=f"1:1:{most}", say=_say
        )
        seconds = time.perf_counter() - started
        builds.append({"backend": backend, "precision": precision, "seconds": seconds, "bytes": path.stat().st_size})
        contract = read_artifact(path).contract
        builds[-1]["contract"] = asdict(contract)
        return open_entrant(path, factor, SessionOptions(Device.AUTO if backend != ONNX else device))

    half = [
        Candidate("PyTorch FP16 channels last", lambda: torch_way(half=True)),
        Candidate("PyTorch FP16 channels last, torch.compile", lambda: torch_way(half=True, compiled=True)),
    ]
    engines = [
        Candidate(f"{name} {precision}", lambda name=name, precision=precision: artifact(name, precision))  # type: ignore[misc]  # mypy infers no default of a lambda
        for name in job["engines"]
        # INT8 needs a graph of its own.
        for precision in (Precision.FP32, Precision.FP16)
    ]
    graphs = [
        Candidate(
            f"ONNX Runtime {precision} on {device}",
            lambda precision=precision: artifact(ONNX, precision),  # type: ignore[misc]  # mypy infers no default of a lambda
        )
        # FP16 is slower than FP32 on a CPU, and never meant for it.
        for precision in ((Precision.FP32, Precision.FP16) if gpu else (Precision.FP32,))
    ]
    return [
        Candidate("PyTorch FP32 eager", torch_way),
        *(half if gpu else []),
        *(graphs if job["onnx"] else []),
        *engines,
    ]


def _compare(job: dict[str, Any], weights: Path | None, factor: int, entrants: list[Entrant]) -> list[dict[str, Any]]:
    """Compare each entrant with FP32 in PyTorch without TF32, on the photographs that ship, in levels of 255."""
    from colorrt.bench.eager import TorchRunner
    from colorrt.models.registry import load_network

    exact = TorchRunner(load_network(_path(weights)), job["device"], exact=True)
    lumas = [luma[None, None] for luma in parity_lumas(UNIT * factor)]
    truth = [exact.run(luma) for luma in lumas]
    exact.close()
    rows: list[dict[str, Any]] = []
    for entrant in entrants:
        try:
            errors = np.stack(
                [LEVELS * np.abs(entrant.run(luma) - true) for luma, true in zip(lumas, truth, strict=True)]
            )
        except (ColorrtError, RuntimeError) as error:
            rows.append({"name": entrant.name, "failure": _brief(error)})
            continue
        finite = bool(np.isfinite(errors).all())
        rows.append(
            {
                "name": entrant.name,
                "precision": entrant.precision,
                "photos": len(lumas),
                "finite": finite,
                "mean": float(errors.mean()) if finite else None,
                "p99": float(np.quantile(errors, 0.99)) if finite else None,
                "worst": float(errors.max()) if finite else None,
            }
        )
    return rows


def _path(weights: Path | None) -> Path:
    from colorrt.runtime.shipped import shipped_weights

    return weights or shipped_weights()


def _brief(error: BaseException) -> str:
    words = " ".join(str(error).split())[:400]
    return words if isinstance(error, ColorrtError) else f"{type(error).__name__}: {words}"


def _say(message: str) -> None:
    print(f"    {message}", file=sys.stderr, flush=True)


STEPS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "machine": machine,
    "backend": backend,
    "network": network,
    "synthetic": synthetic,
}


def main() -> int:
    """Run one step and write its result, or why there is none."""
    step, job, answer = sys.argv[1:]
    try:
        table = {"ok": True, "result": STEPS[step](json.loads(job))}
    except Exception as error:
        table = {"ok": False, "failure": _brief(error)}
    Path(answer).write_text(json.dumps(table), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
