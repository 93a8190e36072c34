"""The end of a graph in strips: the same numbers as the whole, values that stay small, and what is left alone."""

from __future__ import annotations

import math

import numpy as np
import onnx
import pytest
import torch
from onnx import shape_inference
from torch import nn
from torch.nn import functional as F

from colorrt.calibration.photographs import check_squares, choose_photographs
from colorrt.calibration.quantizing import to_int8
from colorrt.export.graph import trace
from colorrt.export.precision.parity import answer_of, compare
from colorrt.export.strips import cut_into_strips
from colorrt.models.layers import blur


class Decoder(nn.Module):
    """Like the end of DeOldify: a pixel shuffle, a blur, the input joined, two convolutions beside the identity."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.down = nn.Conv2d(1, 8, 3, 2, 1)
        self.wide = nn.Conv2d(8, 32, 1)
        self.one, self.two = (nn.Conv2d(9, 9, side, padding=side // 2) for side in (3, 5))
        self.head = nn.Conv2d(9, 2, 1)

    def forward(self, luma: torch.Tensor) -> torch.Tensor:
        up = blur(F.pixel_shuffle(F.relu(self.wide(F.relu(self.down(luma)))), 2))
        joined = torch.cat([up, luma - 0.5], dim=1)
        return torch.sigmoid(self.head(joined + F.relu(self.two(F.relu(self.one(joined)))))) - 0.5


def decoder(render_factor: int | None) -> onnx.ModelProto:
    return trace(Decoder().eval().requires_grad_(False), render_factor)


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


@pytest.mark.parametrize("largest", [1 << 17, 180_000])
def test_strips_give_the_numbers_of_the_whole(largest: int) -> None:
    whole = decoder(8)
    cut = copied(whole)
    count = cut_into_strips(cut, largest)
    assert count > 2
    onnx.checker.check_model(cut, full_check=True)
    luma = np.random.default_rng(1).random((2, 1, 128, 128), np.float32)
    np.testing.assert_allclose(answer_of(cut)(luma), answer_of(whole)(luma), rtol=0, atol=1e-6)


def test_values_of_strips_are_small() -> None:
    cut = decoder(8)
    count = cut_into_strips(cut, 1 << 17)
    made = {value.name: value for value in shape_inference.infer_shapes(cut).graph.value_info}
    sizes = [
        4 * math.prod(axis.dim_value for axis in made[node.output[0]].type.tensor_type.shape.dim[1:])
        for node in cut.graph.node
        if "_strip" in node.output[0]
    ]
    # Rows at the seams come on top.
    assert max(sizes) < 1.4 * 4 * 9 * 128 * 128 / count


def test_integers_stay_integers_in_strips() -> None:
    int8 = to_int8(decoder(8), [128]).model
    cut = copied(int8)
    assert cut_into_strips(cut, 1 << 17) > 2
    onnx.checker.check_model(cut, full_check=True)
    luma = np.random.default_rng(1).random((1, 1, 128, 128), np.float32)
    difference = np.abs(answer_of(cut)(luma) - answer_of(int8)(luma)) * 255
    assert difference.mean() < 0.05
    # What is cut are integers: no convolution or sum reads an FP32 value that was cut.
    producers = {node.output[0]: node for node in cut.graph.node}
    reads = [producers.get(name) for node in cut.graph.node if node.op_type == "Add" for name in node.input]
    assert all(node is None or node.op_type != "Slice" for node in reads)


def test_figures_of_int8_are_those_of_its_strips() -> None:
    single = decoder(8)
    made = to_int8(single, [128], finish=lambda graph: cut_into_strips(graph, 1 << 17))
    assert any("_strip" in node.name for node in made.model.graph.node)
    lumas = [square.luma for square in check_squares(choose_photographs(None), 128)]
    found = compare(answer_of(made.model), answer_of(single), lumas)
    assert (found.mean, found.worst) == pytest.approx((made.parity.mean, made.parity.worst), rel=1e-6)


def test_small_and_free_graphs_are_left_alone() -> None:
    for model in (decoder(4), decoder(None)):
        before = model.SerializeToString()
        assert cut_into_strips(model) == 1
        assert model.SerializeToString() == before
