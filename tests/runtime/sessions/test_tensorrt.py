"""Sessions on engines, under a stand-in for CUDA and TensorRT: answers, graphs, times, and kernels that are kept."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from engine_plans import RTX, squares

from colorrt.errors import BackendError, ModelError, UsageError
from colorrt.runtime.sessions.contexts import KEPT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]

ANY = {"render_factor": None, "render_factors": (1, 2, 3)}


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
    contexts = [one.context for one in session._shapes._shapes.values()]
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
