"""The half ResNet-18 and its tutorial variant: recognized, built at several widths, damage named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from colorrt.errors import WeightsError
from colorrt.models.half_resnet import HalfResNet, HalfResNetShape, build, read_shape
from colorrt.models.registry import load_network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor, nn

    Draw = Callable[[nn.Module], dict[str, Tensor]]

TUTORIAL = "half-resnet18-tutorial"
SHAPES = [
    HalfResNetShape(planes=(6, 8), depths=(2, 1), widths=(7, 5, 4)),
    HalfResNetShape(TUTORIAL, (4, 6), (1, 3), (7, 5, 6, 3)),
]


@pytest.mark.parametrize("shape", SHAPES, ids=["hkust", "tutorial"])
def test_weights_make_the_network_that_they_were_taken_from(
    shape: HalfResNetShape, draw_weights: Draw, tmp_path: Path
) -> None:
    network = HalfResNet(shape)
    state = draw_weights(network)
    network.load_state_dict(state)
    torch.save(state, tmp_path / "a.pth")
    loaded = load_network(tmp_path / "a.pth")
    assert loaded.model == shape.variant
    assert read_shape(state) == shape
    luma = torch.linspace(0, 1, 48 * 48).reshape(1, 1, 48, 48)
    with torch.inference_mode():
        assert torch.equal(build(state)(luma), network.eval()(luma))
        assert loaded.module(luma).shape == (1, 2, 48, 48)


def test_full_shapes_have_the_parameters_of_the_published_files() -> None:
    with torch.device("meta"):
        networks = [HalfResNet(HalfResNetShape()), HalfResNet(HalfResNetShape(TUTORIAL, widths=(128, 64, 64, 32)))]
    assert [sum(one.numel() for one in network.parameters()) for network in networks] == [917_666, 954_722]
    assert [len(network.state_dict()) for network in networks] == [83, 90]


def test_damage_is_named_in_one_line(draw_weights: Draw) -> None:
    whole = draw_weights(HalfResNet(SHAPES[0]))
    for key in ("midlevel_resnet.5.0.conv1.weight", "midlevel_resnet.1.bias", "upsample.4.weight", "upsample.11.bias"):
        with pytest.raises(WeightsError, match=f"lacks {key}"):
            build({name: value for name, value in whole.items() if name != key})


def test_whole_pickled_module_of_another_network_is_told_as_such(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model100.pth")
    with pytest.raises(WeightsError, match=r"unknown network \(2 tensors: weight, bias"):
        load_network(tmp_path / "model100.pth")
