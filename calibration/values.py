"""Who makes and who reads each value of a graph, and the constants among them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper


class Values:
    """The values of a graph by name; a snapshot, made anew after the graph is changed."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.producers = {name: node for node in graph.node for name in node.output if name}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in dict.fromkeys(node.input):
                self.readers.setdefault(name, []).append(node)
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.inputs = {value.name for value in graph.input}
        self.outputs = {value.name for value in graph.output}

    def array(self, name: str) -> NDArray[np.float32] | None:
        """Return a constant, or None when `name` is none."""
        tensor = self.constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def only_reader(self, name: str) -> onnx.NodeProto | None:
        """Return the one node that reads a value, or None when there are others or it is an output of the graph."""
        readers = self.readers.get(name, [])
        return readers[0] if len(readers) == 1 and name not in self.outputs else None


def find_layers(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the convolutions with constant weights, in the order of the graph: what can become INT8.

    Products of two values (attention) stay FP32: they are a small part of the work, and their errors pass through an
    exponential.
    """
    constants = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1] in constants:
            yield node
