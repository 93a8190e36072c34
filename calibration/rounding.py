"""Weights rounded so that the errors of one make up for those of the others, on what photographs bring.

Rounding each weight to the nearest integer is best for itself, not for the sum that it is part of. Here the weights of
a layer are rounded one after the other, and those that are still to come are changed so that the layer's results stay
as near as they can, in least squares over windows of photographs.

Source: E. Frantar, S. Ashkboos, T. Hoefler and D. Alistarh, "GPTQ: Accurate Post-Training Quantization for Generative
Pre-trained Transformers", ICLR 2023, algorithm 1, with columns in the order of their energy.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnx import TensorProto, helper

from colorrt.calibration.quantization import WEIGHT_END, Rounded, find_scales
from colorrt.calibration.values import Values, find_layers
from colorrt.export.precision.parity import open_graph, run_graph

MOST_SQUARES = 32
WINDOWS = 256
"""Windows of each layer that are taken from one square."""
WIDEST = 2560
"""Weights of one output from which on a layer is left alone: the moments take memory by the square of that."""
DAMPING = 0.01
"""Share of the mean energy that is added to every input, so that what photographs did not bring counts as well."""
BLOCK = 64


def round_layers(prepared: onnx.ModelProto, lumas: Iterable[NDArray[np.float32]], seed: int = 0) -> dict[str, Rounded]:
    """Round the weights of the convolutions of a prepared FP32 graph, by their names.

    `lumas`: squares (S x S float32, 0..1), the first 32 of which are used, one in memory at a time. Layers whose
    outputs have more than 2560 weights each are not among the results. Raises ExportError when the graph does not run.
    """
    moments = find_moments(prepared, islice(lumas, MOST_SQUARES), seed)
    values = Values(prepared.graph)
    rounded = {}
    for layer in find_layers(prepared.graph):
        if layer.name in moments:
            weights = values.array(layer.input[1])
            assert weights is not None
            rounded[layer.name] = round_together(weights, moments.pop(layer.name))
    return rounded


def find_moments(
    prepared: onnx.ModelProto, lumas: Iterable[NDArray[np.float32]], seed: int = 0
) -> dict[str, NDArray[np.float32]]:
    """Sum the products of what the weights of each convolution are multiplied with (groups x K x K), over windows.

    K is the number of weights of an output, in their order. 256 windows of each square are taken.
    """
    values = Values(prepared.graph)
    layers = {
        layer.name: _Windows(layer, values.constants[layer.input[1]].dims)
        for layer in find_layers(prepared.graph)
        if np.prod(values.constants[layer.input[1]].dims[1:]) <= WIDEST
    }
    if not layers:
        return {}
    watched = onnx.ModelProto()
    watched.CopyFrom(prepared)
    names = sorted({windows.source for windows in layers.values()})
    del watched.graph.output[:]
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = open_graph(watched, "FP32 graph", in_order=True)
    random = np.random.default_rng(seed)
    moments: dict[str, NDArray[np.float32]] = {}
    for luma in lumas:
        taken = dict(zip(names, run_graph(session, luma[None, None], names, "FP32 graph"), strict=True))
        for name, windows in layers.items():
            columns = windows.draw(np.asarray(taken[windows.source], np.float32), random)
            products = columns @ columns.transpose(0, 2, 1)
            moments[name] = moments[name] + products if name in moments else products
    return moments


class _Windows:
    """What one convolution reads for one of its outputs, at places drawn by chance."""

    def __init__(self, layer: onnx.NodeProto, dims: Iterable[int]) -> None:
        given = {attribute.name: helper.get_attribute_value(attribute) for attribute in layer.attribute}
        _, _, *self._kernel = dims
        axes = len(self._kernel)
        pads = given.get("pads", [0] * (2 * axes))
        self._pads = list(zip(pads[:axes], pads[axes:], strict=True))
        self._strides = given.get("strides", [1] * axes)
        self._dilations = given.get("dilations", [1] * axes)
        self._groups = given.get("group", 1)
        self.source = layer.input[0]

    def draw(self, value: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
        """Return `groups x K x windows` of a value (1 x C x ...)."""
        padded = np.pad(value[0], [(0, 0), *self._pads])
        axes = tuple(range(1, padded.ndim))
        reach = [(side - 1) * step + 1 for side, step in zip(self._kernel, self._dilations, strict=True)]
        windows = sliding_window_view(padded, reach, axis=axes)
        every = [slice(None), *(slice(None, None, step) for step in (*self._strides, *self._dilations))]
        windows = windows[tuple(every)]
        places = windows.shape[1 : 1 + len(axes)]
        total = int(np.prod(places))
        drawn = random.choice(total, min(WINDOWS, total), replace=False)
        # C x windows x kernel.
        found = np.moveaxis(windows, 0, len(axes))[np.unravel_index(drawn, places)].swapaxes(0, 1)
        columns = found.reshape(self._groups, -1, *found.shape[1:])
        # groups x C / groups x windows x kernel -> groups x (C / groups x kernel) x windows.
        return np.moveaxis(columns, 2, -1).reshape(self._groups, -1, len(drawn))


def round_together(weights: NDArray[np.float32], moments: NDArray[np.floating]) -> Rounded:
    """Round weights (O x ...) with the scales that they have alone, for the `moments` (groups x K x K) of their inputs.

    Returns the integers (-127..127) and the scales (O).
    """
    groups, width, _ = moments.shape
    scales = find_scales(weights)
    rest = weights.reshape(groups, -1, width).astype(np.float64)
    steps = scales.astype(np.float64).reshape(groups, -1)
    order = np.argsort(-np.diagonal(moments, axis1=1, axis2=2), axis=1, kind="stable")
    rest = np.take_along_axis(rest, order[:, None], axis=2)
    spread = _spread(moments.astype(np.float64), order)
    integers = np.zeros_like(rest)
    for first in range(0, width, BLOCK):
        last = min(first + BLOCK, width)
        errors = np.zeros_like(rest[:, :, first:last])
        for column in range(first, last):
            integers[:, :, column] = np.rint(rest[:, :, column] / steps).clip(-WEIGHT_END, WEIGHT_END)
            error = rest[:, :, column] - integers[:, :, column] * steps
            error /= spread[:, column, column][:, None]
            errors[:, :, column - first] = error
            rest[:, :, column + 1 : last] -= error[:, :, None] * spread[:, None, column, column + 1 : last]
        rest[:, :, last:] -= errors @ spread[:, first:last, last:]
    back = np.argsort(order, axis=1)[:, None]
    return np.take_along_axis(integers, back, axis=2).astype(np.int8).reshape(weights.shape), scales


def _spread(moments: NDArray[np.float64], order: NDArray[np.intp]) -> NDArray[np.float64]:
    """How the error of each column spreads over those behind it: the upper Cholesky factor of the inverse."""
    sorted_moments = np.take_along_axis(np.take_along_axis(moments, order[:, :, None], 1), order[:, None], 2)
    diagonal = np.einsum("gkk->gk", sorted_moments)
    energy = diagonal.mean(axis=1)
    # Where nothing ever arrives, any moments will do.
    diagonal += np.where(energy > 0, DAMPING * energy, 1.0)[:, None]
    inverse = np.linalg.inv(sorted_moments)
    lower = np.linalg.cholesky((inverse + inverse.transpose(0, 2, 1)) / 2).astype(np.float64, copy=False)
    return lower.transpose(0, 2, 1)
