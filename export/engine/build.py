"""`colorrt build`: an ONNX artifact in, an engine that is proven to be what it says out, or no file at all.

Needs onnx, onnxruntime and a TensorRT, not PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from colorrt.atomic import atomic_path
from colorrt.contract import UNIT, Contract
from colorrt.errors import ExportError
from colorrt.export.engine.builder import Tuning, Workshop
from colorrt.export.engine.memory import Need, estimate_need, warn_of_memory
from colorrt.export.engine.order import MEGABYTE, Job, Order, check_output, check_space, default_name, describe, prepare
from colorrt.export.engine.proof import check_layers, network_layers, padded
from colorrt.export.engine.target import TURING
from colorrt.export.engine.trial import try_plan
from colorrt.export.precision.fp16 import check_half, precision_of, to_half
from colorrt.photos.shipped import parity_lumas

__all__ = ["Built", "Order", "Tuning", "build_engine"]

Say = Callable[[str], None]
Advance = Callable[[float, str], None]


@dataclass(frozen=True)
class Built:
    """What a build made."""

    path: Path
    contract: Contract
    activations: int | None
    """Scratch memory that the engine takes on the GPU, in bytes; None where the builder does not tell."""


def build_engine(
    source: Path | None = None,
    output: Path | None = None,
    order: Order | None = None,
    *,
    photos: Path | None = None,
    overwrite: bool = False,
    say: Say = lambda _: None,
    advance: Advance = lambda *_: None,
) -> Built:
    """Build an engine of an ONNX artifact, and prove that it is what it says.

    `source`: a file that 'colorrt export' wrote; None takes the one that ships. `output`: by default
    NAME-PRECISION.plan in the current folder. `photos`: a folder to compare on instead of the photographs that ship.
    `say` hears each step before it starts, and warnings; `advance` how far TensorRT has come (0..1) and what it does.

    The types of the network's layers are checked before the build. Where the engine's GPU is in the machine, the
    built engine's are too, and it has to answer as its ONNX file does; elsewhere its contract says "not yet run".

    Raises UsageError, ArtifactError, BackendError (no TensorRT, no GPU for one that needs it), ExportError (parser,
    builder or a check refuses) and passes KeyboardInterrupt on. No file is left behind on failure.
    """
    job = prepare(source, order or Order())
    path = output or Path(default_name(job.source, job.order.precision))
    check_output(path, job.order.tuning, overwrite=overwrite)
    lumas = parity_lumas(UNIT * job.factors.tuned, photos)
    say(f"reading {job.source.contract.model} from {job.source.path.name}")
    graph = onnx.load(job.source.path)
    contract = describe(job)
    if contract.precision == "fp16" and job.source.contract.precision == "fp32":
        made = to_half(graph, lumas, say=say)
        graph, contract = made.model, replace(contract, precision_parity=made.parity)
    singles = 0
    if contract.precision == "fp16":
        check_half(graph)
        counts = precision_of(graph)
        singles = sum(counts.get(operator, {}).get("fp32", 0) for operator in ("Conv", "ConvTranspose"))
    data = graph.SerializeToString()
    del graph
    check_space(path, len(data))
    try:
        workshop = Workshop(job.flavor, data)
    except ExportError as error:
        raise ExportError(f"{job.source.path}: {error}") from error
    if contract.precision == "fp16":
        check_layers(network_layers(workshop.network), singles, "network")
    need = estimate_need(workshop.network, job.shapes[-1], len(data))
    for sentence in (_announce(job, need), *_warn_of_turing(job.capabilities), *warn_of_memory(need, job.gpu)):
        say(sentence)
    name = padded(contract).decode()
    plan = workshop.build(name, job.shapes, job.capabilities, job.order.tuning, say=say, advance=advance)
    # The builder holds as much memory as the engine will.
    del workshop
    check_space(path, len(plan.data))
    with atomic_path(path, ExportError) as part:
        contract = try_plan(job, contract, plan.data, part, lumas, singles, say)
    return Built(path, contract, plan.activations)


def _announce(job: Job, need: Need) -> str:
    pictures, _, _, side = job.shapes[-1]
    many = "a picture" if pictures == 1 else f"{pictures} pictures"
    target = f" for {', '.join(job.capabilities)}" if job.capabilities else ""
    return (
        f"building with {job.flavor.title}{target}; for {many} of {side} x {side} the engine takes about "
        f"{(need.weights + need.activations) / MEGABYTE:.0f} MB on the GPU ({need.weights / MEGABYTE:.0f} MB weights)"
    )


def _warn_of_turing(capabilities: tuple[str, ...]) -> list[str]:
    if TURING not in capabilities or len(capabilities) == 1:
        return []
    return [
        f"{TURING} (Turing) can make the engine several times as large for the others too; build one of its own for it"
    ]
