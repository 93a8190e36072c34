"""A stand-in for a machine with an NVIDIA GPU: the calls of CUDA's driver and of TensorRT that sessions make.

Bytes are really moved, and what is queued on a stream happens when it is synchronized, as on a GPU: who reads too
early reads zeros. The "network" is `network` of `tensorrt_standin`. Every call is written down, can be made to fail,
and everything that is made is counted until it is freed.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from dataclasses import dataclass, field
from typing import Any

from cuda_standin import Driver
from tensorrt_standin import make_flavor


@dataclass
class Profile:
    """What the engine in the plan is."""

    least: tuple[int, ...] = (1, 1, 32, 32)
    most: tuple[int, ...] = (2, 1, 32, 32)
    shape: tuple[int, ...] = (-1, 1, 32, 32)
    scratch: int = 5000
    names: tuple[str, str] = ("luma", "chroma")
    output_type: str = "FLOAT"
    channels: int = 2
    loads: bool = True
    says: str = ""
    """What TensorRT logs as an error when it does not load."""
    flags: int = 0
    """Of get_engine_validity."""
    capturable: bool = True


@dataclass
class Machine:
    """The machine: what it has, what was called, what lives."""

    flavor: str = "tensorrt"
    version: str = "10.13.3.9"
    gpu: str = "NVIDIA Stand-in"
    capability: tuple[int, int] = (8, 9)
    memory: int = 8_000_000_000
    free: int = 6_000_000_000
    integrated: bool = False
    profile: Profile = field(default_factory=Profile)
    fail: dict[str, str | bool] = field(default_factory=dict)
    """Name of a call -> the status that it fails with, or True for TensorRT's."""
    fail_at: int | None = None
    """Index of the one call that fails."""
    calls: list[str] = field(default_factory=list)
    blocks: dict[int, tuple[str, Any]] = field(default_factory=dict)
    handles: dict[int, Any] = field(default_factory=dict)
    retained: int = 0
    freed: list[tuple[str, bool]] = field(default_factory=list)
    """TensorRT's objects that are gone, and whether CUDA's context was current then."""
    living: int = 0
    clock: float = 0.0
    stacks: threading.local = field(default_factory=threading.local)
    log: Any = None
    running: int = 0
    most_running: int = 0

    def __post_init__(self) -> None:
        self.driver = Driver(self)
        self.module = make_flavor(self)

    def called(self, name: str) -> bool:
        """Write a call down; False when it has to fail."""
        self.calls.append(name)
        return not (name in self.fail or self.fail_at == len(self.calls) - 1)

    @property
    def stack(self) -> list[str]:
        if not hasattr(self.stacks, "stack"):
            self.stacks.stack = []
        return self.stacks.stack

    def track(self, kind: str, thing: Any) -> None:
        self.living += 1

        def gone() -> None:
            self.living -= 1
            self.freed.append((kind, bool(self.stack)))

        weakref.finalize(thing, gone)

    @property
    def leaks(self) -> list[str]:
        """What is not freed."""
        rest = [kind for kind, _ in self.blocks.values()]
        rest += [type(handle).__name__ for handle in self.handles.values()]
        rest += ["TensorRT object"] * self.living + ["retained context"] * self.retained + list(self.stack)
        return rest

    @property
    def taken(self) -> int:
        return sum(ctypes.sizeof(block) for kind, block in self.blocks.values() if kind == "device")

    def look(self, address: int, size: int) -> Any:
        """The memory at an address that was allocated; what lies outside is an error."""
        for start, (_, block) in self.blocks.items():
            if start <= address and address + size <= start + ctypes.sizeof(block):
                return (ctypes.c_char * size).from_address(address)
        raise AssertionError(f"{size} bytes at {address} were never allocated, or are freed")
