"""Where a training runs, and in which precision."""

from __future__ import annotations

import contextlib
from typing import Any

import torch

from colorrt.contract import Device
from colorrt.errors import BackendError, UsageError


def choose_device(device: str) -> torch.device:
    """Settle "auto", "cpu" or "cuda". Raises UsageError for other names, BackendError when CUDA is not there."""
    if device not in tuple(Device):
        raise UsageError(f"device {device!r} is unknown; choose one of {', '.join(Device)}")
    if device == Device.OPENVINO:
        raise UsageError("OpenVINO runs networks and trains none; use --device cpu")
    there = torch.cuda.is_available()
    if device == Device.CUDA and not there:
        raise BackendError("PyTorch finds no CUDA device here; install its CUDA build, or use --device cpu")
    return torch.device("cuda" if there and device != Device.CPU else "cpu")


def mixed_precision(device: torch.device, *, half: bool) -> contextlib.AbstractContextManager[Any]:
    """Mixed precision on CUDA; on CPUs plain FP32, which is as fast there and the same on every run."""
    if device.type != "cuda":
        return contextlib.nullcontext()
    return torch.autocast("cuda", dtype=torch.float16 if half else torch.bfloat16)
