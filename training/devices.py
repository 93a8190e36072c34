"""Where a training runs, and in which precision."""

from __future__ import annotations

import contextlib
from typing import Any

import torch

from colorrt.errors import BackendError, UsageError


def choose_device(device: str) -> torch.device:
    """Settle "auto", "cpu" or "cuda". Raises UsageError for other names, BackendError when CUDA is not there."""
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"there is no device {device!r}; take auto, cpu or cuda")
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise BackendError("PyTorch finds no CUDA device here; install its CUDA build, or take --device cpu")
    return torch.device("cuda" if there and device != "cpu" else "cpu")


def mixed_precision(device: torch.device, *, half: bool) -> contextlib.AbstractContextManager[Any]:
    """Mixed precision on CUDA; on CPUs plain FP32, which is as fast there and the same on every run."""
    if device.type != "cuda":
        return contextlib.nullcontext()
    return torch.autocast("cuda", dtype=torch.float16 if half else torch.bfloat16)
