"""What an exported graph must pass before it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from colorrt.contract import Parity
from colorrt.errors import ExportError
from colorrt.export.precision.parity import LEVELS, Answer, answer_of, check_finite, compare

NAME = "exported graph"
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
    answer = answer_of(model, NAME)
    parity = compare(answer, answer_of_network(network), lumas)
    # Larger ones would double the memory of the whole export, to show what smaller graphs show as well.
    if lumas[0].shape[0] <= LARGEST_PAIR:
        pair = np.stack(lumas[:2])[:, None]
        apart = np.concatenate([answer(luma[None]) for luma in pair])
        parity = replace(parity, worst=float(np.maximum(parity.worst, np.abs(answer(pair) - apart).max() * LEVELS)))
    check_finite(parity, NAME)
    return parity


def answer_of_network(network: nn.Module) -> Answer:
    """Let a luma-to-chroma module in PyTorch answer on arrays."""

    def answer(luma: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            chroma: NDArray[np.float32] = network(torch.from_numpy(luma)).numpy()
            return chroma

    return answer


def check_parity(parity: Parity, mean_bound: float = MEAN_BOUND, worst_bound: float = WORST_BOUND) -> None:
    """Raise ExportError when `parity` is worse than the bounds (levels of 255)."""
    if parity.mean > mean_bound or parity.worst > worst_bound:
        raise ExportError(
            f"the exported graph differs from the network by {parity.mean:.3f} levels of 255 on average and "
            f"{parity.worst:.2f} at most (allowed: {mean_bound} and {worst_bound}); nothing was written"
        )
