"""What an FP16 graph answers where FP16 is really computed, on a machine that has FP32 only. Imports no PyTorch.

ONNX Runtime's CPU provider runs most FP16 operators in FP32 and leaves out the casts in between, so its answers are
those of rounded weights on features that are not: no overflow shows, and the error looks several times smaller.
"""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper, numpy_helper

from colorrt.export.precision.graph_surgery import cast_target

EXACT = frozenset(
    {
        "Clip",
        "Concat",
        "DepthToSpace",
        "Expand",
        "Flatten",
        "Gather",
        "Identity",
        "MaxPool",
        "Pad",
        "Relu",
        "Reshape",
        "Slice",
        "SpaceToDepth",
        "Split",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)
"""Operators whose results are among what they read: nothing to round."""


def emulate_fp16(half: onnx.ModelProto) -> onnx.ModelProto:
    """Write an FP16 graph as an FP32 one that rounds to FP16, and back, behind every node whose result is FP16.

    Sums inside a node are FP32, as on tensor cores. A fused engine rounds less often. `half` is not changed. Raises
    onnx.shape_inference.InferenceError when its types do not fit together.
    """
    inferred = onnx.shape_inference.infer_shapes(half, check_type=True, strict_mode=True)
    halves = {
        value.name
        for value in (*inferred.graph.value_info, *inferred.graph.output)
        if value.type.tensor_type.elem_type == TensorProto.FLOAT16
    }
    del inferred.graph.value_info[:]
    for tensor in inferred.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype("float32"), tensor.name))
    nodes = []
    for node in inferred.graph.node:
        _widen_attributes(node)
        nodes.append(node)
        if node.op_type in EXACT:
            continue
        for place, name in enumerate(node.output):
            if name in halves:
                exact, rounded = f"{name}_exact", f"{name}_rounded"
                node.output[place] = exact
                nodes.append(helper.make_node("Cast", [exact], [rounded], rounded, to=TensorProto.FLOAT16))
                nodes.append(helper.make_node("Cast", [rounded], [name], f"{name}_widened", to=TensorProto.FLOAT))
    # A copy: the nodes live in the list that is replaced.
    copies = []
    for node in nodes:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copies.append(copy)
    del inferred.graph.node[:]
    inferred.graph.node.extend(copies)
    return inferred


def _widen_attributes(node: onnx.NodeProto) -> None:
    """Let `node` make FP32 where it makes FP16 by an attribute: casts, constants."""
    if node.op_type == "Cast" and cast_target(node) == TensorProto.FLOAT16:
        next(attribute for attribute in node.attribute if attribute.name == "to").i = TensorProto.FLOAT
    for attribute in node.attribute:
        if attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT16:
            values = numpy_helper.to_array(attribute.t).astype("float32")
            attribute.t.CopyFrom(numpy_helper.from_array(values, attribute.t.name))
