"""How much memory an engine takes, told before it is built."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import psutil

from colorrt.export.engine.target import Shape
from colorrt.runtime.sessions.gpu import Gpu

# What engines of TensorRT for RTX 1.7 take for activations, against what lives at once in their networks: 1.12 to
# 1.15 times that from 70 MB to 1.3 GB, and in small ones some 16 MB for split sums.
SPREAD, LEAST = 1.15, 16_000_000
# The builder's share of main memory: the packages, and the graph, its FP16 form, the network, the plan and its copy.
BASE = 400_000_000
WEIGHT_COPIES = 6
# Layers whose result can take the place of what they read, because TensorRT fuses them or changes the shape alone.
IN_PLACE = {"SHUFFLE", "IDENTITY", "ACTIVATION", "SCALE", "UNARY", "ELEMENTWISE", "CAST"}
# What may stand between the scores of attention and their softmax, or behind it, where TensorRT makes it one kernel.
BETWEEN = {"CAST", "SHUFFLE"}
BYTES = {"FLOAT": 4, "HALF": 2, "BF16": 2, "INT64": 8, "INT32": 4, "INT8": 1, "UINT8": 1, "BOOL": 1, "FP8": 1}


@dataclass(frozen=True)
class Need:
    """Estimated bytes of an engine."""

    weights: int
    """On the GPU."""
    activations: int
    """On the GPU, at the largest shape."""
    largest: str
    """The layer that makes the largest tensor: in attention, N x N scores."""
    building: int
    """Main memory of the build."""


def estimate_need(network: Any, shape: Shape, graph_bytes: int) -> Need:
    """Estimate what an engine of a parsed `network` takes for luma of `shape` (N x 1 x S x S).

    `graph_bytes`: size of the ONNX model, which is nearly all weights. The activations are those that live at once
    when the layers run in order, in their own types.
    """
    luma = network.get_input(0)
    own = tuple(luma.shape)
    # TensorRT follows the sizes through the network, those that are computed too.
    luma.shape = shape
    try:
        peak, largest = _peak([network.get_layer(index) for index in range(network.num_layers)])
    finally:
        luma.shape = own
    return Need(graph_bytes, int(SPREAD * peak) + LEAST, largest, BASE + WEIGHT_COPIES * graph_bytes)


def warn_of_memory(need: Need, gpu: Gpu | None) -> list[str]:
    """Say in one sentence each what is more than the machine has free."""
    sentences = []
    free = psutil.virtual_memory().available
    if need.building > free:
        sentences.append(
            f"warning: the build takes about {need.building / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free; "
            "close other programs, or build on another machine"
        )
    on_gpu = need.weights + need.activations
    if gpu is not None and gpu.free_bytes is not None and on_gpu > gpu.free_bytes:
        sentences.append(
            f"warning: the engine takes about {on_gpu / 1e9:.1f} GB on the GPU, most of it in {need.largest}, and "
            f"{gpu.name} has {gpu.free_bytes / 1e9:.1f} GB free; use a smaller --batch or render factor"
        )
    return sentences


def _peak(layers: list[Any]) -> tuple[int, str]:
    """Return the most bytes that live at once, and the name of the layer with the largest result."""
    sizes: dict[str, int] = {}
    places: dict[str, str] = {}
    made: dict[str, int] = {}
    last: dict[str, int] = {}
    largest = (0, "")
    fused = _fused_scores(layers)
    for index, layer in enumerate(layers):
        inputs = [tensor for place in range(layer.num_inputs) if (tensor := layer.get_input(place)) is not None]
        for tensor in inputs:
            last[places.get(tensor.name, tensor.name)] = index
        for place in range(layer.num_outputs):
            result = layer.get_output(place)
            size = 0 if layer.type.name == "CONSTANT" or result.name in fused else _size(result)
            origin = places.get(inputs[0].name, inputs[0].name) if inputs else ""
            if layer.type.name in IN_PLACE and sizes.get(origin) == size:
                places[result.name] = origin
                continue
            sizes[result.name], made[result.name] = size, index
            largest = max(largest, (size, layer.name))
    changes = [0] * (len(layers) + 1)
    for name, index in made.items():
        changes[index] += sizes[name]
        changes[last.get(name, len(layers) - 1) + 1] -= sizes[name]
    living = peak = 0
    for change in changes:
        living += change
        peak = max(peak, living)
    return peak, largest[1]


def _fused_scores(layers: list[Any]) -> set[str]:
    """Names of the N x N tensors that FP16 attention never writes; in FP32 TensorRT makes no one kernel of it."""
    makers = {layer.get_output(0).name: layer for layer in layers if layer.num_outputs}
    fused: set[str] = set()
    for layer in layers:
        if layer.type.name in BETWEEN and layer.get_input(0).name in fused:
            fused.add(layer.get_output(0).name)
        if layer.type.name != "SOFTMAX":
            continue
        chain = [layer.get_output(0).name]
        maker = makers.get(layer.get_input(0).name)
        while maker is not None and maker.type.name in BETWEEN:
            chain.append(maker.get_output(0).name)
            maker = makers.get(maker.get_input(0).name)
        if maker is not None and maker.type.name == "MATRIX_MULTIPLY" and maker.get_output(0).dtype.name == "HALF":
            fused.update([*chain, maker.get_output(0).name])
    return fused


def _size(tensor: Any) -> int:
    shape = tuple(tensor.shape)
    # What stays unknown is a computed size itself, some numbers long.
    return 0 if min(shape, default=1) < 0 else math.prod(shape) * BYTES.get(tensor.dtype.name, 4)
