"""Engines under a stand-in for CUDA and TensorRT: whatever call fails ends in one sentence and frees all."""

from __future__ import annotations

import gc
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from engine_plans import open_plan, refusal, squares

from colorrt.errors import ArtifactError, BackendError, ColorrtError, ModelError
from colorrt.runtime.artifact import read_artifact
from colorrt.runtime.sessions.opening import open_session
from colorrt.runtime.sessions.session import SessionOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]


def scenario(path: Path, standin: Any) -> None:
    """Everything that a session does; a wrong answer is an AssertionError."""
    session = open_plan(path)
    try:
        for count in (3, 2):
            np.testing.assert_array_equal(session.run(squares(count)), standin.network(squares(count)))
        assert session.measure(squares(2), 1, graph=True)[0] > 0
        assert session.device_memory > 0
    finally:
        session.close()


@pytest.mark.usefixtures("young_heap")
def test_whatever_call_fails_ends_in_a_sentence_and_frees_all(
    make_machine: Make, make_plan: Make, standin: Any, flavor: Any, tmp_path: Path
) -> None:
    path = make_plan(**flavor)
    sound = make_machine(**flavor)
    scenario(path, standin)
    assert sound.leaks == []
    assert len(sound.calls) > 60
    survived: Counter[str] = Counter()
    for index, name in enumerate(sound.calls):
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        machine = make_machine(**flavor, fail_at=index)
        try:
            scenario(path, standin)
        except ColorrtError as error:
            message = str(error)
            assert "\n" not in message
            assert "; " in message, f"{name}: no advice in {message!r}"
        else:
            assert machine.calls[index] == name
            survived[name] += 1
        gc.collect()
        assert machine.leaks == [], f"call {index}, {name}"
    # What frees, what records a graph, and what tells of the GPU's free memory may fail.
    frees = {"cuMemFree", "cuMemFreeHost", "cuStreamDestroy", "cuGraphExecDestroy", "cuEventDestroy"}
    graph = {"cuStreamBeginCapture", "cuStreamEndCapture", "cuGraphInstantiate", "cuGraphDestroy"}
    asking = {"cuCtxPushCurrent", "cuCtxPopCurrent", "cuDevicePrimaryCtxRelease", "cuDevicePrimaryCtxRetain"}
    assert set(survived) <= frees | graph | asking | {"cuMemGetInfo", "execute_async_v3", "cuStreamSynchronize"}
    # While recording; after a measurement and before everything is freed.
    assert survived["execute_async_v3"] <= 2
    assert survived["cuStreamSynchronize"] == 2
    assert survived["cuMemGetInfo"] == 1


@pytest.mark.parametrize(
    ("call", "status", "says"),
    [
        (
            "cuMemAlloc",
            "CUDA_ERROR_OUT_OF_MEMORY",
            "taking 0 MB of GPU memory (CUDA_ERROR_OUT_OF_MEMORY: out of memory",
        ),
        ("cuMemHostAlloc", "CUDA_ERROR_OUT_OF_MEMORY", "pinning 0 MB of memory (CUDA_ERROR_OUT_OF_MEMORY"),
        ("cuStreamSynchronize", "CUDA_ERROR_ILLEGAL_ADDRESS", "running the network (CUDA_ERROR_ILLEGAL_ADDRESS"),
        ("cuMemcpyHtoDAsync", "CUDA_ERROR_INVALID_VALUE", "copying pictures to the GPU (CUDA_ERROR_INVALID_VALUE"),
    ],
)
def test_errors_of_cuda_are_named(
    make_machine: Make, make_plan: Make, standin: Any, call: str, status: str, says: str
) -> None:
    make_machine(fail={call: status})
    with pytest.raises(ModelError) as caught:
        scenario(make_plan(), standin)
    assert f"CUDA failed while {says}" in str(caught.value)


def test_reason_of_tensorrt_is_in_the_sentence(opened: Make) -> None:
    machine, session = opened()
    machine.fail["execute_async_v3"] = True
    with pytest.raises(ModelError, match=r"tiny: TensorRT 10.13.3.9 failed: the network cannot be queued \(.*broken"):
        session.run(squares())
    machine.fail.clear()
    assert session.run(squares()).shape == (1, 2, 32, 32)


def test_too_little_memory_is_told_before_it_is_taken(make_machine: Make, make_plan: Make, standin: Any) -> None:
    profile = standin.Profile(scratch=4_000_000_000)
    machine = make_machine(free=3_000_000_000, profile=profile)
    path = make_plan()
    message = refusal(path, ModelError)
    assert (
        "the engine needs 4000 MB of GPU memory, and NVIDIA Stand-in has 2999 MB free; close other programs" in message
    )
    assert f"colorrt build colorrt-tiny-rf2.onnx --precision fp16 -o {path} --overwrite" in message
    assert "cuMemAlloc" not in machine.calls
    assert machine.leaks == []


def test_weights_beyond_the_memory_are_not_loaded(make_machine: Make, make_plan: Make) -> None:
    machine = make_machine(free=100)
    assert "of GPU memory" in refusal(make_plan(), ModelError)
    assert "deserialize_cuda_engine" not in machine.calls


def test_memory_that_linux_lends_out_counts_as_free_on_a_jetson(
    opened: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = tmp_path / "meminfo"
    table.write_text("MemTotal:        7900000 kB\nMemAvailable:    5000000 kB\n")
    monkeypatch.setattr("colorrt.runtime.sessions.gpu.MEMORY_FILE", table)
    _, session = opened(integrated=True, free=1_100_000)
    assert session.run(squares()).shape == (1, 2, 32, 32)


def test_engine_that_does_not_load_says_why(make_machine: Make, make_plan: Make, standin: Any) -> None:
    says = "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Stale. In x at /_src/runtime.cpp:48)"
    make_machine(profile=standin.Profile(loads=False, says=says))
    message = refusal(make_plan(), ArtifactError)
    assert (
        "TensorRT 10.13.3.9 cannot load the engine (Serialization (Stale.)); build it again: colorrt build" in message
    )


def test_engine_too_large_to_load_speaks_of_memory(make_machine: Make, make_plan: Make, standin: Any) -> None:
    make_machine(profile=standin.Profile(loads=False, says="[a.cpp::b::1] Error Code 2: OutOfMemory (failed)"))
    assert "MB of GPU memory" in refusal(make_plan(), ModelError)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"names": ("gray", "chroma")}, "its tensors are gray, chroma"),
        ({"output_type": "HALF"}, "its tensors are luma, chroma"),
        ({"least": (1, 1, 64, 64), "most": (2, 1, 64, 64)}, "it takes luma of 1 x 1 x 64 x 64"),
        ({"least": (1, 3, 32, 32), "most": (2, 3, 32, 32)}, "it takes luma of 1 x 3 x 32 x 32"),
    ],
)
def test_engine_that_breaks_its_contract_is_refused(
    make_machine: Make, make_plan: Make, standin: Any, changes: dict[str, Any], says: str
) -> None:
    machine = make_machine(profile=standin.Profile(**changes))
    assert f"the engine is not what its contract says ({says})" in refusal(make_plan(), ArtifactError)
    assert machine.leaks == []


def test_engine_that_answers_another_shape_fails(opened: Make, standin: Any) -> None:
    _, session = opened(profile=standin.Profile(channels=3))
    with pytest.raises(ModelError, match="the answer to luma of 1 x 1 x 32 x 32 is 1 x 3 x 32 x 32"):
        session.run(squares())


def test_cpu_is_no_device_for_an_engine(make_plan: Make) -> None:
    with pytest.raises(BackendError, match="runs on the GPU, not on device 'cpu'; leave --device out"):
        open_session(read_artifact(make_plan()), SessionOptions("cpu"))
