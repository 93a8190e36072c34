"""What the cpu study runs: the files that ship, or exports of a network, FP32 and INT8, and its PyTorch module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
from torch import nn

from colorrt.calibration.observing import observe
from colorrt.calibration.pairs import quantize
from colorrt.calibration.placement import place
from colorrt.calibration.preparing import prepare
from colorrt.calibration.quantizing import find_ends
from colorrt.calibration.ranges import Method, find_range
from colorrt.contract import UNIT, AttentionForm, Parity, Precision, Target
from colorrt.export.attention import attention_as
from colorrt.export.denormals import lift_scores
from colorrt.export.exporting import describe
from colorrt.export.graph import stamp, trace
from colorrt.models.registry import load_network
from colorrt.photos.shipped import parity_lumas
from colorrt.runtime.shipped import shipped_artifact, shipped_weights
from studies.synthetic import SHAPES, write_synthetic

SHIPPED = "lite"
UNMEASURED = Parity(0, 0.0, 0.0)


@dataclass(frozen=True)
class CpuFiles:
    """One network at one size. `made_up`: its weights, or the ranges of its INT8, so that INT8's error says nothing."""

    single: Path
    int8: Path
    module: nn.Module
    made_up: bool


def make_files(network: str, render_factor: int, folder: Path, say: Callable[[str], None]) -> CpuFiles:
    """Return the files of `network`: "lite" those that ship, "artistic" and "wide" with made-up weights, else a
    weights file.

    Exports go into `folder`. The ranges of their INT8 are those of one photograph: how fast it is does not depend on
    them. Raises WeightsError when a file cannot be loaded.
    """
    if network == SHIPPED:
        module = load_network(shipped_weights()).module
        return CpuFiles(shipped_artifact(Precision.FP32), shipped_artifact(Precision.INT8), module, made_up=False)
    folder.mkdir(parents=True, exist_ok=True)
    weights = Path(network)
    if network in SHAPES:
        weights = folder / f"{network}.safetensors"
        if not weights.exists():
            say(f"making up weights of {network}")
            write_synthetic(weights, network)
    loaded = load_network(weights)
    single, int8 = (folder / f"{loaded.model}-rf{render_factor}-{kind}.onnx" for kind in ("fp32", "int8"))
    if not int8.exists():
        say(f"exporting {loaded.model} at render factor {render_factor}")
        form = None if loaded.family.attention_stride is None else AttentionForm.TILED
        with attention_as(loaded.module, form):
            model = trace(loaded.module, render_factor)
        lift_scores(model)
        contract = describe(loaded, render_factor, form, UNMEASURED)
        stamp(model, contract)
        single.write_bytes(model.SerializeToString())
        say("rounding it to INT8")
        rough = quantize_roughly(model, render_factor)
        stamp(rough, replace(contract, precision=Precision.INT8))
        int8.write_bytes(rough.SerializeToString())
    return CpuFiles(single, int8, loaded.module, made_up=True)


def quantize_roughly(model: onnx.ModelProto, render_factor: int) -> onnx.ModelProto:
    """Make the INT8 graph that an export would make, with the least and largest values of one photograph as ranges."""
    prepared = prepare(model)
    placement = place(prepared.graph, Target.CPU, find_ends(prepared.graph, Target.CPU))
    names = sorted({*placement.sources, *placement.sources.values()})
    observed = observe(prepared, names, [], parity_lumas(UNIT * render_factor)[:1])
    ranges = {name: find_range(histogram, Method.MINMAX) for name, histogram in observed.histograms.items()}
    return quantize(prepared, placement, ranges, Target.CPU)
