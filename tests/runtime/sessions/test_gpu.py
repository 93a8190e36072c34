"""The search for a GPU: what it finds, and why it finds none; it never raises."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from colorrt.runtime.sessions import gpu
from colorrt.runtime.sessions.gpu import Gpu, find_gpu, search_gpu

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]

NVRM = """NVRM version: NVIDIA UNIX {kind}x86_64 Kernel Module  {release}  Wed Jul 30 01:09:59 UTC 2025
GCC version:  gcc version 13.3.0 (Ubuntu 13.3.0-6ubuntu2~24.04)
"""


def test_gpu_is_found_with_all_that_is_asked_of_it(make_machine: Make) -> None:
    machine = make_machine()
    assert find_gpu() == Gpu("NVIDIA Stand-in", "8.9", 8_000_000_000, 6_000_000_000, "CUDA 12.9")
    assert machine.leaks == []


@pytest.mark.parametrize(
    ("kind", "release"), [("", "575.57.08"), ("Open Kernel Module for ", "580.65.06"), ("", "540.4.0")]
)
def test_driver_is_told_with_its_release(make_machine: Make, tmp_path: Path, kind: str, release: str) -> None:
    make_machine()
    (tmp_path / "no driver file").write_text(NVRM.format(kind=kind, release=release))
    found = find_gpu()
    assert found is not None
    assert found.driver == f"{release} (CUDA 12.9)"


def test_memory_of_a_jetson_is_that_which_linux_has(
    make_machine: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_machine(integrated=True, free=1000)
    monkeypatch.setattr(gpu, "MEMORY_FILE", tmp_path / "meminfo")
    found = find_gpu()
    assert found is not None
    assert (found.integrated, found.free_bytes) == (True, 1000)
    (tmp_path / "meminfo").write_text("MemFree: 1 kB\nMemAvailable:   20 kB\n")
    found = find_gpu()
    assert found is not None
    assert found.free_bytes == 20 * 1024


@pytest.mark.parametrize(
    "call",
    ["cuDevicePrimaryCtxRetain", "cuCtxPushCurrent", "cuMemGetInfo", "cuCtxPopCurrent", "cuDevicePrimaryCtxRelease"],
)
def test_free_memory_that_cannot_be_told_hides_no_gpu(make_machine: Make, call: str) -> None:
    machine = make_machine(fail={call: "CUDA_ERROR_OUT_OF_MEMORY"})
    found = find_gpu()
    assert found is not None
    assert found.free_bytes is None
    assert machine.leaks == []


@pytest.mark.parametrize(
    ("fail", "reason"),
    [
        ({"cuInit": "CUDA_ERROR_NO_DEVICE"}, "the NVIDIA driver is installed but sees no GPU"),
        ({"cuDeviceGet": "CUDA_ERROR_INVALID_VALUE"}, "the NVIDIA driver reports CUDA_ERROR_INVALID_VALUE; check"),
        ({"cuDeviceGetName": "CUDA_ERROR_OUT_OF_MEMORY"}, "the GPU's memory is all taken by other programs"),
    ],
)
def test_driver_that_fails_is_no_gpu_with_a_reason(make_machine: Make, fail: dict[str, str], reason: str) -> None:
    make_machine(fail=fail)
    search = search_gpu()
    assert search.gpu is None
    assert search.reason is not None
    assert search.reason.startswith(reason)


def test_machine_without_a_driver_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    # As cuda-python behaves where there is no libcuda.
    class Broken(ModuleType):
        def cuInit(self, flags: int) -> None:  # noqa: N802 (CUDA's name)
            raise RuntimeError("libcuda.so was not found")

    monkeypatch.setattr(gpu, "load_driver", lambda: Broken("driver"))
    assert find_gpu() is None
    assert search_gpu().reason == "no NVIDIA driver is installed, or this container does not see it"


def test_machine_without_cuda_python_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", None)
    monkeypatch.setitem(sys.modules, "cuda.cuda", None)
    assert find_gpu() is None
    assert "cuda-python is not installed; pip install 'colorrt[trt]'" in str(search_gpu().reason)


def test_cuda_python_that_does_not_load_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("libc.so.9: no such\nfile")

    monkeypatch.setattr(gpu, "load_driver", broken)
    assert search_gpu().reason == (
        "cuda-python does not load (libc.so.9: no such file); pip install --upgrade cuda-python"
    )


def test_driver_of_the_oldest_cuda_python_is_found_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    # cuda-python 12.6.0 has cuda.cuda; 12.6.1 brought cuda.bindings.driver.
    old = ModuleType("cuda.cuda")
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", None)
    monkeypatch.setitem(sys.modules, "cuda.cuda", old)
    assert gpu.load_driver() is old
