"""What an exported graph must pass before it is kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import nn

from colorrt.contract import INPUT, OUTPUT, Parity
from colorrt.errors import ExportError

LEVELS = 255
LARGEST_PAIR = 512
# FP32 against FP32: other orders of summation differ by some 1e-4 levels; more means another computation.
MEAN_BOUND, WORST_BOUND = 0.02, 1.0
FORBIDDEN = {"If": "depends on data", "Loop": "depends on data"}
NORM_PARTS = ("weight_orig", "weight_u", "weight_v", "weight_g")


def check_structure(model: onnx.ModelProto, *, fixed_size: bool) -> None:
    """Check that `model` is valid ONNX and holds nothing that export should have removed.

    Runs ONNX's checker with strict shape inference. Raises ExportError that names the node or the reason.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ExportError(f"the exported graph is not valid ONNX ({reason}); nothing was written") from error
    forbidden = dict(FORBIDDEN)
    if fixed_size:
        forbidden["Shape"] = "computes sizes at run time"
    for node in model.graph.node:
        if node.op_type in forbidden:
            why = forbidden[node.op_type]
            raise ExportError(
                f"the exported graph holds {node.op_type} (node {node.name!r}), which {why}; nothing was written"
            )
    for tensor in model.graph.initializer:
        if tensor.name.endswith(NORM_PARTS):
            raise ExportError(f"the exported graph still computes a weight norm ({tensor.name}); nothing was written")


def measure_parity(model: onnx.ModelProto, network: nn.Module, lumas: Sequence[NDArray[np.float32]]) -> Parity:
    """Run `model` on ONNX Runtime and `network` in PyTorch on each of `lumas` (S x S float32, 0..1).

    The first two also go through together, as a batch, up to 512 pixels. Returns the differences in levels of 255.
    Raises ExportError when the graph does not run or one of its outputs is not finite.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        mean, worst = [], 0.0
        singles = []
        for luma in lumas:
            square = luma[None, None]
            chroma = session.run([OUTPUT], {INPUT: square})[0]
            singles.append(chroma)
            with torch.inference_mode():
                truth = network(torch.from_numpy(square)).numpy()
            difference = np.abs(chroma - truth) * LEVELS
            mean.append(float(difference.mean()))
            worst = max(worst, float(difference.max()))
        # Larger ones would double the memory of the whole export, to show what smaller graphs show as well.
        together = lumas[:2] if lumas[0].shape[0] <= LARGEST_PAIR else lumas[:1]
        pair = session.run([OUTPUT], {INPUT: np.stack(together)[:, None]})[0]
    # ONNX Runtime raises its own exceptions, which share no base but this.
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise ExportError(f"the exported graph does not run ({reason}); nothing was written") from error
    worst = max(worst, float(np.abs(pair - np.concatenate(singles[: len(together)])).max()) * LEVELS)
    parity = Parity(len(lumas), float(np.mean(mean)), worst)
    if not np.isfinite([parity.mean, parity.worst]).all():
        raise ExportError(
            "the exported graph answers with numbers that are not finite; are the weights damaged? nothing was written"
        )
    return parity


def check_parity(parity: Parity, mean_bound: float = MEAN_BOUND, worst_bound: float = WORST_BOUND) -> None:
    """Raise ExportError when `parity` is worse than the bounds (levels of 255)."""
    if parity.mean > mean_bound or parity.worst > worst_bound:
        raise ExportError(
            f"the exported graph differs from the network by {parity.mean:.3f} levels of 255 on average and "
            f"{parity.worst:.2f} at most (allowed: {mean_bound} and {worst_bound}); nothing was written"
        )
