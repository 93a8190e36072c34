"""The surgery behind FP16: which nodes stay FP32, and a graph with the right casts around them.

Nothing here goes by the names of nodes or tensors, for they differ from export to export: the end of the network is
found by walking back from the output. Imports no PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator

import onnx
from onnx import AttributeProto, TensorProto
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from colorrt.contract import OUTPUT

SENSITIVE = ("Softmax", "Sigmoid", "Tanh")
"""Operators that stay FP32: exponentials, whose errors the layers behind them multiply."""
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that carry the work of a network: its layers."""
COLOR_PLANES = 3


def name_nodes(model: onnx.ModelProto) -> None:
    """Give every node of `model` a name of its own, where it has none or shares one."""
    taken = set()
    for index, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{index}"
        taken.add(node.name)


def find_tail(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes that turn features into chroma: the last convolution and all that follows it.

    A 1 x 1 convolution of up to three planes only mixes colors (RGB to chroma) and does not count as the last.
    """
    producers = {output: node for node in graph.node for output in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    tail: set[str] = set()
    waiting = [OUTPUT]
    while waiting:
        node = producers.get(waiting.pop())
        if node is None or node.name in tail:
            continue
        tail.add(node.name)
        if node.op_type not in ("Conv", "ConvTranspose") or _mixes_colors(node, constants):
            waiting.extend(node.input)
    return tail


def find_front(graph: onnx.GraphProto, share: float) -> set[str]:
    """Names of the first nodes of a sorted `graph`, up to and with `share` of its layers (0..1, rounded up)."""
    layers = [index for index, node in enumerate(graph.node) if node.op_type in WEIGHTED]
    count = math.ceil(share * len(layers))
    return {node.name for node in graph.node[: layers[count - 1] + 1]} if count else set()


def _mixes_colors(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> bool:
    weight = constants.get(node.input[1])
    return weight is not None and weight.dims[1] <= COLOR_PLANES and list(weight.dims[2:]) == [1, 1]


def to_fp16(model: onnx.ModelProto, blocked: Collection[str]) -> onnx.ModelProto:
    """Convert a copy of `model` to FP16 but for the nodes named in `blocked` and the sensitive operators.

    Input and output stay FP32. Between two FP32 nodes values stay FP32 too, and so do the weights that FP32 nodes
    read. The nodes come in an order in which they can run.
    """
    single = onnx.ModelProto()
    single.CopyFrom(model)
    operators = (*DEFAULT_OP_BLOCK_LIST, *SENSITIVE)
    # Types of constants among them would make the converter cast constants that it leaves alone.
    del single.graph.value_info[:]
    _part_constants(single.graph, blocked, operators)
    known = {node.name for node in single.graph.node}
    half: onnx.ModelProto = convert_float_to_float16(
        single, keep_io_types=True, op_block_list=list(operators), node_block_list=list(blocked)
    )
    graph = half.graph
    _clear_attributes(graph.node)
    del graph.value_info[:]
    _merge_casts(graph, known)
    _drop_idle_casts(graph, known)
    sort_nodes(graph)
    return half


def _part_constants(graph: onnx.GraphProto, blocked: Collection[str], operators: Collection[str]) -> None:
    """Give FP32 nodes constants of their own, that the converter would round for the FP16 nodes that share them."""
    shared: dict[str, list[tuple[onnx.NodeProto, int]]] = {}
    others = set()
    for node in graph.node:
        for place, name in enumerate(node.input):
            if node.name in blocked or node.op_type in operators:
                shared.setdefault(name, []).append((node, place))
            else:
                others.add(name)
    for tensor in [tensor for tensor in graph.initializer if tensor.name in others]:
        if tensor.data_type != TensorProto.FLOAT or tensor.name not in shared:
            continue
        name = f"{tensor.name}_fp32"
        copy = graph.initializer.add()
        copy.CopyFrom(tensor)
        copy.name = name
        for node, place in shared[tensor.name]:
            node.input[place] = name


def _clear_attributes(nodes: Iterable[onnx.NodeProto]) -> None:
    """Take back the empty tensors that the converter leaves in attributes of other kinds."""
    for node in nodes:
        for attribute in node.attribute:
            if attribute.type != AttributeProto.TENSOR:
                attribute.ClearField("t")
            if attribute.type != AttributeProto.GRAPH:
                attribute.ClearField("g")


def _merge_casts(graph: onnx.GraphProto, known: Collection[str]) -> None:
    """Keep one of equal casts, and lead past those that only take FP32 through FP16 and back."""
    casts: dict[str, onnx.NodeProto] = {}
    nodes = []
    for node in graph.node:
        if node.name not in known:
            if node.output[0] in casts:
                continue
            casts[node.output[0]] = node
        nodes.append(node)
    outputs = {value.name for value in graph.output}
    renamed = {}
    for name, back in casts.items():
        there = casts.get(back.input[0])
        if there is None or cast_target(back) != TensorProto.FLOAT or cast_target(there) != TensorProto.FLOAT16:
            continue
        if name in outputs:
            # The value takes the name of the output, whoever makes it and reads it.
            renamed[there.input[0]] = name
        else:
            renamed[name] = there.input[0]
        nodes.remove(back)
    for node in nodes:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = _follow(name, renamed)
    del graph.node[:]
    graph.node.extend(nodes)


def _follow(name: str, renamed: dict[str, str]) -> str:
    while name in renamed:
        name = renamed[name]
    return name


def _drop_idle_casts(graph: onnx.GraphProto, known: Collection[str]) -> None:
    """Remove added casts whose result nobody reads."""
    read = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    for node in [node for node in graph.node if node.name not in known and node.output[0] not in read]:
        graph.node.remove(node)


def sort_nodes(graph: onnx.GraphProto) -> None:
    """Order the nodes so that each comes after those whose results it reads, and else as they were."""
    producers = {output: index for index, node in enumerate(graph.node) for output in node.output}
    nodes = list(graph.node)
    done: set[int] = set()
    order = []
    for start in range(len(nodes)):
        stack = [start]
        while stack:
            index = stack[-1]
            before = [producers[name] for name in nodes[index].input if name in producers]
            waiting = [other for other in before if other not in done]
            if waiting and index not in done:
                stack.extend(waiting)
                continue
            stack.pop()
            if index not in done:
                done.add(index)
                order.append(nodes[index])
    del graph.node[:]
    graph.node.extend(order)


def cast_target(cast: onnx.NodeProto) -> int:
    """Return the type that a `Cast` makes."""
    return next(int(attribute.i) for attribute in cast.attribute if attribute.name == "to")


def float_constants(graph: onnx.GraphProto) -> Iterator[tuple[onnx.NodeProto, int, onnx.TensorProto]]:
    """Yield every FP32 constant that a node reads, with the node and the place among its inputs."""
    constants = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in constants:
                yield node, place, constants[name]
