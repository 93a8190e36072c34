"""The network alone, of artifacts and of PyTorch beside each other: the same luma, in turns, in one process.

By the host clock a run is luma in host memory to chroma in host memory, whatever runs it. Engines are measured by CUDA
events too, which see the network on the GPU and nothing of the copies and calls around it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from colorrt.bench.power import Power, PowerMeter
from colorrt.bench.timing import DEVICE_CLOCK, HOST_CLOCK, Times, ratio_of, summarize_times, take_turns
from colorrt.contract import UNIT, Device
from colorrt.errors import BackendError, ModelError, UsageError
from colorrt.photos.shipped import parity_lumas
from colorrt.runtime.artifact import read_artifact
from colorrt.runtime.render_factors import choose_render_factor
from colorrt.runtime.sessions.opening import open_session
from colorrt.runtime.sessions.session import SessionOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from colorrt.bench.eager import TorchRunner
    from colorrt.runtime.artifact import Artifact

_POWER_SECONDS = 3.0


@runtime_checkable
class DeviceTimed(Protocol):
    """A session on a GPU that can time its network by CUDA events."""

    def measure(self, luma: NDArray[np.float32], rounds: int, *, graph: bool) -> Sequence[float]:
        """Return the milliseconds of each of `rounds` runs on the GPU, replayed as a CUDA graph or not."""

    @property
    def device_memory(self) -> int:
        """Bytes of the GPU's memory that it holds."""


@dataclass(frozen=True)
class Entrant:
    """One of what is measured side by side.

    `run` takes N x 1 x S x S float32 and returns N x 2 x S x S when they are there. `timed`: what times it on the GPU,
    and `graphs` how: with a CUDA graph, without, or (None) as it is.
    """

    name: str
    precision: str
    run: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    batch: tuple[int, int | None]
    timed: DeviceTimed | None
    graphs: tuple[bool | None, ...]
    close: Callable[[], None]


@dataclass(frozen=True)
class NetworkTimes:
    """Times of one entrant at one batch, for the whole batch.

    `clock`: HOST_CLOCK or DEVICE_CLOCK; `graph`: whether it was replayed as a CUDA graph, None where that does not
    apply. `ratio`: how many times as fast as the first of the same batch and clock; None without one.
    `failure`: why there are no times.
    """

    name: str
    precision: str
    batch: int
    clock: str
    graph: bool | None
    times: Times | None
    ratio: float | None
    failure: str | None = None

    @property
    def per_picture_ms(self) -> float | None:
        """Median milliseconds of a picture; None without times."""
        return None if self.times is None else self.times.p50_ms / self.batch


def check_artifact(path: Path, render_factor: int) -> Artifact:
    """Read an artifact that is to run at `render_factor`.

    Raises ArtifactError when it cannot be used, UsageError when it was made for another render factor.
    """
    artifact = read_artifact(path)
    try:
        choose_render_factor(artifact.contract, render_factor)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    return artifact


def open_entrant(path: Path, render_factor: int, options: SessionOptions) -> Entrant:
    """Open an artifact for a comparison at `render_factor`. Raises ModelError and UsageError."""
    artifact = check_artifact(path, render_factor)
    session = open_session(artifact, options)
    name = f"{artifact.path.name}, {session.backend}"
    contract = artifact.contract
    timed = session if isinstance(session, DeviceTimed) else None
    return Entrant(name, session.precision, session.run, contract.batch, timed, (False, True), session.close)


def held_on_device(entrant: Entrant, render_factor: int) -> int | None:
    """Return the bytes of the GPU's memory that an engine holds after its first run; None for all others.

    It is told by CUDA's free memory, so nothing else may be opened between the engine and this.
    """
    if entrant.timed is None:
        return None
    entrant.run(parity_lumas(UNIT * render_factor)[0][None, None])
    return entrant.timed.device_memory


def open_torch(weights: Path, options: SessionOptions) -> Entrant:
    """Load a checkpoint into eager PyTorch, on the GPU if `options` ask for it.

    Raises BackendError when PyTorch or its CUDA is missing, WeightsError when the checkpoint cannot be loaded.
    """
    try:
        from colorrt.bench.eager import TorchRunner
        from colorrt.models.registry import load_network
    except ImportError as error:
        raise BackendError(
            f"{error.name or 'PyTorch'} is not installed, and --weights runs PyTorch: pip install 'colorrt[export]'"
        ) from error
    runner = TorchRunner(
        load_network(weights), "cuda" if options.device == Device.CUDA else "cpu", threads=options.threads
    )
    return enter_torch(runner)


def enter_torch(runner: TorchRunner) -> Entrant:
    """Let a network in PyTorch take part."""
    timed = runner if runner.on_gpu else None
    return Entrant(runner.name, runner.precision, runner.run, (1, None), timed, (None,), runner.close)


def time_network(
    entrants: Sequence[Entrant], render_factor: int, batches: Sequence[int], rounds: int
) -> list[NetworkTimes]:
    """Time `entrants` at each of `batches`, on the photographs that ship, squeezed to the network's square.

    The first of the entrants is the one that ratios refer to. What fails, or does not take a batch, gets a row with
    the reason; the others go on.
    """
    squares = np.stack(parity_lumas(UNIT * render_factor))[:, None]
    rows: list[NetworkTimes] = []
    for batch in batches:
        # As many different inputs as there are photographs.
        lumas = [np.take(squares, range(turn, turn + batch), axis=0, mode="wrap") for turn in range(len(squares))]
        able, refused = _sort_out(entrants, batch, lumas[0])
        runners = {entrant.name: _on_turn(entrant, lumas) for entrant in able}
        taken = take_turns(runners, rounds, settle=True) if runners else {}
        first = taken.get(entrants[0].name)
        for entrant in entrants:
            if entrant.name in refused:
                row = NetworkTimes(
                    entrant.name, entrant.precision, batch, HOST_CLOCK, None, None, None, refused[entrant.name]
                )
            else:
                times = taken[entrant.name]
                ratio = None if first is None else ratio_of(first, times)
                row = NetworkTimes(
                    entrant.name, entrant.precision, batch, HOST_CLOCK, None, summarize_times(times), ratio
                )
            rows.append(row)
        rows += _by_device(able, batch, lumas[0], rounds)
    return rows


def _on_turn(entrant: Entrant, lumas: Sequence[NDArray[np.float32]]) -> Callable[[int], object]:
    return lambda turn: entrant.run(lumas[turn % len(lumas)])


def _sort_out(
    entrants: Sequence[Entrant], batch: int, luma: NDArray[np.float32]
) -> tuple[list[Entrant], dict[str, str]]:
    able, refused = [], {}
    for entrant in entrants:
        least, most = entrant.batch
        if batch < least or (most is not None and batch > most):
            refused[entrant.name] = f"takes {least} to {most} at a time"
            continue
        try:
            # Also what an engine captures, and PyTorch tunes, at a new shape.
            entrant.run(luma)
        except (ModelError, MemoryError, RuntimeError) as error:
            refused[entrant.name] = _brief(error)
        else:
            able.append(entrant)
    return able, refused


def _brief(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _by_device(entrants: Sequence[Entrant], batch: int, luma: NDArray[np.float32], rounds: int) -> list[NetworkTimes]:
    rows: list[NetworkTimes] = []
    for entrant in entrants:
        if entrant.timed is None:
            continue
        for graph in entrant.graphs:
            row = NetworkTimes(entrant.name, entrant.precision, batch, DEVICE_CLOCK, graph, None, None)
            try:
                times = summarize_times(entrant.timed.measure(luma, rounds, graph=bool(graph)))
            except (ModelError, RuntimeError) as error:
                rows.append(replace(row, failure=_brief(error)))
                continue
            first = next((one.times for one in rows if one.times is not None), times)
            rows.append(replace(row, times=times, ratio=first.p50_ms / times.p50_ms))
    return rows


def measure_power(entrant: Entrant, render_factor: int) -> tuple[Power, float] | None:
    """Run pictures one by one for some seconds, and return the power and the pictures a second.

    None on machines without tegrastats.
    """
    meter = PowerMeter()
    if not meter.present:
        return None
    luma = parity_lumas(UNIT * render_factor)[0][None, None]
    entrant.run(luma)
    pictures = 0
    started = time.perf_counter()
    with meter:
        while time.perf_counter() - started < _POWER_SECONDS:
            entrant.run(luma)
            pictures += 1
        seconds = time.perf_counter() - started
    return None if meter.power is None else (meter.power, pictures / seconds)


def distinct(entrants: Sequence[Entrant]) -> list[Entrant]:
    """Number the names that occur more than once, so that every row can be told from the others."""
    counts: dict[str, int] = {}
    named = []
    for entrant in entrants:
        counts[entrant.name] = counts.get(entrant.name, 0) + 1
        again = counts[entrant.name]
        named.append(entrant if again == 1 else replace(entrant, name=f"{entrant.name} ({again})"))
    return named
