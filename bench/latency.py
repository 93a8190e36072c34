"""What `colorrt bench` measures of an artifact: stages by picture size, cold start, memory, the network by batch."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorrt.bench.cold import ColdStart, measure_cold
from colorrt.bench.machine import describe_machine, warn_of_load
from colorrt.bench.network import (
    Entrant,
    NetworkTimes,
    check_artifact,
    distinct,
    held_on_device,
    measure_power,
    open_entrant,
    open_torch,
    time_network,
)
from colorrt.bench.pictures import write_scaled
from colorrt.bench.power import Power
from colorrt.bench.stages import StageTimes, time_stages
from colorrt.bench.timing import DEVICE_CLOCK, HOST_CLOCK
from colorrt.contract import Device
from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.sessions.session import SessionOptions
from colorrt.runtime.shipped import shipped_artifact

if TYPE_CHECKING:
    from collections.abc import Callable

CLOCKS = {
    "stages": f"{HOST_CLOCK}, one picture at a time, file to file",
    "cold": f"{HOST_CLOCK} of the process that starts the fresh one",
    HOST_CLOCK: "luma in host memory to chroma in host memory",
    DEVICE_CLOCK: "the network on the GPU alone, without copies and calls",
}


@dataclass(frozen=True)
class Plan:
    """What to measure, and how often.

    `engine`: the artifact, None for the model that ships. `against`: artifacts to measure beside it, `weights`: a
    checkpoint for eager PyTorch. `sizes`: (width, height) of pictures. `processes`: fresh ones a size, 0 for none.
    """

    engine: Path | None = None
    against: tuple[Path, ...] = ()
    weights: Path | None = None
    render_factor: int | None = None
    device: str = Device.AUTO
    threads: int | None = None
    sizes: tuple[tuple[int, int], ...] = ((640, 480), (1920, 1080), (4000, 3000))
    batches: tuple[int, ...] = (1, 2, 4, 8)
    rounds: int = 20
    processes: int = 3


@dataclass(frozen=True)
class Consumption:
    """Power while the network ran picture after picture, on a Jetson; `joules`: of the whole module, a picture."""

    power: Power
    pictures_per_second: float
    joules: float | None


@dataclass(frozen=True)
class LatencyReport:
    """What was measured, and on what machine.

    `device_memory`: bytes of the GPU's memory that the engine holds, None for others. `machine`: see
    `describe_machine`.
    """

    artifact: str
    model: str
    precision: str
    weights_sha256: str
    render_factor: int
    backend: str
    threads: int | None
    sizes: tuple[StageTimes, ...]
    cold: tuple[ColdStart, ...]
    network: tuple[NetworkTimes, ...]
    device_memory: int | None
    consumption: Consumption | None
    machine: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the report as what `json.dumps` takes, with the meaning of its clocks."""
        return {"kind": "latency", "clocks": CLOCKS, **asdict(self)}


def measure_latency(plan: Plan, say: Callable[[str], None] = lambda _: None) -> LatencyReport:
    """Measure all that `plan` asks for. `say` is told each step before it starts.

    Raises ModelError when an artifact cannot be used, UsageError when the artifacts do not go together.
    """
    path = plan.engine or shipped_artifact()
    if (warning := warn_of_load()) is not None:
        say(warning)
    machine = describe_machine()
    options = SessionOptions(plan.device, plan.threads)
    with ExitStack() as held:
        with Colorizer(path, render_factor=plan.render_factor, device=plan.device, threads=plan.threads) as colorizer:
            contract, backend, factor = colorizer.contract, colorizer.backend, colorizer.render_factor
            # Before minutes of measuring, not after.
            for other in plan.against:
                check_artifact(other, factor)
            eager = [] if plan.weights is None else [open_torch(plan.weights, options)]
            stages, cold = _by_size(plan, path, colorizer, say)
        # Opened alone, so that the memory it takes is its own.
        own = open_entrant(path, factor, options)
        held.callback(own.close)
        device_memory = held_on_device(own, factor)
        others = []
        for other in plan.against:
            others.append(open_entrant(other, factor, options))
            held.callback(others[-1].close)
        say(f"running the network alone at batch sizes {', '.join(map(str, plan.batches))}")
        network = time_network(distinct([*eager, *others, own]), factor, plan.batches, plan.rounds)
        return LatencyReport(
            artifact=path.name,
            model=contract.model,
            precision=colorizer.precision,
            weights_sha256=contract.weights_sha256,
            render_factor=factor,
            backend=backend,
            threads=plan.threads,
            sizes=tuple(stages),
            cold=tuple(cold),
            network=tuple(network),
            device_memory=device_memory,
            consumption=_consumption(own, factor),
            machine=machine,
        )


def _by_size(
    plan: Plan, path: Path, colorizer: Colorizer, say: Callable[[str], None]
) -> tuple[list[StageTimes], list[ColdStart]]:
    stages, cold = [], []
    for size in plan.sizes:
        with tempfile.TemporaryDirectory(prefix="colorrt-bench-") as folder:
            say(f"coloring pictures of {size[0]} x {size[1]}")
            photos = write_scaled(Path(folder), size)
            stages.append(time_stages(colorizer, photos, Path(folder) / "colored.jpg", plan.rounds))
            if plan.processes:
                say(f"coloring a first picture in {plan.processes} fresh processes")
                cold.append(
                    measure_cold(
                        path,
                        colorizer.render_factor,
                        photos[0],
                        size,
                        device=plan.device,
                        threads=plan.threads,
                        processes=plan.processes,
                    )
                )
    return stages, cold


def _consumption(entrant: Entrant, factor: int) -> Consumption | None:
    measured = measure_power(entrant, factor)
    if measured is None:
        return None
    power, pace = measured
    joules = None if power.module_mw is None else power.module_mw / 1000 / pace
    return Consumption(power, pace, joules)
