"""Weights rounded together: nearer to the layer's results than each to the nearest, on the windows that it reads."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from colorrt.calibration import rounding
from colorrt.calibration.quantization import round_weights, widen
from colorrt.calibration.rounding import find_moments, round_layers, round_together


def layer(weights: NDArray[np.float32], **attributes: object) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Conv", ["luma", "weights"], ["chroma"], "conv", **attributes)],
        "one layer",
        [helper.make_tensor_value_info("luma", TensorProto.FLOAT, ["batch", 1, "side", "side"])],
        [helper.make_tensor_value_info("chroma", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize(("padding", "stride", "dilation"), [(0, 1, 1), (1, 1, 1), (2, 2, 2)])
def test_moments_are_those_of_the_windows_that_are_read(padding: int, stride: int, dilation: int) -> None:
    luma = np.random.default_rng(2).random((11, 11), np.float32)
    weights = np.random.default_rng(3).normal(0, 1, (4, 1, 3, 3)).astype(np.float32)
    model = layer(weights, pads=[padding] * 4, strides=[stride] * 2, dilations=[dilation] * 2)
    # All windows are drawn where there are no more than 256.
    (moments,) = find_moments(model, [luma, luma])["conv"]
    windows = torch.nn.functional.unfold(
        torch.from_numpy(luma[None, None]).double(), 3, dilation, padding, stride
    ).numpy()[0]
    np.testing.assert_allclose(moments, 2 * windows @ windows.T, rtol=1e-5)


@given(
    groups=st.integers(1, 3),
    outputs=st.integers(1, 4),
    width=st.sampled_from([1, 2, 9, 70, 130]),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_results_are_as_near_as_to_the_nearest_or_nearer(groups: int, outputs: int, width: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    weights = random.normal(0, 1, (groups * outputs, width)).astype(np.float32)
    # Inputs that go together, as channels of photographs do.
    read = random.normal(1, 1, (groups, 600, 3)) @ random.normal(0, 1, (groups, 3, width))
    read += random.normal(0, 0.1, read.shape)
    integers, scales = round_together(weights, read.transpose(0, 2, 1) @ read)
    assert np.abs(integers.astype(np.int64)).max() <= 127
    nearest = round_weights(weights)
    np.testing.assert_array_equal(scales, nearest[1])

    def error(widened: NDArray[np.float32]) -> float:
        lost = (widened.astype(np.float64) - weights).reshape(groups, outputs, width)
        return float((np.einsum("gnk,gok->gno", read, lost) ** 2).sum())

    assert error(widen(integers, scales)) <= 1.2 * error(widen(*nearest))
    if width >= 9 and outputs > 1:
        assert error(widen(integers, scales)) < 0.7 * error(widen(*nearest))


def test_inputs_that_never_come_leave_weights_at_the_nearest() -> None:
    weights = np.random.default_rng(5).normal(0, 1, (4, 9)).astype(np.float32)
    integers, _ = round_together(weights, np.zeros((1, 9, 9)))
    np.testing.assert_array_equal(integers, round_weights(weights)[0])


def test_layers_that_are_too_wide_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = np.random.default_rng(5).normal(0, 1, (4, 1, 3, 3)).astype(np.float32)
    luma = np.random.default_rng(2).random((8, 8), np.float32)
    assert set(round_layers(layer(weights), [luma])) == {"conv"}
    monkeypatch.setattr(rounding, "WIDEST", 8)
    assert round_layers(layer(weights), [luma]) == {}
