"""`colorrt build`: an ONNX artifact in, an engine that is proven to be what it says out, or no file at all.

Needs onnx, onnxruntime and a TensorRT, not PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from colorrt.atomic import atomic_path
from colorrt.contract import UNIT, Contract, EngineFlavor, Precision
from colorrt.errors import ExportError
from colorrt.export.engine.builder import EngineBuilder, Tuning
from colorrt.export.engine.memory import Need, estimate_need, warn_of_memory
from colorrt.export.engine.proof import check_int8_layers, check_layers, network_layers, pad_contract
from colorrt.export.engine.request import (
    MEGABYTE,
    BuildRequest,
    BuildTask,
    check_output,
    check_space,
    default_name,
    describe,
    prepare,
)
from colorrt.export.engine.target import TURING
from colorrt.export.engine.trial import try_plan
from colorrt.export.precision.fp16 import check_half, precision_of, to_half
from colorrt.photos.shipped import parity_lumas

__all__ = ["BuildRequest", "Built", "Tuning", "build_engine"]

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
    request: BuildRequest | None = None,
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
    task = prepare(source, request or BuildRequest())
    path = output or Path(default_name(task.source, task.precision))
    check_output(path, task.request.tuning, overwrite=overwrite)
    lumas = parity_lumas(UNIT * task.factors.tuned, photos)
    say(f"reading {task.source.contract.model} from {task.source.path.name}")
    graph = onnx.load(task.source.path)
    contract = describe(task)
    if contract.precision == Precision.FP16 and task.source.contract.precision == Precision.FP32:
        made = to_half(graph, lumas, say=say)
        graph, contract = made.model, replace(contract, precision_parity=made.parity)
    fp32_convolutions = 0
    if contract.precision == Precision.FP16:
        check_half(graph)
        counts = precision_of(graph)
        fp32_convolutions = sum(
            counts.get(operator, {}).get(Precision.FP32, 0) for operator in ("Conv", "ConvTranspose")
        )
    if contract.precision == Precision.INT8 and task.flavor.name == EngineFlavor.TENSORRT_RTX:
        say(f"{task.flavor.title} documents INT8 for weights alone and promises no speed; fp16 suits it better")
    data = graph.SerializeToString()
    del graph
    check_space(path, len(data))
    try:
        builder = EngineBuilder(task.flavor, data)
    except ExportError as error:
        raise ExportError(f"{task.source.path}: {error}") from error
    if contract.precision == Precision.FP16:
        check_layers(network_layers(builder.network), fp32_convolutions, "network")
    if contract.calibration is not None:
        check_int8_layers(network_layers(builder.network), contract.calibration.layers)
    need = estimate_need(builder.network, task.shapes[-1], len(data))
    for sentence in (_announce(task, need), *_warn_of_turing(task.capabilities), *warn_of_memory(need, task.gpu)):
        say(sentence)
    name = pad_contract(contract).decode()
    plan = builder.build(name, task.shapes, task.capabilities, task.request.tuning, say=say, advance=advance)
    # The builder holds as much memory as the engine will.
    del builder
    check_space(path, len(plan.data))
    with atomic_path(path, ExportError) as part:
        contract = try_plan(task, contract, plan.data, part, lumas, fp32_convolutions, say)
    return Built(path, contract, plan.activations)


def _announce(task: BuildTask, need: Need) -> str:
    pictures, _, _, side = task.shapes[-1]
    many = "a picture" if pictures == 1 else f"{pictures} pictures"
    target = f" for {', '.join(task.capabilities)}" if task.capabilities else ""
    return (
        f"building with {task.flavor.title}{target}; for {many} of {side} x {side} the engine takes about "
        f"{(need.weights + need.activations) / MEGABYTE:.0f} MB on the GPU ({need.weights / MEGABYTE:.0f} MB weights)"
    )


def _warn_of_turing(capabilities: tuple[str, ...]) -> list[str]:
    if TURING not in capabilities or len(capabilities) == 1:
        return []
    return [
        f"{TURING} (Turing) can make the engine several times as large for the others too; build one of its own for it"
    ]
