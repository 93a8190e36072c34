"""FP16 graphs, made in the ONNX and measured against the FP32 graph that they come from.

Needs onnx and onnxruntime, not PyTorch: `colorrt build` makes FP16 graphs on machines that only build engines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from colorrt.contract import Parity, Precision
from colorrt.errors import ExportError, UsageError
from colorrt.export.precision.graph_surgery import WEIGHTED, find_front, find_tail, name_nodes, to_fp16
from colorrt.export.precision.overflow import find_overflows
from colorrt.export.precision.parity import compare_models
from colorrt.export.precision.rounding import emulate_fp16

MEAN_BOUND = 0.5
"""Mean difference of chroma from FP32 that an FP16 graph may have, in levels of 255."""
KEPT_KEY = "colorrt_kept"
"""Metadata of an FP16 graph: JSON list of the nodes that `Half.kept` names."""
FRONTS = (0.0, 1 / 16, 1 / 8, 1 / 4)
"""Shares of the layers that are tried in FP32, from the first on, until the graph is within the bound: errors of the
first layers go through all that follow. DeOldify artistic with synthetic weights, render factor 16, mean difference on
two photos: 1.20 levels without, 0.72, 0.51 and 0.31 with these shares."""
QUANTIZED = ("QuantizeLinear", "DequantizeLinear")
NAMES: dict[int, str] = {TensorProto.FLOAT: Precision.FP32, TensorProto.FLOAT16: Precision.FP16}


@dataclass(frozen=True)
class Half:
    """An FP16 graph: float32 luma in, float32 chroma out, FP16 inside."""

    model: onnx.ModelProto
    kept: tuple[str, ...]
    """Nodes that stay FP32 because FP16 cannot hold what they read, weigh or make, or because the network multiplies
    their errors; the end of the network and the sensitive operators, which always stay, are not among them."""
    parity: Parity
    """Against the FP32 graph, with every result rounded to FP16 (`colorrt.export.precision.rounding`)."""


def check_precision(precision: str) -> None:
    """Raise UsageError for a precision that cannot be made."""
    if precision not in tuple(Precision):
        raise UsageError(f"precision {precision!r} is unknown; choose one of {', '.join(Precision)}")


def to_half(
    model: onnx.ModelProto,
    lumas: Sequence[NDArray[np.float32]],
    *,
    say: Callable[[str], None] = lambda _: None,
) -> Half:
    """Make an FP16 graph of an FP32 one, and compare them on `lumas` (S x S float32, 0..1; sizes may differ).

    FP32 stay: input and output, the last convolution and what follows it, Softmax, Sigmoid and Tanh, the nodes that
    FP16 cannot hold on these photographs, and, where the graph would else be too far from FP32, as many of its first
    layers as it takes, up to a quarter. `say` is told of each. `model` is not changed.

    Raises ExportError when `model` is not FP32, does not run, or when the FP16 graph is invalid, answers with numbers
    that are not finite, or differs by more than 0.5 levels of 255 on average.
    """
    check_single(model)
    single = onnx.ModelProto()
    single.CopyFrom(model)
    name_nodes(single)
    tail = find_tail(single.graph)
    say(f"looking for layers that FP16 cannot hold, on {len(lumas)} photos")
    reasons = {name: why for name, why in find_overflows(single, lumas).items() if name not in tail}
    operators = {node.name: node.op_type for node in single.graph.node}
    for name, why in reasons.items():
        say(f"{name} ({operators[name]}) {why}: it stays FP32")
    for share in FRONTS:
        front = find_front(single.graph, share)
        kept = tuple(name for name in operators if (name in reasons or name in front) and name not in tail)
        half = to_fp16(single, tail.union(kept))
        onnx.helper.set_model_props(half, _properties(model) | {KEPT_KEY: json.dumps(kept)})
        _check_graph(half)
        check_half(half)
        say(f"comparing FP16 with FP32 on {len(lumas)} photos")
        parity = compare_models(emulate_fp16(half), single, lumas, "FP16 graph")
        if parity.mean <= MEAN_BOUND:
            break
        say(
            f"FP16 differs by {parity.mean:.2f} levels of 255 on average (allowed: {MEAN_BOUND}) with "
            f"{share:.0%} of the layers kept FP32"
        )
    check_half_parity(parity)
    return Half(half, kept, parity)


def _check_graph(half: onnx.ModelProto) -> None:
    try:
        onnx.checker.check_model(half, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ExportError(f"the FP16 graph is not valid ONNX ({reason}); use --precision fp32") from error


def check_half_parity(parity: Parity) -> None:
    """Raise ExportError when an FP16 graph or engine is farther from FP32 than the bound."""
    # The negation refuses what is not a number, too.
    if not parity.mean <= MEAN_BOUND:
        raise ExportError(
            f"FP16 differs from FP32 by {parity.mean:.2f} levels of 255 on average and {parity.worst:.1f} at most "
            f"(allowed: {MEAN_BOUND} on average); nothing was written, use --precision fp32"
        )


def check_single(model: onnx.ModelProto) -> None:
    """Raise ExportError when `model` is FP16 already, or quantized."""
    if any(tensor.data_type == TensorProto.FLOAT16 for tensor in model.graph.initializer):
        raise ExportError("this graph is already FP16; build from it as it is, or give the FP32 one")
    quantized = next((node for node in model.graph.node if node.op_type in QUANTIZED), None)
    if quantized is not None:
        raise ExportError(f"this graph is quantized (node {quantized.name!r}); FP16 is made from the FP32 one")


def precision_of(model: onnx.ModelProto) -> dict[str, dict[str, int]]:
    """Count the layers that carry the work by operator and precision: {"Conv": {"fp16": 59, "fp32": 1}, ...}.

    The precision is that of the result after type inference, which is what a strongly typed engine computes in; other
    types go by ONNX's name. Raises ExportError when the types do not fit together.
    """
    counts: dict[str, dict[str, int]] = {}
    for node, precision in _layers(model):
        of_operator = counts.setdefault(node.op_type, {})
        of_operator[precision] = of_operator.get(precision, 0) + 1
    return counts


def check_half(model: onnx.ModelProto) -> None:
    """Check that an FP16 graph is one: FP32 layers only at the end of the network, and those said to be kept.

    Raises ExportError that names the first layer that is FP32 against this, or when no layer at all is FP16.
    """
    allowed = find_tail(model.graph) | set(kept_of(model))
    layers = _layers(model)
    for node, precision in layers:
        if precision != Precision.FP16 and node.name not in allowed:
            raise ExportError(
                f"the graph claims to be FP16, but its layer {node.name} ({node.op_type}) is {precision.upper()}; "
                "export it again with --precision fp16"
            )
    if not any(precision == Precision.FP16 for _, precision in layers):
        raise ExportError(
            "the graph claims to be FP16, but none of its layers is; FP16 cannot hold this network, "
            "use --precision fp32"
        )


def kept_of(model: onnx.ModelProto) -> tuple[str, ...]:
    """Names of the nodes that an FP16 graph keeps in FP32 because FP16 cannot hold them, from its metadata."""
    text = _properties(model).get(KEPT_KEY, "[]")
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list):
        raise ExportError(f"the list of FP32 nodes in the graph's metadata ({KEPT_KEY}) is damaged; export it again")
    return tuple(map(str, names))


def _layers(model: onnx.ModelProto) -> list[tuple[onnx.NodeProto, str]]:
    try:
        inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except onnx.shape_inference.InferenceError as error:
        reason = str(error).strip().splitlines()[0]
        raise ExportError(f"the types of the graph do not fit together ({reason}); export it again") from error
    graph = inferred.graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.output)}
    found = []
    for node in graph.node:
        if node.op_type in WEIGHTED:
            kind = types[node.output[0]]
            found.append((node, NAMES.get(kind, TensorProto.DataType.Name(kind).lower())))
    return found


def _properties(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}
