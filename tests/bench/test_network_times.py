"""The network alone: who is measured, by which clock, and what becomes of those that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from colorrt.bench.network import DeviceTimed, Entrant, distinct, held_on_device, open_entrant, time_network
from colorrt.bench.timing import DEVICE_CLOCK, HOST_CLOCK
from colorrt.errors import BackendError, ModelError, UsageError
from colorrt.runtime.sessions.session import SessionOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


class Gpu:
    """Stands in for a session on a GPU: it answers gray, and its clock tells 4 ms, with a CUDA graph 2."""

    device_memory = 123

    def __init__(self, graph: bool = True) -> None:
        self.seen: list[tuple[int, ...]] = []
        self._graph = graph

    def run(self, luma: NDArray[np.float32]) -> NDArray[np.float32]:
        self.seen.append(luma.shape)
        return np.repeat(luma, 2, axis=1) * 0

    def measure(self, luma: NDArray[np.float32], rounds: int, *, graph: bool) -> list[float]:
        if graph and not self._graph:
            raise BackendError("no CUDA graph could be recorded; measure without it")
        return [2.0 if graph else 4.0] * rounds


def entrant(name: str, gpu: Gpu, batch: tuple[int, int | None] = (1, None)) -> Entrant:
    return Entrant(name, "fp16", gpu.run, batch, gpu, (False, True), lambda: None)


def host(name: str, run: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Entrant:
    return Entrant(name, "fp32", run, (1, None), None, (), lambda: None)


def test_every_batch_is_measured_by_both_clocks() -> None:
    gpu = Gpu()
    assert isinstance(gpu, DeviceTimed)
    rows = time_network([host("plain", lambda luma: luma), entrant("engine", gpu)], 1, (1, 3), rounds=4)
    described = [(row.batch, row.name, row.clock, row.graph) for row in rows]
    assert described == [
        (batch, name, clock, graph)
        for batch in (1, 3)
        for name, clock, graph in (
            ("plain", HOST_CLOCK, None),
            ("engine", HOST_CLOCK, None),
            ("engine", DEVICE_CLOCK, False),
            ("engine", DEVICE_CLOCK, True),
        )
    ]
    assert set(gpu.seen) == {(1, 1, 16, 16), (3, 1, 16, 16)}
    graphed = rows[3]
    assert graphed.ratio == 2.0
    assert rows[7].per_picture_ms == pytest.approx(2.0 / 3)
    assert all(row.times is not None and row.times.rounds == 4 for row in rows)
    assert rows[0].ratio == 1.0


def test_pictures_of_a_batch_differ() -> None:
    taken = []
    time_network([host("plain", lambda luma: taken.append(luma.copy()) or luma)], 1, (8,), rounds=2)  # type: ignore[func-returns-value]  # append returns None, on which `or` goes on
    assert np.abs(taken[0][0] - taken[0][1]).mean() > 0.01
    assert not np.array_equal(taken[-1], taken[-2])


def test_what_fails_gets_a_row_with_the_reason_and_the_others_go_on() -> None:
    def fail(luma: NDArray[np.float32]) -> NDArray[np.float32]:
        raise ModelError("too large; take less")

    entrants = [host("broken", fail), entrant("narrow", Gpu(), (1, 2)), host("plain", lambda luma: luma)]
    rows = {row.name: row for row in time_network(entrants, 1, (4,), rounds=2)}
    assert rows["broken"].failure == "too large; take less"
    assert rows["narrow"].failure == "takes 1 to 2 at a time"
    assert rows["broken"].times is rows["narrow"].times is None
    assert rows["plain"].times is not None
    assert rows["plain"].ratio is None


def test_engine_without_cuda_graph_is_measured_without() -> None:
    rows = [row for row in time_network([entrant("engine", Gpu(False))], 1, (1,), 2) if row.clock == DEVICE_CLOCK]
    assert [(row.graph, row.times is None) for row in rows] == [(False, False), (True, True)]
    assert rows[1].failure is not None
    assert "no CUDA graph" in rows[1].failure


def test_memory_is_that_of_engines_alone() -> None:
    assert held_on_device(entrant("engine", Gpu()), 1) == 123
    assert held_on_device(host("plain", lambda luma: luma), 1) is None


def test_equal_names_are_numbered() -> None:
    found = distinct([host("a", lambda luma: luma), host("b", lambda luma: luma), host("a", lambda luma: luma)])
    assert [one.name for one in found] == ["a", "b", "a (2)"]


def test_artifact_of_another_render_factor_is_refused(make_onnx: Callable[..., Path], tmp_path: Path) -> None:
    path = make_onnx(tmp_path / "rf3.onnx", render_factor=3)
    with pytest.raises(UsageError, match=r"rf3\.onnx: this artifact was made for render factor 3, not 2"):
        open_entrant(path, 2, SessionOptions("cpu", 1))
    opened = open_entrant(path, 3, SessionOptions("cpu", 1))
    assert opened.timed is None
    assert opened.name.startswith("rf3.onnx, ONNX Runtime")
    opened.close()
