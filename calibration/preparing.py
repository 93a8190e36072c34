"""Exact rewriting of an FP32 graph, so that more of it can run in integers: the answers stay bit for bit."""

from __future__ import annotations

import onnx
from onnx import helper

from colorrt.calibration.values import Values
from colorrt.export.precision.graph_surgery import name_nodes

CARRIERS = ("AveragePool", "DepthToSpace", "MaxPool", "Reshape", "Slice", "Transpose")
"""Operators that make no number negative that is not."""


def prepare(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy an FP32 graph with a name for every node and ReLUs in front of concatenations instead of behind them.

    A ReLU behind a concatenation reads all of it in FP32; in front, it is part of how each piece is rounded. Pieces
    that are never negative get none.
    """
    prepared = onnx.ModelProto()
    prepared.CopyFrom(model)
    name_nodes(prepared)
    values = Values(prepared.graph)
    for concat in [node for node in prepared.graph.node if node.op_type == "Concat"]:
        readers = values.readers.get(concat.output[0], [])
        if len(readers) == 1 and readers[0].op_type == "Relu" and concat.output[0] not in values.outputs:
            _swap(prepared.graph, concat, readers[0], values)
    # The types of values that are gone would be checked.
    del prepared.graph.value_info[:]
    return prepared


def _swap(graph: onnx.GraphProto, concat: onnx.NodeProto, relu: onnx.NodeProto, values: Values) -> None:
    place = next(index for index, node in enumerate(graph.node) if node.name == concat.name)
    for index, piece in enumerate(concat.input):
        if _never_negative(piece, values):
            continue
        name = f"{relu.name}_{index}"
        concat.input[index] = f"{relu.output[0]}_{index}"
        graph.node.insert(place, helper.make_node("Relu", [piece], [concat.input[index]], name))
        place += 1
    concat.output[0] = relu.output[0]
    graph.node.remove(relu)


def _never_negative(value: str, values: Values) -> bool:
    node = values.producers.get(value)
    if node is None:
        return False
    if node.op_type == "Relu":
        return True
    return node.op_type in CARRIERS and _never_negative(node.input[0], values)
