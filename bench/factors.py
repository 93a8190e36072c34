"""A row per render factor: build the artifact for it, and measure what it costs."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorrt.bench.building import ONNX, Backend, build_artifact
from colorrt.bench.cold import measure_cold
from colorrt.bench.latency import CLOCKS
from colorrt.bench.machine import describe_machine, warn_of_load
from colorrt.bench.network import Entrant, held_on_device, open_entrant, open_torch, time_network
from colorrt.bench.pictures import write_scaled
from colorrt.bench.stages import time_stages
from colorrt.bench.timing import DEVICE_CLOCK, HOST_CLOCK, Times
from colorrt.contract import UNIT, Contract, Device, Precision
from colorrt.errors import BackendError, ColorrtError, UsageError
from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.sessions.flavors import find_flavor, installed_flavors
from colorrt.runtime.sessions.gpu import find_gpu
from colorrt.runtime.sessions.session import SessionOptions
from colorrt.runtime.shipped import shipped_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PICTURE = (1920, 1080)
_SHIPPED = "shipped"


@dataclass(frozen=True)
class FactorRow:
    """What one render factor costs, at batch 1.

    `host`, `device`: the network alone by the host clock and by CUDA events (with CUDA graph; engines only). `torch`:
    eager PyTorch by the host clock, in turns with `host`; `ratio`: how many times as fast as it `host` is. `whole`: a
    picture of PICTURE from file to file. `peak_rss`: bytes of a fresh process that colored one. `failure`: why there
    are no figures.
    """

    render_factor: int
    size: int
    build_s: float = 0.0
    file_bytes: int = 0
    host: Times | None = None
    device: Times | None = None
    torch: Times | None = None
    ratio: float | None = None
    whole: Times | None = None
    peak_rss: int | None = None
    device_memory: int | None = None
    failure: str | None = None


@dataclass(frozen=True)
class FactorReport:
    """The rows of one network, and on what machine they were measured. `picture`: what `whole` refers to."""

    model: str
    precision: str
    weights_sha256: str
    backend: str
    threads: int | None
    rounds: int
    picture: str
    rows: tuple[FactorRow, ...]
    machine: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the report as what `json.dumps` takes, with the meaning of its clocks."""
        return {"kind": "render factors", "clocks": CLOCKS, **asdict(self)}


@dataclass(frozen=True)
class FactorPlan:
    """What to build and measure.

    `weights`: a checkpoint, None for the weights that ship. `backend`: "onnx" or a flavor of TensorRT. `precision`:
    of engines. `beside_torch`: time eager PyTorch too.
    """

    weights: Path | None
    factors: tuple[int, ...]
    backend: str
    precision: str = Precision.FP16
    device: str = Device.AUTO
    threads: int | None = None
    rounds: int = 20
    beside_torch: bool = True


def read_weights(text: str | None) -> Path | None:
    """Read what --weights says: a path, or "shipped" (or nothing) for the weights that ship, which are None."""
    return None if text in (None, _SHIPPED) else Path(str(text))


def choose_backend(asked: str) -> str:
    """Settle the backend: "auto" is TensorRT where it is installed and a GPU is there, else "onnx".

    Raises UsageError for one that is unknown, BackendError for a flavor that cannot run here.
    """
    if asked not in tuple(Backend):
        raise UsageError(f"there is no backend {asked!r}; choose one of {', '.join(Backend)}")
    if asked == ONNX:
        return asked
    gpu = find_gpu()
    if asked == Backend.AUTO:
        flavors = installed_flavors()
        return flavors[0].name if flavors and gpu is not None else ONNX
    find_flavor(asked)
    if gpu is None:
        raise BackendError(
            f"--backend {asked} measures engines, which run on a GPU, and no GPU was found here; "
            "'colorrt doctor' says why; --backend onnx measures ONNX Runtime"
        )
    return asked


def measure_factors(plan: FactorPlan, say: Callable[[str], None] = lambda _: None) -> FactorReport:
    """Build an artifact for each render factor in a temporary folder, and measure it.

    A factor that cannot be built or run becomes a row with the reason; the others go on. Raises WeightsError when
    the weights cannot be loaded, BackendError when PyTorch is missing.
    """
    options = SessionOptions(plan.device, plan.threads)
    if (warning := warn_of_load()) is not None:
        say(warning)
    machine = describe_machine()
    weights = plan.weights or shipped_weights()
    eager = open_torch(weights, options)
    found: list[tuple[Contract, str]] = []
    rows = []
    for factor in plan.factors:
        say(f"render factor {factor}")
        try:
            rows.append(_measure(plan, factor, eager if plan.beside_torch else None, options, found, say))
        except (ColorrtError, MemoryError) as error:
            reason = str(error) or "there is not enough memory"
            say(f"render factor {factor} failed: {reason}")
            rows.append(FactorRow(factor, UNIT * factor, failure=reason))
    if not found:
        raise BackendError(f"no render factor could be measured; the last failure: {rows[-1].failure}")
    contract, backend = found[0]
    return FactorReport(
        model=contract.model,
        precision=contract.precision,
        weights_sha256=contract.weights_sha256,
        backend=backend,
        threads=plan.threads,
        rounds=plan.rounds,
        picture=f"{PICTURE[0]} x {PICTURE[1]}",
        rows=tuple(rows),
        machine=machine,
    )


def _measure(
    plan: FactorPlan,
    factor: int,
    eager: Entrant | None,
    options: SessionOptions,
    found: list[tuple[Contract, str]],
    say: Callable[[str], None],
) -> FactorRow:
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="colorrt-bench-")))
        started = time.perf_counter()
        precision = Precision.FP32 if plan.backend == ONNX else plan.precision
        path = build_artifact(plan.weights, factor, folder, backend=plan.backend, precision=precision, say=say)
        build_s = time.perf_counter() - started
        own = open_entrant(path, factor, options)
        held.callback(own.close)
        memory = held_on_device(own, factor)
        entrants: Sequence[Entrant] = [own] if eager is None else [eager, own]
        times = time_network(entrants, factor, (1,), plan.rounds)
        host = next(row for row in times if row.name == own.name and row.clock == HOST_CLOCK)
        if host.failure is not None:
            return FactorRow(factor, UNIT * factor, build_s, path.stat().st_size, failure=host.failure)
        device = next((row.times for row in times if row.clock == DEVICE_CLOCK and row.graph), None)
        torch = None if eager is None else next(row.times for row in times if row.name == eager.name)
        photos = write_scaled(folder, PICTURE)
        with Colorizer(path, device=plan.device, threads=plan.threads) as colorizer:
            stages = time_stages(colorizer, photos, folder / "colored.jpg", max(3, min(plan.rounds, len(photos))))
            found.append((colorizer.contract, colorizer.backend))
        cold = measure_cold(path, factor, photos[0], PICTURE, device=plan.device, threads=plan.threads, processes=1)
        return FactorRow(
            render_factor=factor,
            size=UNIT * factor,
            build_s=build_s,
            file_bytes=path.stat().st_size,
            host=host.times,
            device=device,
            torch=torch,
            ratio=None if torch is None else host.ratio,
            whole=stages.whole,
            peak_rss=cold.peak_rss or None,
            device_memory=memory,
        )
