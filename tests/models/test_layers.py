"""Layers that networks share: attention, blur, crop, and how pixel shuffles begin."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from colorrt.models.layers import SelfAttention, blur, crop_to, icnr_, resize_square


def test_attention_is_its_definition() -> None:
    torch.manual_seed(6)
    layer = SelfAttention(12, 5)
    with torch.no_grad():
        layer.gamma.fill_(0.7)
    x = torch.randn(2, 12, 3, 4)
    positions = x.double().numpy().reshape(2, 12, 12)
    query, key, value = (
        convolution.weight.detach().double().numpy()[..., 0] for convolution in (layer.query, layer.key, layer.value)
    )
    expected = np.empty_like(positions)
    for picture, flat in enumerate(positions):
        for here in range(12):
            scores = np.array([(key @ flat[:, here]) @ (query @ flat[:, there]) for there in range(12)])
            weights = np.exp(scores - scores.max())
            attended = (value @ flat) @ (weights / weights.sum())
            expected[picture, :, here] = 0.7 * attended + flat[:, here]
    with torch.inference_mode():
        np.testing.assert_allclose(layer(x).numpy(), expected.reshape(x.shape), atol=1e-5)


def test_fresh_attention_passes_its_input_through() -> None:
    x = torch.randn(1, 8, 4, 4)
    with torch.inference_mode():
        assert torch.equal(SelfAttention(8, 2)(x), x)


def test_blur_averages_each_pixel_with_those_above_and_left() -> None:
    x = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(7))
    given = x.double().numpy()
    expected = np.empty_like(given)
    for row in range(5):
        for column in range(7):
            rows, columns = [max(row - 1, 0), row], [max(column - 1, 0), column]
            expected[..., row, column] = sum(given[..., r, c] for r in rows for c in columns) / 4
    np.testing.assert_allclose(blur(x).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 9, 15, 16, 33])
def test_crop_is_nearest_interpolation_to_the_size_before_rounding_up(size: int) -> None:
    doubled = torch.randn(1, 2, 2 * ((size + 1) // 2), 2 * ((size + 2) // 2))
    like = torch.empty(1, 5, size, size + 1)
    cropped = crop_to(doubled, like)
    assert cropped.shape == (1, 2, size, size + 1)
    assert torch.equal(cropped, F.interpolate(doubled, size=like.shape[-2:], mode="nearest"))


@pytest.mark.parametrize("scale", [2, 3])
def test_icnr_makes_pixel_shuffle_begin_as_nearest_upsampling(scale: int) -> None:
    torch.manual_seed(8)
    weight = torch.empty(4 * scale**2, 6, 1, 1)
    icnr_(weight, scale)
    x = torch.randn(1, 6, 5, 7)
    shuffled = F.pixel_shuffle(F.conv2d(x, weight), scale)
    nearest = F.interpolate(F.conv2d(x, weight[:: scale**2]), scale_factor=scale, mode="nearest")
    torch.testing.assert_close(shuffled, nearest)
    assert float(weight.std()) > 0.1


@pytest.mark.parametrize(("side", "size"), [(16, 23), (48, 32), (33, 33), (64, 7)])
def test_squares_are_resized_as_pytorch_interpolates(side: int, size: int) -> None:
    x = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(3))
    wanted = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
    torch.testing.assert_close(resize_square(x, size), wanted, atol=1e-5, rtol=0)
