"""The frame around networks that guess a and b of Lab, against a float64 reference written from the definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor, nn

from colorrt.models.color import ChromaOfLab, LabScale, lightness_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

XYZ_OF_RGB = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
WHITE = np.array([0.95047, 1.0, 1.08883])


def lab_of_rgb(rgb: Floats) -> Floats:
    """... x 3, gamma-coded 0..1 -> L, a, b."""
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    ratio = linear @ XYZ_OF_RGB.T / WHITE
    x, y, z = np.moveaxis(np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def rgb_of_lab(lab: Floats) -> Floats:
    """L, a, b (... x 3) -> gamma-coded RGB, clipped at the very end."""
    lightness, a, b = np.moveaxis(lab, -1, 0)
    y = (lightness + 16) / 116
    curved = np.stack([y + a / 500, y, np.maximum(y - b / 200, 0)], axis=-1)
    ratio = np.where(curved > 0.2068966, curved**3, (curved - 16 / 116) / 7.787)
    linear = (ratio * WHITE) @ np.linalg.inv(XYZ_OF_RGB).T
    coded = 12.92 * linear
    above = linear > 0.0031308
    coded[above] = 1.055 * linear[above] ** (1 / 2.4) - 0.055
    return coded.clip(0, 1)


def chroma_of_rgb(rgb: Floats) -> Floats:
    red, green, blue = np.moveaxis(rgb, -1, 0)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.stack([0.492 * (blue - y), 0.877 * (red - y)], axis=-1)


class Answering(nn.Module):
    """Answers with given a and b, and keeps what it was given."""

    def __init__(self, ab: Tensor) -> None:
        super().__init__()
        self.ab = ab
        self.given = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        self.given = x
        return self.ab


PLAIN = LabScale(center=0, spread=1, gain=1, offset=0)
unit = st.floats(0, 1, width=32)
planes = hnp.arrays(np.float32, (1, 1, 3, 5), elements=unit)
colors = hnp.arrays(np.float32, (1, 2, 3, 5), elements=st.floats(-128, 127, width=32))


@given(luma=planes)
def test_lightness_is_that_of_the_gray_pixel(luma: NDArray[np.float32]) -> None:
    gray = np.repeat(luma.astype(np.float64)[..., None], 3, axis=-1)
    np.testing.assert_allclose(lightness_of(torch.from_numpy(luma)).numpy(), lab_of_rgb(gray)[..., 0], atol=2e-4)


@given(luma=planes, ab=colors)
def test_chroma_is_that_of_the_lab_color_brought_into_rgb(luma: NDArray[np.float32], ab: NDArray[np.float32]) -> None:
    gray = np.repeat(luma.astype(np.float64)[0, 0, ..., None], 3, axis=-1)
    lab = np.concatenate([lab_of_rgb(gray)[..., :1], np.moveaxis(ab[0], 0, -1)], axis=-1)
    chroma = ChromaOfLab(Answering(torch.from_numpy(ab)), PLAIN)(torch.from_numpy(luma))
    assert chroma.dtype == torch.float32
    np.testing.assert_allclose(np.moveaxis(chroma.numpy()[0], 0, -1), chroma_of_rgb(rgb_of_lab(lab)), atol=3e-5)


def test_reference_is_lab_as_scikit_image_has_it() -> None:
    color = pytest.importorskip("skimage.color")
    rgb = np.random.default_rng(1).random((40, 40, 3))
    np.testing.assert_allclose(lab_of_rgb(rgb), color.rgb2lab(rgb), atol=1e-6)
    np.testing.assert_allclose(rgb_of_lab(lab_of_rgb(rgb)), color.lab2rgb(color.rgb2lab(rgb)), atol=1e-6)


def test_true_colors_of_gray_luma_come_back() -> None:
    """With true a and b, chroma is the photograph's but for what L of gray differs from L of color."""
    rgb = 0.5 + 0.2 * (np.random.default_rng(2).random((32, 32, 3)) - 0.5)
    luma = rgb @ np.array([0.299, 0.587, 0.114])
    ab = torch.from_numpy(lab_of_rgb(rgb)[..., 1:]).float().permute(2, 0, 1)[None]
    chroma = ChromaOfLab(Answering(ab), PLAIN)(torch.from_numpy(luma).float()[None, None])
    np.testing.assert_allclose(np.moveaxis(chroma.numpy()[0], 0, -1), chroma_of_rgb(rgb), atol=1e-3)


def test_gray_guess_has_no_chroma() -> None:
    # Lab's white and the matrix differ in the fifth digit: a hundredth of a level of 255.
    luma = torch.linspace(0, 1, 64).reshape(1, 1, 8, 8)
    chroma = ChromaOfLab(Answering(torch.zeros(1, 2, 8, 8)))(luma)
    assert float(chroma.abs().max()) < 5e-5


@pytest.mark.parametrize("ab", [(0, 400), (0, -400), (400, 0), (-400, 0), (-900, 900)])
def test_colors_far_outside_of_rgb_are_finite_and_within_its_chroma(ab: tuple[float, float]) -> None:
    luma = torch.linspace(0, 1, 64).reshape(1, 1, 8, 8)
    guess = torch.tensor(ab, dtype=torch.float32).reshape(1, 2, 1, 1).expand(1, 2, 8, 8)
    chroma = ChromaOfLab(Answering(guess), PLAIN)(luma)
    assert bool(chroma.isfinite().all())
    assert float(chroma[:, 0].abs().max()) <= 0.492 * 0.886 + 1e-6
    assert float(chroma[:, 1].abs().max()) <= 0.877 * 0.701 + 1e-6


def test_network_is_asked_and_understood_in_its_own_scale() -> None:
    luma = torch.rand(2, 1, 8, 8)
    scaled, plain = Answering(torch.rand(2, 2, 8, 8) - 0.5), Answering(torch.empty(0))
    chroma = ChromaOfLab(scaled, LabScale(center=50, spread=50, gain=127.5, offset=-0.5))(luma)
    torch.testing.assert_close(scaled.given, lightness_of(luma) / 50 - 1, atol=1e-6, rtol=1e-6)
    plain.ab = scaled.ab * 127.5 - 0.5
    torch.testing.assert_close(ChromaOfLab(plain, PLAIN)(luma), chroma)


def test_gradients_are_finite_from_black_to_white() -> None:
    luma = torch.linspace(0, 1, 64).reshape(1, 1, 8, 8)
    ab = (torch.linspace(-120, 120, 128).reshape(1, 2, 8, 8)).requires_grad_()
    ChromaOfLab(Answering(ab), PLAIN)(luma).square().sum().backward()
    assert ab.grad is not None
    assert bool(ab.grad.isfinite().all())


def test_frame_adds_nothing_to_the_state_dict() -> None:
    assert list(ChromaOfLab(nn.Conv2d(1, 2, 1)).state_dict()) == ["network.weight", "network.bias"]
