"""`colorrt doctor`: what this machine has, what runs on it, and what to install for more."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from colorrt.cli.app import app, guarded, say, say_table

if TYPE_CHECKING:
    from colorrt.runtime.diagnosis import Diagnosis

PARTS = (
    ("ONNX Runtime", ("onnxruntime", "onnxruntime-gpu"), "runs networks", "colorrt"),
    ("Numba", ("numba",), "runs the kernels", "colorrt"),
    ("PyTorch", ("torch",), "exports and trains", "colorrt[export]"),
    ("ONNX", ("onnx",), "exports", "colorrt[export]"),
    ("scikit-image", ("scikit-image",), "measures quality", "colorrt[bench]"),
)


@app.command()
@guarded
def doctor() -> None:
    """Tell what this machine has, what 'colorrt run' will use, and what to install for more."""
    from colorrt.runtime.diagnosis import advise, diagnose, say_choice, say_cuda, say_engines

    found = diagnose()
    rows = [
        ("colorrt", _release("colorrt") or "not installed as a package"),
        ("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        ("cores", f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}"),
        *_machine(found),
    ]
    missing = []
    for title, packages, purpose, extra in PARTS:
        releases = [f"{package} {release}" for package in packages if (release := _release(package))]
        rows.append((title, ", ".join(releases) or "not installed"))
        if not releases:
            missing.append(f"{title}, {purpose}: pip install '{extra}'")
    rows += [
        ("providers", _providers(found)),
        ("run will use", say_choice(found)),
        ("with --device cuda", say_cuda(found)),
        ("with an engine", say_engines(found)),
    ]
    say_table(rows)
    for line in [*missing, *advise(found)]:
        say(line, err=False)


def _machine(found: Diagnosis) -> list[tuple[str, str]]:
    rows = [] if found.jetpack is None else [("JetPack", found.jetpack)]
    gpu = found.search.gpu
    if gpu is None:
        rows.append(("GPU", f"none: {found.search.reason}"))
    else:
        free = "" if gpu.free_bytes is None else f", {gpu.free_bytes / 1e9:.1f} GB free"
        shared = ", shared with the CPU" if gpu.integrated else ""
        rows += [
            ("GPU", f"{gpu.name}, compute capability {gpu.capability}"),
            ("GPU memory", f"{gpu.total_bytes / 1e9:.1f} GB{free}{shared}"),
            ("NVIDIA driver", gpu.driver),
        ]
    here = ", ".join(found.flavors)
    broken = "installed, does not load" if found.broken else ""
    rows.append(("TensorRT", "; ".join(filter(None, (here, broken))) or "not installed"))
    return rows


def _providers(found: Diagnosis) -> str:
    """Say which providers work: those that colorrt takes were tried."""
    states = [f"{one.short} {'works' if one.problem is None else 'does not work'}" for one in found.providers]
    return ", ".join([*states, *(f"{name} not used by colorrt" for name in found.others)]) or "none"


def _release(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
