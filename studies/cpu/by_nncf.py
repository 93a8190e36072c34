"""OpenVINO's own INT8: NNCF quantizes the FP32 file on photographs. Optional: pip install nncf."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from colorrt.contract import INPUT, OUTPUT
from colorrt.errors import BackendError
from colorrt.runtime.sessions.openvino import first_reason, import_openvino

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def open_by_nncf(single: Path, lumas: Sequence[NDArray[np.float32]], threads: int) -> Run:
    """Quantize an FP32 file on `lumas` (1 x 1 x S x S, the only shape it then takes), and compile it.

    Its error is measured on the same photographs, which flatters it. Raises BackendError when NNCF or OpenVINO is not
    installed or fails.
    """
    openvino: Any = import_openvino()
    # Without it, NNCF tells its maker that it was used.
    os.environ.setdefault("NNCF_CI", "1")
    try:
        nncf = importlib.import_module("nncf")
    except ImportError as error:
        raise BackendError(f"{error}; pip install nncf") from error
    try:
        core = openvino.Core()
        model = core.read_model(str(single))
        model.reshape({INPUT: list(lumas[0].shape)})
        quantized = nncf.quantize(model, nncf.Dataset(lumas, lambda luma: {INPUT: luma}), subset_size=len(lumas))
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_NUM_THREADS": threads,
        }
        request = core.compile_model(quantized, "CPU", settings).create_infer_request()
    except Exception as error:
        raise BackendError(first_reason(error)) from error

    def run(luma: NDArray[np.float32]) -> NDArray[np.float32]:
        return cast("NDArray[np.float32]", request.infer({INPUT: luma}, share_outputs=False)[OUTPUT])

    return run
