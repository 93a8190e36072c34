"""ONNX Runtime's settings, one changed at a time, beside what `colorrt run` opens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from colorrt.contract import INPUT, OUTPUT, UNIT
from studies.cpu.files import CpuFiles

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Change = Callable[[ort.SessionOptions, int], None]


def _spin(options: ort.SessionOptions, _: int) -> None:
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")


def _no_arena(options: ort.SessionOptions, _: int) -> None:
    options.enable_cpu_mem_arena = False


def _no_pattern(options: ort.SessionOptions, _: int) -> None:
    options.enable_mem_pattern = False


def _basic(options: ort.SessionOptions, _: int) -> None:
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC


def _extended(options: ort.SessionOptions, _: int) -> None:
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED


def _static(options: ort.SessionOptions, side: int) -> None:
    options.add_free_dimension_override_by_name("batch", 1)
    options.add_free_dimension_override_by_name("side", side)


def _not_prepacked(options: ort.SessionOptions, _: int) -> None:
    options.add_session_config_entry("session.disable_prepacking", "1")


def _bound_to_cores(options: ort.SessionOptions, _: int) -> None:
    # The calling thread is the first and is bound to none; ONNX Runtime counts processors from 1.
    helpers = range(2, options.intra_op_num_threads + 1)
    if helpers:
        options.add_session_config_entry("session.intra_op_thread_affinities", ";".join(map(str, helpers)))


def _as_opened(_: ort.SessionOptions, __: int) -> None:
    """What `colorrt run` takes."""


CHANGES: dict[str, Change] = {
    "as colorrt opens it": _as_opened,
    "threads that spin": _spin,
    "threads bound to cores": _bound_to_cores,
    "no arena": _no_arena,
    "no memory pattern": _no_pattern,
    "static shapes": _static,
    "weights not prepacked": _not_prepacked,
    "extended optimizations at most": _extended,
    "basic optimizations at most": _basic,
}


@contextmanager
def open_knobs(files: CpuFiles, render_factor: int, threads: int) -> Iterator[dict[str, Run]]:
    """Open sessions on both files with one setting changed in each, and one with its buffers bound."""
    runs: dict[str, Run] = {}
    for kind, path in (("FP32", files.single), ("INT8", files.int8)):
        for name, change in CHANGES.items():
            runs[f"{kind}, {name}"] = _plain(_open(path, change, UNIT * render_factor, threads))
        runs[f"{kind}, IO binding"] = _bound(_open(path, _as_opened, UNIT * render_factor, threads))
    yield runs


def _open(path: Path, change: Change, side: int, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    change(options, side)
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _plain(session: ort.InferenceSession) -> Run:
    def run(luma: NDArray[np.float32]) -> NDArray[np.float32]:
        chroma: NDArray[np.float32] = session.run([OUTPUT], {INPUT: luma})[0]
        return chroma

    return run


def _bound(session: ort.InferenceSession) -> Run:
    binding = session.io_binding()

    def run(luma: NDArray[np.float32]) -> NDArray[np.float32]:
        # A fresh array, as a caller who keeps the answer needs.
        chroma = np.empty((luma.shape[0], 2, *luma.shape[2:]), np.float32)
        binding.bind_input(INPUT, "cpu", 0, np.float32, luma.shape, luma.ctypes.data)
        binding.bind_output(OUTPUT, "cpu", 0, np.float32, chroma.shape, chroma.ctypes.data)
        session.run_with_iobinding(binding)
        return chroma

    return run
