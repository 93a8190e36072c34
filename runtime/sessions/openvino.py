"""Sessions on OpenVINO: the same ONNX files as ONNX Runtime, faster on CPUs with instructions for BF16 or INT8."""

from __future__ import annotations

import importlib
import re
import sys
import threading
from collections import OrderedDict
from types import ModuleType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from colorrt.contract import INPUT, OUTPUT, Contract, Device, Precision
from colorrt.errors import ArtifactError, BackendError, ModelError
from colorrt.runtime.artifact import Artifact
from colorrt.runtime.sessions.session import (
    BFLOAT16,
    SessionOptions,
    check_chroma,
    check_luma,
    count_cores,
    describe_failure,
)

TELEMETRY = "openvino_telemetry"
# Every size is compiled for itself, for a second or less; so many are kept.
KEPT = 4
# What its messages are full of: files and checks of its own source.
_PREAMBLE = re.compile(r"^(Exception from \S+:?|FrontEnd API failed with \w+:?|\[CPU\]|Check .* failed at .*:?)$")


class OpenVinoSession:
    """A session on OpenVINO's CPU plugin. Any number of threads may call `run`; one runs at a time.

    FP32 files run in BF16 where the CPU has instructions for it, unless `options.exact`; INT8 files as they are, and
    FP16 files in FP32 with weights that are rounded to FP16.
    """

    def __init__(self, artifact: Artifact, options: SessionOptions) -> None:
        openvino = import_openvino(f"{artifact.path}: ")
        self._contract = artifact.contract
        try:
            core = openvino.Core()
            capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        except Exception as error:
            raise BackendError(
                f"{artifact.path}: OpenVINO {release(openvino)} does not start here ({first_reason(error)}); "
                "'colorrt doctor' shows what is installed, --device cpu works everywhere"
            ) from error
        half = artifact.contract.precision == Precision.FP32 and "BF16" in capabilities and not options.exact
        self._precision = BFLOAT16 if half else artifact.contract.precision
        # The hints by name: on some CPUs its own choice is FP16 or BF16, whatever the file is made of.
        self._settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
            # Threads bound to cores wait for those that read and write there.
            "ENABLE_CPU_PINNING": False,
        }
        if options.threads is not None:
            self._settings["INFERENCE_NUM_THREADS"] = min(options.threads, count_cores())
        try:
            self._model = core.read_model(str(artifact.path))
        except Exception as error:
            raise ArtifactError(
                f"{artifact.path}: OpenVINO {release(openvino)} cannot load it ({first_reason(error)}); "
                "export it again, use --device cpu, or upgrade openvino"
            ) from error
        _check_graph(artifact, self._model)
        self._core: Any = core
        self._backend = f"OpenVINO {release(openvino)} on CPU"
        self._lock = threading.Lock()
        self._requests: OrderedDict[tuple[int, int], Any] = OrderedDict()

    @property
    def contract(self) -> Contract:
        """What the artifact promises."""
        return self._contract

    @property
    def backend(self) -> str:
        """What runs the network, for people."""
        return self._backend

    @property
    def precision(self) -> str:
        """The numbers that it computes with."""
        return self._precision

    @property
    def making(self) -> str:
        """ "" where the answers are those of every other session within rounding, else what makes them differ."""
        if self._precision == BFLOAT16:
            return BFLOAT16
        return Device.OPENVINO if self._precision == Precision.INT8 else ""

    @property
    def best_batch(self) -> int:
        """Pictures at a time that it is best asked for."""
        return self._contract.batch[0]

    def run(self, luma: NDArray[np.float32]) -> NDArray[np.float32]:
        """Guess chroma (N x 2 x S x S float32) from luma (N x 1 x S x S float32, 0..1).

        Raises UsageError when the artifact does not take that size or batch, ModelError when it fails.
        """
        check_luma(self._contract, luma)
        n, _, side, _ = luma.shape
        with self._lock:
            if self._core is None:
                raise ModelError(f"{self._contract.model}: the session is closed; open another")
            try:
                request = self._request(n, side)
                # Not shared with the request: its next run would change what was answered before.
                answer = request.infer({INPUT: np.ascontiguousarray(luma)}, share_inputs=True, share_outputs=False)
                chroma = cast("NDArray[np.float32]", answer[OUTPUT])
            except Exception as error:
                reason = first_reason(error)
                memory = isinstance(error, MemoryError) or "alloc" in reason
                raise describe_failure(
                    self._contract, side, reason, memory=memory, advice="use --device cpu"
                ) from error
        check_chroma(self._contract, chroma, luma)
        return chroma

    def close(self) -> None:
        """Free the network."""
        with self._lock:
            self._requests.clear()
            self._model = self._core = None

    def _request(self, count: int, side: int) -> Any:
        """Return what runs `count` squares of `side` pixels: compiled for that shape when it first comes.

        A graph of free size is compiled to slower code.
        """
        key = (count, side)
        if key not in self._requests:
            while len(self._requests) >= KEPT:
                self._requests.popitem(last=False)
            self._model.reshape({INPUT: [count, 1, side, side]})
            self._requests[key] = self._core.compile_model(self._model, "CPU", self._settings).create_infer_request()
        self._requests.move_to_end(key)
        return self._requests[key]


def import_openvino(where: str = "") -> ModuleType:
    """Import the package, and keep it from telling its maker that it was imported.

    `where`: what the message begins with. Raises BackendError when it is not there or does not load.
    """
    if "openvino" not in sys.modules:
        # Its __init__ sends an event to Google Analytics if this package is there, and does without if it is not.
        # Python takes None for a module that cannot be imported.
        hidden = {TELEMETRY: sys.modules.get(TELEMETRY)}
        sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # what the documentation of import says to put there
        try:
            return importlib.import_module("openvino")
        except ModuleNotFoundError as error:
            raise BackendError(
                f"{where}device 'openvino' needs OpenVINO, which is not installed; pip install 'colorrt[openvino]', "
                "or use --device cpu"
            ) from error
        except Exception as error:
            raise BackendError(
                f"{where}OpenVINO is installed but does not load ({first_reason(error)}); pip install "
                "--force-reinstall openvino, or use --device cpu"
            ) from error
        finally:
            del sys.modules[TELEMETRY]
            sys.modules.update({name: module for name, module in hidden.items() if module is not None})
    return sys.modules["openvino"]


def release(openvino: ModuleType) -> str:
    """Return the version: "2026.4.1" of "2026.4.1-22982-e213a147257-releases/2026/4"."""
    return str(openvino.__version__).partition("-")[0]


def describe_openvino() -> tuple[str, str]:
    """Return the version, and the numbers that it computes with here: ("2026.4.1", "fp32, int8").

    Raises BackendError when it is not there or does not run on this CPU.
    """
    openvino = import_openvino()
    try:
        found = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except Exception as error:
        raise BackendError(f"OpenVINO does not run on this CPU ({first_reason(error)})") from error
    return release(openvino), ", ".join(kind.lower() for kind in ("FP32", "BF16", "INT8") if kind in found)


def first_reason(error: Exception) -> str:
    """Return the first line of an exception that says something to people who do not know OpenVINO's source."""
    lines = [line.strip() for line in str(error).splitlines()]
    said = [line for line in lines if line and not _PREAMBLE.match(line)]
    return said[0][:200] if said else type(error).__name__


def _check_graph(artifact: Artifact, model: Any) -> None:
    """Raise ArtifactError unless the graph takes and returns what its contract says."""
    takes = {port.any_name: port for port in model.inputs}
    returns = {port.any_name: port for port in model.outputs}
    floats = all(port.element_type.get_type_name() == "f32" for port in (*model.inputs, *model.outputs))
    size = artifact.contract.size
    shape = takes[INPUT].partial_shape if INPUT in takes else []
    sides = [side.get_length() for side in list(shape)[2:] if side.is_static]
    if list(takes) != [INPUT] or OUTPUT not in returns or not floats or any(side != size for side in sides):
        inputs = ", ".join(f"{name} {port.partial_shape}" for name, port in takes.items())
        raise ArtifactError(
            f"{artifact.path}: its graph is not what its contract says (it takes {inputs} and returns "
            f"{', '.join(returns)}); export it again with 'colorrt export'"
        )
