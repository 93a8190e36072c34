"""Where a network leaves the range of FP16, found by running it in FP32 on photographs. Imports no PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from colorrt.export.precision.graph_surgery import SENSITIVE, WEIGHTED, float_constants
from colorrt.export.precision.parity import open_graph, run_graph

LARGEST = 65504.0
"""The largest number of FP16."""
HEADROOM = 2
# Other photographs reach farther than those that are tried: what comes within this factor of the end is kept FP32.
LOSS = 0.01
# Weights that lose more than this share of their norm lie among the subnormal numbers of FP16, or below them.


def find_overflows(model: onnx.ModelProto, lumas: Sequence[NDArray[np.float32]]) -> dict[str, str]:
    """Find the nodes of an FP32 `model` that FP16 cannot hold, on `lumas` (S x S float32, 0..1).

    Returns node names with the reason, in the graph's order: nodes whose constants or results come within a factor of
    two of 65504, nodes whose weights are too small, and the nodes that read such a result.
    Raises ExportError when the graph does not run.
    """
    reasons = dict(_find_weights(model.graph))
    peaks = measure_peaks(model, lumas)
    wide = {}
    for node in model.graph.node:
        for name in node.output:
            # Not a number is no peak that fits.
            if name in peaks and not peaks[name] <= LARGEST / HEADROOM:
                reasons.setdefault(node.name, f"reaches {peaks[name]:.3g}, and FP16 ends at {LARGEST:.0f}")
                wide[name] = node.name
    for node in model.graph.node:
        for name in node.input:
            if name in wide:
                reasons.setdefault(node.name, f"reads the output of {wide[name]}")
    return {node.name: reasons[node.name] for node in model.graph.node if node.name in reasons}


def _find_weights(graph: onnx.GraphProto) -> list[tuple[str, str]]:
    found = []
    for node, place, tensor in float_constants(graph):
        values = numpy_helper.to_array(tensor)
        if values.size == 0:
            continue
        peak = float(np.abs(values).max())
        if not peak <= LARGEST / HEADROOM:
            found.append((node.name, f"has weights of {peak:.3g}, and FP16 ends at {LARGEST:.0f}"))
        elif node.op_type in WEIGHTED and place == 1:
            norm = float(np.linalg.norm(values))
            lost = float(np.linalg.norm(values - values.astype(np.float16).astype(np.float32)))
            if lost > LOSS * norm:
                found.append((node.name, f"has weights of {peak:.3g} at most, which FP16 rounds by {lost / norm:.0%}"))
    return found


def measure_peaks(model: onnx.ModelProto, lumas: Sequence[NDArray[np.float32]]) -> dict[str, float]:
    """Run `model` on each of `lumas` and return the largest magnitude of each of its FP32 values, by name.

    The largest magnitudes are taken in the graph. Values of the sensitive operators are left out, for those stay FP32.
    Raises ExportError when the graph does not run.
    """
    inferred = onnx.shape_inference.infer_shapes(model)
    floats = {
        value.name
        for value in (*inferred.graph.value_info, *inferred.graph.output)
        if value.type.tensor_type.elem_type == TensorProto.FLOAT
    }
    nodes = [node for node in model.graph.node if node.op_type not in SENSITIVE]
    names = [name for node in nodes for name in node.output if name in floats]
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del inferred, watched.graph.output[:]
    # ONNX Runtime works toward the last of these nodes first: in reverse, each value is watched as soon as it is made,
    # and freed. The other way round, all values of the network would live at once.
    for name in reversed(names):
        _watch(watched.graph, name)
    outputs = [value.name for value in watched.graph.output]
    session = open_graph(watched, in_order=True)
    del watched
    found = np.array([run_graph(session, luma[None, None], outputs) for luma in lumas]).max(axis=0)
    return dict(zip(reversed(names), map(float, found), strict=True))


def _watch(graph: onnx.GraphProto, name: str) -> None:
    """Add an output that holds the largest magnitude of the value `name`."""
    magnitude, peak = f"colorrt_magnitude_{name}", f"colorrt_peak_{name}"
    graph.node.append(helper.make_node("Abs", [name], [magnitude], name=magnitude))
    graph.node.append(helper.make_node("ReduceMax", [magnitude], [peak], name=peak, keepdims=0))
    graph.output.append(helper.make_tensor_value_info(peak, TensorProto.FLOAT, []))
