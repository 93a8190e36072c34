"""A stand-in for cuda-python: the calls of CUDA's driver that sessions make, on memory that is really moved."""

# CUDA names its functions and their parameters.
# ruff: noqa: N802, N803
from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from cuda_kinds import CaptureMode, DeviceAttribute, Event, Graph, Launchable, Status, Stream

if TYPE_CHECKING:
    from gpu_standin import Machine

WEIGHTS = 1_000_000
"""Bytes of GPU memory that an engine takes when it is loaded."""
TIME_OF_A_RUN, TIME_OF_A_GRAPH, TIME_OF_A_COPY = 2.0, 1.5, 8.0


class Driver:
    """cuda.bindings.driver. Answers are tuples that begin with the status; None for what a failed call returns."""

    CUdevice_attribute = DeviceAttribute
    CUstreamCaptureMode = CaptureMode

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def _status(self, name: str, *, context: bool = True) -> Status:
        machine = self._machine
        if not machine.called(name):
            said = machine.fail.get(name)
            return Status[said] if isinstance(said, str) else Status.CUDA_ERROR_ILLEGAL_ADDRESS
        if context and not machine.stack:
            return Status.CUDA_ERROR_INVALID_CONTEXT
        return Status.CUDA_SUCCESS

    def cuGetErrorString(self, error: Status) -> tuple[Any, ...]:
        return Status.CUDA_SUCCESS, error.name.removeprefix("CUDA_ERROR_").replace("_", " ").lower().encode()

    def cuInit(self, Flags: int) -> tuple[Any, ...]:
        return (self._status("cuInit", context=False),)

    def cuDriverGetVersion(self) -> tuple[Any, ...]:
        status = self._status("cuDriverGetVersion", context=False)
        return status, None if status else 12090

    def cuDeviceGetCount(self) -> tuple[Any, ...]:
        status = self._status("cuDeviceGetCount", context=False)
        return status, None if status else 1

    def cuDeviceGet(self, ordinal: int) -> tuple[Any, ...]:
        assert ordinal == 0
        status = self._status("cuDeviceGet", context=False)
        return status, None if status else SimpleNamespace()

    def cuDeviceGetName(self, length: int, dev: Any) -> tuple[Any, ...]:
        status = self._status("cuDeviceGetName", context=False)
        return status, None if status else self._machine.gpu.encode().ljust(length, b"\0")

    def cuDeviceTotalMem(self, dev: Any) -> tuple[Any, ...]:
        status = self._status("cuDeviceTotalMem", context=False)
        return status, None if status else self._machine.memory

    def cuDeviceGetAttribute(self, attrib: DeviceAttribute, dev: Any) -> tuple[Any, ...]:
        status = self._status("cuDeviceGetAttribute", context=False)
        machine = self._machine
        values = (int(machine.integrated), *machine.capability)
        return status, None if status else values[list(DeviceAttribute).index(attrib)]

    def cuDevicePrimaryCtxRetain(self, dev: Any) -> tuple[Any, ...]:
        status = self._status("cuDevicePrimaryCtxRetain", context=False)
        self._machine.retained += not status
        return status, None if status else "primary context"

    def cuDevicePrimaryCtxRelease(self, dev: Any) -> tuple[Any, ...]:
        self._machine.retained -= 1
        return (self._status("cuDevicePrimaryCtxRelease", context=False),)

    def cuCtxPushCurrent(self, ctx: Any) -> tuple[Any, ...]:
        status = self._status("cuCtxPushCurrent", context=False)
        if not status:
            assert self._machine.retained, "the context is gone"
            self._machine.stack.append(ctx)
        return (status,)

    def cuCtxPopCurrent(self) -> tuple[Any, ...]:
        status = self._status("cuCtxPopCurrent")
        return status, self._machine.stack.pop()

    def cuMemGetInfo(self) -> tuple[Any, ...]:
        status = self._status("cuMemGetInfo")
        machine = self._machine
        return status, None if status else machine.free - machine.taken - WEIGHTS * bool(machine.living), machine.memory

    def _allocate(self, kind: str, name: str, size: int) -> tuple[Any, ...]:
        status = self._status(name)
        if status:
            return status, None
        assert size > 0
        block = (ctypes.c_char * size)()
        self._machine.blocks[ctypes.addressof(block)] = (kind, block)
        return status, ctypes.addressof(block)

    def _release(self, kind: str, name: str, address: int) -> tuple[Any, ...]:
        # What is queued may still use it.
        for handle in self._machine.handles.values():
            assert not (isinstance(handle, Stream) and handle.queue), "freed while work is under way"
        found, block = self._machine.blocks.pop(address)
        assert found == kind
        ctypes.memset(block, 0xFF, ctypes.sizeof(block))
        return (self._status(name),)

    def cuMemAlloc(self, bytesize: int) -> tuple[Any, ...]:
        if bytesize > self._machine.free:
            self._machine.called("cuMemAlloc")
            return Status.CUDA_ERROR_OUT_OF_MEMORY, None
        return self._allocate("device", "cuMemAlloc", bytesize)

    def cuMemFree(self, dptr: int) -> tuple[Any, ...]:
        return self._release("device", "cuMemFree", dptr)

    def cuMemHostAlloc(self, bytesize: int, Flags: int) -> tuple[Any, ...]:
        assert Flags == 1
        return self._allocate("pinned", "cuMemHostAlloc", bytesize)

    def cuMemFreeHost(self, p: int) -> tuple[Any, ...]:
        return self._release("pinned", "cuMemFreeHost", p)

    def _copy(self, name: str, to: int, source: int, size: int, stream: Stream) -> tuple[Any, ...]:
        status = self._status(name)
        machine = self._machine
        if not status:

            def copy() -> None:
                machine.clock += TIME_OF_A_COPY
                ctypes.memmove(machine.look(to, size), machine.look(source, size), size)

            stream.add(copy)
        return (status,)

    def cuMemcpyHtoDAsync(self, dstDevice: int, srcHost: int, ByteCount: int, hStream: Stream) -> tuple[Any, ...]:
        return self._copy("cuMemcpyHtoDAsync", dstDevice, srcHost, ByteCount, hStream)

    def cuMemcpyDtoHAsync(self, dstHost: int, srcDevice: int, ByteCount: int, hStream: Stream) -> tuple[Any, ...]:
        return self._copy("cuMemcpyDtoHAsync", dstHost, srcDevice, ByteCount, hStream)

    def cuStreamCreate(self, Flags: int) -> tuple[Any, ...]:
        assert Flags == 1
        status = self._status("cuStreamCreate")
        return status, None if status else Stream(self._machine)

    def cuStreamSynchronize(self, hStream: Stream) -> tuple[Any, ...]:
        machine = self._machine
        machine.running += 1
        machine.most_running = max(machine.most_running, machine.running)
        status = self._status("cuStreamSynchronize")
        assert hStream.captured is None
        while hStream.queue:
            work = hStream.queue.pop(0)
            if not status:
                work()
        machine.running -= 1
        return (status,)

    def cuStreamDestroy(self, hStream: Stream) -> tuple[Any, ...]:
        status = self._status("cuStreamDestroy")
        del self._machine.handles[id(hStream)]
        return (status,)

    def cuStreamBeginCapture(self, hStream: Stream, mode: CaptureMode) -> tuple[Any, ...]:
        assert mode is CaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        status = self._status("cuStreamBeginCapture")
        if not status:
            hStream.captured = []
        return (status,)

    def cuStreamEndCapture(self, hStream: Stream) -> tuple[Any, ...]:
        status = self._status("cuStreamEndCapture")
        work, hStream.captured = hStream.captured, None
        if status:
            return status, None
        assert work is not None
        graph = Graph(self._machine)
        graph.work = work
        return status, graph

    def cuGraphInstantiate(self, hGraph: Graph, flags: int) -> tuple[Any, ...]:
        assert flags == 0
        status = self._status("cuGraphInstantiate")
        if status:
            return status, None
        launchable = Launchable(self._machine)
        launchable.work = list(hGraph.work)
        return status, launchable

    def cuGraphDestroy(self, hGraph: Graph) -> tuple[Any, ...]:
        status = self._status("cuGraphDestroy")
        del self._machine.handles[id(hGraph)]
        return (status,)

    def cuGraphLaunch(self, hGraphExec: Launchable, hStream: Stream) -> tuple[Any, ...]:
        status = self._status("cuGraphLaunch")
        if not status:
            for work in hGraphExec.work:
                hStream.add(work)
            hStream.add(lambda: self._tick(TIME_OF_A_GRAPH - TIME_OF_A_RUN))
        return (status,)

    def cuGraphExecDestroy(self, hGraphExec: Launchable) -> tuple[Any, ...]:
        status = self._status("cuGraphExecDestroy")
        del self._machine.handles[id(hGraphExec)]
        return (status,)

    def cuEventCreate(self, Flags: int) -> tuple[Any, ...]:
        assert Flags == 0
        status = self._status("cuEventCreate")
        return status, None if status else Event(self._machine)

    def cuEventDestroy(self, hEvent: Event) -> tuple[Any, ...]:
        status = self._status("cuEventDestroy")
        del self._machine.handles[id(hEvent)]
        return (status,)

    def cuEventRecord(self, hEvent: Event, hStream: Stream) -> tuple[Any, ...]:
        status = self._status("cuEventRecord")
        if not status:
            hStream.add(lambda: setattr(hEvent, "time", self._machine.clock))
        return (status,)

    def cuEventElapsedTime(self, hStart: Event, hEnd: Event) -> tuple[Any, ...]:
        status = self._status("cuEventElapsedTime")
        if status:
            return status, None
        assert hStart.time is not None
        assert hEnd.time is not None
        return status, hEnd.time - hStart.time

    def _tick(self, time: float) -> None:
        self._machine.clock += time
