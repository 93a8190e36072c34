"""A stand-in for a machine with an NVIDIA GPU: the calls of CUDA's driver and of TensorRT that sessions make.

Bytes are really moved, and what is queued on a stream happens when it is synchronized, as on a GPU: who reads too
early reads zeros. The "network" is `network` below. Every call is written down, can be made to fail, and everything
that is made is counted until it is freed.
"""

# ruff: noqa: N802, N803
from __future__ import annotations

import ctypes
import enum
import threading
import weakref
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

WEIGHTS = 1_000_000
"""Bytes of GPU memory that an engine takes when it is loaded."""
TIME_OF_A_RUN, TIME_OF_A_GRAPH, TIME_OF_A_COPY = 2.0, 1.5, 8.0
CACHE = b"kernels "


def network(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """N x 1 x S x S -> N x 2 x S x S."""
    return np.concatenate([0.5 * luma, 0.25 - luma], axis=1)


class Status(enum.IntEnum):
    """The members of CUresult that are used."""

    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_NO_DEVICE = 100
    CUDA_ERROR_INVALID_CONTEXT = 201
    CUDA_ERROR_INVALID_HANDLE = 400
    CUDA_ERROR_ILLEGAL_ADDRESS = 700
    CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900


class DeviceAttribute(enum.IntEnum):
    CU_DEVICE_ATTRIBUTE_INTEGRATED = 18
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76


class CaptureMode(enum.IntEnum):
    CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1


@dataclass
class Profile:
    """What the engine in the plan is."""

    least: tuple[int, ...] = (1, 1, 32, 32)
    most: tuple[int, ...] = (2, 1, 32, 32)
    shape: tuple[int, ...] = (-1, 1, 32, 32)
    scratch: int = 5000
    names: tuple[str, str] = ("luma", "chroma")
    output_type: str = "FLOAT"
    channels: int = 2
    loads: bool = True
    says: str = ""
    """What TensorRT logs as an error when it does not load."""
    flags: int = 0
    """Of get_engine_validity."""
    capturable: bool = True


@dataclass
class Machine:
    """The machine: what it has, what was called, what lives."""

    flavor: str = "tensorrt"
    version: str = "10.13.3.9"
    gpu: str = "NVIDIA Stand-in"
    capability: tuple[int, int] = (8, 9)
    memory: int = 8_000_000_000
    free: int = 6_000_000_000
    integrated: bool = False
    profile: Profile = field(default_factory=Profile)
    fail: dict[str, str | bool] = field(default_factory=dict)
    """Name of a call -> the status that it fails with, or True for TensorRT's."""
    fail_at: int | None = None
    """Index of the one call that fails."""
    calls: list[str] = field(default_factory=list)
    blocks: dict[int, tuple[str, Any]] = field(default_factory=dict)
    handles: dict[int, Any] = field(default_factory=dict)
    retained: int = 0
    freed: list[tuple[str, bool]] = field(default_factory=list)
    """TensorRT's objects that are gone, and whether CUDA's context was current then."""
    living: int = 0
    clock: float = 0.0
    stacks: threading.local = field(default_factory=threading.local)
    log: Any = None
    running: int = 0
    most_running: int = 0

    def __post_init__(self) -> None:
        self.driver = Driver(self)
        self.module = make_flavor(self)

    def called(self, name: str) -> bool:
        """Write a call down; False when it has to fail."""
        self.calls.append(name)
        return not (name in self.fail or self.fail_at == len(self.calls) - 1)

    @property
    def stack(self) -> list[str]:
        if not hasattr(self.stacks, "stack"):
            self.stacks.stack = []
        return self.stacks.stack

    def track(self, kind: str, thing: Any) -> None:
        self.living += 1

        def gone() -> None:
            self.living -= 1
            self.freed.append((kind, bool(self.stack)))

        weakref.finalize(thing, gone)

    @property
    def leaks(self) -> list[str]:
        """What is not freed."""
        rest = [kind for kind, _ in self.blocks.values()]
        rest += [type(handle).__name__ for handle in self.handles.values()]
        rest += ["TensorRT object"] * self.living + ["retained context"] * self.retained + list(self.stack)
        return rest

    @property
    def taken(self) -> int:
        return sum(ctypes.sizeof(block) for kind, block in self.blocks.values() if kind == "device")

    def look(self, address: int, size: int) -> Any:
        """The memory at an address that was allocated; what lies outside is an error."""
        for start, (_, block) in self.blocks.items():
            if start <= address and address + size <= start + ctypes.sizeof(block):
                return (ctypes.c_char * size).from_address(address)
        raise AssertionError(f"{size} bytes at {address} were never allocated, or are freed")


class Handle:
    """Whatever CUDA knows by a number."""

    def __init__(self, machine: Machine) -> None:
        machine.handles[id(self)] = self

    def __int__(self) -> int:
        return id(self)


class Stream(Handle):
    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.queue: list[Callable[[], None]] = []
        self.captured: list[Callable[[], None]] | None = None

    def add(self, work: Callable[[], None]) -> None:
        (self.queue if self.captured is None else self.captured).append(work)


class Graph(Handle):
    work: list[Callable[[], None]]


class Launchable(Graph):
    pass


class Event(Handle):
    time: float | None = None


class Driver:
    """cuda.bindings.driver. Answers are tuples that begin with the status; None for what a failed call returns."""

    CUdevice_attribute = DeviceAttribute
    CUstreamCaptureMode = CaptureMode

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def _status(self, name: str, *, context: bool = True) -> Status:
        machine = self._machine
        if not machine.called(name):
            said = machine.fail.get(name)
            return Status[said] if isinstance(said, str) else Status.CUDA_ERROR_ILLEGAL_ADDRESS
        if context and not machine.stack:
            return Status.CUDA_ERROR_INVALID_CONTEXT
        return Status.CUDA_SUCCESS

    def cuGetErrorString(self, error: Status) -> tuple[Any, ...]:
        return Status.CUDA_SUCCESS, error.name.removeprefix("CUDA_ERROR_").replace("_", " ").lower().encode()

    def cuInit(self, Flags: int) -> tuple[Any, ...]:
        return (self._status("cuInit", context=False),)

    def cuDriverGetVersion(self) -> tuple[Any, ...]:
        status = self._status("cuDriverGetVersion", context=False)
        return status, None if status else 12090

    def cuDeviceGetCount(self) -> tuple[Any, ...]:
        status = self._status("cuDeviceGetCount", context=False)
        return status, None if status else 1

    def cuDeviceGet(self, ordinal: int) -> tuple[Any, ...]:
        assert ordinal == 0
        status = self._status("cuDeviceGet", context=False)
        return status, None if status else SimpleNamespace()

    def cuDeviceGetName(self, length: int, dev: Any) -> tuple[Any, ...]:
        status = self._status("cuDeviceGetName", context=False)
        return status, None if status else self._machine.gpu.encode().ljust(length, b"\0")

    def cuDeviceTotalMem(self, dev: Any) -> tuple[Any, ...]:
        status = self._status("cuDeviceTotalMem", context=False)
        return status, None if status else self._machine.memory

    def cuDeviceGetAttribute(self, attrib: DeviceAttribute, dev: Any) -> tuple[Any, ...]:
        status = self._status("cuDeviceGetAttribute", context=False)
        machine = self._machine
        values = (int(machine.integrated), *machine.capability)
        return status, None if status else values[list(DeviceAttribute).index(attrib)]

    def cuDevicePrimaryCtxRetain(self, dev: Any) -> tuple[Any, ...]:
        status = self._status("cuDevicePrimaryCtxRetain", context=False)
        self._machine.retained += not status
        return status, None if status else "primary context"

    def cuDevicePrimaryCtxRelease(self, dev: Any) -> tuple[Any, ...]:
        self._machine.retained -= 1
        return (self._status("cuDevicePrimaryCtxRelease", context=False),)

    def cuCtxPushCurrent(self, ctx: Any) -> tuple[Any, ...]:
        status = self._status("cuCtxPushCurrent", context=False)
        if not status:
            assert self._machine.retained, "the context is gone"
            self._machine.stack.append(ctx)
        return (status,)

    def cuCtxPopCurrent(self) -> tuple[Any, ...]:
        status = self._status("cuCtxPopCurrent")
        return status, self._machine.stack.pop()

    def cuMemGetInfo(self) -> tuple[Any, ...]:
        status = self._status("cuMemGetInfo")
        machine = self._machine
        return status, None if status else machine.free - machine.taken - WEIGHTS * bool(machine.living), machine.memory

    def _allocate(self, kind: str, name: str, size: int) -> tuple[Any, ...]:
        status = self._status(name)
        if status:
            return status, None
        assert size > 0
        block = (ctypes.c_char * size)()
        self._machine.blocks[ctypes.addressof(block)] = (kind, block)
        return status, ctypes.addressof(block)

    def _release(self, kind: str, name: str, address: int) -> tuple[Any, ...]:
        # What is queued may still use it.
        for handle in self._machine.handles.values():
            assert not (isinstance(handle, Stream) and handle.queue), "freed while work is under way"
        found, block = self._machine.blocks.pop(address)
        assert found == kind
        ctypes.memset(block, 0xFF, ctypes.sizeof(block))
        return (self._status(name),)

    def cuMemAlloc(self, bytesize: int) -> tuple[Any, ...]:
        if bytesize > self._machine.free:
            self._machine.called("cuMemAlloc")
            return Status.CUDA_ERROR_OUT_OF_MEMORY, None
        return self._allocate("device", "cuMemAlloc", bytesize)

    def cuMemFree(self, dptr: int) -> tuple[Any, ...]:
        return self._release("device", "cuMemFree", dptr)

    def cuMemHostAlloc(self, bytesize: int, Flags: int) -> tuple[Any, ...]:
        assert Flags == 1
        return self._allocate("pinned", "cuMemHostAlloc", bytesize)

    def cuMemFreeHost(self, p: int) -> tuple[Any, ...]:
        return self._release("pinned", "cuMemFreeHost", p)

    def _copy(self, name: str, to: int, source: int, size: int, stream: Stream) -> tuple[Any, ...]:
        status = self._status(name)
        machine = self._machine
        if not status:

            def copy() -> None:
                machine.clock += TIME_OF_A_COPY
                ctypes.memmove(machine.look(to, size), machine.look(source, size), size)

            stream.add(copy)
        return (status,)

    def cuMemcpyHtoDAsync(self, dstDevice: int, srcHost: int, ByteCount: int, hStream: Stream) -> tuple[Any, ...]:
        return self._copy("cuMemcpyHtoDAsync", dstDevice, srcHost, ByteCount, hStream)

    def cuMemcpyDtoHAsync(self, dstHost: int, srcDevice: int, ByteCount: int, hStream: Stream) -> tuple[Any, ...]:
        return self._copy("cuMemcpyDtoHAsync", dstHost, srcDevice, ByteCount, hStream)

    def cuStreamCreate(self, Flags: int) -> tuple[Any, ...]:
        assert Flags == 1
        status = self._status("cuStreamCreate")
        return status, None if status else Stream(self._machine)

    def cuStreamSynchronize(self, hStream: Stream) -> tuple[Any, ...]:
        machine = self._machine
        machine.running += 1
        machine.most_running = max(machine.most_running, machine.running)
        status = self._status("cuStreamSynchronize")
        assert hStream.captured is None
        while hStream.queue:
            work = hStream.queue.pop(0)
            if not status:
                work()
        machine.running -= 1
        return (status,)

    def cuStreamDestroy(self, hStream: Stream) -> tuple[Any, ...]:
        status = self._status("cuStreamDestroy")
        del self._machine.handles[id(hStream)]
        return (status,)

    def cuStreamBeginCapture(self, hStream: Stream, mode: CaptureMode) -> tuple[Any, ...]:
        assert mode is CaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        status = self._status("cuStreamBeginCapture")
        if not status:
            hStream.captured = []
        return (status,)

    def cuStreamEndCapture(self, hStream: Stream) -> tuple[Any, ...]:
        status = self._status("cuStreamEndCapture")
        work, hStream.captured = hStream.captured, None
        if status:
            return status, None
        assert work is not None
        graph = Graph(self._machine)
        graph.work = work
        return status, graph

    def cuGraphInstantiate(self, hGraph: Graph, flags: int) -> tuple[Any, ...]:
        assert flags == 0
        status = self._status("cuGraphInstantiate")
        if status:
            return status, None
        launchable = Launchable(self._machine)
        launchable.work = list(hGraph.work)
        return status, launchable

    def cuGraphDestroy(self, hGraph: Graph) -> tuple[Any, ...]:
        status = self._status("cuGraphDestroy")
        del self._machine.handles[id(hGraph)]
        return (status,)

    def cuGraphLaunch(self, hGraphExec: Launchable, hStream: Stream) -> tuple[Any, ...]:
        status = self._status("cuGraphLaunch")
        if not status:
            for work in hGraphExec.work:
                hStream.add(work)
            hStream.add(lambda: self._tick(TIME_OF_A_GRAPH - TIME_OF_A_RUN))
        return (status,)

    def cuGraphExecDestroy(self, hGraphExec: Launchable) -> tuple[Any, ...]:
        status = self._status("cuGraphExecDestroy")
        del self._machine.handles[id(hGraphExec)]
        return (status,)

    def cuEventCreate(self, Flags: int) -> tuple[Any, ...]:
        assert Flags == 0
        status = self._status("cuEventCreate")
        return status, None if status else Event(self._machine)

    def cuEventDestroy(self, hEvent: Event) -> tuple[Any, ...]:
        status = self._status("cuEventDestroy")
        del self._machine.handles[id(hEvent)]
        return (status,)

    def cuEventRecord(self, hEvent: Event, hStream: Stream) -> tuple[Any, ...]:
        status = self._status("cuEventRecord")
        if not status:
            hStream.add(lambda: setattr(hEvent, "time", self._machine.clock))
        return (status,)

    def cuEventElapsedTime(self, hStart: Event, hEnd: Event) -> tuple[Any, ...]:
        status = self._status("cuEventElapsedTime")
        if status:
            return status, None
        assert hStart.time is not None
        assert hEnd.time is not None
        return status, hEnd.time - hStart.time

    def _tick(self, time: float) -> None:
        self._machine.clock += time


class Severity(enum.IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3


class ILogger:
    Severity = Severity

    def log(self, severity: Severity, msg: str) -> None:
        raise NotImplementedError


class TensorIOMode(enum.Enum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class ExecutionContextAllocationStrategy(enum.Enum):
    STATIC = 0
    USER_MANAGED = 2


class CudaGraphStrategy(enum.Enum):
    DISABLED = 0
    WHOLE_GRAPH_CAPTURE = 1


class DynamicShapesKernelSpecializationStrategy(enum.Enum):
    LAZY = 0
    EAGER = 1


class EngineValidity(enum.IntEnum):
    VALID = 0
    SUBOPTIMAL = 1
    INVALID = 2


class EngineInvalidityDiagnostics(enum.IntEnum):
    VERSION_MISMATCH = 1
    UNSUPPORTED_CC = 2
    OLD_CUDA_DRIVER = 4
    OLD_CUDA_RUNTIME = 8
    INSUFFICIENT_GPU_MEMORY = 16
    MALFORMED_ENGINE = 32
    CUDA_ERROR = 64


class Tracked:
    """An object of TensorRT."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        machine.track(type(self).__name__, self)


class IRuntimeCache(Tracked):
    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self._kernels = b""

    def deserialize(self, blob: bytes) -> bool:
        sound = bytes(blob).startswith(CACHE) and self._machine.called("deserialize")
        if sound:
            self._kernels = bytes(blob)
        return sound

    def serialize(self) -> bytes:
        return self._kernels


class IRuntimeConfig(Tracked):
    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.strategy = ExecutionContextAllocationStrategy.STATIC
        self.cuda_graph_strategy = CudaGraphStrategy.DISABLED
        self.dynamic_shapes_kernel_specialization_strategy = DynamicShapesKernelSpecializationStrategy.LAZY
        self.cache: IRuntimeCache | None = None

    def set_execution_context_allocation_strategy(self, strategy: ExecutionContextAllocationStrategy) -> None:
        self.strategy = strategy

    def create_runtime_cache(self) -> IRuntimeCache:
        return IRuntimeCache(self._machine)

    def set_runtime_cache(self, cache: IRuntimeCache) -> bool:
        self.cache = cache
        return True


class IExecutionContext(Tracked):
    def __init__(self, machine: Machine, config: IRuntimeConfig | None) -> None:
        super().__init__(machine)
        self._config = config
        self._scratch: tuple[int, int] | None = None
        self._shape: tuple[int, ...] | None = None
        self._addresses: dict[str, int] = {}

    def set_device_memory(self, memory: int, size: int) -> None:
        self._scratch = (memory, size)

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        profile = self._machine.profile
        assert name == "luma"
        pairs = zip(profile.least, shape, profile.most, strict=True)
        fits = self._machine.called("set_input_shape") and all(low <= this <= high for low, this, high in pairs)
        if fits:
            self._shape = shape
        return fits

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return self._machine.called("set_tensor_address")

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        assert name == "chroma"
        assert self._shape is not None
        return (self._shape[0], self._machine.profile.channels, *self._shape[2:])

    def is_stream_capturable(self, stream: int) -> bool:
        return self._machine.profile.capturable

    def execute_async_v3(self, stream_handle: int) -> bool:
        machine = self._machine
        assert machine.stack, "no context of CUDA is current"
        assert self._scratch is not None
        assert self._scratch[1] >= machine.profile.scratch
        assert self._shape is not None
        if not machine.called("execute_async_v3"):
            machine.log.log(Severity.ERROR, "IExecutionContext::enqueueV3: Error Code 1: Cuda Runtime (broken)")
            return False
        if self._config is not None and self._config.cache is not None:
            self._config.cache._kernels = CACHE + b"for 8.9"
        count, _, side, _ = self._shape
        luma, chroma, scratch = self._addresses["luma"], self._addresses["chroma"], self._scratch

        def work() -> None:
            machine.clock += TIME_OF_A_RUN
            machine.look(*scratch)
            size = 4 * count * side * side
            seen = np.frombuffer(machine.look(luma, size), np.float32).reshape(count, 1, side, side)
            answer = np.ascontiguousarray(network(seen))
            ctypes.memmove(machine.look(chroma, 2 * size), answer.ctypes.data, 2 * size)

        machine.handles[stream_handle].add(work)
        return True


class ICudaEngine(Tracked):
    @property
    def num_io_tensors(self) -> int:
        return len(self._machine.profile.names)

    @property
    def device_memory_size_v2(self) -> int:
        return self._machine.profile.scratch

    def get_tensor_name(self, index: int) -> str:
        return self._machine.profile.names[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name == self._machine.profile.names[0] else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> str:
        return "FLOAT" if name == self._machine.profile.names[0] else self._machine.profile.output_type

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._machine.profile.shape

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        assert profile_index == 0
        return [self._machine.profile.least, self._machine.profile.most, self._machine.profile.most]

    def create_runtime_config(self) -> IRuntimeConfig:
        return IRuntimeConfig(self._machine)

    def create_execution_context(self, how: Any) -> IExecutionContext | None:
        config = how if isinstance(how, IRuntimeConfig) else None
        strategy = how if config is None else config.strategy
        assert strategy is ExecutionContextAllocationStrategy.USER_MANAGED
        made = self._machine.called("create_execution_context")
        return IExecutionContext(self._machine, config) if made else None


class Runtime(Tracked):
    engine_header_size = 64

    def get_engine_validity(self, buffer: bytes) -> tuple[EngineValidity, int]:
        assert len(buffer) == self.engine_header_size
        flags = self._machine.profile.flags
        return EngineValidity.INVALID if flags else EngineValidity.SUBOPTIMAL, flags

    def deserialize_cuda_engine(self, serialized_engine: Any) -> ICudaEngine | None:
        machine = self._machine
        assert machine.stack, "no context of CUDA is current"
        assert bytes(serialized_engine[:4]) in (b"ftrt", b"vtrt")
        if not (machine.called("deserialize_cuda_engine") and machine.profile.loads):
            if machine.profile.says:
                machine.log.log(Severity.ERROR, machine.profile.says)
            return None
        return ICudaEngine(machine)


def make_flavor(machine: Machine) -> Any:
    """The package tensorrt or tensorrt_rtx of `machine`."""
    module = ModuleType(machine.flavor)

    class Classic(Runtime):
        def __init__(self, logger: Any) -> None:
            assert isinstance(logger, ILogger)
            machine.log = logger
            logger.log(Severity.WARNING, "a warning that is none of the user's business")
            if not machine.called("Runtime"):
                logger.log(Severity.ERROR, "[init.cpp::start::7] Error Code 1: Cuda Runtime (no CUDA)")
                raise TypeError("pybind11::init(): factory function returned nullptr")
            super().__init__(machine)

    names: dict[str, Any] = {
        "__version__": machine.version,
        "ILogger": ILogger,
        "Runtime": Classic,
        "TensorIOMode": TensorIOMode,
        "float32": "FLOAT",
        "ExecutionContextAllocationStrategy": ExecutionContextAllocationStrategy,
    }
    if machine.flavor == "tensorrt_rtx":
        names |= {
            "CudaGraphStrategy": CudaGraphStrategy,
            "IRuntimeCache": IRuntimeCache,
            "DynamicShapesKernelSpecializationStrategy": DynamicShapesKernelSpecializationStrategy,
            "EngineValidity": EngineValidity,
            "EngineInvalidityDiagnostics": EngineInvalidityDiagnostics,
        }
    else:
        # TensorRT 10 has no such call; a property without a getter is an attribute that is not there.
        Classic.get_engine_validity = property()  # type: ignore[assignment, method-assign]
    for name, value in names.items():
        setattr(module, name, value)
    return module
