"""`colorrt export`: weights in, a checked and stamped ONNX file out, or no file at all."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import onnx

from colorrt.atomic import atomic_path
from colorrt.calibration.quantizing import Quantized, to_int8
from colorrt.contract import UNIT, AttentionForm, Contract, Parity, Precision, Target, check_render_factor
from colorrt.errors import ExportError, UsageError
from colorrt.export.attention import attention_as, check_target, choose_form
from colorrt.export.checks import check_parity, check_structure, measure_parity
from colorrt.export.denormals import lift_scores
from colorrt.export.graph import OPSET, stamp, trace
from colorrt.export.memory import check_memory
from colorrt.export.precision.fp16 import check_precision, to_half
from colorrt.export.strips import cut_into_strips
from colorrt.models.family import Family, Network
from colorrt.models.registry import load_network
from colorrt.models.weights.known_files import describe_known, find_known
from colorrt.photos.shipped import parity_lumas
from colorrt.runtime.shipped import shipped_weights

# Sizes at which a graph of free size is compared: an odd render factor and the usual one.
FREE_FACTORS = (9, 16)
# And those that INT8 is calibrated and checked at: other sizes reach other values.
INT8_FACTORS = (16, 24, 9)


@dataclass(frozen=True)
class Exported:
    """What an export made."""

    path: Path
    contract: Contract


def export_network(
    weights: Path | None,
    render_factor: int | None,
    output: Path | None = None,
    *,
    precision: str = Precision.FP32,
    target: str = Target.CPU,
    attention: str | None = None,
    photos: Path | None = None,
    calibrate: Path | None = None,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Exported:
    """Export the network of a weights file as an ONNX artifact, checked against PyTorch on real photos.

    `weights`: .pth, .pt or .safetensors; None takes those that ship. `render_factor`: 1..64, or None for a graph
    of any size, or of the one that the network is made for. `output`: by default `default_name` in the current folder.
    `precision`: "fp32", "fp16", which is for GPUs, or "int8". `target`: "cpu" or "tensorrt", what the artifact is to
    run on; it chooses the form of attention unless `attention` ("plain", "tiled", "heads") does, and the form of INT8.
    `photos`: a folder to compare on instead of the photographs that ship. `calibrate`: a folder to measure the ranges
    of INT8 on instead of those, aged. `say` is told each step before it starts.

    Raises WeightsError, ExportError, or UsageError (existing output, a render factor that is impossible or that the
    network cannot take, too few photos, unknown precision, target or attention).
    No file is left behind on failure.
    """
    _check_options(render_factor, precision, target, attention, calibrate)
    network = load_network(weights or shipped_weights())
    if weights is None:
        say(f"reading {network.model}, the shipped weights")
    else:
        known = find_known(network.sha256)
        say(f"reading {network.model} from {weights.name}{f': {describe_known(known)}' if known else ''}")
    family = network.family
    if render_factor is None and family.default_render_factor is not None:
        render_factor = family.default_render_factor
        say(
            f"{network.model} is made for render factor {render_factor}, {UNIT * render_factor} x "
            f"{UNIT * render_factor}: the graph is fixed to it{_steps_in_words(family)}"
        )
    check_size(family, render_factor)
    form = None
    if family.attention_stride is not None:
        form = choose_form(target, attention, render_factor)
    elif attention is not None:
        say(f"{network.model} has no attention: --attention {attention} changes nothing")
    path = output or Path(default_name(network.model, render_factor, precision))
    check_output(path, overwrite=overwrite)
    factors = FREE_FACTORS if render_factor is None else (render_factor,)
    for factor in factors:
        check_memory(network, factor, form, precision)
    squares = {factor: parity_lumas(UNIT * factor, photos) for factor in factors}
    if precision == Precision.FP16 and target == Target.CPU:
        say("FP16 is for GPUs, and slower than FP32 on the CPU; for an engine, add --target tensorrt")
    say(f"tracing the graph, {form or 'no'} attention")
    model = _trace(network, render_factor, form, target, precision)
    if precision == Precision.FP32:
        _cut(model, target, say)
    say("checking the graph")
    check_structure(model, fixed_size=render_factor is not None)
    found = []
    for factor, lumas in squares.items():
        say(f"comparing with PyTorch on {len(lumas)} photos at {UNIT * factor} x {UNIT * factor}")
        # Tiles are the plain computation, with less memory.
        with attention_as(network.module, AttentionForm.TILED):
            found.append(measure_parity(model, network.module, lumas))
    parity = Parity(found[0].photos, sum(one.mean for one in found) / len(found), max(one.worst for one in found))
    check_parity(parity)
    contract = describe(network, render_factor, form, parity)
    if precision == Precision.FP16:
        half = to_half(model, [luma for lumas in squares.values() for luma in lumas], say=say)
        model, contract = half.model, replace(contract, precision=Precision.FP16, precision_parity=half.parity)
    elif precision == Precision.INT8:
        sizes = [UNIT * factor for factor in (INT8_FACTORS if render_factor is None else factors)]
        cut = cut_into_strips if target == Target.CPU else lambda _: 1
        made = to_int8(model, sizes, target=target, folder=calibrate, check_with=photos, finish=cut, say=say)
        model, contract = made.model, describe_int8(contract, made)
    _write(model, contract, path)
    return Exported(path, contract)


def _trace(
    network: Network, render_factor: int | None, form: AttentionForm | None, target: str, precision: str
) -> onnx.ModelProto:
    with attention_as(network.module, form):
        model = trace(network.module, render_factor)
    if target == Target.CPU and precision != Precision.FP16:
        # GPUs compute with denormal numbers as fast as with others, and fuse attention as it was written.
        lift_scores(model)
    return model


def _write(model: onnx.ModelProto, contract: Contract, path: Path) -> None:
    stamp(model, contract)
    check_space(path, model.ByteSize())
    with atomic_path(path, ExportError) as part:
        part.write_bytes(model.SerializeToString())


def _cut(model: onnx.ModelProto, target: str, say: Callable[[str], None]) -> None:
    """Cut the end of a graph for the CPU into strips; TensorRT plans its memory itself."""
    if target == Target.CPU and (count := cut_into_strips(model)) > 1:
        say(f"computing the end of the network in {count} strips, which takes less memory")


def _steps_in_words(family: Family) -> str:
    return f" (others in steps of {family.size_multiple} pixels)" if family.size_multiple > UNIT else ""


def _check_options(
    render_factor: int | None, precision: str, target: str, attention: str | None, calibrate: Path | None
) -> None:
    if render_factor is not None:
        try:
            check_render_factor(render_factor)
        except ValueError as error:
            raise UsageError(str(error)) from error
    check_precision(precision)
    check_target(target, attention)
    if calibrate is not None and precision != Precision.INT8:
        raise UsageError(f"--calibrate is for INT8 alone, and this is {precision.upper()}; add --precision int8")


def check_size(family: Family, render_factor: int | None) -> None:
    """Raise UsageError when squares of this render factor, or of any for None, are no sizes that a network takes."""
    steps = family.size_multiple
    if render_factor is None and UNIT % steps:
        raise UsageError(
            f"{family.name} takes sizes in steps of {steps} pixels, and a graph of any size has steps of {UNIT}; "
            "add --render-factor N"
        )
    if render_factor is not None and UNIT * render_factor % steps:
        raise UsageError(
            f"{family.name} takes sizes in steps of {steps} pixels, and render factor {render_factor} makes "
            f"{UNIT * render_factor}; take a multiple of {math.lcm(UNIT, steps) // UNIT}"
        )


def describe(network: Network, render_factor: int | None, form: str | None, parity: Parity) -> Contract:
    """Write the contract of a freshly exported FP32 graph."""
    return Contract(
        model=network.model,
        render_factor=render_factor,
        precision=Precision.FP32,
        attention=form,
        batch=(1, None),
        saturation=network.default_saturation,
        weights_sha256=network.sha256,
        opset=OPSET,
        producer=f"colorrt {version('colorrt')}",
        parity=parity,
    )


def describe_int8(contract: Contract, made: Quantized) -> Contract:
    """Write the contract of an INT8 graph from that of the FP32 graph that it was made of."""
    return replace(contract, precision=Precision.INT8, precision_parity=made.parity, calibration=made.calibration)


def default_name(model: str, render_factor: int | None, precision: str = Precision.FP32) -> str:
    """Name the file of an export: colorrt-MODEL-rfN.onnx, colorrt-MODEL-rfN-fp16.onnx; without -rfN for any size."""
    size = "" if render_factor is None else f"-rf{render_factor}"
    return f"colorrt-{model}{size}{'' if precision == Precision.FP32 else f'-{precision}'}.onnx"


def check_output(path: Path, *, overwrite: bool) -> None:
    """Raise UsageError when `path` cannot or must not be written: asked before minutes of work, not after."""
    if path.is_dir():
        raise UsageError(f"{path}: this is a folder; name a file, such as {path / 'network.onnx'}")
    if path.exists() and not overwrite:
        raise UsageError(f"{path}: already exists; add --overwrite, or name another file with -o")
    if path.suffix.lower() != ".onnx":
        raise UsageError(f"{path}: an export is an ONNX file; end the name in .onnx")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UsageError(f"{path.parent}: cannot be written to ({error.strerror}); name another with -o") from error


def check_space(path: Path, size: int) -> None:
    """Raise ExportError when the disk of `path` has fewer than `size` bytes free."""
    free = shutil.disk_usage(path.parent).free
    if free < size:
        raise ExportError(
            f"{path}: the graph takes {size / 1e6:.0f} MB and the disk has {free / 1e6:.0f} MB free; "
            "free some space, or name another place with -o"
        )
