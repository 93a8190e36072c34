"""The frame around networks that guess RGB: luma in, chroma out."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from colorrt.models.color import ChromaOfRgb, chroma_matrix

MEAN = np.array([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
STD = np.array([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)


class Spy(nn.Module):
    """Answers with a given picture and keeps what it was given."""

    def __init__(self, answer: Tensor | None = None) -> None:
        super().__init__()
        self.answer = answer
        self.given = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        self.given = x
        return x if self.answer is None else self.answer


def test_network_gets_normalized_gray_in_three_channels() -> None:
    luma = torch.rand(2, 1, 16, 16)
    spy = Spy()
    ChromaOfRgb(spy)(luma)
    np.testing.assert_allclose(spy.given.numpy(), (luma.numpy().astype(np.float64) - MEAN) / STD, atol=1e-6)


def test_gray_guess_has_no_chroma() -> None:
    chroma = ChromaOfRgb(Spy())(torch.rand(2, 1, 16, 16))
    assert chroma.shape == (2, 2, 16, 16)
    assert chroma.dtype == torch.float32
    assert float(chroma.abs().max()) < 1e-6


def test_chroma_is_that_of_the_clamped_guess() -> None:
    torch.manual_seed(1)
    guess = torch.randn(2, 3, 16, 16) * 2
    rgb = guess.numpy().astype(np.float64) * STD + MEAN
    assert rgb.min() < 0
    assert rgb.max() > 1
    red, green, blue = np.clip(rgb, 0, 1).transpose(1, 0, 2, 3)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    expected = np.stack([0.492 * (blue - y), 0.877 * (red - y)], axis=1)
    chroma = ChromaOfRgb(Spy(guess))(torch.zeros(2, 1, 16, 16))
    np.testing.assert_allclose(chroma.numpy(), expected, atol=1e-6)


def test_pure_blue_and_red_reach_the_ends_of_the_axes() -> None:
    u, v = chroma_matrix()
    np.testing.assert_allclose([u[2], v[0]], [0.492 * 0.886, 0.877 * 0.701], rtol=1e-6)


def test_frame_adds_nothing_to_the_state_dict() -> None:
    assert list(ChromaOfRgb(nn.Conv2d(3, 3, 1)).state_dict()) == ["network.weight", "network.bias"]
