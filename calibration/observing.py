"""What flows through a network on photographs: histograms and channel means of its values, one photograph at a time."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from colorrt.calibration.ranges import Histogram
from colorrt.errors import ExportError
from colorrt.export.precision.parity import open_graph, run_graph

MOST_SAMPLES = 1 << 15
"""Numbers of one value that are counted in one photograph; of larger values, every third, fifth, ... row and column."""
PREFIX = "colorrt_"


@dataclass
class Observed:
    """What was seen so far, by the name of the value."""

    photos: int = 0
    histograms: dict[str, Histogram] = field(default_factory=dict)
    sums: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """Sums over the photographs of each channel's mean."""

    def means(self, name: str) -> NDArray[np.float64]:
        """Return the mean of each channel (C) of a value."""
        return self.sums[name] / self.photos


def observe(
    model: onnx.ModelProto, names: Collection[str], averaged: Collection[str], lumas: Iterable[NDArray[np.float32]]
) -> Observed:
    """Run an FP32 `model` on each of `lumas` (S x S float32, 0..1), and count the values `names`.

    The least and largest of each are exact. Of values of more than 32768 numbers, rows and columns are left out, an
    odd number between two, so that every phase of a pixel shuffle is seen. `averaged`: values (N x C x ...) whose
    channels' means are taken. One photograph is in memory at a time.
    Raises ExportError when the graph does not run or makes what is not finite.
    """
    found = Observed(histograms={name: Histogram() for name in names})
    session = None
    outputs: list[str] = []
    for luma in lumas:
        square = luma[None, None]
        if session is None:
            strides = {name: _stride(shape) for name, shape in shapes_of(model, names, square).items()}
            watched = _watch(model, strides, averaged)
            outputs = [value.name for value in watched.graph.output]
            session = open_graph(watched, "FP32 graph", in_order=True)
        taken = dict(zip(outputs, run_graph(session, square, outputs, "FP32 graph"), strict=True))
        for name in names:
            histogram = found.histograms[name]
            try:
                histogram.add(np.asarray(taken[f"{PREFIX}some_{name}"]))
                # Counted without weight: they widen the range to what was really reached.
                histogram.reach(float(taken[f"{PREFIX}low_{name}"]), float(taken[f"{PREFIX}high_{name}"]))
            except ValueError as error:
                raise ExportError(
                    f"the FP32 graph makes values that are not finite ({name}); are the weights damaged? "
                    "nothing was written"
                ) from error
        for name in averaged:
            mean = np.asarray(taken[f"{PREFIX}mean_{name}"], np.float64).ravel()
            found.sums[name] = found.sums.get(name, np.zeros_like(mean)) + mean
        found.photos += 1
    return found


def shapes_of(
    model: onnx.ModelProto, names: Collection[str], square: NDArray[np.float32]
) -> dict[str, tuple[int, ...]]:
    """Return the shape of each value at the size of `square`: one run, that computes them all and keeps none."""
    asked = onnx.ModelProto()
    asked.CopyFrom(model)
    del asked.graph.output[:]
    for name in reversed(list(names)):
        shape = f"{PREFIX}shape_{name}"
        asked.graph.node.append(helper.make_node("Shape", [name], [shape], shape))
        asked.graph.output.append(helper.make_tensor_value_info(shape, TensorProto.INT64, None))
    outputs = [value.name for value in asked.graph.output]
    shapes = run_graph(open_graph(asked, "FP32 graph", in_order=True), square, outputs, "FP32 graph")
    return {
        output.removeprefix(f"{PREFIX}shape_"): tuple(int(side) for side in np.asarray(shape))
        for output, shape in zip(outputs, shapes, strict=True)
    }


def _stride(shape: tuple[int, ...]) -> int:
    """Return the least odd step over the last two axes with which a value has few enough numbers."""
    stride = 1
    while math.prod(shape[:-2]) * math.prod(-(-side // stride) for side in shape[-2:]) > MOST_SAMPLES:
        if stride > max(shape[-2:], default=1):
            break
        stride += 2
    return stride


def _watch(model: onnx.ModelProto, strides: dict[str, int], averaged: Collection[str]) -> onnx.ModelProto:
    """Let the graph answer with the ends, some numbers and the channel means of values instead of chroma."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    graph = watched.graph
    del graph.output[:]
    constants = {
        "starts": np.zeros(2, np.int64),
        "ends": np.full(2, np.iinfo(np.int64).max),
        "axes": np.array([-2, -1]),
        **{f"step_{stride}": np.full(2, stride) for stride in set(strides.values())},
    }
    graph.initializer.extend(numpy_helper.from_array(array, PREFIX + name) for name, array in constants.items())

    def answer(kind: str, name: str, node: onnx.NodeProto) -> None:
        node.name = f"{PREFIX}{kind}_{name}"
        node.output.append(node.name)
        graph.node.append(node)
        graph.output.append(helper.make_tensor_value_info(node.name, TensorProto.FLOAT, None))

    # In reverse, each value is watched as soon as it is made, and freed: see `colorrt.export.precision.overflow`.
    for name in reversed(list(strides)):
        places = [name, *(PREFIX + part for part in ("starts", "ends", "axes", f"step_{strides[name]}"))]
        answer("some", name, helper.make_node("Slice", places, []))
        answer("low", name, helper.make_node("ReduceMin", [name], [], keepdims=0))
        answer("high", name, helper.make_node("ReduceMax", [name], [], keepdims=0))
        if name in averaged:
            answer("mean", name, _channel_mean(graph, name))
    return watched


def _channel_mean(graph: onnx.GraphProto, name: str) -> onnx.NodeProto:
    """Make the node that averages a value over everything but its channels (axis 1)."""
    flat, shape = f"{PREFIX}flat_{name}", f"{PREFIX}rows"
    if all(tensor.name != shape for tensor in graph.initializer):
        # 0 copies the size of the axis: N x C x all the rest.
        graph.initializer.append(numpy_helper.from_array(np.array([0, 0, -1]), shape))
        graph.initializer.append(numpy_helper.from_array(np.array([0, 2]), f"{PREFIX}mean_axes"))
    graph.node.append(helper.make_node("Reshape", [name, shape], [flat], flat))
    return helper.make_node("ReduceMean", [flat, f"{PREFIX}mean_axes"], [], keepdims=0)
