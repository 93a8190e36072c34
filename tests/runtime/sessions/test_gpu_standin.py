"""The stand-in for a machine with a GPU has no call, class or value that the real libraries lack."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest
from engine_plans import RTX

from colorrt.runtime.artifact import read_artifact

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]

CLASSES = (
    "IRuntimeCache",
    "IRuntimeConfig",
    "IExecutionContext",
    "ICudaEngine",
    "Runtime",
    "TensorIOMode",
    "ExecutionContextAllocationStrategy",
    "CudaGraphStrategy",
    "DynamicShapesKernelSpecializationStrategy",
    "EngineValidity",
    "EngineInvalidityDiagnostics",
)


@pytest.mark.parametrize("name", CLASSES)
def test_stand_in_has_nothing_that_tensorrt_rtx_lacks(standin: Any, name: str) -> None:
    real = getattr(pytest.importorskip("tensorrt_rtx"), name)
    ours = getattr(standin, name)
    if hasattr(ours, "__members__"):
        values = {member: int(value) for member, value in real.__members__.items()}
        assert {member: int(value.value) for member, value in ours.__members__.items()}.items() <= values.items()
    public = {one for one in vars(ours) if not one.startswith("_")}
    if name == "IRuntimeConfig":
        settings = {"cuda_graph_strategy", "dynamic_shapes_kernel_specialization_strategy"}
        assert all(getattr(real, one).fset is not None for one in settings)
        public |= settings
    assert public <= set(dir(real))


def test_stand_in_has_nothing_that_cuda_python_lacks(standin: Any) -> None:
    real = pytest.importorskip("cuda.bindings.driver")
    for enum, name in (
        (standin.Status, "CUresult"),
        (standin.DeviceAttribute, "CUdevice_attribute"),
        (standin.CaptureMode, "CUstreamCaptureMode"),
    ):
        for member in enum:
            assert int(getattr(getattr(real, name), member.name)) == member.value
    calls = [call for call in vars(standin.Driver) if call.startswith("cu")]
    assert len(calls) > 25
    for call in calls:
        # "cuMemHostAlloc(size_t bytesize, unsigned int Flags)"
        inside = getattr(real, call).__doc__.splitlines()[0].partition("(")[2].rpartition(")")[0]
        parameters = [part for part in inside.split(",") if part.strip()]
        assert len(parameters) == getattr(standin.Driver, call).__code__.co_argcount - 1, call


def test_plan_of_the_real_tensorrt_rtx_is_known_by_its_tag(make_plan: Make, tmp_path: Path) -> None:
    rtx = pytest.importorskip("tensorrt_rtx")
    log = importlib.import_module("colorrt.runtime.sessions.trt_log").log_of(rtx)
    builder = rtx.Builder(log)
    network = builder.create_network(1 << int(rtx.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    luma = network.add_input("luma", rtx.float32, (1, 1, 32, 32))
    chroma = network.add_concatenation([luma, luma])
    chroma.axis = 1
    chroma.get_output(0).name = "chroma"
    network.mark_output(chroma.get_output(0))
    network.name = read_artifact(make_plan(**RTX)).contract.to_json()
    path = tmp_path / "engine.without.a.known.suffix"
    path.write_bytes(bytes(builder.build_serialized_network(network, builder.create_builder_config())))
    assert read_artifact(path).contract.engine is not None
