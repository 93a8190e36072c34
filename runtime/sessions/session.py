"""The one thing that the runtime asks of a network: luma squares in, chroma squares out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from colorrt.contract import Contract, Device
from colorrt.errors import ModelError, UsageError

BFLOAT16 = "bf16"
"""Numbers that OpenVINO computes FP32 files with, where the CPU has them: FP32 with 8 bits of mantissa."""


def count_cores() -> int:
    """Return on how many cores this process may run."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class SessionOptions:
    """How a session is opened.

    `device`: "auto" takes the CPU for ONNX files and the GPU for engines, "cpu", "openvino" and "cuda" take that and
    nothing else. `threads`: CPU threads of an ONNX file's network; None takes all cores of the process. `exact`:
    compute with the file's own numbers, where the device has faster ones.
    """

    device: str = Device.AUTO
    threads: int | None = None
    exact: bool = False

    def __post_init__(self) -> None:
        if self.device not in tuple(Device):
            raise UsageError(f"device {self.device!r} is unknown; choose one of {', '.join(Device)}")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"{self.threads} threads cannot run a network; use 1 or more")


class Session(Protocol):
    """A network that is ready to run."""

    @property
    def contract(self) -> Contract:
        """What the artifact promises."""

    @property
    def backend(self) -> str:
        """What runs the network, for people: "ONNX Runtime 1.31 on CPU"."""

    @property
    def precision(self) -> str:
        """The numbers that it computes with: those of the contract, or faster ones."""

    @property
    def making(self) -> str:
        """What makes its answers differ from those of other sessions on the same file; "": no more than rounding."""

    @property
    def best_batch(self) -> int:
        """Pictures at a time that it is best asked for."""

    def run(self, luma: NDArray[np.float32]) -> NDArray[np.float32]:
        """Guess chroma (N x 2 x S x S float32) from luma (N x 1 x S x S float32, 0..1).

        Raises UsageError when the artifact does not take that size or batch, ModelError when it fails.
        """

    def close(self) -> None:
        """Free what the session holds; it cannot run afterwards."""


def check_luma(contract: Contract, luma: NDArray[np.float32]) -> None:
    """Raise UsageError when `contract` does not take `luma`'s shape or dtype, saying which it takes."""
    fewest, most = contract.batch
    side = contract.size
    takes = f"N x 1 x {side} x {side}" if side else "N x 1 x S x S with S a multiple of 16"
    shape = luma.shape
    fits = luma.dtype == np.float32 and luma.ndim == 4 and shape[1] == 1 and shape[2] == shape[3]
    fits = fits and (shape[2] == side if side else shape[2] > 0 and shape[2] % 16 == 0)
    if not fits:
        got = " x ".join(map(str, shape))
        raise UsageError(f"{contract.model} takes luma of {takes} float32, got {got} {luma.dtype}")
    if shape[0] < fewest or (most is not None and shape[0] > most):
        bounds = f"{fewest} or more" if most is None else f"{fewest} to {most}"
        raise UsageError(f"{contract.model} takes {bounds} pictures at a time, got {shape[0]}")


def check_chroma(contract: Contract, chroma: NDArray[np.float32], luma: NDArray[np.float32]) -> None:
    """Raise ModelError when a network answered `luma` (N x 1 x S x S) with anything but N x 2 x S x S."""
    n, _, side, _ = luma.shape
    if chroma.shape != (n, 2, side, side):
        got = " x ".join(map(str, chroma.shape))
        raise ModelError(
            f"{contract.model}: the network returned {got}, not {n} x 2 x {side} x {side}; export it again"
        )


def describe_failure(contract: Contract, side: int, reason: str, *, memory: bool, advice: str) -> ModelError:
    """Return the error of a network that failed on squares of `side` pixels. memory: for want of it."""
    if memory:
        advice = "a smaller --render-factor needs less memory"
    return ModelError(f"{contract.model}: the network failed at {side} x {side} ({reason}); {advice}")
