"""Sessions on ONNX Runtime: the CPU of any machine, or CUDA where the GPU package is installed."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import re
from typing import cast

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from colorrt.contract import INPUT, OUTPUT, Contract, Device, Precision
from colorrt.errors import ArtifactError, BackendError, ModelError
from colorrt.runtime.artifact import Artifact
from colorrt.runtime.sessions.session import SessionOptions, check_chroma, check_luma, count_cores, describe_failure

# TensorProto.DataType.
FLOAT, UINT8, INT8, INT32 = 1, 2, 3, 6
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
PROVIDERS: dict[str, str] = {Device.AUTO: CPU, Device.CPU: CPU, Device.CUDA: CUDA}
# On two cores one picture at a time is fastest (studies/results/latency-lite-rf16.json). On CUDA not measured.
CPU_BATCH, CUDA_BATCH = 1, 4
LARGE = 1 << 25
"""Bytes of a file from which on memory counts more than the time that planning it saves."""
# What ONNX Runtime prints to the terminal: 4 is nothing that it survives. Its errors arrive as exceptions.
QUIET = 4
ABOUT_CUDA = re.compile(r"cuda|cudnn|cublas|\bgpu\b", re.IGNORECASE)
# What its messages begin with: its own codes, and the path that ours begin with already.
PREAMBLE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (Load model from .* failed: ?)?")


class OrtSession:
    """A session on ONNX Runtime. Any number of threads may call `run`."""

    def __init__(self, artifact: Artifact, options: SessionOptions) -> None:
        provider = PROVIDERS[options.device]
        if provider not in available_providers():
            raise BackendError(
                f"{artifact.path}: device {options.device!r} needs ONNX Runtime's {provider}, which is not in the "
                "installed package; pip install 'colorrt[gpu]' on a machine with an NVIDIA GPU, or use --device cpu"
            )
        if provider != CPU:
            prepare_cuda()
        settings = ort.SessionOptions()
        settings.log_severity_level = QUIET
        # Threads that spin between pictures take the cores from those that read and write.
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        large = artifact.path.stat().st_size >= LARGE
        # From the second run of a shape on, a plan of its memory takes one block for all of it, beside what the first
        # run took: of DeOldify artistic at render factor 35, 3.5 GB instead of 2.0.
        settings.enable_mem_pattern = not large
        if large and provider == CPU:
            # A value that is to be reused keeps its memory until then. Without, a run takes 3% more processor time;
            # without the arena too, a quarter more in INT8, for hardly less memory.
            settings.enable_mem_reuse = False
        if options.threads is not None:
            # More threads than cores would take all the time from each other.
            settings.intra_op_num_threads = min(options.threads, count_cores())
            settings.inter_op_num_threads = 1
        if artifact.contract.precision == Precision.INT8 and sums_overflow():
            # Instructions that do not overflow are slower: asked for where there is no need, INT8 takes 2.3 times as
            # long, and longer than FP32.
            settings.add_session_config_entry("session.x64quantprecision", "1")
        try:
            session = ort.InferenceSession(str(artifact.path), settings, providers=[provider])
        except Exception as error:
            if provider != CPU and ABOUT_CUDA.search(str(error)):
                raise BackendError(
                    f"{artifact.path}: {provider} does not start on this machine ({_first_line(error)}); "
                    "'colorrt doctor' shows what is installed, --device cpu works everywhere"
                ) from error
            raise ArtifactError(
                f"{artifact.path}: ONNX Runtime {ort.__version__} cannot load it ({_first_line(error)}); "
                "export it again, or upgrade onnxruntime"
            ) from error
        if large:
            trim_heap()
        # A provider whose libraries do not load is dropped with a log line and the CPU taken instead.
        if session.get_providers()[0] != provider:
            raise BackendError(
                f"{artifact.path}: {provider} is installed but does not load on this machine (driver, CUDA or cuDNN "
                "missing); 'colorrt doctor' shows what is installed, --device cpu works everywhere"
            )
        # Else a failing run is repeated on the CPU, with a word on the terminal.
        session.disable_fallback()
        _check_graph(artifact, session)
        self._session: ort.InferenceSession | None = session
        self._contract = artifact.contract
        self._provider = provider

    @property
    def contract(self) -> Contract:
        """What the artifact promises."""
        return self._contract

    @property
    def backend(self) -> str:
        """What runs the network, for people."""
        return f"ONNX Runtime {ort.__version__} on {self._provider.removesuffix('ExecutionProvider')}"

    @property
    def precision(self) -> str:
        """The numbers that it computes with."""
        return self._contract.precision

    @property
    def making(self) -> str:
        """What makes its answers differ from those of other sessions."""
        return ""

    @property
    def best_batch(self) -> int:
        """Pictures at a time that it is best asked for."""
        most = self._contract.batch[1]
        fastest = CPU_BATCH if self._provider == CPU else CUDA_BATCH
        return fastest if most is None else min(fastest, most)

    def run(self, luma: NDArray[np.float32]) -> NDArray[np.float32]:
        """Guess chroma (N x 2 x S x S float32) from luma (N x 1 x S x S float32, 0..1).

        Raises UsageError when the artifact does not take that size or batch, ModelError when it fails.
        """
        if self._session is None:
            raise ModelError(f"{self._contract.model}: the session is closed; open another")
        check_luma(self._contract, luma)
        try:
            chroma = cast("NDArray[np.float32]", self._session.run([OUTPUT], {INPUT: luma})[0])
        except Exception as error:
            memory = isinstance(error, MemoryError) or "alloc" in str(error)
            raise describe_failure(
                self._contract, luma.shape[2], _first_line(error), memory=memory, advice="export it again"
            ) from error
        check_chroma(self._contract, chroma, luma)
        return chroma

    def close(self) -> None:
        """Free the network."""
        self._session = None


def trim_heap() -> None:
    """Give freed memory back to the system, where the C library is glibc.

    It keeps what ONNX Runtime frees while it loads, copies of the weights: 300 MB of DeOldify artistic.
    """
    # Other libraries give it back themselves, or cannot be asked.
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def available_providers() -> list[str]:
    """Names of the execution providers that the installed ONNX Runtime was built with."""
    return list(ort.get_available_providers())


def prepare_cuda() -> None:
    """Load the CUDA and cuDNN libraries that came as Python packages, before the first session on CUDA.

    Without this ONNX Runtime finds only those of the system. What cannot be loaded is no error here: the session
    tells whether the provider works.
    """
    # Why a provider's libraries do not load is said to the terminal by the default logger.
    ort.set_default_logger_severity(QUIET)
    # Since ONNX Runtime 1.21; it prints what it does not find.
    if hasattr(ort, "preload_dlls"):
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            ort.preload_dlls()


def try_provider(name: str) -> str | None:
    """Run a network of one node on an execution provider. Returns why it does not work, None when it does."""
    if name != CPU:
        prepare_cuda()
    settings = ort.SessionOptions()
    settings.log_severity_level = QUIET
    settings.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(_tiny_graph(), settings, providers=[name])
        if session.get_providers()[0] != name:
            return "its libraries do not load: the driver, CUDA or cuDNN is missing or of another version"
        session.disable_fallback()
        session.run(None, {"x": np.ones(1, np.float32)})
    except Exception as error:
        return _first_line(error)
    return None


@functools.cache
def sums_overflow() -> bool:
    """Whether sums of products of unsigned and signed bytes overflow in ONNX Runtime on this CPU.

    They do on x86-64 without VNNI, where pairs of products are added in 16 bits. Tried, for the CPU's name tells
    nothing: 64 products of the largest bytes.
    """
    settings = ort.SessionOptions()
    settings.log_severity_level = QUIET
    settings.intra_op_num_threads = 1
    graph = _one_node(b"MatMulInteger", {b"a": (UINT8, 2), b"b": (INT8, 2)}, (INT32, 2))
    session = ort.InferenceSession(graph, settings, providers=[CPU])
    left, right = np.full((16, 64), 255, np.uint8), np.full((64, 16), 127, np.int8)
    found = session.run(None, {"a": left, "b": right})[0]
    return bool((np.asarray(found) != 64 * 255 * 127).any())


def _tiny_graph() -> bytes:
    """Return the bytes of an ONNX model that answers the absolute value y of one number x."""
    return _one_node(b"Abs", {b"x": (FLOAT, 1)}, (FLOAT, 1))


def _one_node(operator: bytes, inputs: dict[bytes, tuple[int, int]], output: tuple[int, int]) -> bytes:
    """Return the bytes of an ONNX model of one node, with answer y. Inputs and output: type and number of axes."""

    def field(number: int, data: bytes) -> bytes:
        return bytes([number << 3 | 2, len(data)]) + data

    def number(field: int, value: int) -> bytes:
        return bytes([field << 3, value])

    # The numbers are those of onnx.proto3: TypeProto.Tensor, NodeProto, GraphProto, ModelProto.
    def value(name: bytes, kind: int, axes: int) -> bytes:
        tensor = number(1, kind) + field(2, field(1, field(2, b"n")) * axes)
        return field(1, name) + field(2, field(1, tensor))

    node = b"".join(field(1, name) for name in inputs) + field(2, b"y") + field(4, operator)
    takes = b"".join(field(11, value(name, *kind)) for name, kind in inputs.items())
    graph = field(1, node) + field(2, b"tiny") + takes + field(12, value(b"y", *output))
    return number(1, 8) + field(7, graph) + field(8, number(2, 13))


def _check_graph(artifact: Artifact, session: ort.InferenceSession) -> None:
    """Raise ArtifactError unless the graph takes and returns what its contract says."""
    takes = {node.name: (node.type, node.shape) for node in session.get_inputs()}
    returns = {node.name: node.type for node in session.get_outputs()}
    kind, shape = takes.get(INPUT, ("", []))
    size = artifact.contract.size
    sides = [side for side in shape[2:] if isinstance(side, int)]
    if (
        len(takes) != 1
        or (kind, returns.get(OUTPUT)) != ("tensor(float)", "tensor(float)")
        or any(side != size for side in sides)
    ):
        inputs = ", ".join(f"{name} {' x '.join(map(str, shape))}" for name, (_, shape) in takes.items())
        raise ArtifactError(
            f"{artifact.path}: its graph is not what its contract says (it takes {inputs} and returns "
            f"{', '.join(returns)}); export it again with 'colorrt export'"
        )


def _first_line(error: Exception) -> str:
    lines = PREAMBLE.sub("", str(error).strip()).splitlines()
    return lines[0][:200] if lines else type(error).__name__
