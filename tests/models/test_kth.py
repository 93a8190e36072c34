"""KTH's U-Net: recognized and built at several widths, padded as TensorFlow pads, damage named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F

from colorrt.errors import WeightsError
from colorrt.models.kth import Affine, Down, KthShape, KthUnet, Up, build, read_shape
from colorrt.models.registry import load_network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor, nn

    Draw = Callable[[nn.Module], dict[str, Tensor]]

SHAPES = [KthShape((4, 6, 8, 10, 12), (10, 8, 6, 4), "affine"), KthShape((2, 3, 4, 5, 6), (6, 5, 4, 3), "batch")]


@pytest.mark.parametrize("shape", SHAPES, ids=["affine", "batch"])
def test_weights_make_the_network_that_they_were_taken_from(
    shape: KthShape, draw_weights: Draw, tmp_path: Path
) -> None:
    network = KthUnet(shape)
    state = draw_weights(network)
    network.load_state_dict(state)
    torch.save(state, tmp_path / "a.pth")
    loaded = load_network(tmp_path / "a.pth")
    assert loaded.model == "kth-unet"
    assert read_shape(state) == shape
    luma = torch.linspace(0, 1, 48 * 48).reshape(1, 1, 48, 48)
    with torch.inference_mode():
        assert torch.equal(build(state)(luma), network.eval()(luma))
        assert loaded.module(luma).shape == (1, 2, 48, 48)


@pytest.mark.parametrize("norm", ["affine", "batch"])
def test_full_shape_has_the_parameters_of_the_published_code(norm: str) -> None:
    with torch.device("meta"):
        network = KthUnet(KthShape(norm="batch" if norm == "batch" else "affine"))
    assert sum(one.numel() for one in network.parameters()) == 16_654_722


def test_stride_one_reaches_one_pixel_in_front_and_two_behind() -> None:
    conv = Down(1, 1, 1)
    torch.nn.init.ones_(conv.weight)
    torch.nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # there is one
    sums = conv(torch.ones(1, 1, 6, 6))[0, 0]
    along = torch.tensor([3.0, 4, 4, 4, 3, 2])
    assert torch.equal(sums, along[:, None] * along)


@pytest.mark.parametrize("size", [2, 4])
def test_products_of_small_pictures_are_the_convolutions(size: int) -> None:
    torch.manual_seed(2)
    x = torch.randn(3, 5, size, size)
    for layer in (Down(5, 7, 2), Up(5, 7)):
        by_product, by_convolution = layer.train()(x), layer.eval()(x)
        torch.testing.assert_close(by_product, by_convolution, atol=1e-5, rtol=1e-5)


def test_affine_is_batch_norm_that_was_never_told_of_training() -> None:
    torch.manual_seed(3)
    affine, x = Affine(4), torch.randn(2, 4, 3, 3)
    torch.nn.init.normal_(affine.weight)
    torch.nn.init.normal_(affine.bias)
    wanted = F.batch_norm(x, torch.zeros(4), torch.ones(4), affine.weight, affine.bias, eps=1e-3)
    torch.testing.assert_close(affine(x), wanted)


def test_values_are_dropped_in_training_alone() -> None:
    network, x = KthUnet(SHAPES[0], 0.5, 0.5), torch.randn(1, 1, 32, 32)
    with torch.inference_mode():
        assert not torch.equal(network(x), network(x))
        network.eval()
        assert torch.equal(network(x), network(x))


def test_damage_is_named_in_one_line(draw_weights: Draw) -> None:
    whole = draw_weights(KthUnet(SHAPES[0]))
    for key in ("enc.3.conv.weight", "dec.1.conv.weight", "dec.2.norm.bias", "out.weight"):
        with pytest.raises(WeightsError, match=f"lacks {key}"):
            build({name: value for name, value in whole.items() if name != key})
    with pytest.raises(WeightsError, match=r"enc\.1\.conv\.weight is \(3,\)"):
        build(whole | {"enc.1.conv.weight": torch.zeros(3)})
