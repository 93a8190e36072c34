"""The networks that the papers' recipes train, small, through the exporter: FP32 and FP16 graphs answer as PyTorch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
import pytest
import torch

from colorrt.export.exporting import export_network
from colorrt.models.dahl import ResidualEncoder, ResidualShape
from colorrt.models.encoders.convnext import ConvNextShape
from colorrt.models.encoders.extractors import EXTRACTORS, ConvNextLogits
from colorrt.models.fusion import Fusion, FusionShape
from colorrt.models.kth import KthShape, KthUnet
from colorrt.models.registry import load_network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor, nn

    Draw = Callable[[nn.Module], dict[str, Tensor]]

FUSION = FusionShape("convnext", 7, 5, (2, 3, 3, 4, 4, 6, 6, 5), 5, (4, 3, 3, 2))
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "kth-unet": lambda: KthUnet(KthShape((4, 6, 8, 10, 12), (10, 8, 6, 4), "batch")),
    "dahl-residual": lambda: ResidualEncoder(ResidualShape((4, 6, 8, 10))),
    "fusion-bins": lambda: Fusion(FUSION),
}


@pytest.fixture(autouse=True)
def _small_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fusion network's classifier, small: whole, it takes a minute to trace."""
    shape = ConvNextShape((4, 6, 8, 10), (1, 1, 1, 1))
    small = replace(EXTRACTORS["convnext"], make=lambda classes: ConvNextLogits(classes, shape))
    monkeypatch.setitem(EXTRACTORS, "convnext", small)


@pytest.mark.parametrize("model", NETWORKS)
def test_graph_answers_as_the_network_does(model: str, draw_weights: Draw, tmp_path: Path) -> None:
    torch.save(draw_weights(NETWORKS[model]()), tmp_path / "weights.pth")
    exported = export_network(tmp_path / "weights.pth", 3, tmp_path / "a.onnx")
    assert exported.contract.model == model
    module = load_network(tmp_path / "weights.pth").module
    session = ort.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    luma = np.linspace(0, 1, 2 * 48**2, dtype=np.float32).reshape(2, 1, 48, 48)
    luma[1] = luma[1].transpose(0, 2, 1)[:, ::-1] ** 2
    with torch.inference_mode():
        expected = module(torch.from_numpy(luma)).numpy()
    answer = session.run(["chroma"], {"luma": luma})[0]
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(answer, expected, atol=5e-5)


def test_graph_holds_in_fp16(draw_weights: Draw, tmp_path: Path) -> None:
    torch.save(draw_weights(NETWORKS["kth-unet"]()), tmp_path / "weights.pth")
    exported = export_network(tmp_path / "weights.pth", 3, tmp_path / "half.onnx", precision="fp16")
    parity = exported.contract.precision_parity
    assert parity is not None
    assert parity.mean < 0.5
