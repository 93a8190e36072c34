"""The exported graph: right sizes, right answers, nothing in it that export should have removed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

from colorrt.contract import Contract, Parity
from colorrt.errors import ExportError
from colorrt.export.checks import check_parity, check_structure, measure_parity
from colorrt.export.graph import OPSET, export_module, stamp, trace
from colorrt.models.color import ChromaOfRgb
from colorrt.models.deoldify import DeOldify, DeOldifyShape
from colorrt.models.encoders.resnet import ResNetShape
from colorrt.models.layers import blur
from colorrt.models.lite import Lite, LiteShape

TINY_DEOLDIFY = DeOldifyShape(ResNetShape(8, (8, 16, 16, 32), (1, 1, 1, 1), bottleneck=False), True, 48)


def tiny(name: str) -> nn.Module:
    """A small network with random weights, its attention and its statistics awake."""
    torch.manual_seed(3)
    network = Lite(LiteShape((16, 12, 8, 8), 8)) if name == "lite" else ChromaOfRgb(DeOldify(TINY_DEOLDIFY))
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if key.endswith("gamma"):
                tensor.fill_(0.5)
            elif key.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif key.endswith("head.weight"):
                tensor.normal_(std=0.3)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module", params=["lite", "deoldify"])
def dynamic(request: pytest.FixtureRequest) -> tuple[nn.Module, onnx.ModelProto]:
    network = tiny(request.param)
    return network, trace(network, None)


def answer(model: onnx.ModelProto, luma: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["chroma"], {"luma": luma})[0]


@pytest.mark.parametrize(("name", "render_factor"), [("lite", 1), ("lite", 3), ("deoldify", 1), ("deoldify", 5)])
def test_fixed_graph_answers_as_the_network_for_any_batch(name: str, render_factor: int) -> None:
    network = tiny(name)
    model = trace(network, render_factor)
    check_structure(model, fixed_size=True)
    size = 16 * render_factor
    luma = np.random.default_rng(1).random((3, 1, size, size), dtype=np.float32)
    expected = network(torch.from_numpy(luma)).numpy()
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(answer(model, luma), expected, atol=2e-5)
    np.testing.assert_allclose(answer(model, luma[:1]), expected[:1], atol=2e-5)


def test_fixed_graph_holds_no_shape_arithmetic_and_no_norms(dynamic: tuple[nn.Module, onnx.ModelProto]) -> None:
    network, _ = dynamic
    model = trace(network, 2)
    operators = {node.op_type for node in model.graph.node}
    assert not operators & {"Shape", "If", "Loop", "Gather", "Resize", "Dropout"}
    used = Counter(name for node in model.graph.node for name in node.input)
    foldable = {node.output[0] for node in model.graph.node if node.op_type == "Conv" and used[node.output[0]] == 1}
    after = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    assert not [node.name for node in after if node.input[0] in foldable]
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [OPSET]


@pytest.mark.parametrize("size", [16, 48, 80, 128])
def test_free_graph_takes_every_multiple_of_16(dynamic: tuple[nn.Module, onnx.ModelProto], size: int) -> None:
    network, model = dynamic
    check_structure(model, fixed_size=False)
    luma = np.random.default_rng(2).random((2, 1, size, size), dtype=np.float32)
    np.testing.assert_allclose(answer(model, luma), network(torch.from_numpy(luma)).numpy(), atol=2e-5)


def test_stamped_contract_is_read_back(dynamic: tuple[nn.Module, onnx.ModelProto]) -> None:
    contract = Contract("lite", None, "fp32", "plain", (1, None), 1.2, "ab", OPSET, "colorrt 9", Parity(4, 0.1, 0.2))
    model = onnx.ModelProto()
    model.CopyFrom(dynamic[1])
    stamp(model, contract)
    stamp(model, contract)
    found = [entry.value for entry in model.metadata_props if entry.key == "colorrt"]
    assert [Contract.from_json(text) for text in found] == [contract]


def test_structure_check_names_a_shape_node() -> None:
    model = trace(tiny("lite"), None)
    with pytest.raises(ExportError, match="Shape"):
        check_structure(model, fixed_size=True)


def test_structure_check_refuses_an_invalid_graph() -> None:
    model = trace(tiny("lite"), 1)
    model.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(ExportError, match="not valid ONNX"):
        check_structure(model, fixed_size=True)


def test_parity_sees_a_changed_weight() -> None:
    network = tiny("lite")
    model = trace(network, 2)
    lumas = [np.full((32, 32), level, np.float32) for level in (0.2, 0.4, 0.6, 0.8)]
    good = measure_parity(model, network, lumas)
    check_parity(good)
    assert good.photos == 4
    with torch.no_grad():
        network.get_parameter("head.bias").add_(0.05)
    bad = measure_parity(model, network, lumas)
    assert bad.mean > 1.0
    with pytest.raises(ExportError, match="differs from the network"):
        check_parity(bad)


def test_parity_refuses_answers_that_are_not_finite() -> None:
    network = tiny("lite")
    with torch.no_grad():
        network.get_parameter("head.bias").fill_(float("nan"))
    model = trace(network, 1)
    with pytest.raises(ExportError, match="not finite"):
        measure_parity(model, network, [np.zeros((16, 16), np.float32)] * 4)


class Blurred(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return blur(x)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 1), (2, 2), (5, 8)])
def test_blur_becomes_one_exact_pool_down_to_one_pixel(shape: tuple[int, int]) -> None:
    picture = torch.rand(1, 3, *shape)
    model = export_module(Blurred(), picture, None)
    assert [node.op_type for node in model.graph.node] == ["AveragePool"]
    assert len(model.graph.initializer) == 0
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_allclose(answer(model, picture.numpy()), blur(picture).numpy(), atol=2e-7)


def test_every_blur_of_a_network_is_merged(dynamic: tuple[nn.Module, onnx.ModelProto]) -> None:
    operators = Counter(node.op_type for node in dynamic[1].graph.node)
    assert operators["AveragePool"] == 5
    assert "Pad" not in operators


class Bordered(nn.Module):
    """What is no blur: another edge, another padding, or a pool that others share the padding with."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pool = torch.nn.functional.avg_pool2d
        if self.kind == "last edges":
            return pool(torch.nn.functional.pad(x, (0, 1, 0, 1), mode="replicate"), 2, stride=1)
        if self.kind == "zeros":
            return pool(torch.nn.functional.pad(x, (1, 0, 1, 0)), 2, stride=1)
        padded = torch.nn.functional.pad(x, (1, 0, 1, 0), mode="replicate")
        if self.kind == "strides":
            return pool(padded, 2, stride=2)
        return pool(padded, 2, stride=1) + padded[..., 1:, 1:]


@pytest.mark.parametrize("kind", ["last edges", "zeros", "strides", "shared"])
def test_what_is_no_blur_is_left_alone(kind: str) -> None:
    picture = torch.rand(1, 2, 6, 4)
    network = Bordered(kind)
    model = export_module(network, picture, None)
    assert "Pad" in {node.op_type for node in model.graph.node}
    np.testing.assert_allclose(answer(model, picture.numpy()), network(picture).numpy(), atol=2e-7)
