"""Dahl's networks: recognized and built at several widths, doubled as TensorFlow did, damage named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from colorrt.contract import LUMA_OF_RGB
from colorrt.errors import WeightsError
from colorrt.models.color import chroma_matrix
from colorrt.models.dahl import (
    CAFFE,
    GAINS,
    GRAY,
    Hypercolumns,
    HypercolumnShape,
    ResidualEncoder,
    ResidualShape,
    Vgg,
    build,
    double,
    load_vgg,
    read_shape,
)
from colorrt.models.registry import load_network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor, nn

    Draw = Callable[[nn.Module], dict[str, Tensor]]

VGG = (4, 6, 8, 10)
SHAPES = [
    ResidualShape(VGG),
    HypercolumnShape(VGG, (7, 5, 3)),
    HypercolumnShape((2, 3, 4, 5), (6, 4)),
]


def make(shape: ResidualShape | HypercolumnShape) -> ResidualEncoder | Hypercolumns:
    return ResidualEncoder(shape) if isinstance(shape, ResidualShape) else Hypercolumns(shape)


@pytest.mark.parametrize("shape", SHAPES, ids=["residual", "hypercolumns", "without the narrow layer"])
def test_weights_make_the_network_that_they_were_taken_from(
    shape: ResidualShape | HypercolumnShape, draw_weights: Draw, tmp_path: Path
) -> None:
    network = make(shape)
    state = draw_weights(network)
    network.load_state_dict(state)
    torch.save(state, tmp_path / "a.pth")
    loaded = load_network(tmp_path / "a.pth")
    assert loaded.model == ("dahl-residual" if isinstance(shape, ResidualShape) else "dahl-hypercolumns")
    assert read_shape(state) == shape
    luma = torch.linspace(0, 1, 32 * 32).reshape(1, 1, 32, 32)
    with torch.inference_mode():
        assert torch.equal(build(state)(luma), network.eval()(luma))
        assert loaded.module(luma).shape == (1, 2, 32, 32)


def test_full_shapes_have_the_parameters_of_the_code() -> None:
    with torch.device("meta"):
        residual, columns = ResidualEncoder(ResidualShape()), Hypercolumns(HypercolumnShape(widths=(128, 64)))
    own = [
        sum(one.numel() for name, one in network.named_parameters() if not name.startswith("vgg."))
        for network in (residual, columns)
    ]
    assert sum(one.numel() for one in residual.vgg.parameters()) == 7_635_264
    assert own[1] == 1_184_644
    assert 490_000 < own[0] < 510_000


def test_doubling_keeps_each_value_and_puts_means_behind() -> None:
    x = torch.tensor([[1.0, 3.0], [5.0, 9.0]])[None, None]
    wanted = torch.tensor([[1.0, 2, 3, 3], [3, 4.5, 6, 6], [5, 7, 9, 9], [5, 7, 9, 9]])
    assert torch.equal(double(x)[0, 0], wanted)


def test_gains_are_those_of_jpeg_against_bt601() -> None:
    rgb = torch.rand(3, 50)
    luma = torch.tensor(LUMA_OF_RGB) @ rgb
    colors = torch.stack([(rgb[2] - luma) / 1.772, (rgb[0] - luma) / 1.402])
    torch.testing.assert_close(torch.tensor(GAINS)[:, None] * colors, chroma_matrix() @ rgb, atol=1e-6, rtol=1e-5)
    assert pytest.approx((0.871824, 1.229554)) == GAINS
    assert pytest.approx(0.50196, abs=1e-5) == GRAY


def test_vgg_sees_levels_without_the_mean(draw_weights: Draw) -> None:
    vgg = Vgg(VGG)
    published = {key: value for key, value in draw_weights(vgg).items() if key.startswith("features.")}
    published |= {"features.24.weight": torch.zeros(3, 3, 3, 3), "classifier.0.bias": torch.zeros(3)}
    gray = torch.rand(1, 1, 16, 16)
    mean, deviation = (torch.tensor(one)[:, None, None] for one in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    levels = 255 * gray - torch.tensor(CAFFE[1])[:, None, None]
    for convention, seen in (("caffe", levels), ("torchvision", (gray - mean) / deviation)):
        load_vgg(vgg, published, convention)
        with torch.inference_mode():
            torch.testing.assert_close(vgg(gray)[0], vgg.features[:4](seen), atol=1e-3, rtol=1e-4)


def test_other_networks_are_refused_as_vgg(draw_weights: Draw) -> None:
    state = draw_weights(Vgg(VGG))
    with pytest.raises(WeightsError, match=r"features\.0\.weight is missing or of another shape"):
        load_vgg(Vgg((3, 6, 8, 10)), state, "caffe")


def test_damage_is_named_in_one_line(draw_weights: Draw) -> None:
    for shape, keys in ((SHAPES[0], ("steps.3.conv.weight", "taps.1.bias")), (SHAPES[1], ("layers.0.norm.bias",))):
        whole = draw_weights(make(shape))
        for key in (*keys, "vgg.features.7.weight", "vgg.shift"):
            with pytest.raises(WeightsError, match=f"lacks {key}"):
                build({name: value for name, value in whole.items() if name != key})
