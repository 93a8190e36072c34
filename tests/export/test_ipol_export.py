"""The IPOL network and the head of bins, through the exporter: the graph answers as PyTorch does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import safetensors.torch
import torch

from colorrt.export.exporting import export_network
from colorrt.models.encoders.resnet import ResNetShape
from colorrt.models.ipol import Ipol, IpolShape
from colorrt.models.lite import LiteShape
from colorrt.models.lite_bins import LiteBins

if TYPE_CHECKING:
    from pathlib import Path

BODY = ResNetShape(8, (8, 16, 16, 32), (1, 1, 1, 1), bottleneck=True)


@pytest.mark.parametrize("form", ["published", "equations"])
def test_ipol_exports_with_parity(form: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    shape = IpolShape(BODY, 16)
    if form == "equations":
        shape = IpolShape(BODY, 16, attention="equation5", limits="equation6")
    network = Ipol(shape)
    torch.nn.init.constant_(network.up_blocks[1].self_attention.gamma, 0.7)
    safetensors.torch.save_file(network.state_dict(), tmp_path / "ipol.safetensors")
    exported = export_network(tmp_path / "ipol.safetensors", 5, tmp_path / "ipol.onnx")
    assert exported.contract.model == "ipol"
    assert exported.contract.parity is not None
    assert exported.contract.parity.worst < 0.05


def test_bins_export_with_parity(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = LiteBins(LiteShape((16, 8, 8, 8), 8))
    torch.nn.init.normal_(network.bins.scores.weight, std=0.3)
    safetensors.torch.save_file(network.state_dict(), tmp_path / "bins.safetensors")
    exported = export_network(tmp_path / "bins.safetensors", None, tmp_path / "bins.onnx")
    assert exported.contract.model == "lite-bins"
    assert exported.contract.parity is not None
    assert exported.contract.parity.worst < 0.05
