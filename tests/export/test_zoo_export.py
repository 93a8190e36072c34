"""The networks of the papers, small, through the exporter: FP32 and FP16 graphs answer as PyTorch does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from colorrt.errors import UsageError
from colorrt.export import exporting
from colorrt.export.exporting import check_size, export_network
from colorrt.models.color_queries import QueryShape
from colorrt.models.ddcolor import DDColor, DDColorShape
from colorrt.models.encoders.convnext import ConvNextShape
from colorrt.models.half_resnet import HalfResNet, HalfResNetShape
from colorrt.models.registry import FAMILIES, load_network
from colorrt.models.zhang import Eccv16, Eccv16Shape, Siggraph17, Siggraph17Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor, nn

    Draw = Callable[[nn.Module], dict[str, Tensor]]

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "eccv16": lambda: Eccv16(Eccv16Shape((4, 6, 8, 10, 8, 10, 8, 6), (2, 2, 3, 3, 3, 3, 3, 2), 9)),
    "siggraph17": lambda: Siggraph17(Siggraph17Shape((4, 6, 8, 10, 8, 10, 8, 6, 5, 7), classes=0)),
    "ddcolor-tiny": lambda: DDColor(DDCOLOR),
    "half-resnet18": lambda: HalfResNet(HalfResNetShape(planes=(6, 8), widths=(7, 5, 4))),
}
# Sides that are tried; where it is but one, the graph is made for it.
SIDES = {"eccv16": (48, 80), "siggraph17": (48, 80), "ddcolor-tiny": (64,), "half-resnet18": (48,)}

DDCOLOR = DDColorShape(
    ConvNextShape((8, 12, 16, 24), (1, 1, 2, 1)), (12, 12, 8), (16, 12, 8), QueryShape(7, 16, 3, 24, (16, 12, 8), 8)
)


@pytest.fixture(scope="module", params=NETWORKS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def weights(model: str, draw_weights: Draw, tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = draw_weights(NETWORKS[model]())
    if "std" in state:
        state |= {"mean": torch.full((1, 3, 1, 1), 0.45), "std": torch.full((1, 3, 1, 1), 0.23)}
    path = tmp_path_factory.mktemp(model) / "weights.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def traced() -> Iterator[None]:
    """Trace each network once a size: that takes most of an export, and FP16 begins with the graph of FP32."""
    real, kept = exporting.trace, {}

    def trace_once(module: nn.Module, render_factor: int | None) -> onnx.ModelProto:
        key = sum(int(value.sum() * 1e6) for value in module.state_dict().values()), render_factor
        if key not in kept:
            kept[key] = real(module, render_factor)
        copy = onnx.ModelProto()
        copy.CopyFrom(kept[key])
        return copy

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting, "trace", trace_once)
        yield


@pytest.mark.usefixtures("traced")
def test_graph_answers_as_the_network_does_and_holds_in_fp16(model: str, weights: Path, tmp_path: Path) -> None:
    sides = SIDES[model]
    factor = None if len(sides) > 1 else sides[0] // 16
    exported = export_network(weights, factor, tmp_path / "a.onnx")
    assert exported.contract.model == model
    module = load_network(weights).module
    session = ort.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    for side in sides:
        luma = np.linspace(0, 1, 2 * side**2, dtype=np.float32).reshape(2, 1, side, side)
        luma[1] = luma[1].transpose(0, 2, 1)[:, ::-1] ** 2
        with torch.inference_mode():
            expected = module(torch.from_numpy(luma)).numpy()
        answer = session.run(["chroma"], {"luma": luma})[0]
        assert np.ptp(expected) > 0.01
        np.testing.assert_allclose(answer, expected, atol=5e-5)
    half = export_network(weights, factor, tmp_path / "half.onnx", precision="fp16")
    assert half.contract.precision == "fp16"
    parity = half.contract.precision_parity
    assert parity is not None
    assert parity.mean < 0.5


def test_sizes_and_default_of_ddcolor_are_its_own() -> None:
    family = next(family for family in FAMILIES if family.name == "ddcolor")
    assert family.default_render_factor == 32
    with pytest.raises(UsageError, match="steps of 32 pixels, and render factor 9 makes 144; take a multiple of 2"):
        check_size(family, 9)
