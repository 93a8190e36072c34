"""A network that is all that `lite` is not: a Lab head, no attention, a size of its own. One `Family` is enough."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from colorrt.contract import Contract
from colorrt.errors import ExportError, UsageError
from colorrt.export import memory
from colorrt.export.exporting import export_network
from colorrt.export.memory import check_memory, estimate_memory
from colorrt.models import registry
from colorrt.models.color import ChromaOfLab, LabScale
from colorrt.models.family import Family
from colorrt.models.registry import load_network
from colorrt.models.weights.checkpoint import fill
from colorrt.photos.shipped import parity_lumas
from colorrt.runtime.artifact import read_artifact

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCALE = LabScale(center=50, spread=50, gain=110)


class Tiny(nn.Module):
    """L to a and b at half the size and back."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 8, 4, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(8, 2, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.up(torch.relu(self.down(x))))


def build(state: Mapping[str, Tensor]) -> nn.Module:
    with torch.device("meta"):
        network = Tiny()
    fill(network, state, "tiny")
    return ChromaOfLab(network, SCALE).eval()


FAMILY = Family(
    name="tiny",
    title="a network of the tests",
    models=("tiny-lab",),
    recognize=lambda state: "tiny-lab" if "down.weight" in state else None,
    build=build,
    bytes_per_pixel=600,
    default_saturation=1.25,
)


def use(monkeypatch: pytest.MonkeyPatch, family: Family) -> None:
    monkeypatch.setattr(registry, "FAMILIES", (*registry.FAMILIES, family))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(6)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    network = Tiny()
    nn.init.normal_(network.up.weight, std=0.3)
    save_file(network.state_dict(), path)
    return path


@pytest.mark.parametrize("render_factor", [None, 3])
def test_lab_network_is_exported_as_it_answers(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, render_factor: int | None
) -> None:
    use(monkeypatch, FAMILY)
    said: list[str] = []
    exported = export_network(weights, render_factor, tmp_path / "lab.onnx", attention="plain", say=said.append)
    contract = read_artifact(exported.path).contract
    assert (contract.model, contract.attention, contract.saturation) == ("tiny-lab", None, 1.25)
    assert Contract.from_json(contract.to_json()) == contract
    assert "tracing the graph, no attention" in said
    assert "tiny-lab has no attention: --attention plain changes nothing" in said
    session = ort.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    module = load_network(weights).module
    for luma in parity_lumas(48):
        # Black and white, where the curves bend and powers lose most.
        square = np.concatenate([luma, np.linspace(0, 1, 48 * 48, dtype=np.float32).reshape(48, 48)])
        pair = square.reshape(2, 1, 48, 48)
        with torch.inference_mode():
            expected = module(torch.from_numpy(pair)).numpy()
        assert np.ptp(expected) > 0.1
        np.testing.assert_allclose(session.run(None, {"luma": pair})[0], expected, atol=5e-6)


def test_lab_arithmetic_stays_fp32_in_an_fp16_graph(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, FAMILY)
    exported = export_network(weights, 4, tmp_path / "half.onnx", precision="fp16")
    model = onnx.shape_inference.infer_shapes(onnx.load(exported.path))
    kinds = {value.name: value.type.tensor_type.elem_type for value in model.graph.value_info}
    powers = [node for node in model.graph.node if node.op_type == "Pow"]
    assert len(powers) >= 3
    assert all(kinds[node.output[0]] == onnx.TensorProto.FLOAT for node in powers)
    assert onnx.TensorProto.FLOAT16 in kinds.values()


def test_network_without_attention_needs_no_memory_for_it(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FAMILY)
    network = load_network(weights)
    assert FAMILY.attention_tokens(512) == 0
    base = estimate_memory(network, 1, None)
    assert estimate_memory(network, 64, None) - base == 600 * (1024**2 - 16**2)

    class Little:
        available = 1_000_000

    monkeypatch.setattr(memory.psutil, "virtual_memory", Little)
    with pytest.raises(ExportError, match=r"to export and 0\.0 GB are free; use a smaller --render-factor or"):
        check_memory(network, 64, None)


def test_network_made_for_one_size_is_fixed_to_it(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, replace(FAMILY, default_render_factor=2, size_multiple=32))
    said: list[str] = []
    monkeypatch.chdir(tmp_path)
    exported = export_network(weights, None, say=said.append)
    assert (exported.contract.render_factor, exported.path.name) == (2, "colorrt-tiny-lab-rf2.onnx")
    assert any(
        line.startswith("tiny-lab is made for render factor 2, 32 x 32: the graph is fixed to it") for line in said
    )
    assert export_network(weights, 4).contract.render_factor == 4
    with pytest.raises(UsageError, match="render factor 3 makes 48; take a multiple of 2"):
        export_network(weights, 3)


def test_steps_that_a_graph_of_any_size_cannot_keep_are_refused(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, replace(FAMILY, size_multiple=32))
    with pytest.raises(UsageError, match="steps of 32 pixels, and a graph of any size has steps of 16; add"):
        export_network(weights, None)
