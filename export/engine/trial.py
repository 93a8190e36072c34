"""An engine on trial: it runs on this machine's GPU, against the graph that it was built from, before it is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from colorrt.contract import NOT_YET_RUN, UNIT, Contract, Precision
from colorrt.errors import ArtifactError, BackendError
from colorrt.export.engine.proof import check_layers, compare_engine, inspect_plan, restamp
from colorrt.export.engine.request import BuildTask
from colorrt.export.precision.parity import answer_of
from colorrt.photos.shipped import parity_lumas
from colorrt.runtime.artifact import Artifact, Kind
from colorrt.runtime.sessions.session import SessionOptions
from colorrt.runtime.sessions.tensorrt import TensorRtSession

Say = Callable[[str], None]
Luma = NDArray[np.float32]


def try_plan(
    task: BuildTask, contract: Contract, plan: bytes, part: Path, lumas: list[Luma], fp32_convolutions: int, say: Say
) -> Contract:
    """Write a plan that was built with `pad_contract(contract)` as its name to `part`, and run it if its GPU is here.

    `lumas`: photographs of the tuned size (S x S float32, 0..1). `fp32_convolutions`: how many an FP16 engine
    may hold. Returns the contract that the written plan carries: with the proof, where it ran. Raises ExportError when
    the engine is not what it says, ModelError when it does not run.
    """
    # Finds the contract in the plan, where readers will look for it.
    part.write_bytes(restamp(plan, contract, contract))
    if not task.runs_here:
        where = "no GPU here" if task.gpu is None else f"the {task.gpu.name} here is not among its GPUs"
        checked = "the types of its layers were checked, and " if contract.precision != Precision.FP32 else ""
        say(f"{where}: {checked}the engine is {NOT_YET_RUN}")
        return contract
    assert task.gpu is not None
    if contract.precision == Precision.FP16:
        layers = inspect_plan(task.flavor, plan, task.shapes[1])
        if layers is None:
            say("the engine does not report the types of its layers; those of the network were checked")
        else:
            check_layers(layers, fp32_convolutions, "engine")
    say(f"comparing with {task.source.path.name} on {len(lumas)} photos, on {task.gpu.name}")
    ends = {UNIT * task.factors.least, UNIT * task.factors.largest} - {UNIT * task.factors.tuned}
    squares = [*lumas, *(parity_lumas(side)[0] for side in sorted(ends))]
    try:
        session = TensorRtSession(Artifact(part, Kind.ENGINE, contract), SessionOptions())
    except BackendError as error:
        if task.flavor.name != "tensorrt_rtx":
            raise
        say(f"warning: {error}; the engine is {NOT_YET_RUN}")
        return contract
    try:
        truth = answer_of(onnx.load(task.source.path), "ONNX file")
        parity = compare_engine(session.run, truth, squares, task.batch.largest)
    finally:
        session.close()
    assert contract.engine is not None
    proof = (
        f"run on {task.gpu.name} against its ONNX file: {parity.mean:.2e} mean, {parity.worst:.2e} worst, "
        f"levels of 255, {parity.photos} photos"
    )
    proven = replace(contract, engine=replace(contract.engine, proof=proof))
    return _stamp(contract, proven, plan, part, lumas[0], say)


def _stamp(old: Contract, new: Contract, plan: bytes, part: Path, luma: Luma, say: Say) -> Contract:
    """Write the proof into the plan, and keep it there if the plan still opens and answers."""
    part.write_bytes(restamp(plan, old, new))
    try:
        session = TensorRtSession(Artifact(part, Kind.ENGINE, new), SessionOptions())
        try:
            session.run(luma[None, None])
        finally:
            session.close()
    except (ArtifactError, BackendError) as error:
        say(f"warning: TensorRT rejects a plan whose contract was updated ({error}); the contract says {NOT_YET_RUN!r}")
        part.write_bytes(plan)
        return old
    return new
