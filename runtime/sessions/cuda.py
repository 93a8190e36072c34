"""CUDA's driver API on the first GPU, as calls that raise sentences; a thin layer over cuda-python.

The driver API alone, because the newest cuda-python then works with older drivers too: its runtime API does not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorrt.errors import ModelError
from colorrt.runtime.sessions.gpu import available_memory, load_driver

# cuda.h: CU_MEMHOSTALLOC_PORTABLE (pinned for every context), CU_STREAM_NON_BLOCKING, CU_EVENT_DEFAULT.
PORTABLE = NON_BLOCKING = 1
TIMED = 0
ADVICE = {
    "CUDA_ERROR_OUT_OF_MEMORY": "close other programs on the GPU, or use a smaller render factor or batch",
    "CUDA_ERROR_ILLEGAL_ADDRESS": "run it again, and if it repeats build the engine again",
    "CUDA_ERROR_LAUNCH_FAILED": "run it again, and if it repeats build the engine again",
    "CUDA_ERROR_LAUNCH_TIMEOUT": "the display driver ends work of seconds: use a smaller render factor or batch",
    "CUDA_ERROR_ECC_UNCORRECTABLE": "the GPU's memory has a fault: restart the machine",
    "CUDA_ERROR_DEVICE_UNAVAILABLE": "another program has exclusive use of the GPU; end it",
    "CUDA_ERROR_UNSUPPORTED_PTX_VERSION": "update the NVIDIA driver",
    "CUDA_ERROR_NO_BINARY_FOR_GPU": "build the engine again on this machine",
}


class CudaError(ModelError):
    """A call of CUDA failed. `code`: CUDA's own name of it, "CUDA_ERROR_OUT_OF_MEMORY"."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Cuda:
    """The first GPU and its primary context, which TensorRT uses too.

    Every method but `close` needs the context to be current in the calling thread: call it within `current`. What
    fails raises CudaError, in a sentence that names what was being done.
    """

    def __init__(self) -> None:
        self._driver: ModuleType = load_driver()
        self.call("starting CUDA", "cuInit", 0)
        self._device = self.call("finding the GPU", "cuDeviceGet", 0)
        attribute = self._driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_INTEGRATED
        self._integrated = bool(self.call("asking the GPU", "cuDeviceGetAttribute", attribute, self._device))
        self._context = self.call("starting CUDA on the GPU", "cuDevicePrimaryCtxRetain", self._device)

    def close(self) -> None:
        """Let the context go; CUDA ends it when nobody else in the process holds it."""
        self.call("leaving the GPU", "cuDevicePrimaryCtxRelease", self._device)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the context current in this thread for the block; contexts of others come back after it."""
        self.call("turning to the GPU", "cuCtxPushCurrent", self._context)
        try:
            yield
        finally:
            self.call("leaving the GPU", "cuCtxPopCurrent")

    def call(self, doing: str, name: str, *arguments: Any) -> Any:
        """Call the driver's function `name`; `doing` says for people what for. Returns what it answers."""
        status, *answers = getattr(self._driver, name)(*arguments)
        if int(status):
            raise self._error(doing, status)
        return answers[0] if len(answers) == 1 else tuple(answers)

    def free_memory(self) -> int:
        """Bytes that can be allocated on the GPU now."""
        free, _ = self.call("asking for free GPU memory", "cuMemGetInfo")
        return available_memory(int(free), integrated=self._integrated)

    def allocate(self, size: int) -> int:
        """Return the address of `size` bytes on the GPU."""
        return int(self.call(f"taking {size / 1e6:.0f} MB of GPU memory", "cuMemAlloc", size))

    def release(self, address: int) -> None:
        """Free what `allocate` returned."""
        self.call("freeing GPU memory", "cuMemFree", address)

    def allocate_pinned(self, size: int) -> int:
        """Return the address of `size` bytes of host memory that the GPU copies from and to without a detour."""
        return int(self.call(f"pinning {size / 1e6:.0f} MB of memory", "cuMemHostAlloc", size, PORTABLE))

    def release_pinned(self, address: int) -> None:
        """Free what `allocate_pinned` returned; no array may look at it any more."""
        self.call("freeing pinned memory", "cuMemFreeHost", address)

    def create_stream(self) -> Any:
        """Return a stream that does not wait for CUDA's default stream."""
        return self.call("making a CUDA stream", "cuStreamCreate", NON_BLOCKING)

    def destroy_stream(self, stream: Any) -> None:
        """Free what `create_stream` returned."""
        self.call("freeing a CUDA stream", "cuStreamDestroy", stream)

    def copy_in(self, device: int, host: int, size: int, stream: Any) -> None:
        """Queue a copy of pinned bytes to the GPU."""
        self.call("copying pictures to the GPU", "cuMemcpyHtoDAsync", device, host, size, stream)

    def copy_out(self, host: int, device: int, size: int, stream: Any) -> None:
        """Queue a copy of the GPU's bytes to pinned memory."""
        self.call("copying colors from the GPU", "cuMemcpyDtoHAsync", host, device, size, stream)

    def synchronize(self, stream: Any) -> None:
        """Wait until all that was queued is done; what failed on the GPU since is raised here."""
        self.call("running the network", "cuStreamSynchronize", stream)

    def begin_capture(self, stream: Any) -> None:
        """Record what is queued from here on, instead of running it; calls of other threads do not disturb it."""
        mode = self._driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self.call("recording a CUDA graph", "cuStreamBeginCapture", stream, mode)

    def end_capture(self, stream: Any) -> Any:
        """Return the graph that was recorded; it is freed with `destroy_graph`."""
        return self.call("recording a CUDA graph", "cuStreamEndCapture", stream)

    def instantiate(self, graph: Any) -> Any:
        """Return `graph` ready to be launched; it is freed with `destroy_launchable`."""
        return self.call("preparing a CUDA graph", "cuGraphInstantiate", graph, 0)

    def launch(self, launchable: Any, stream: Any) -> None:
        """Queue a graph."""
        self.call("running the network", "cuGraphLaunch", launchable, stream)

    def destroy_graph(self, graph: Any) -> None:
        """Free what `end_capture` returned."""
        self.call("freeing a CUDA graph", "cuGraphDestroy", graph)

    def destroy_launchable(self, launchable: Any) -> None:
        """Free what `instantiate` returned."""
        self.call("freeing a CUDA graph", "cuGraphExecDestroy", launchable)

    def create_event(self) -> Any:
        """Return an event that takes the time."""
        return self.call("making a CUDA event", "cuEventCreate", TIMED)

    def destroy_event(self, event: Any) -> None:
        """Free what `create_event` returned."""
        self.call("freeing a CUDA event", "cuEventDestroy", event)

    def record(self, event: Any, stream: Any) -> None:
        """Queue the taking of the time."""
        self.call("taking the time", "cuEventRecord", event, stream)

    def elapsed(self, start: Any, end: Any) -> float:
        """Return the milliseconds between two events that have happened."""
        return float(self.call("taking the time", "cuEventElapsedTime", start, end))

    def _error(self, doing: str, status: Any) -> CudaError:
        found, text = self._driver.cuGetErrorString(status)
        said = f": {text.decode(errors='replace')}" if not int(found) and text else ""
        advice = ADVICE.get(status.name, "'colorrt doctor' shows what this machine has")
        return CudaError(f"CUDA failed while {doing} ({status.name}{said}); {advice}", status.name)


def float_view(address: int, count: int) -> NDArray[np.float32]:
    """Return `count` float32 numbers at `address` as an array that does not own them."""
    view: NDArray[np.float32] = np.ctypeslib.as_array((ctypes.c_float * count).from_address(address))
    return view
