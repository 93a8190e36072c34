"""`colorrt doctor`: what this machine has, what runs on it, and what to install for more."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import typer

from colorrt.cli.app import INSPECT, command, say, say_table
from colorrt.cli.options import AsJsonOption

if TYPE_CHECKING:
    from colorrt.runtime.diagnosis import Diagnosis

PARTS = (
    ("ONNX Runtime", ("onnxruntime", "onnxruntime-gpu"), "runs networks", "colorrt"),
    ("OpenVINO", ("openvino",), "runs them faster on most CPUs", "colorrt[openvino]"),
    ("Numba", ("numba",), "runs the kernels", "colorrt"),
    ("PyTorch", ("torch",), "exports and trains", "colorrt[export]"),
    ("ONNX", ("onnx",), "exports", "colorrt[export]"),
    ("scikit-image", ("scikit-image",), "measures quality", "colorrt[eval]"),
)


@command(INSPECT, "colorrt doctor", "colorrt doctor --json")
def doctor(as_json: AsJsonOption = False) -> None:
    """Show what this machine has, what 'colorrt run' will use, and what to install for more."""
    from colorrt.runtime.diagnosis import advise, diagnose, say_choice, say_cuda, say_engines, say_openvino

    found = diagnose()
    releases = {title: _releases(packages) for title, packages, _, _ in PARTS}
    advice = [
        f"{title} ({purpose}): pip install '{extra}'" for title, _, purpose, extra in PARTS if not releases[title]
    ] + advise(found)
    uses = {
        "run": say_choice(found),
        "openvino": say_openvino(found),
        "cuda": say_cuda(found),
        "engine": say_engines(found),
    }
    if as_json:
        typer.echo(json.dumps({**_software(), "packages": releases, "uses": uses, "advice": advice, **asdict(found)}))
        return
    software = _software()
    say_table(
        [
            ("colorrt", software["colorrt"] or "not installed as a package"),
            ("Python", f"{software['python']} on {software['system']} {software['architecture']}"),
            ("cores", str(software["cores"])),
            *_machine(found),
            *((title, ", ".join(here) or "not installed") for title, here in releases.items()),
            ("providers", _providers(found)),
            ("run will use", uses["run"]),
            ("with --device openvino", uses["openvino"]),
            ("with --device cuda", uses["cuda"]),
            ("with an engine", uses["engine"]),
        ]
    )
    for line in advice:
        say(line, err=False)


def _software() -> dict[str, Any]:
    return {
        "colorrt": _release("colorrt"),
        "python": platform.python_version(),
        "system": platform.system(),
        "architecture": platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }


def _releases(packages: tuple[str, ...]) -> list[str]:
    return [f"{package} {release}" for package in packages if (release := _release(package))]


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
