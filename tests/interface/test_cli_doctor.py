"""`colorrt doctor`: whatever is broken, it answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from colorrt.runtime import diagnosis
from colorrt.runtime.sessions.gpu import Gpu, GpuSearch

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    Command = Callable[..., Result]


def test_doctor_answers_on_this_machine(colorrt: Command) -> None:
    result = colorrt("doctor")
    assert result.exit_code == 0
    rows = dict(line.split("  ", 1) for line in result.stdout.splitlines() if "  " in line)
    assert rows["run will use"].strip().startswith("ONNX Runtime on the CPU")
    assert "CPU works" in rows["providers"]
    assert {"colorrt", "Python", "cores", "GPU", "TensorRT", "with --device cuda", "with an engine"} <= set(rows)


def test_doctor_shows_gpu_memory_driver_and_jetpack(colorrt: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    found = diagnosis.diagnose()
    gpu = Gpu("Orin", "8.7", 7_990_000_000, 5_210_000_000, "540.4.0 (CUDA 12.6)", integrated=True)
    found = replace(found, search=GpuSearch(gpu), jetpack="6.2 (Jetson Linux 36.4.3)", flavors=("TensorRT 10.3.0",))
    monkeypatch.setattr(diagnosis, "diagnose", lambda: found)
    out = " ".join(colorrt("doctor").stdout.split())
    for part in (
        "JetPack 6.2 (Jetson Linux 36.4.3)",
        "GPU Orin, compute capability 8.7",
        "GPU memory 8.0 GB, 5.2 GB free, shared with the CPU",
        "NVIDIA driver 540.4.0 (CUDA 12.6)",
        "TensorRT TensorRT 10.3.0",
        "with an engine TensorRT 10.3.0 on Orin",
    ):
        assert part in out


def test_doctor_answers_where_nothing_works(colorrt: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = diagnosis.Diagnosis(
        GpuSearch(None, "the driver\nis broken"), None, (), ("TensorRT does not load (x); fix it",), "no libc", (), ()
    )
    monkeypatch.setattr(diagnosis, "diagnose", lambda: nothing)
    result = colorrt("doctor")
    assert result.exit_code == 0
    assert "nothing: ONNX Runtime does not load (no libc)" in result.stdout
    assert "TensorRT does not load (x); fix it" in result.stdout.splitlines()
