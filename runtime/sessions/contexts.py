"""The shapes of an engine that are ready to run: for each an execution context, and a CUDA graph where one can be."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from colorrt.contract import INPUT, OUTPUT, Contract
from colorrt.errors import ModelError
from colorrt.runtime.sessions.cuda import Cuda, CudaError
from colorrt.runtime.sessions.flavors import Flavor
from colorrt.runtime.sessions.gpu import Gpu
from colorrt.runtime.sessions.jit_cache import JitCache
from colorrt.runtime.sessions.trt_log import OUT_OF_MEMORY, first_reason

KEPT = 16
"""Shapes that are kept ready; the one that was not used for longest goes first."""


@dataclass(frozen=True)
class Blocks:
    """The memory that all shapes share, one after the other: addresses on the GPU, and the bytes of `scratch`."""

    luma: int
    chroma: int
    scratch: int
    scratch_size: int


@dataclass
class ShapeContext:
    """One shape, ready to run."""

    context: Any
    launchable: Any = None
    """The CUDA graph; None: kernel by kernel, or as TensorRT itself decides."""


class ShapeContexts:
    """The shapes of one engine on one stream.

    A context of its own for each graph, because a graph is bound to the state that its context had when it was
    recorded. All are to be called with CUDA's context current. `log`: what TensorRT speaks to.
    """

    def __init__(
        self,
        engine: Any,
        contract: Contract,
        flavor: Flavor,
        gpu: Gpu,
        cuda: Cuda,
        stream: Any,
        blocks: Blocks,
        log: Any,
    ) -> None:
        self._engine = engine
        self._contract = contract
        self._flavor = flavor
        self._gpu = gpu
        self._cuda = cuda
        self._stream = stream
        self._blocks = blocks
        self._log = log
        self._shapes: OrderedDict[tuple[int, int, bool], ShapeContext] = OrderedDict()
        self._jit: tuple[Any, JitCache] | None = None

    @property
    def records_itself(self) -> bool:
        """Whether this TensorRT records CUDA graphs itself, and knows best when; TensorRT for RTX does."""
        return hasattr(self._flavor.module, "CudaGraphStrategy")

    def get(self, count: int, side: int, *, graph: bool) -> ShapeContext:
        """Return the context of `count` squares of `side` pixels; made, and run once, when they first come.

        `graph`: with a CUDA graph where one can be recorded. Raises ModelError where TensorRT or CUDA fail.
        """
        key = (count, side, graph)
        if key in self._shapes:
            self._shapes.move_to_end(key)
            return self._shapes[key]
        while len(self._shapes) >= KEPT:
            self._drop(self._shapes.popitem(last=False)[1])
        self._log.clear()
        shape_context = ShapeContext(self._context(graph=graph))
        try:
            self._bind(shape_context, count, side)
            # The first run of a shape compiles and allocates, which no graph can record.
            self.enqueue(shape_context)
            self._cuda.synchronize(self._stream)
            if graph and not self.records_itself:
                shape_context.launchable = self._record(shape_context)
        except BaseException:
            # Not left to the frames of the exception, which may live longer than CUDA's context.
            self._drop(shape_context)
            raise
        self._shapes[key] = shape_context
        if self._jit is not None:
            self._jit[1].save()
        return shape_context

    def enqueue(self, shape_context: ShapeContext) -> None:
        """Queue one run of the network on what lies in the block of luma."""
        if shape_context.launchable is not None:
            self._cuda.launch(shape_context.launchable, self._stream)
        elif not shape_context.context.execute_async_v3(int(self._stream)):
            raise self._failed("the network cannot be queued")

    def close(self) -> None:
        """Free all shapes."""
        while self._shapes:
            self._drop(self._shapes.popitem()[1])
        self._jit = None
        self._engine = None

    def _bind(self, shape_context: ShapeContext, count: int, side: int) -> None:
        if shape_context.context is None:
            raise self._failed("an execution context cannot be made")
        shape_context.context.set_device_memory(self._blocks.scratch, self._blocks.scratch_size)
        shape = (count, 1, side, side)
        if not shape_context.context.set_input_shape(INPUT, shape):
            raise self._failed(f"luma of {format_shape(shape)} is not taken")
        for name, address in ((INPUT, self._blocks.luma), (OUTPUT, self._blocks.chroma)):
            if not shape_context.context.set_tensor_address(name, address):
                raise self._failed(f"the buffer of {name} is not taken")
        answer = tuple(shape_context.context.get_tensor_shape(OUTPUT))
        if answer != (count, 2, side, side):
            raise self._failed(f"the answer to luma of {format_shape(shape)} is {format_shape(answer)}")

    def _context(self, *, graph: bool) -> Any:
        module = self._flavor.module
        by_us = module.ExecutionContextAllocationStrategy.USER_MANAGED
        if not hasattr(module, "IRuntimeCache"):
            return self._engine.create_execution_context(by_us)
        config = self._engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(by_us)
        # What a graph records must be the kernels for its shape, not those that stand in until they are compiled.
        config.dynamic_shapes_kernel_specialization_strategy = module.DynamicShapesKernelSpecializationStrategy.EAGER
        if self.records_itself:
            strategies = module.CudaGraphStrategy
            config.cuda_graph_strategy = strategies.WHOLE_GRAPH_CAPTURE if graph else strategies.DISABLED
        if self._jit is None:
            cache = config.create_runtime_cache()
            self._jit = (cache, JitCache(cache, self._contract, self._flavor, self._gpu))
        config.set_runtime_cache(self._jit[0])
        return self._engine.create_execution_context(config)

    def _record(self, shape_context: ShapeContext) -> Any:
        """Return the run of `shape_context` as a CUDA graph that can be launched; None where it cannot be recorded."""
        stream = int(self._stream)
        if hasattr(shape_context.context, "is_stream_capturable") and not shape_context.context.is_stream_capturable(
            stream
        ):
            return None
        try:
            self._cuda.begin_capture(self._stream)
            try:
                queued = shape_context.context.execute_async_v3(stream)
            finally:
                graph = self._cuda.end_capture(self._stream)
        except CudaError:
            return None
        try:
            return self._cuda.instantiate(graph) if queued else None
        except CudaError:
            return None
        finally:
            ignore_cuda_errors(self._cuda.destroy_graph, graph)

    def _drop(self, shape_context: ShapeContext) -> None:
        if shape_context.launchable is not None:
            ignore_cuda_errors(self._cuda.destroy_launchable, shape_context.launchable)
        shape_context.launchable = shape_context.context = None

    def _failed(self, what: str) -> ModelError:
        reason = first_reason(self._log)
        advice = "build the engine again with 'colorrt build'"
        if OUT_OF_MEMORY.search(reason or ""):
            advice = "close other programs on the GPU, or use a smaller render factor or batch"
        said = f" ({reason})" if reason else ""
        return ModelError(f"{self._contract.model}: {self._flavor.title} failed: {what}{said}; {advice}")


def ignore_cuda_errors(free: Callable[..., None], *arguments: Any) -> None:
    """Call what frees something. After a failure of the GPU every such call fails, and the others still come."""
    with suppress(CudaError):
        free(*arguments)


def format_shape(shape: tuple[int, ...]) -> str:
    """Say a shape: "8 x 1 x 256 x 256"."""
    return " x ".join(map(str, shape))
