"""Where a graph is quantized: which values get a Q/DQ pair, who reads them, and whose range they share.

The rules are those of the two runtimes. ONNX Runtime runs a node in integers when all that it reads comes out of
DequantizeLinear and what it makes goes into QuantizeLinear: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
TensorRT wants pairs at what a convolution reads, at its weights, and at the branch that is added to its result:
https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/work-quantized-types.html
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import onnx

from colorrt.calibration.values import Values, find_layers
from colorrt.contract import Target

PASSERS = ("DepthToSpace", "MaxPool", "Reshape", "Slice", "Transpose")
"""Operators whose results are among what they read: they keep scale and zero point."""
POOLS = ()
ACTIVATIONS = ("Clip", "Relu")


@dataclass(frozen=True)
class Placement:
    """Which convolutions are INT8, which values are quantized, and which nodes read them so."""

    layers: tuple[str, ...]
    sources: dict[str, str]
    """Each quantized value, and the value whose range it takes: mostly its own."""
    integers: frozenset[str]
    """Nodes that run in integers."""
    readers: dict[str, tuple[str, ...]]
    """Of each quantized value, the nodes that read it quantized; all others read it as it is."""


def place(graph: onnx.GraphProto, target: str, kept: Collection[str]) -> Placement:
    """Place the Q/DQ pairs of a prepared `graph` for a `Target`. `kept`: names of convolutions that stay FP32."""
    layers = [layer for layer in find_layers(graph) if layer.name not in kept]
    values = Values(graph)
    if target == Target.TENSORRT:
        return _for_tensorrt(graph, values, layers)
    return _for_cpu(graph, values, layers)


def end_of(layer: onnx.NodeProto, values: Values) -> str:
    """Return what a convolution makes, its ReLU or ReLU6 included: that is part of how the result is rounded."""
    reader = values.only_reader(layer.output[0])
    if reader is not None and reader.op_type in ACTIVATIONS and _clips_at_zero(reader, values):
        return str(reader.output[0])
    return str(layer.output[0])


def _clips_at_zero(node: onnx.NodeProto, values: Values) -> bool:
    if node.op_type == "Relu":
        return True
    low = values.array(node.input[1]) if len(node.input) > 1 else None
    return low is not None and float(low) == 0


def _for_cpu(graph: onnx.GraphProto, values: Values, layers: list[onnx.NodeProto]) -> Placement:
    sources: dict[str, str] = {}
    integers = {layer.name for layer in layers}
    for layer in layers:
        end = end_of(layer, values)
        if end != layer.output[0]:
            integers.add(values.producers[end].name)
        sources.setdefault(layer.input[0], layer.input[0])
        sources.setdefault(end, end)
    for node in graph.node:
        if node.op_type in PASSERS and node.input[0] in sources:
            sources[node.output[0]] = sources[node.input[0]]
            integers.add(node.name)
        elif _joins(node, values) and all(name in sources for name in node.input):
            sources.setdefault(node.output[0], node.output[0])
            integers.add(node.name)
            if node.op_type == "Concat":
                _share_range(node, values, sources)
        elif node.op_type == "Relu" and node.output[0] in sources:
            # Rounding with zero as the least number is this ReLU.
            integers.add(node.name)
    readers = {
        value: tuple(
            node.name
            for node in values.readers.get(value, [])
            if node.name in integers or _made_by(value, values) in integers
        )
        for value in sources
    }
    return Placement(tuple(layer.name for layer in layers), sources, frozenset(integers), readers)


def _joins(node: onnx.NodeProto, values: Values) -> bool:
    """Whether a node makes one value of several, or of their neighbors, and ONNX Runtime has it in integers."""
    if node.op_type in POOLS:
        return True
    return node.op_type in ("Add", "Concat") and not any(name in values.constants for name in node.input)


def _share_range(concat: onnx.NodeProto, values: Values, sources: dict[str, str]) -> None:
    """Give pieces that nobody else reads the range of the whole: they would be rounded to it anyway."""
    for piece in concat.input:
        chain = [value for value, source in sources.items() if source == sources[piece]]
        inside = {values.producers[value].name for value in chain if value in values.producers} | {concat.name}
        if all(reader.name in inside for value in chain for reader in values.readers.get(value, [])):
            sources.update(dict.fromkeys(chain, concat.output[0]))


def _made_by(value: str, values: Values) -> str | None:
    node = values.producers.get(value)
    return None if node is None else node.name


def _for_tensorrt(graph: onnx.GraphProto, values: Values, layers: list[onnx.NodeProto]) -> Placement:
    readers: dict[str, list[str]] = {}
    for layer in layers:
        readers.setdefault(layer.input[0], []).append(layer.name)
    names = {layer.name for layer in layers}
    for node in graph.node:
        if node.op_type != "Add" or any(name in values.constants for name in node.input):
            continue
        made = [values.producers.get(name) for name in node.input]
        sums = [one is not None and one.name in names and values.only_reader(one.output[0]) is not None for one in made]
        # The convolution that is computed last takes the addition with it; the other branch has to come in INT8.
        if any(sums):
            branch = node.input[0] if sums[1] else node.input[1]
            readers.setdefault(branch, []).append(node.name)
    return Placement(
        tuple(layer.name for layer in layers),
        {value: value for value in readers},
        frozenset(names),
        {value: tuple(nodes) for value, nodes in readers.items()},
    )
