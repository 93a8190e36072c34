"""Sessions on TensorRT and TensorRT for RTX: engines that 'colorrt build' made, on an NVIDIA GPU."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorrt.contract import INPUT, OUTPUT, UNIT, Contract, Device
from colorrt.errors import ArtifactError, BackendError, ModelError, UsageError
from colorrt.runtime.artifact import Artifact
from colorrt.runtime.sessions.contexts import Blocks, ShapeContexts, format_shape, ignore_cuda_errors
from colorrt.runtime.sessions.cuda import Cuda, CudaError, float_view
from colorrt.runtime.sessions.fitting import check_validity, find_home, rebuild
from colorrt.runtime.sessions.session import SessionOptions, check_luma
from colorrt.runtime.sessions.trt_log import OUT_OF_MEMORY, first_reason, log_of

PIXEL = 4
"""Bytes of a float32."""


class TensorRtSession:
    """A session on an engine. Any number of threads may call `run`; they take turns.

    One stream, pinned buffers for the largest batch of the engine's profile, one block of scratch memory that all
    shapes share, and for each shape an execution context with its CUDA graph. TensorRT for RTX makes the graphs
    itself, and keeps the kernels that it compiles at the first run on disk.
    """

    def __init__(self, artifact: Artifact, options: SessionOptions) -> None:
        """Load the engine.

        Raises BackendError where TensorRT, the GPU or a fitting version is missing, ArtifactError when the engine is
        not what its contract says, ModelError when there is not enough GPU memory.
        """
        if options.device in (Device.CPU, Device.OPENVINO):
            raise BackendError(
                f"{artifact.path}: a TensorRT engine runs on the GPU, not on device {options.device!r}; leave --device "
                "out, or give the ONNX file that the engine was built from"
            )
        self._artifact = artifact
        self._flavor, self._gpu = find_home(artifact)
        self._log = log_of(self._flavor.module)
        self._lock = threading.Lock()
        self._rest = ExitStack()
        self._runtime: Any = None
        self._engine: Any = None
        self._shapes: ShapeContexts | None = None
        self._cuda: Cuda | None = Cuda()
        try:
            with self._cuda.current():
                self._open(self._cuda)
        except BaseException:
            self._free()
            raise

    @property
    def contract(self) -> Contract:
        """What the artifact promises."""
        return self._artifact.contract

    @property
    def backend(self) -> str:
        """What runs the network, for people."""
        return f"{self._flavor.title} on {self._gpu.name}"

    @property
    def batch(self) -> tuple[int, int]:
        """Fewest and most pictures that the engine takes in one go; `run` splits and pads to them."""
        return self._least[0], self._most[0]

    @property
    def device_memory(self) -> int:
        """Bytes of GPU memory that the session holds: engine, scratch memory, buffers, contexts and graphs.

        The difference of CUDA's free memory before it was opened and now, so what other programs took or gave back
        in between counts; never less than its own scratch memory and buffers.
        """
        with self._lock:
            cuda, _ = self._opened()
            with cuda.current():
                return max(self._scratch_size + self._buffer_size, self._free_before - cuda.free_memory())

    @property
    def precision(self) -> str:
        """The numbers that it computes with."""
        return self.contract.precision

    @property
    def making(self) -> str:
        """What makes its answers differ from those of other sessions."""
        return ""

    @property
    def best_batch(self) -> int:
        """Pictures at a time that the engine was tuned for."""
        engine = self.contract.engine
        return 1 if engine is None else engine.optimum

    def run(self, luma: NDArray[np.float32]) -> NDArray[np.float32]:
        """Guess chroma (N x 2 x S x S float32) from luma (N x 1 x S x S float32, 0..1), any N.

        More pictures than the engine takes at a time go in several runs; fewer are filled up. Raises UsageError when
        the engine does not take that size, ModelError when it fails.
        """
        side = self._check(luma)
        chroma = np.empty((len(luma), 2, side, side), np.float32)
        with self._lock:
            cuda, shapes = self._opened()
            with cuda.current():
                for start in range(0, len(luma), self._most[0]):
                    some = slice(start, start + self._most[0])
                    self._run_some(cuda, shapes, luma[some], chroma[some])
        return chroma

    def measure(self, luma: NDArray[np.float32], rounds: int, *, graph: bool) -> list[float]:
        """Return the milliseconds of the network alone, once for each of `rounds`, between two CUDA events.

        `luma`: N x 1 x S x S float32, one batch that the engine takes. Copies are not in it. `graph`: run as a CUDA
        graph, or kernel by kernel. Raises BackendError when no graph could be recorded of this engine, and as `run`.
        """
        side = self._check(luma)
        fewest, most = self.batch
        if not fewest <= len(luma) <= most:
            raise UsageError(f"{self.contract.model} takes {fewest} to {most} pictures at a time, got {len(luma)}")
        with self._lock:
            cuda, shapes = self._opened()
            with cuda.current(), ExitStack() as stack:
                stack.callback(ignore_cuda_errors, cuda.synchronize, self._stream)
                self._copy_in(cuda, luma)
                shape_context = shapes.get(len(luma), side, graph=graph)
                if graph and shape_context.launchable is None and not shapes.records_itself:
                    raise BackendError(
                        f"{self._artifact.path}: no CUDA graph could be recorded of this engine; measure without it"
                    )
                start = cuda.create_event()
                stack.callback(ignore_cuda_errors, cuda.destroy_event, start)
                end = cuda.create_event()
                stack.callback(ignore_cuda_errors, cuda.destroy_event, end)
                shapes.enqueue(shape_context)
                times = []
                for _ in range(rounds):
                    cuda.record(start, self._stream)
                    shapes.enqueue(shape_context)
                    cuda.record(end, self._stream)
                    cuda.synchronize(self._stream)
                    times.append(cuda.elapsed(start, end))
                return times

    def close(self) -> None:
        """Free the network and all that it holds on the GPU."""
        with self._lock:
            self._free()

    def _open(self, cuda: Cuda) -> None:
        self._free_before = cuda.free_memory()
        self._stream = cuda.create_stream()
        self._rest.callback(ignore_cuda_errors, cuda.destroy_stream, self._stream)
        self._load(cuda)
        self._least, self._most = self._profile()
        self._check_memory(cuda)
        count = self._most[0] * self._most[2] ** 2
        blocks = Blocks(
            luma=self._take(cuda.allocate, cuda.release, PIXEL * count),
            chroma=self._take(cuda.allocate, cuda.release, PIXEL * 2 * count),
            scratch=self._take(cuda.allocate, cuda.release, self._scratch_size),
            scratch_size=self._scratch_size,
        )
        self._blocks = blocks
        self._pinned_luma = self._take(cuda.allocate_pinned, cuda.release_pinned, PIXEL * count)
        self._pinned_chroma = self._take(cuda.allocate_pinned, cuda.release_pinned, PIXEL * 2 * count)
        shapes = ShapeContexts(
            self._engine, self.contract, self._flavor, self._gpu, cuda, self._stream, blocks, self._log
        )
        self._rest.callback(shapes.close)
        # Nothing may be under way when memory is freed.
        self._rest.callback(ignore_cuda_errors, cuda.synchronize, self._stream)
        self._shapes = shapes

    def _take(self, allocate: Callable[[int], int], release: Callable[[int], None], size: int) -> int:
        address = allocate(size)
        self._rest.callback(ignore_cuda_errors, release, address)
        return address

    def _load(self, cuda: Cuda) -> None:
        """Hand the plan to TensorRT."""
        path = self._artifact.path
        self._log.clear()
        # Kept in attributes alone, so that no frame of an exception keeps them alive beyond CUDA's context.
        self._rest.callback(self._forget)
        try:
            self._runtime = self._flavor.module.Runtime(self._log)
        except Exception as error:
            reason = first_reason(self._log) or " ".join(str(error).split())
            raise BackendError(
                f"{path}: {self._flavor.title} does not start ({reason}); 'colorrt doctor' shows what is installed"
            ) from error
        try:
            with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as plan:
                if hasattr(self._runtime, "get_engine_validity"):
                    answer = self._runtime.get_engine_validity(plan[: self._runtime.engine_header_size])
                    check_validity(self._artifact, self._flavor, self._gpu, answer)
                if len(plan) > self._free_before:
                    raise self._too_small(len(plan), self._free_before)
                self._engine = self._runtime.deserialize_cuda_engine(plan)
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{path}: cannot be read ({error}); copy the file again") from error
        if self._engine is None:
            reason = first_reason(self._log) or "it does not say why"
            if OUT_OF_MEMORY.search(reason):
                raise self._too_small(path.stat().st_size, cuda.free_memory())
            raise ArtifactError(
                f"{path}: {self._flavor.title} cannot load the engine ({reason}); build it again: "
                f"{rebuild(self._artifact, flavor=self._flavor.name)}"
            )

    def _profile(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the least and the largest shape of `luma`; ArtifactError when they break the contract."""
        module, tensors = self._flavor.module, {}
        for index in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(index)
            tensors[name] = (self._engine.get_tensor_mode(name), self._engine.get_tensor_dtype(name))
        modes = module.TensorIOMode
        takes = {INPUT: (modes.INPUT, module.float32), OUTPUT: (modes.OUTPUT, module.float32)}
        if tensors != takes:
            raise self._other_than_its_contract(f"its tensors are {', '.join(tensors)}")
        shape = tuple(self._engine.get_tensor_shape(INPUT))
        least = most = shape
        if min(shape, default=-1) < 0:
            least, _, most = (tuple(bound) for bound in self._engine.get_tensor_profile_shape(INPUT, 0))
        size = self.contract.size
        for bound in (least, most):
            fits = len(bound) == 4 and bound[1] == 1 and bound[2] == bound[3] > 0 and bound[0] > 0
            if not fits or (bound[2] != size if size else bound[2] % UNIT):
                raise self._other_than_its_contract(f"it takes luma of {format_shape(bound)}")
        return least, most

    def _check_memory(self, cuda: Cuda) -> None:
        # An address is needed even by a network that needs no scratch memory.
        self._scratch_size = max(int(self._engine.device_memory_size_v2), 256)
        self._buffer_size = 3 * PIXEL * self._most[0] * self._most[2] ** 2
        needed, free = self._scratch_size + self._buffer_size, cuda.free_memory()
        if needed > free:
            raise self._too_small(needed, free)

    def _check(self, luma: NDArray[np.float32]) -> int:
        """Return the side of the squares."""
        check_luma(replace(self.contract, batch=(1, None)), luma)
        side = int(luma.shape[2])
        if not self._least[2] <= side <= self._most[2]:
            raise UsageError(
                f"{self.contract.model}: this engine takes render factors {self._least[2] // UNIT} to "
                f"{self._most[2] // UNIT}, not {side // UNIT}; choose one of them, or build an engine for it"
            )
        return side

    def _run_some(
        self, cuda: Cuda, shapes: ShapeContexts, luma: NDArray[np.float32], chroma: NDArray[np.float32]
    ) -> None:
        missing = self._least[0] - len(luma)
        if missing > 0:
            luma = np.concatenate([luma, np.repeat(luma[-1:], missing, axis=0)])
        try:
            self._copy_in(cuda, luma)
            shapes.enqueue(shapes.get(len(luma), luma.shape[2], graph=True))
            cuda.copy_out(self._pinned_chroma, self._blocks.chroma, PIXEL * chroma.size, self._stream)
        except BaseException:
            # The buffers must not be touched while copies are under way.
            ignore_cuda_errors(cuda.synchronize, self._stream)
            raise
        cuda.synchronize(self._stream)
        chroma[...] = float_view(self._pinned_chroma, chroma.size).reshape(chroma.shape)

    def _copy_in(self, cuda: Cuda, luma: NDArray[np.float32]) -> None:
        float_view(self._pinned_luma, luma.size).reshape(luma.shape)[...] = luma
        cuda.copy_in(self._blocks.luma, self._pinned_luma, PIXEL * luma.size, self._stream)

    def _opened(self) -> tuple[Cuda, ShapeContexts]:
        if self._cuda is None or self._shapes is None:
            raise ModelError(f"{self.contract.model}: the session is closed; open another")
        return self._cuda, self._shapes

    def _free(self) -> None:
        """Free everything in the reverse order of its making, whatever fails on the way."""
        cuda, self._cuda = self._cuda, None
        if cuda is None:
            return
        with suppress(CudaError), cuda.current():
            self._rest.close()
        # What is left where the context could not be made current.
        self._rest.close()
        ignore_cuda_errors(cuda.close)

    def _forget(self) -> None:
        self._shapes = None
        self._engine = None
        self._runtime = None

    def _too_small(self, needed: int, free: int) -> ModelError:
        most = self._artifact.contract.batch[1]
        command = rebuild(self._artifact, 1, self._flavor.name)
        fewer = "" if most == 1 else f", or build it for fewer pictures at a time: {command}"
        return ModelError(
            f"{self._artifact.path}: the engine needs {needed / 1e6:.0f} MB of GPU memory, and {self._gpu.name} has "
            f"{free / 1e6:.0f} MB free; close other programs on it, use a smaller render factor{fewer}"
        )

    def _other_than_its_contract(self, what: str) -> ArtifactError:
        return ArtifactError(
            f"{self._artifact.path}: the engine is not what its contract says ({what}); build it again: "
            f"{rebuild(self._artifact, flavor=self._flavor.name)}"
        )
