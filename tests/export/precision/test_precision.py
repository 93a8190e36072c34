"""FP16 graphs: what stays FP32, what is found on photographs, and what is refused. No PyTorch where none is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from colorrt.contract import Parity
from colorrt.errors import ExportError, UsageError
from colorrt.export.graph import trace
from colorrt.export.precision import fp16 as precision
from colorrt.export.precision.fp16 import (
    KEPT_KEY,
    MEAN_BOUND,
    check_half,
    check_half_parity,
    check_precision,
    kept_of,
    precision_of,
    to_half,
)
from colorrt.export.precision.graph_surgery import SENSITIVE, find_front, find_tail, name_nodes, to_fp16
from colorrt.export.precision.overflow import find_overflows, measure_peaks
from colorrt.export.precision.parity import answer_of, compare_models
from colorrt.export.precision.rounding import emulate_fp16
from colorrt.models.registry import load_network
from colorrt.photos.shipped import parity_lumas
from colorrt.runtime.shipped import shipped_weights

Weights = dict[str, np.ndarray]


def network(changes: Weights | None = None, *, tail: str = "Tanh") -> onnx.ModelProto:
    """Three 3 x 3 convolutions of four planes with ReLU, a 1 x 1 head to three planes, `tail`, and colors mixed to two.

    `changes`: other weights for "first", "second", "third", "head".
    """
    random = np.random.default_rng(0)
    shapes = {"first": (4, 1, 3, 3), "second": (4, 4, 3, 3), "third": (4, 4, 3, 3), "head": (3, 4, 1, 1)}
    weights = {name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    weights |= {"mix": random.normal(0, 0.3, (2, 3, 1, 1)).astype(np.float32)}
    weights |= changes or {}
    nodes, value = [], "luma"
    for name in ("first", "second", "third"):
        nodes.append(helper.make_node("Conv", [value, name], [f"{name}_plain"], name, pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"{name}_plain"], [f"{name}_out"], f"{name}_relu"))
        value = f"{name}_out"
    nodes.append(helper.make_node("Conv", [value, "head"], ["head_out"], "head"))
    nodes.append(helper.make_node(tail, ["head_out"], ["tail_out"], "tail"))
    nodes.append(helper.make_node("Conv", ["tail_out", "mix"], ["chroma"], "mix"))
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("luma", TensorProto.FLOAT, ["batch", 1, "side", "side"])],
        [helper.make_tensor_value_info("chroma", TensorProto.FLOAT, ["batch", 2, "side", "side"])],
        [numpy_helper.from_array(weight, name) for name, weight in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def rename(model: onnx.ModelProto) -> onnx.ModelProto:
    """Other names for all nodes and inner values, in the same order."""
    other = onnx.ModelProto()
    other.CopyFrom(model)
    values: dict[str, str] = {"luma": "luma", "chroma": "chroma", "": ""}
    for tensor in other.graph.initializer:
        tensor.name = values.setdefault(tensor.name, f"w{len(values)}")
    for index, node in enumerate(other.graph.node):
        node.name = f"n{index}"
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = values.setdefault(name, f"v{len(values)}")
    del other.graph.value_info[:]
    return other


def places(model: onnx.ModelProto, names: set[str] | tuple[str, ...]) -> list[int]:
    return [index for index, node in enumerate(model.graph.node) if node.name in names]


def blown_up() -> Weights:
    """The second convolution reaches far beyond FP16, and the third brings it back."""
    random = np.random.default_rng(1)
    return {
        "second": np.full((4, 4, 3, 3), 2e4, np.float32),
        "third": random.normal(0, 3e-4, (4, 4, 3, 3)).astype(np.float32),
        "head": random.normal(0, 1e-3, (3, 4, 1, 1)).astype(np.float32),
    }


@pytest.fixture(scope="module")
def lumas() -> list[np.ndarray]:
    return parity_lumas(32)


def answers(model: onnx.ModelProto, lumas: list[np.ndarray]) -> np.ndarray:
    return np.stack([answer_of(model)(luma[None, None]) for luma in lumas])


def test_overflow_is_found_named_and_kept_in_fp32(lumas: list[np.ndarray]) -> None:
    model = network(blown_up())
    said: list[str] = []
    half = to_half(model, lumas, say=said.append)
    assert "second" in half.kept
    assert {"first", "head"}.isdisjoint(half.kept)
    assert kept_of(half.model) == half.kept
    assert any(line.startswith("second (Conv) reaches ") and "65504" in line for line in said)
    assert np.isfinite(answers(half.model, lumas)).all()
    assert half.parity.worst < 1
    # Without the scan, FP16 answers with what is no number, where FP16 is really computed.
    with pytest.raises(ExportError, match="not finite"):
        compare_models(emulate_fp16(to_fp16(model, find_tail(model.graph))), model, lumas)


def test_readers_of_what_overflows_stay_fp32_with_it(lumas: list[np.ndarray]) -> None:
    reasons = find_overflows(network(blown_up()), lumas)
    assert {"second", "second_relu", "third"} <= set(reasons)
    assert "first" not in reasons


@pytest.mark.parametrize(
    ("weight", "says"),
    [(np.full((4, 4, 3, 3), 7e4, np.float32), "7e+04"), (np.full((4, 4, 3, 3), 3e-8, np.float32), "rounds by")],
)
def test_weights_out_of_range_are_kept(weight: np.ndarray, says: str, lumas: list[np.ndarray]) -> None:
    assert says in find_overflows(network({"third": weight}), lumas)["third"]


def test_peaks_are_those_of_the_values(lumas: list[np.ndarray]) -> None:
    model = network()
    peaks = measure_peaks(model, lumas)
    kernel = torch.from_numpy(numpy_helper.to_array(model.graph.initializer[0]).copy())
    stack = torch.from_numpy(np.stack(lumas)[:, None])
    expected = float(torch.nn.functional.conv2d(stack, kernel, padding=1).abs().max())
    assert peaks["first_plain"] == pytest.approx(expected, rel=1e-4)
    assert "tail_out" not in peaks


def test_end_of_the_network_is_its_last_convolution_that_is_no_mix_of_colors() -> None:
    assert find_tail(network().graph) == {"head", "tail", "mix"}


def test_names_do_not_matter() -> None:
    model = trace(load_network(shipped_weights()).module, 2)
    other = rename(model)
    lumas = parity_lumas(32)[:4]
    assert places(model, find_tail(model.graph)) == places(other, find_tail(other.graph)) != []
    halves = [to_half(graph, lumas).model for graph in (model, other)]
    kinds = [[(node.op_type, len(node.input)) for node in half.graph.node] for half in halves]
    assert kinds[0] == kinds[1]
    assert precision_of(halves[0]) == precision_of(halves[1])
    np.testing.assert_array_equal(answers(halves[0], lumas), answers(halves[1], lumas))


def test_spelled_out_graph_rounds_every_result(lumas: list[np.ndarray]) -> None:
    model = network()
    values = answer_of(emulate_fp16(to_fp16(model, find_tail(model.graph))))(lumas[0][None, None])
    names = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in model.graph.initializer}
    features = torch.from_numpy(lumas[0][None, None]).half().float()
    for name in ("first", "second", "third"):
        weight = names[name].half().float()
        features = torch.nn.functional.conv2d(features, weight, padding=1).half().float().relu()
    head = torch.tanh(torch.nn.functional.conv2d(features, names["head"]))
    expected = torch.nn.functional.conv2d(head, names["mix"]).numpy()
    np.testing.assert_allclose(values, expected, atol=2e-4 * float(np.abs(expected).max()))
    assert np.abs(values - answer_of(model)(lumas[0][None, None])).max() > 0


def test_unnamed_nodes_get_names_of_their_own() -> None:
    model = network()
    for node in model.graph.node:
        node.name = "" if node.op_type == "Relu" else "same"
    name_nodes(model)
    assert len({node.name for node in model.graph.node}) == len(model.graph.node)


@pytest.mark.parametrize("render_factor", [None, 4])
def test_lite_in_fp16(render_factor: int | None) -> None:
    model = trace(load_network(shipped_weights()).module, render_factor)
    before = model.SerializeToString()
    lumas = parity_lumas(64)
    half = to_half(model, lumas)
    assert model.SerializeToString() == before
    assert half.kept == ()
    assert half.parity.photos == len(lumas)
    assert 0 < half.parity.mean < 0.1
    assert half.parity.worst < 2
    counts = precision_of(half.model)
    assert counts["Conv"]["fp32"] == 1
    assert counts["Conv"]["fp16"] > 50
    assert counts["MatMul"] == {"fp16": 2}
    assert half.model.ByteSize() < 0.55 * model.ByteSize()
    for value in (*half.model.graph.input, *half.model.graph.output):
        assert value.type.tensor_type.elem_type == TensorProto.FLOAT
    # In, out of and into Softmax, into the last convolution: no cast more than that.
    assert [node.op_type for node in half.model.graph.node].count("Cast") == 4


def test_fp32_nodes_keep_their_weights_and_what_they_hand_on(lumas: list[np.ndarray]) -> None:
    model = network()
    # One constant, read by a node of either precision.
    second = next(tensor for tensor in model.graph.initializer if tensor.name == "second")
    model.graph.node[4].input[1] = second.name
    half = to_fp16(model, {"third", "third_relu"} | find_tail(model.graph))
    onnx.checker.check_model(half, full_check=True)
    third = next(node for node in half.graph.node if node.name == "third")
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in half.graph.initializer}
    np.testing.assert_array_equal(weights[third.input[1]], numpy_helper.to_array(second))
    assert weights["second"].dtype == np.float16
    # From the third convolution to the output nothing is rounded: one cast in front of it, one behind the input.
    assert [node.op_type for node in half.graph.node].count("Cast") == 2


def test_all_in_fp32_answers_the_same_bits(lumas: list[np.ndarray]) -> None:
    model = network()
    everything = {node.name for node in model.graph.node}
    half = to_fp16(model, everything)
    np.testing.assert_array_equal(answers(half, lumas), answers(model, lumas))
    assert "Cast" not in {node.op_type for node in half.graph.node}


def test_first_layers_are_kept_until_the_bound_is_met(lumas: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    parities = iter([Parity(6, 0.8, 9.0), Parity(6, 0.6, 8.0), Parity(6, 0.4, 7.0)])
    monkeypatch.setattr(precision, "compare_models", lambda *_: next(parities))
    monkeypatch.setattr(precision, "FRONTS", (0.0, 1 / 5, 2 / 5, 3 / 5))
    said: list[str] = []
    half = to_half(model, lumas, say=said.append)
    assert half.parity == Parity(6, 0.4, 7.0)
    assert half.kept == kept_of(half.model) == ("first", "first_relu", "second")
    assert precision_of(half.model) == {"Conv": {"fp16": 1, "fp32": 4}}
    check_half(half.model)
    assert sum("of the layers kept FP32" in line for line in said) == 2


def test_front_is_a_share_of_the_layers() -> None:
    assert find_front(network().graph, 0) == set()
    assert find_front(network().graph, 1 / 5) == {"first"}
    assert find_front(network().graph, 1 / 16) == {"first"}


def test_bound_refuses(lumas: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "MEAN_BOUND", 1e-6)
    with pytest.raises(ExportError, match=r"FP16 differs from FP32 by .* nothing was written, use --"):
        to_half(network(), lumas)


@pytest.mark.parametrize("mean", [MEAN_BOUND * 1.01, float("nan"), float("inf")])
def test_parity_beyond_the_bound_or_not_a_number_is_refused(mean: float) -> None:
    check_half_parity(Parity(6, MEAN_BOUND, 200.0))
    with pytest.raises(ExportError, match="FP16 differs"):
        check_half_parity(Parity(6, mean, 1.0))


def test_answers_that_are_not_finite_are_refused(lumas: list[np.ndarray]) -> None:
    broken = network({"head": np.full((3, 4, 1, 1), np.nan, np.float32)})
    with pytest.raises(ExportError, match="not finite"):
        compare_models(broken, network(), lumas)
    with pytest.raises(ExportError):
        to_half(broken, lumas)


def test_fp16_graph_given_again_is_refused(lumas: list[np.ndarray]) -> None:
    half = to_half(network(), lumas)
    with pytest.raises(ExportError, match="already FP16"):
        to_half(half.model, lumas)


def test_quantized_graph_is_refused(lumas: list[np.ndarray]) -> None:
    model = network()
    model.graph.node[1].op_type = "QuantizeLinear"
    with pytest.raises(ExportError, match=r"quantized \(node 'first_relu'\)"):
        to_half(model, lumas)


def test_graph_that_only_says_fp16_is_refused(lumas: list[np.ndarray]) -> None:
    check_half(to_half(network(), lumas).model)
    with pytest.raises(ExportError, match=r"its layer first \(Conv\) is FP32"):
        check_half(network())
    partly = to_fp16(network(), {"second"} | find_tail(network().graph))
    with pytest.raises(ExportError, match=r"its layer second \(Conv\) is FP32"):
        check_half(partly)
    helper.set_model_props(partly, {KEPT_KEY: '["second"]'})
    check_half(partly)
    helper.set_model_props(partly, {KEPT_KEY: "{"})
    with pytest.raises(ExportError, match="damaged"):
        check_half(partly)
    everything = network()
    helper.set_model_props(everything, {KEPT_KEY: json.dumps([node.name for node in everything.graph.node])})
    with pytest.raises(ExportError, match="none of its layers is"):
        check_half(everything)


def test_layers_are_counted_by_operator_and_precision() -> None:
    assert precision_of(network()) == {"Conv": {"fp32": 5}}
    assert precision_of(to_fp16(network(), find_tail(network().graph))) == {"Conv": {"fp16": 3, "fp32": 2}}


def test_sensitive_operators_stay_fp32(lumas: list[np.ndarray]) -> None:
    half = to_fp16(network(tail="Relu"), set())
    assert precision_of(half) == {"Conv": {"fp16": 5}}
    for operator in SENSITIVE:
        model = network()
        model.graph.node[3].op_type = operator
        inferred = onnx.shape_inference.infer_shapes(to_fp16(model, set()))
        (node,) = [node for node in inferred.graph.node if node.name == "second_relu"]
        types = {value.name: value.type.tensor_type.elem_type for value in inferred.graph.value_info}
        assert types[node.output[0]] == TensorProto.FLOAT


def test_unknown_precision_names_the_known_ones() -> None:
    check_precision("fp16")
    with pytest.raises(UsageError, match="'int4' is unknown; choose one of fp32, fp16"):
        check_precision("int4")


def test_artistic_in_fp16(artistic_pth: Path) -> None:
    model = trace(load_network(artistic_pth).module, 4)
    half = to_half(model, parity_lumas(64)[:4])
    counts = precision_of(half.model)
    # The head and the mix of its RGB to chroma.
    assert (half.kept, counts["Conv"]["fp32"]) == ((), 2)
    assert counts["Conv"]["fp16"] > 50
    assert half.parity.mean <= MEAN_BOUND


def test_precision_needs_no_torch() -> None:
    program = "import sys; sys.modules['torch'] = None; import colorrt.export.precision.fp16"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
