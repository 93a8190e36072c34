"""The end of a large network in strips: the same answers, without its largest values ever being whole in memory.

At full size a decoder's values are by far the largest of a network. What follows needs only a few rows of neighbors,
so each strip of rows of the answer is computed from the rows that it depends on: the receptive field, walked back node
by node. Rows at the seams are computed twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference

from colorrt.contract import OUTPUT

LARGEST = 64 << 20
"""Bytes of the largest value of a strip, as FP32."""
FEWEST_ROWS = 32
"""Of an answer's strip: with fewer, too many rows are computed twice."""
FLOAT = 4
POINTWISE = (
    "Add", "BatchNormalization", "Cast", "Clip", "Concat", "DequantizeLinear", "Div", "LeakyRelu", "Mul",
    "QuantizeLinear", "Relu", "Sigmoid", "Sub", "Tanh",
)  # fmt: skip
"""Operators of whose inputs a row depends on that row alone (of `Concat`: where it joins channels)."""

Rows = tuple[int, int]
"""From the first row to the one after the last."""


@dataclass(frozen=True)
class _Window:
    """What a row of a node depends on: rows before and in all, and how many rows it makes of each."""

    before: int = 0
    rows: int = 1
    block: int = 1

    def source(self, made: Rows) -> Rows:
        """Rows that are read for the rows `made`; those outside of the value are padding."""
        first, last = made[0] // self.block, -(-made[1] // self.block)
        return first - self.before, last - self.before + self.rows - 1


def cut_into_strips(model: onnx.ModelProto, largest: int = LARGEST) -> int:
    """Rewrite the end of a graph of a fixed size, in place, so that its values stay below `largest` bytes each.

    Taken are the nodes from the output back whose results nothing else reads: at the full size, and at the sizes below
    up to where a convolution looks at neighbors. Returns the number of strips: 1 where nothing was changed, because the
    size is free, the values are small or the operators are others.
    """
    shapes = _shapes(model)
    if OUTPUT not in shapes:
        return 1
    height = shapes[OUTPUT][2]
    end = _find_end(model.graph, shapes, height)
    sizes = [FLOAT * math.prod(shapes[node.output[0]][1:]) for node in end]
    count = min(-(-max(sizes, default=0) // largest), height // FEWEST_ROWS)
    if count < 2:
        return 1
    edges = [height * index // count for index in range(count + 1)]
    strips = [_Strip(model.graph, shapes, end, index, rows) for index, rows in enumerate(pairwise(edges))]
    names = {node.name for node in end}
    nodes = [node for node in model.graph.node if node.name not in names]
    for strip in strips:
        nodes.extend(strip.nodes)
        model.graph.initializer.extend(strip.constants)
    nodes.append(helper.make_node("Concat", [strip.answer for strip in strips], [OUTPUT], "join_strips", axis=2))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    # Values that are gone would be checked.
    del model.graph.value_info[:]
    return count


class _Strip:
    """The nodes that make some rows of the output."""

    def __init__(
        self,
        graph: onnx.GraphProto,
        shapes: Mapping[str, tuple[int, ...]],
        end: list[onnx.NodeProto],
        index: int,
        rows: Rows,
    ) -> None:
        self._shapes, self._suffix = shapes, f"_strip{index}"
        self._producers = {node.output[0]: node for node in end}
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._slices: dict[tuple[str, Rows], str] = {}
        self._made = self._find_rows(end, rows)
        for node in end:
            self._copy(node)
        self.answer = self._read(OUTPUT, rows)

    def _find_rows(self, end: list[onnx.NodeProto], rows: Rows) -> dict[str, Rows]:
        """Which rows of each value are made: all that a reader needs, in whole blocks."""
        made = {OUTPUT: rows}
        for node in reversed(end):
            window = _window(node)
            assert window is not None
            first, last = made[node.output[0]]
            # A pixel shuffle makes whole blocks of rows.
            first, last = first // window.block * window.block, -(-last // window.block) * window.block
            made[node.output[0]] = (first, last)
            for name in node.input:
                if name in self._producers:
                    low, high = self._inside(name, window.source((first, last)))
                    before = made.get(name, (low, high))
                    made[name] = (min(low, before[0]), max(high, before[1]))
        return made

    def _inside(self, name: str, rows: Rows) -> Rows:
        return max(rows[0], 0), min(rows[1], self._shapes[name][2])

    def _copy(self, node: onnx.NodeProto) -> None:
        window = _window(node)
        assert window is not None
        needed = window.source(self._made[node.output[0]])
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name += self._suffix
        copy.output[0] += self._suffix
        for place, name in enumerate(node.input):
            if _is_map(name, self._shapes):
                copy.input[place] = self._read(name, self._inside(name, needed))
        if window.rows > 1:
            above, below = max(0, -needed[0]), max(0, needed[1] - self._shapes[node.input[0]][2])
            for attribute in copy.attribute:
                if attribute.name == "pads":
                    attribute.ints[0], attribute.ints[2] = above, below
        self.nodes.append(copy)

    def _read(self, name: str, rows: Rows) -> str:
        """Return the name of those rows of a value, with the node that cuts them out where it is needed."""
        producer = self._producers.get(name)
        whole = self._made[name] if producer is not None else (0, self._shapes[name][2])
        strip = name + self._suffix if producer is not None else name
        if rows == whole:
            return strip
        if (name, rows) in self._slices:
            return self._slices[name, rows]
        cut = f"{name}{self._suffix}_{rows[0]}_{rows[1]}"
        self._slices[name, rows] = cut
        if producer is not None and producer.op_type == "DequantizeLinear":
            # Integers are cut, so that what reads them still runs in integers.
            copy = onnx.NodeProto()
            copy.CopyFrom(producer)
            copy.input[0] = self._read(producer.input[0], rows)
            copy.name, copy.output[0] = f"{producer.name}{self._suffix}_{rows[0]}_{rows[1]}", cut
            self.nodes.append(copy)
            return cut
        ends = {"from": rows[0] - whole[0], "to": rows[1] - whole[0], "axis": 2}
        names = [f"{cut}_{key}" for key in ends]
        self.constants.extend(
            numpy_helper.from_array(np.array([value], np.int64), key)
            for key, value in zip(names, ends.values(), strict=True)
        )
        self.nodes.append(helper.make_node("Slice", [strip, *names], [cut], cut))
        return cut


def _find_end(graph: onnx.GraphProto, shapes: Mapping[str, tuple[int, ...]], height: int) -> list[onnx.NodeProto]:
    """Return the nodes that can be computed in strips, in the order of the graph."""
    readers: dict[str, list[str]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node.name)
    taken: dict[str, onnx.NodeProto] = {}
    for node in reversed(graph.node):
        (made, *others) = node.output
        window = _window(node)
        if others or window is None or not _is_map(made, shapes):
            continue
        if made != OUTPUT and not all(name in taken for name in readers.get(made, ["nobody"])):
            continue
        # Below the full size, neighbors are looked at in the next larger values: the seams would become wide.
        if shapes[made][2] == height or window.rows == 1:
            taken[node.name] = node
    return [node for node in graph.node if node.name in taken]


def _window(node: onnx.NodeProto) -> _Window | None:
    """Return what a row of a node depends on; None for operators that are not cut."""
    given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type == "Concat":
        return _Window() if given["axis"] == 1 else None
    if node.op_type in POINTWISE:
        return _Window()
    if node.op_type == "DepthToSpace":
        return _Window(block=given["blocksize"])
    if node.op_type not in ("AveragePool", "Conv") or "kernel_shape" not in given:
        return None
    kernel, pads = given["kernel_shape"], given.get("pads", [0, 0, 0, 0])
    ones = all(step == 1 for name in ("strides", "dilations") for step in given.get(name, []))
    explicit = given.get("auto_pad", b"NOTSET") == b"NOTSET" and not given.get("ceil_mode", 0)
    if len(kernel) != 2 or not ones or not explicit or pads[0] + pads[2] != kernel[0] - 1:
        return None
    return _Window(before=pads[0], rows=kernel[0])


def _is_map(name: str, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether a value has rows: N x C x H x W with a free N, which no constant has."""
    return name in shapes


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Shapes of the values of a free batch and a fixed size; the batch is -1."""
    graph = shape_inference.infer_shapes(model).graph
    found = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        axes = value.type.tensor_type.shape.dim
        if len(axes) == 4 and axes[0].dim_param and all(axis.dim_value for axis in axes[1:]):
            found[value.name] = (-1, *(int(axis.dim_value) for axis in axes[1:]))
    return found
