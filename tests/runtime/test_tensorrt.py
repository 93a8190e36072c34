"""Sessions on engines, under a stand-in for CUDA and TensorRT: results, memory, graphs, and every failing call."""

from __future__ import annotations

import gc
import importlib
import shutil
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from colorrt.errors import ArtifactError, BackendError, ColorrtError, ModelError, UsageError
from colorrt.runtime.artifact import read_artifact
from colorrt.runtime.lanes import KEPT
from colorrt.runtime.session import SessionOptions, open_session
from colorrt.runtime.tensorrt import TensorRtSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., Any]

ANY = {"render_factor": None, "render_factors": (1, 2, 3)}
RTX = {"flavor": "tensorrt_rtx", "version": "1.7.1.116"}


def squares(count: int = 1, side: int = 32, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(seed).random((count, 1, side, side), np.float32)


def open_plan(path: Path) -> TensorRtSession:
    session = open_session(read_artifact(path))
    assert isinstance(session, TensorRtSession)
    return session


def refusal(path: Path, kind: type[ColorrtError] = BackendError) -> str:
    with pytest.raises(kind) as caught:
        open_plan(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message


@pytest.fixture(params=[{}, RTX], ids=["tensorrt", "rtx"])
def flavor(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def young_heap() -> Iterator[None]:
    """Let collections look only at what comes after: what a whole test run has left takes them a second each."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def opened(
    make_machine: Make, make_plan: Make, young_heap: None
) -> Iterator[Callable[..., tuple[Any, TensorRtSession]]]:
    """Open an engine of two pictures of 32 x 32, or as told; what is not freed in the end fails the test."""
    made: list[tuple[Any, TensorRtSession]] = []

    def make(flavor: dict[str, str] | None = None, *, plan: dict[str, Any] | None = None, **settings: Any) -> Any:
        machine = make_machine(**(flavor or {}), **settings)
        made.append((machine, open_plan(make_plan(**(flavor or {}), **(plan or {})))))
        return made[-1]

    yield make
    for machine, session in made:
        session.close()
        gc.collect()
        assert machine.leaks == []
        assert all(current for _, current in machine.freed), "TensorRT freed something without CUDA's context"


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_chroma_is_what_the_engine_says(opened: Make, standin: Any, flavor: Any, count: int) -> None:
    _, session = opened(flavor)
    luma = squares(count)
    chroma = session.run(luma)
    assert chroma.dtype == np.float32
    np.testing.assert_array_equal(chroma, standin.network(luma))
    again = squares(count, seed=1)
    np.testing.assert_array_equal(session.run(again), standin.network(again))
    np.testing.assert_array_equal(chroma, standin.network(luma))


def test_larger_batches_are_split_and_smaller_ones_filled_up(opened: Make, standin: Any) -> None:
    profile = standin.Profile(least=(2, 1, 32, 32), most=(4, 1, 32, 32))
    machine, session = opened(profile=profile, plan={"batch": (2, 4)})
    for count, runs in ((1, 1), (4, 1), (9, 3)):
        luma = squares(count)
        machine.calls.clear()
        np.testing.assert_array_equal(session.run(luma), standin.network(luma))
        assert machine.calls.count("cuMemcpyDtoHAsync") == runs


def test_arrays_of_any_memory_order_are_taken(opened: Make, standin: Any) -> None:
    _, session = opened()
    luma = np.asfortranarray(squares(2))[..., ::-1]
    np.testing.assert_array_equal(session.run(luma), standin.network(luma))


def test_engine_of_any_size_runs_the_sizes_of_its_profile(opened: Make, standin: Any, flavor: Any) -> None:
    profile = standin.Profile((1, 1, 16, 16), (2, 1, 48, 48), (-1, 1, -1, -1))
    _, session = opened(flavor, profile=profile, plan=ANY)
    for side in (16, 32, 48, 16):
        luma = squares(3, side)
        np.testing.assert_array_equal(session.run(luma), standin.network(luma))
    with pytest.raises(UsageError, match="takes render factors 1 to 3, not 4"):
        session.run(squares(1, 64))


def test_engine_of_one_shape_runs(opened: Make, standin: Any) -> None:
    profile = standin.Profile((1, 1, 32, 32), (1, 1, 32, 32), (1, 1, 32, 32))
    _, session = opened(profile=profile, plan={"batch": (1, 1)})
    assert session.batch == (1, 1)
    np.testing.assert_array_equal(session.run(squares(3)), standin.network(squares(3)))


def test_graph_is_recorded_once_for_each_shape_and_launched_from_then_on(opened: Make) -> None:
    machine, session = opened()
    for count in (2, 1, 2, 2, 1, 3):
        session.run(squares(count))
    assert machine.calls.count("cuStreamBeginCapture") == machine.calls.count("cuGraphInstantiate") == 2
    assert machine.calls.count("cuGraphLaunch") == 7
    # Each shape: once to warm up, once to be recorded.
    assert machine.calls.count("execute_async_v3") == 4


def test_rtx_records_its_graphs_itself(opened: Make, standin: Any) -> None:
    machine, session = opened(RTX)
    session.run(squares(2))
    session.measure(squares(2), 2, graph=False)
    assert "cuStreamBeginCapture" not in machine.calls
    contexts = [lane.context for lane in session._lanes._lanes.values()]
    kinds = standin.CudaGraphStrategy
    assert [one._config.cuda_graph_strategy for one in contexts] == [kinds.WHOLE_GRAPH_CAPTURE, kinds.DISABLED]
    eager = standin.DynamicShapesKernelSpecializationStrategy.EAGER
    assert all(one._config.dynamic_shapes_kernel_specialization_strategy is eager for one in contexts)


@pytest.mark.parametrize(
    "broken", ["cuStreamBeginCapture", "cuStreamEndCapture", "cuGraphInstantiate", "not capturable"]
)
def test_what_cannot_be_recorded_runs_kernel_by_kernel(opened: Make, standin: Any, broken: str) -> None:
    status = "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"
    profile = standin.Profile(capturable=broken != "not capturable")
    machine, session = opened(fail={broken: status}, profile=profile)
    for _ in range(3):
        np.testing.assert_array_equal(session.run(squares(2)), standin.network(squares(2)))
    assert "cuGraphLaunch" not in machine.calls
    with pytest.raises(BackendError, match="no CUDA graph could be recorded of this engine; measure without it"):
        session.measure(squares(2), 1, graph=True)


def test_shapes_beyond_those_kept_are_made_again(opened: Make, standin: Any) -> None:
    most = KEPT + 2
    profile = standin.Profile(most=(most, 1, 32, 32))
    machine, session = opened(profile=profile, plan={"batch": (1, most)})
    for count in [*range(1, most + 1), 1]:
        np.testing.assert_array_equal(session.run(squares(count)), standin.network(squares(count)))
    assert machine.calls.count("cuGraphInstantiate") == most + 1
    assert machine.calls.count("cuGraphExecDestroy") == 3


def test_measure_takes_the_time_of_the_network_alone(opened: Make, standin: Any) -> None:
    _, session = opened()
    assert session.measure(squares(2), 3, graph=False) == [standin.TIME_OF_A_RUN] * 3
    assert session.measure(squares(2), 2, graph=True) == [standin.TIME_OF_A_GRAPH] * 2
    with pytest.raises(UsageError, match="tiny takes 1 to 2 pictures at a time, got 3"):
        session.measure(squares(3), 1, graph=True)


def test_device_memory_counts_engine_scratch_and_buffers(opened: Make, standin: Any) -> None:
    _, session = opened()
    assert session.device_memory == standin.WEIGHTS + 5000 + 3 * 4 * 2 * 32 * 32


def test_backend_names_tensorrt_and_the_gpu(opened: Make) -> None:
    assert opened()[1].backend == "TensorRT 10.13.3.9 on NVIDIA Stand-in"
    assert opened(RTX)[1].backend == "TensorRT for RTX 1.7.1.116 on NVIDIA Stand-in"


def test_other_shapes_are_refused_with_what_it_takes(opened: Make) -> None:
    _, session = opened()
    with pytest.raises(UsageError, match="takes luma of N x 1 x 32 x 32 float32, got 1 x 1 x 48 x 48 float32"):
        session.run(squares(side=48))
    with pytest.raises(UsageError, match="got 1 x 1 x 32 x 32 float64"):
        session.run(squares().astype(np.float64))


def test_threads_take_turns(opened: Make, standin: Any) -> None:
    machine, session = opened()
    answers: dict[int, Any] = {}

    def work(seed: int) -> None:
        for _ in range(5):
            answers[seed] = session.run(squares(1 + seed % 3, seed=seed))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert machine.most_running == 1
    for seed in range(8):
        np.testing.assert_array_equal(answers[seed], standin.network(squares(1 + seed % 3, seed=seed)))


def test_closed_session_says_so(opened: Make) -> None:
    machine, session = opened()
    session.run(squares())
    session.close()
    session.close()
    assert machine.leaks == []
    with pytest.raises(ModelError, match="tiny: the session is closed; open another"):
        session.run(squares())


def test_contexts_are_freed_before_the_engine_and_the_engine_before_its_runtime(opened: Make) -> None:
    machine, session = opened()
    session.run(squares(2))
    session.run(squares(1))
    session.close()
    assert [kind for kind, _ in machine.freed] == ["IExecutionContext"] * 2 + ["ICudaEngine", "Classic"]


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
    monkeypatch.setattr("colorrt.runtime.gpu.MEMORY_FILE", table)
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


def test_kernels_that_rtx_compiles_are_kept_for_the_next_session(opened: Make, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "colorrt"
    _, first = opened(RTX)
    first.run(squares())
    (path,) = folder.iterdir()
    assert path.read_bytes().startswith(b"kernels ")
    machine, second = opened(RTX)
    before = path.stat().st_mtime_ns
    second.run(squares())
    assert "deserialize" in machine.calls
    assert path.stat().st_mtime_ns == before
    assert list(folder.iterdir()) == [path]


@pytest.mark.parametrize("damage", [b"", b"kernel", bytes(1000)])
def test_damaged_kernels_are_compiled_and_written_anew(opened: Make, tmp_path: Path, damage: bytes) -> None:
    folder = tmp_path / "cache" / "colorrt"
    opened(RTX)[1].run(squares())
    (path,) = folder.iterdir()
    sound = path.read_bytes()
    path.write_bytes(damage)
    opened(RTX)[1].run(squares())
    assert path.read_bytes() == sound


def test_unwritable_cache_harms_nothing(opened: Make, standin: Any, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    _, session = opened(RTX)
    np.testing.assert_array_equal(session.run(squares()), standin.network(squares()))


def test_tensorrt_has_no_cache_of_kernels(opened: Make, tmp_path: Path) -> None:
    opened()[1].run(squares())
    assert not (tmp_path / "cache").exists()


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
    log = importlib.import_module("colorrt.runtime.trt_log").log_of(rtx)
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
