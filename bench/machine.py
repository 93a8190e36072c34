"""What machine a measurement was taken on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from colorrt.runtime.sessions.gpu import find_gpu

PACKAGES = (
    "colorrt",
    "cuda-python",
    "numba",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "pillow",
    "tensorrt",
    "tensorrt-rtx-cu12",
    "tensorrt-rtx-cu13",
    "torch",
)
_SMI_FIELDS = {
    "name": "name",
    "driver": "driver_version",
    "memory": "memory.total",
    "compute capability": "compute_cap",
}
_BOARD = Path("/proc/device-tree/model")
_PATIENCE_S = 20


def describe_machine() -> dict[str, Any]:
    """Return processor, cores, load, GPUs, system and package versions, as `json.dumps` takes them. No host name."""
    described: dict[str, Any] = {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }
    busy = load()
    if busy is not None:
        described["load"] = busy
    gpus = describe_gpus()
    if gpus:
        described["gpus"] = gpus
    if _BOARD.is_file():
        described["board"] = _BOARD.read_text(encoding="utf-8", errors="replace").rstrip("\0\n")
    return described


def load() -> float | None:
    """Return how many processes ran or waited for a core in the last minute; None where the system does not tell."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def warn_of_load() -> str | None:
    """Say that other work on this machine will slow down what is measured; None if it is idle."""
    busy, cores = load(), os.cpu_count() or 1
    if busy is None or busy < max(0.5, cores / 4):
        return None
    return (
        f"warning: this machine is busy (load {busy:.1f} on {cores} cores), so times will be too long; "
        "ratios are more reliable, since what is compared is measured in alternation"
    )


def title_of(machine: dict[str, Any]) -> str:
    """Name a described machine in one short line: its GPUs, or else its processor and cores."""
    names = [str(gpu["name"]) for gpu in machine.get("gpus", [])]
    return ", ".join([*names, f"{machine['processor']}, {machine['cores']} cores"])


def describe_gpus() -> list[dict[str, str]]:
    """Return name, driver, memory and compute capability of each NVIDIA GPU, as nvidia-smi or CUDA's driver tells."""
    smi = shutil.which("nvidia-smi")
    if smi is not None:
        command = [smi, f"--query-gpu={','.join(_SMI_FIELDS.values())}", "--format=csv,noheader"]
        try:
            answer = subprocess.run(  # noqa: S603 (nvidia-smi by its full path, no shell)
                command, capture_output=True, text=True, timeout=_PATIENCE_S, check=True
            ).stdout
        except (OSError, subprocess.SubprocessError):
            answer = ""
        if found := read_gpus(answer):
            return found
    # A Jetson has no nvidia-smi, or one that tells little.
    gpu = find_gpu()
    if gpu is None:
        return []
    memory = f"{gpu.total_bytes // 2**20} MiB"
    return [{"name": gpu.name, "driver": gpu.driver, "memory": memory, "compute capability": gpu.capability}]


def read_gpus(answer: str) -> list[dict[str, str]]:
    """Read what nvidia-smi answers as CSV; lines of another form are left out."""
    rows = [[cell.strip() for cell in line.split(",")] for line in answer.splitlines()]
    return [dict(zip(_SMI_FIELDS, row, strict=True)) for row in rows if len(row) == len(_SMI_FIELDS)]


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
