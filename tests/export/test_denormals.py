"""Scores far below the largest of their row: no denormal weights, and the answers of the graph as it was."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from colorrt.export.denormals import lift_scores
from colorrt.export.precision.parity import answer_of
from colorrt.photos.shipped import parity_lumas
from colorrt.runtime.shipped import shipped_artifact

NORMAL = np.finfo(np.float32).tiny


def attention(axis: int) -> onnx.ModelProto:
    """Scores (N x T x T) to weights, and weights to what they make of values (N x T x C)."""
    takes = [
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", "t", "t"]),
        helper.make_tensor_value_info("values", TensorProto.FLOAT, ["n", "t", "c"]),
    ]
    gives = [
        helper.make_tensor_value_info("weights", TensorProto.FLOAT, ["n", "t", "t"]),
        helper.make_tensor_value_info("made", TensorProto.FLOAT, ["n", "t", "c"]),
    ]
    nodes = [
        helper.make_node("Softmax", ["scores"], ["weights"], axis=axis),
        helper.make_node("MatMul", ["weights", "values"], ["made"]),
    ]
    graph = helper.make_graph(nodes, "attention", takes, gives)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def run(model: onnx.ModelProto, scores: NDArray[np.float32], values: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    weights, made = session.run(["weights", "made"], {"scores": scores, "values": values})
    return [np.asarray(weights), np.asarray(made)]


def test_weights_are_ordinary_numbers_and_answers_stay() -> None:
    random = np.random.default_rng(3)
    scores = random.uniform(-110, 0, (2, 64, 64)).astype(np.float32) + random.normal(0, 500, (2, 64, 1)).astype(
        np.float32
    )
    values = random.normal(0, 1, (2, 64, 5)).astype(np.float32)
    before = run(attention(-1), scores, values)
    # Else this shows nothing.
    assert ((before[0] > 0) & (before[0] < NORMAL)).any()
    model = attention(-1)
    assert lift_scores(model) == 1
    onnx.checker.check_model(model, full_check=True)
    after = run(model, scores, values)
    assert after[0].min() > 1e8 * NORMAL
    exact = np.exp(scores.astype(np.float64) - scores.max(axis=-1, keepdims=True))
    exact /= exact.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(after[1], exact @ values, rtol=0, atol=2e-6)
    np.testing.assert_allclose(after[1], before[1], rtol=0, atol=1e-7)


def test_other_axes_and_graphs_that_were_lifted_are_left_alone() -> None:
    model = attention(1)
    before = model.SerializeToString()
    assert lift_scores(model) == 0
    assert model.SerializeToString() == before
    model = attention(-1)
    lift_scores(model)
    before = model.SerializeToString()
    assert lift_scores(model) == 0
    assert model.SerializeToString() == before


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_models_that_ship_are_lifted_and_answer_as_without(precision: str) -> None:
    model = onnx.load(shipped_artifact(precision))
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    softmax = next(node for node in plain.graph.node if node.op_type == "Softmax")
    lift = next(node for node in plain.graph.node if node.output[0] == softmax.input[0])
    assert lift.op_type == "Max"
    softmax.input[0] = lift.input[0]
    luma = parity_lumas(256)[0][None, None]
    np.testing.assert_array_equal(answer_of(model)(luma), answer_of(plain)(luma))
