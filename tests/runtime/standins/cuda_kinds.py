"""What the stand-in for CUDA's driver answers with and hands out: statuses, attributes, streams, graphs, events."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpu_standin import Machine


class Status(enum.IntEnum):
    """The members of CUresult that are used."""

    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_NO_DEVICE = 100
    CUDA_ERROR_INVALID_CONTEXT = 201
    CUDA_ERROR_INVALID_HANDLE = 400
    CUDA_ERROR_ILLEGAL_ADDRESS = 700
    CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900


class DeviceAttribute(enum.IntEnum):
    CU_DEVICE_ATTRIBUTE_INTEGRATED = 18
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76


class CaptureMode(enum.IntEnum):
    CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1


class Handle:
    """Whatever CUDA knows by a number."""

    def __init__(self, machine: Machine) -> None:
        machine.handles[id(self)] = self

    def __int__(self) -> int:
        return id(self)


class Stream(Handle):
    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.queue: list[Callable[[], None]] = []
        self.captured: list[Callable[[], None]] | None = None

    def add(self, work: Callable[[], None]) -> None:
        (self.queue if self.captured is None else self.captured).append(work)


class Graph(Handle):
    work: list[Callable[[], None]]


class Launchable(Graph):
    pass


class Event(Handle):
    time: float | None = None
