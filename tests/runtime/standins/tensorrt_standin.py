"""A stand-in for TensorRT and TensorRT for RTX: the classes that sessions use, and a "network" with known answers."""

from __future__ import annotations

import ctypes
import enum
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from cuda_standin import TIME_OF_A_RUN

if TYPE_CHECKING:
    from gpu_standin import Machine
    from numpy.typing import NDArray

CACHE = b"kernels "


def network(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """N x 1 x S x S -> N x 2 x S x S."""
    return np.concatenate([0.5 * luma, 0.25 - luma], axis=1)


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
        Classic.get_engine_validity = property()  # type: ignore[assignment, method-assign]  # a method hidden behind a property without a getter
    for name, value in names.items():
        setattr(module, name, value)
    return module
