"""`colorrt export`: weights in, a checked and stamped ONNX file out, or no file at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from colorrt.contract import UNIT, Contract, Parity, check_render_factor
from colorrt.errors import ExportError, UsageError
from colorrt.export.checks import check_parity, check_structure, measure_parity
from colorrt.export.graph import OPSET, stamp, trace
from colorrt.export.memory import check_memory
from colorrt.export.photos import parity_lumas
from colorrt.models.registry import Network, load_network
from colorrt.runtime.saving import atomic_path
from colorrt.runtime.shipped import shipped_weights

# Sizes at which a graph of free size is compared: an odd render factor and the usual one.
FREE_FACTORS = (9, 16)


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
    photos: Path | None = None,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Exported:
    """Export the network of a weights file as an ONNX artifact, checked against PyTorch on real photos.

    `weights`: .pth, .pt or .safetensors; None takes those that ship. `render_factor`: 1..64, or None for a graph
    of any size. `output`: by default MODEL-rfN.onnx (MODEL.onnx for any size) in the current folder. `photos`: a
    folder to compare on instead of the photographs that ship. `say` is told each step before it starts.

    Raises WeightsError, ExportError, or UsageError (existing output, impossible render factor, too few photos).
    No file is left behind on failure.
    """
    if render_factor is not None:
        try:
            check_render_factor(render_factor)
        except ValueError as error:
            raise UsageError(str(error)) from error
    network = load_network(weights or shipped_weights())
    if weights is None:
        say(f"reading {network.model}, the weights that ship")
    else:
        say(f"reading {network.model} from {weights.name}")
    path = output or Path(default_name(network.model, render_factor))
    check_output(path, overwrite=overwrite)
    factors = FREE_FACTORS if render_factor is None else (render_factor,)
    for factor in factors:
        check_memory(network, factor)
    squares = {factor: parity_lumas(UNIT * factor, photos) for factor in factors}
    say("tracing the graph")
    model = trace(network.module, render_factor)
    say("checking the graph")
    check_structure(model, fixed_size=render_factor is not None)
    found = []
    for factor, lumas in squares.items():
        say(f"comparing with PyTorch on {len(lumas)} photos at {UNIT * factor} x {UNIT * factor}")
        found.append(measure_parity(model, network.module, lumas))
    parity = Parity(found[0].photos, sum(one.mean for one in found) / len(found), max(one.worst for one in found))
    check_parity(parity)
    contract = describe(network, render_factor, parity)
    stamp(model, contract)
    check_space(path, model.ByteSize())
    with atomic_path(path, ExportError) as part:
        part.write_bytes(model.SerializeToString())
    return Exported(path, contract)


def describe(network: Network, render_factor: int | None, parity: Parity) -> Contract:
    """Write the contract of a freshly exported FP32 graph."""
    return Contract(
        model=network.model,
        render_factor=render_factor,
        precision="fp32",
        attention="plain",
        batch=(1, None),
        saturation=network.default_saturation,
        weights_sha256=network.sha256,
        opset=OPSET,
        producer=f"colorrt {version('colorrt')}",
        parity=parity,
    )


def default_name(model: str, render_factor: int | None) -> str:
    """Name the file of an export: colorrt-MODEL-rfN.onnx."""
    stem = f"colorrt-{model}"
    return f"{stem}.onnx" if render_factor is None else f"{stem}-rf{render_factor}.onnx"


def check_output(path: Path, *, overwrite: bool) -> None:
    """Raise UsageError when `path` cannot or must not be written: asked before minutes of work, not after."""
    if path.is_dir():
        raise UsageError(f"{path}: this is a folder; name a file, such as {path / 'network.onnx'}")
    if path.exists() and not overwrite:
        raise UsageError(f"{path}: exists already; add --overwrite, or name another file with -o")
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
            "make room or name another place with -o"
        )
