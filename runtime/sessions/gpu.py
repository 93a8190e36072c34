"""The NVIDIA GPU of this machine, found through CUDA's driver without starting anything on it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

DRIVER_FILE = Path("/proc/driver/nvidia/version")
MEMORY_FILE = Path("/proc/meminfo")
NO_PACKAGE = "cuda-python is not installed; pip install 'colorrt[trt]' or 'colorrt[rtx]'"
NO_DRIVER = "no NVIDIA driver is installed, or this container does not see it"
# CUresult of the cases that a person can do something about.
REASONS = {
    "CUDA_ERROR_NO_DEVICE": "the NVIDIA driver is installed but sees no GPU",
    "CUDA_ERROR_SYSTEM_NOT_READY": "the NVIDIA driver is installed but not ready; restart the machine",
    "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH": "the NVIDIA driver and its libraries differ in version; restart the machine",
    "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE": "the CUDA compatibility package does not support this GPU; update "
    "the NVIDIA driver",
    "CUDA_ERROR_STUB_LIBRARY": "what is installed as libcuda is a stub, not the NVIDIA driver; install the driver",
    "CUDA_ERROR_OUT_OF_MEMORY": "the GPU's memory is all taken by other programs",
}


@dataclass(frozen=True)
class Gpu:
    """A GPU."""

    name: str
    capability: str
    """Compute capability, "8.9"."""
    total_bytes: int
    free_bytes: int | None
    """None where it cannot be told."""
    driver: str
    """For people: "580.65.06 (CUDA 13.0)"."""
    integrated: bool = False
    """Whether it shares the memory of the CPU, as on a Jetson."""


@dataclass(frozen=True)
class GpuSearch:
    """What a search for a GPU came to: `gpu`, or why there is none in `reason`, which says what to do."""

    gpu: Gpu | None
    reason: str | None = None


def find_gpu() -> Gpu | None:
    """Return the GPU that CUDA takes first (CUDA_VISIBLE_DEVICES counts); None where there is none. Never raises."""
    return search_gpu().gpu


def search_gpu() -> GpuSearch:
    """Look for a GPU, and say why there is none. Never raises."""
    try:
        driver = load_driver()
    except ImportError:
        return GpuSearch(None, NO_PACKAGE)
    except Exception as error:
        return GpuSearch(None, f"cuda-python does not load ({_short(error)}); pip install --upgrade cuda-python")
    try:
        return _search(driver)
    except _DriverError as error:
        return GpuSearch(None, REASONS.get(error.code, f"the NVIDIA driver reports {error.code}; check nvidia-smi"))
    except Exception:
        # cuda-python raises RuntimeError, or a kind of its own, when there is no libcuda to load.
        return GpuSearch(None, NO_DRIVER)


def load_driver() -> ModuleType:
    """Return cuda-python's module of the CUDA driver API. Raises ImportError when it is not installed."""
    try:
        return importlib.import_module("cuda.bindings.driver")
    except ModuleNotFoundError:
        # Where cuda-python 12.6.0, as on JetPack 6, has it.
        return importlib.import_module("cuda.cuda")


def available_memory(free: int, *, integrated: bool) -> int:
    """Return the bytes that can be allocated on a GPU, of which CUDA says that `free` are.

    On an integrated GPU CUDA counts what the system's file cache holds as taken, and it is given back when asked for:
    what Linux calls available counts there.
    """
    if not integrated:
        return free
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", MEMORY_FILE.read_text(errors="replace"), re.MULTILINE)
    except OSError:
        return free
    return free if found is None else max(free, 1024 * int(found.group(1)))


class _DriverError(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _search(driver: ModuleType) -> GpuSearch:
    ask = partial(_ask, driver)
    ask("cuInit", 0)
    if ask("cuDeviceGetCount")[0] < 1:
        return GpuSearch(None, REASONS["CUDA_ERROR_NO_DEVICE"])
    (device,) = ask("cuDeviceGet", 0)
    attributes = driver.CUdevice_attribute
    (major,) = ask("cuDeviceGetAttribute", attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device)
    (minor,) = ask("cuDeviceGetAttribute", attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device)
    (integrated,) = ask("cuDeviceGetAttribute", attributes.CU_DEVICE_ATTRIBUTE_INTEGRATED, device)
    (name,) = ask("cuDeviceGetName", 128, device)
    (total,) = ask("cuDeviceTotalMem", device)
    (cuda,) = ask("cuDriverGetVersion")
    release = _driver_release()
    spoken = f"CUDA {cuda // 1000}.{cuda % 1000 // 10}"
    gpu = Gpu(
        name=name.split(b"\0")[0].decode(errors="replace").strip(),
        capability=f"{major}.{minor}",
        total_bytes=int(total),
        free_bytes=_free_bytes(ask, device, integrated=bool(integrated)),
        driver=f"{release} ({spoken})" if release else spoken,
        integrated=bool(integrated),
    )
    return GpuSearch(gpu)


def _ask(driver: ModuleType, name: str, *arguments: Any) -> list[Any]:
    answer: list[Any]
    status, *answer = getattr(driver, name)(*arguments)
    if int(status):
        raise _DriverError(status.name)
    return answer


def _free_bytes(ask: Callable[..., list[Any]], device: Any, *, integrated: bool) -> int | None:
    """Ask within the primary context, which TensorRT and ONNX Runtime share; None where it cannot be had."""
    try:
        (context,) = ask("cuDevicePrimaryCtxRetain", device)
        try:
            ask("cuCtxPushCurrent", context)
            try:
                free = int(ask("cuMemGetInfo")[0])
            finally:
                ask("cuCtxPopCurrent")
        finally:
            ask("cuDevicePrimaryCtxRelease", device)
    except _DriverError:
        return None
    return available_memory(free, integrated=integrated)


def _driver_release() -> str | None:
    """Return "580.65.06", or None where the driver does not tell."""
    try:
        found = re.search(r"Kernel Module.*?\s(\d+\.[\d.]+)", DRIVER_FILE.read_text(errors="replace"))
    except OSError:
        return None
    return None if found is None else found.group(1)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
