"""Q/DQ pairs put into a graph: values, weights and biases as integers, with what turns them back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from colorrt.calibration.placement import Placement
from colorrt.calibration.quantization import Rounded, Step, round_bias, round_weights, signed_step, unsigned_step
from colorrt.calibration.ranges import Range
from colorrt.calibration.values import Values, find_layers
from colorrt.contract import Target
from colorrt.export.precision.graph_surgery import sort_nodes


def quantize(
    prepared: onnx.ModelProto,
    placement: Placement,
    ranges: Mapping[str, Range],
    target: str,
    shifts: Mapping[str, NDArray[np.float32]] | None = None,
    rounded: Mapping[str, Rounded] | None = None,
) -> onnx.ModelProto:
    """Write the pairs of `placement` into a copy of a prepared FP32 graph.

    `ranges`: of every value that the placement takes one of. `target`: "cpu" gets unsigned values with zero points and
    INT32 biases, "tensorrt" signed values without zero points and FP32 biases. `shifts`: what is added to the biases
    of layers (O float32), by their names. `rounded`: their weights; those of others are rounded to the nearest. The
    same inputs give the same bytes.
    """
    model = onnx.ModelProto()
    model.CopyFrom(prepared)
    graph = model.graph
    make_step = signed_step if target == Target.TENSORRT else unsigned_step
    steps = {value: make_step(ranges[source]) for value, source in placement.sources.items()}
    quantized = set(placement.layers)
    layers = [layer for layer in find_layers(graph) if layer.name in quantized]
    for layer in layers:
        shift = None if shifts is None else shifts.get(layer.name)
        step = steps[layer.input[0]] if target == Target.CPU else None
        _quantize_weights(graph, layer, (rounded or {}).get(layer.name), step, shift)
    nodes = {node.name: node for node in graph.node}
    for value, step in steps.items():
        if placement.readers[value]:
            _add_pair(graph, value, step, [nodes[name] for name in placement.readers[value]])
    _drop_unread(graph)
    sort_nodes(graph)
    return model


def _quantize_weights(
    graph: onnx.GraphProto,
    layer: onnx.NodeProto,
    rounded: Rounded | None,
    step: Step | None,
    shift: NDArray[np.float32] | None,
) -> None:
    """Round the weights of a layer and, where the `step` of what it reads is given, its bias."""
    values = Values(graph)
    weights = values.array(layer.input[1])
    assert weights is not None
    integers, scales = rounded or round_weights(weights)
    name = layer.name
    layer.input[1] = _add_constant(graph, f"{name}_weight", integers, scales, np.zeros(len(scales), np.int8))
    bias = values.array(layer.input[2]) if len(layer.input) > 2 and layer.input[2] else None
    if bias is None and shift is None:
        return
    total = (np.zeros(len(scales), np.float32) if bias is None else bias) + (0 if shift is None else shift)
    if len(layer.input) < 3:
        layer.input.append("")
    if step is None:
        layer.input[2] = f"{name}_bias"
        graph.initializer.append(numpy_helper.from_array(total.astype(np.float32), layer.input[2]))
        return
    products = np.float32(step.scale) * scales
    layer.input[2] = _add_constant(graph, f"{name}_bias", round_bias(total, products), products, None)


def _add_constant(
    graph: onnx.GraphProto,
    name: str,
    integers: NDArray[np.int8] | NDArray[np.int32],
    scales: NDArray[np.float32],
    zeros: NDArray[np.int8] | None,
) -> str:
    """Add integers with a scale for each along axis 0, and what turns them back. Returns the name of the result."""
    inputs = [f"{name}_integers", f"{name}_scales"]
    graph.initializer.append(numpy_helper.from_array(integers, inputs[0]))
    graph.initializer.append(numpy_helper.from_array(scales, inputs[1]))
    if zeros is not None:
        inputs.append(f"{name}_zeros")
        graph.initializer.append(numpy_helper.from_array(zeros, inputs[2]))
    graph.node.append(helper.make_node("DequantizeLinear", inputs, [name], f"{name}_dequantize", axis=0))
    return name


def _add_pair(graph: onnx.GraphProto, value: str, step: Step, readers: list[onnx.NodeProto]) -> None:
    """Let `readers` read `value` through a Q/DQ pair."""
    scale, zero, integers, back = (f"{value}_{part}" for part in ("scale", "zero", "quantized", "dequantized"))
    kind = np.int8 if step.signed else np.uint8
    graph.initializer.append(numpy_helper.from_array(np.array(step.scale, np.float32), scale))
    graph.initializer.append(numpy_helper.from_array(np.array(step.zero, kind), zero))
    graph.node.append(helper.make_node("QuantizeLinear", [value, scale, zero], [integers], f"{value}_quantize"))
    graph.node.append(helper.make_node("DequantizeLinear", [integers, scale, zero], [back], f"{value}_dequantize"))
    for node in readers:
        for place, name in enumerate(node.input):
            if name == value:
                node.input[place] = back


def _drop_unread(graph: onnx.GraphProto) -> None:
    """Remove the FP32 constants that nothing reads any more."""
    read = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in read]:
        graph.initializer.remove(tensor)
