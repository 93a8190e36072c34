"""What the doctor finds: providers are tried, sentences say what runs and what to install, nothing raises."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import onnxruntime
import pytest

from colorrt.runtime import diagnosis
from colorrt.runtime.diagnosis import (
    CPU,
    CUDA,
    Diagnosis,
    Provider,
    advise,
    diagnose,
    say_choice,
    say_cuda,
    say_engines,
)
from colorrt.runtime.sessions import ort
from colorrt.runtime.sessions.gpu import NO_PACKAGE, Gpu, GpuSearch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CARD = GpuSearch(Gpu("NVIDIA RTX 4090", "8.9", 24_000_000_000, 23_000_000_000, "580.65 (CUDA 13.0)"))
NONE = GpuSearch(None, "no NVIDIA driver is installed")
BARE = Diagnosis(NONE, None, (), (), None, (Provider(CPU, None),), ())
FULL = Diagnosis(CARD, None, ("TensorRT 10.13",), (), None, (Provider(CPU, None), Provider(CUDA, None)), ())


def test_cpu_provider_really_runs_a_network() -> None:
    assert ort.try_provider("CPUExecutionProvider") is None


def test_provider_that_does_not_load_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    real = onnxruntime.InferenceSession

    def falls_back(graph: bytes, settings: Any, providers: list[str]) -> Any:
        return real(graph, settings, providers=["CPUExecutionProvider"])

    monkeypatch.setattr("colorrt.runtime.sessions.ort.ort.InferenceSession", falls_back)
    assert "its libraries do not load" in str(ort.try_provider("CUDAExecutionProvider"))
    assert capfd.readouterr() == ("", "")


def test_provider_that_fails_at_its_first_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fails:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def get_providers(self) -> list[str]:
            return ["CUDAExecutionProvider"]

        def disable_fallback(self) -> None: ...

        def run(self, *_: Any) -> None:
            raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : no kernel image for this GPU\nat here")

    monkeypatch.setattr("colorrt.runtime.sessions.ort.ort.InferenceSession", Fails)
    assert ort.try_provider("CUDAExecutionProvider") == "no kernel image for this GPU"


def test_machine_with_everything_needs_nothing() -> None:
    assert advise(FULL) == []
    assert say_choice(FULL).startswith("ONNX Runtime on the CPU")
    assert say_cuda(FULL) == "ONNX Runtime on NVIDIA RTX 4090"
    assert say_engines(FULL) == "TensorRT 10.13 on NVIDIA RTX 4090, as the engine was built for"


def test_machine_without_a_gpu_says_why_and_what_one_would_need() -> None:
    assert say_engines(BARE) == "nothing: TensorRT is not installed"
    assert say_engines(replace(BARE, flavors=("TensorRT 10.13",))) == (
        "nothing: TensorRT 10.13 is here, but no NVIDIA driver is installed"
    )
    assert advise(BARE) == [
        "no NVIDIA GPU is used (no NVIDIA driver is installed); if there is one: pip install 'colorrt[gpu]'"
    ]
    assert "cuda-python is not installed; pip install" in advise(replace(BARE, search=GpuSearch(None, NO_PACKAGE)))[0]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"flavors": ()}, "TensorRT engines, the fastest on NVIDIA RTX 4090: pip install 'colorrt[trt]'"),
        ({"flavors": (), "jetpack": "6.2"}, "NVIDIA RTX 4090: sudo apt install nvidia-jetpack"),
        ({"flavors": (), "broken": ("TensorRT does not load; fix it",)}, "TensorRT does not load; fix it"),
        ({"providers": (Provider(CPU, None),)}, "pip install --force-reinstall onnxruntime-gpu"),
        ({"providers": (Provider(CPU, None), Provider(CUDA, "no cuDNN"))}, "pip install 'onnxruntime-gpu[cuda,cudnn]'"),
        ({"runtime_problem": "broken"}, "pip install --force-reinstall onnxruntime"),
    ],
)
def test_what_is_missing_is_one_line_each(changes: dict[str, Any], line: str) -> None:
    (found,) = advise(replace(FULL, **changes))
    assert line in found
    assert "\n" not in found


def test_what_does_not_run_says_why() -> None:
    assert say_choice(replace(FULL, runtime_problem="no libc")) == "nothing: ONNX Runtime does not load (no libc)"
    assert "does not run on the CPU (bad)" in say_choice(replace(FULL, providers=(Provider(CPU, "bad"),)))
    assert say_cuda(BARE) == "nothing: the installed ONNX Runtime has no CUDA"
    broken = replace(FULL, providers=(Provider(CPU, None), Provider(CUDA, "no cuDNN")))
    assert say_cuda(broken) == "nothing: CUDA does not work in ONNX Runtime (no cuDNN)"
    assert say_engines(replace(FULL, flavors=(), broken=("x",))) == "nothing: TensorRT is installed but does not load"


RELEASE = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: Wed Jan  8\n"
PACKAGES = """Package: bash
Version: 5.1

Package: nvidia-jetpack
Status: install ok installed
Architecture: arm64
Version: 6.2+b77
Depends: nvidia-jetpack-runtime (= 6.2+b77)

Package: zlib
Version: 1.3
"""


@pytest.mark.parametrize(
    ("release", "packages", "found"),
    [
        (None, PACKAGES, None),
        (RELEASE, PACKAGES, "6.2 (Jetson Linux 36.4.3)"),
        (RELEASE, "Package: bash\nVersion: 5.1\n", "6 (Jetson Linux 36.4.3)"),
        (RELEASE.replace("R36", "R38"), None, "7 (Jetson Linux 38.4.3)"),
        ("nonsense", None, "of unknown release"),
    ],
)
def test_jetpack_is_read_from_its_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, release: str | None, packages: str | None, found: str | None
) -> None:
    for name, text in (("TEGRA_FILE", release), ("PACKAGES_FILE", packages)):
        path = tmp_path / name
        if text is not None:
            path.write_text(text)
        monkeypatch.setattr(diagnosis, name, path)
    assert diagnose().jetpack == found


def test_machine_of_the_stand_in_is_seen(make_machine: Callable[..., Any]) -> None:
    make_machine()
    found = diagnose()
    assert found.search.gpu is not None
    assert found.flavors == ("TensorRT 10.13.3.9",)
    assert Provider(CPU, None) in found.providers


@pytest.mark.parametrize("where", ["_jetpack", "_providers", "broken_flavors", "installed_flavors"])
def test_probe_that_breaks_costs_its_own_answer_alone(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def breaks() -> None:
        raise RuntimeError("whatever")

    monkeypatch.setattr(diagnosis, where, breaks)
    found = diagnose()
    for say in (say_choice, say_cuda, say_engines):
        assert say(found)
    advise(found)
    assert (where == "_providers") == (found.runtime_problem is not None)


def test_onnx_runtime_that_does_not_load_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorrt.runtime.sessions.ort")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    found = diagnose()
    assert found.runtime_problem is not None
    assert "onnxruntime" in found.runtime_problem
    assert say_choice(found).startswith("nothing: ONNX Runtime does not load (")
