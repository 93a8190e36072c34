"""Weights to ship, at half their size: the large tensors in FP16, checked against the network that they come from.

    python -m colorrt.export.half_weights runs/finish/weights.safetensors runtime/weights/lite.safetensors

Whoever loads them gets FP32 back (`colorrt.models.weights.checkpoint`), rounded to FP16's eleven bits. Convolutions
that average over many products lose nothing that an export would notice; the few numbers of norms, biases and depthwise
convolutions weigh more, and stay FP32.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from colorrt.atomic import atomic_path
from colorrt.contract import UNIT, Parity
from colorrt.errors import ColorrtError, ExportError, UsageError
from colorrt.export.checks import MEAN_BOUND, WORST_BOUND, answer_of_network
from colorrt.export.precision.parity import compare
from colorrt.models.registry import detect
from colorrt.models.weights.checkpoint import load_state
from colorrt.photos.shipped import parity_lumas

SMALLEST = 4096
"""Tensors of fewer elements stay FP32. Of `lite`, at render factor 16, chroma moves by 0.0034 levels of 255 on average
so, and by 0.0130 where all are FP16; the file is 3% larger."""
MADE_FROM = "rounded_from_sha256"
"""Metadata of the file: SHA-256 of the weights file that it was made from."""
FACTORS = (9, 16)


@dataclass(frozen=True)
class HalfWeights:
    """A file of weights in FP16, its size in bytes, and how far the network moved, in levels of 255."""

    path: Path
    size: int
    parity: Parity


def halve_weights(weights: Path, output: Path) -> HalfWeights:
    """Write the state dict in `weights` as safetensors, tensors of 4096 and more elements in FP16.

    The networks of both are compared on the photographs that ship, at render factors 9 and 16, within the bounds of an
    export. Raises WeightsError when `weights` are of no known network, ExportError when they differ by more, UsageError
    when `output` cannot be written or is `weights`. No file is left behind on failure.
    """
    if output.exists() and output.samefile(weights):
        raise UsageError(f"{output}: these are the weights to be rounded; name another file, and keep them")
    state = load_state(weights)
    halved = {name: _halve(tensor) for name, tensor in state.items()}
    parity = _compare(halved, state)
    # The negation refuses what is not a number, too.
    if not (parity.mean <= MEAN_BOUND and parity.worst <= WORST_BOUND):
        raise ExportError(
            f"{weights}: in FP16 its chroma moves by {parity.mean:.3f} levels of 255 on average and {parity.worst:.2f} "
            f"at most (allowed: {MEAN_BOUND} and {WORST_BOUND}); nothing was written, ship the FP32 file"
        )
    made_from = hashlib.sha256(weights.read_bytes()).hexdigest()
    data = save({name: tensor.contiguous() for name, tensor in halved.items()}, {MADE_FROM: made_from})
    output.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(output, UsageError) as part:
        part.write_bytes(data)
    return HalfWeights(output, len(data), parity)


def _halve(tensor: Tensor) -> Tensor:
    largest = torch.finfo(torch.float16).max
    if tensor.dtype != torch.float32 or tensor.numel() < SMALLEST or bool((tensor.abs() > largest).any()):
        return tensor
    return tensor.half()


def _compare(halved: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> Parity:
    rounded, exact = (answer_of_network(detect(one)[0].build(one)) for one in (_widen(halved), state))
    lumas = [parity_lumas(UNIT * factor) for factor in FACTORS]
    found = [compare(rounded, exact, squares) for squares in lumas]
    return Parity(
        len(lumas[0]), float(np.mean([one.mean for one in found])), float(np.max([one.worst for one in found]))
    )


def _widen(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.float() if tensor.dtype == torch.float16 else tensor for name, tensor in state.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Round the weights that the command line names; returns the exit code."""
    parser = argparse.ArgumentParser("python -m colorrt.export.half_weights", description=(__doc__ or "").split(",")[0])
    parser.add_argument("weights", type=Path, help="a checkpoint of any network that colorrt knows")
    parser.add_argument("output", type=Path, help="the .safetensors file to write")
    options = parser.parse_args(arguments)
    try:
        made = halve_weights(options.weights, options.output)
    except ColorrtError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(
        f"{made.path}: {made.size / 1e6:.1f} MB; its chroma differs from that of {options.weights} by "
        f"{made.parity.mean:.1e} levels of 255 on average and {made.parity.worst:.1e} at most"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
