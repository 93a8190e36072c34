"""Two things that color, on the same photographs: how far apart their answers are. Imports no PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from colorrt.contract import INPUT, OUTPUT, Parity
from colorrt.errors import ExportError

LEVELS = 255
QUIET = 4

Answer = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Luma (N x 1 x S x S float32, 0..1) to chroma (N x 2 x S x S float32)."""


class Comparison:
    """Differences between two chromas, photograph after photograph."""

    def __init__(self) -> None:
        self._means: list[float] = []
        self._errors: list[NDArray[np.float32]] = []
        self._product = self._square = 0.0

    def add(self, found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
        """Take the chroma (N x 2 x S x S float32) of one photograph. Returns its mean difference in levels of 255."""
        # Where both are infinite, the difference is not a number, and numpy would warn of it.
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.abs(found - wanted) * LEVELS
            self._product += float((found.astype(np.float64) * wanted).sum())
            self._square += float((wanted.astype(np.float64) ** 2).sum())
            mean = float(error.mean(dtype=np.float64))
        self._errors.append(error.ravel())
        self._means.append(mean)
        return mean

    def parity(self) -> Parity:
        """Return what was found so far: `mean` over photographs, `p99` and `worst` over all values, and the gain.

        The gain is the slope of the regression of `found` on `wanted` through zero. Not a number where one of them is.
        """
        with np.errstate(invalid="ignore"):
            errors = np.concatenate(self._errors)
            p99 = float(np.quantile(errors, 0.99))
        gain = self._product / self._square if self._square else None
        return Parity(len(self._means), float(np.mean(self._means)), float(errors.max()), p99, gain)


def compare(answer: Answer, truth: Answer, lumas: Sequence[NDArray[np.float32]]) -> Parity:
    """Ask both for the chroma of each of `lumas` (S x S float32, 0..1; the sizes may differ), one at a time.

    Returns the differences in levels of 255: not a number where one of them answers so.
    """
    comparison = Comparison()
    for luma in lumas:
        square = luma[None, None]
        comparison.add(answer(square), truth(square))
    return comparison.parity()


def compare_models(
    model: onnx.ModelProto, truth: onnx.ModelProto, lumas: Sequence[NDArray[np.float32]], name: str = "graph"
) -> Parity:
    """Compare two luma-to-chroma graphs on ONNX Runtime's CPU provider, as `compare` does.

    `name`: what to call `model` in messages. Raises ExportError when one does not run, or `model` or `truth` answers
    with numbers that are not finite.
    """
    parity = compare(answer_of(model, name), answer_of(truth, "graph to compare with"), lumas)
    check_finite(parity, name)
    return parity


def answer_of(model: onnx.ModelProto, name: str = "graph") -> Answer:
    """Open `model` on ONNX Runtime's CPU provider; closed with the last reference to the answer.

    Raises ExportError when it does not load; the answer does when it does not run.
    """
    session = open_graph(model, name)

    def answer(luma: NDArray[np.float32]) -> NDArray[np.float32]:
        return cast("NDArray[np.float32]", run_graph(session, luma, [OUTPUT], name)[0])

    return answer


def open_graph(model: onnx.ModelProto, name: str = "graph", *, in_order: bool = False) -> ort.InferenceSession:
    """Open `model` on ONNX Runtime's CPU provider, frugal with memory. Raises ExportError when it does not load.

    `in_order`: leave the graph nearly as it is, and free each value once it is used.
    """
    options = ort.SessionOptions()
    options.log_severity_level = QUIET
    options.enable_cpu_mem_arena = False
    if in_order:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.enable_mem_pattern = False
    try:
        return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    # ONNX Runtime raises its own exceptions, which share no base but this.
    except Exception as error:
        raise does_not_run(name, error) from error


def run_graph(
    session: ort.InferenceSession, luma: NDArray[np.float32], outputs: Sequence[str], name: str = "graph"
) -> list[NDArray[np.generic]]:
    """Run `session` on `luma` (N x 1 x S x S float32). Raises ExportError when it fails."""
    try:
        return cast("list[NDArray[np.generic]]", session.run(list(outputs), {INPUT: luma}))
    except Exception as error:
        raise does_not_run(name, error) from error


def check_finite(parity: Parity, name: str) -> None:
    """Raise ExportError when `parity` came of answers that are not finite."""
    if not np.isfinite([parity.mean, parity.worst]).all():
        raise ExportError(
            f"the {name} returns values that are not finite; are the weights damaged? nothing was written"
        )


def does_not_run(name: str, error: Exception) -> ExportError:
    """Say in one line that a graph does not run."""
    lines = str(error).strip().splitlines()
    return ExportError(f"the {name} does not run ({lines[0] if lines else type(error).__name__}); nothing was written")
