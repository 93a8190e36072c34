"""What a network of the papers is given and asked for, in its own units, and what its guesses mean as chroma."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.models.color import WHITE, XYZ_OF_RGB, ChromaOfLab, LabScale, lightness_of
from colorrt.models.dahl import GAINS, GRAY
from colorrt.training.squares.augment import join

_CODED_KNEE, _RATIO_KNEE = 0.04045, 0.008856


class Frame(Protocol):
    """Between luma (N x 1 x S x S, 0..1) with chroma (N x 2 x S x S), and a network's input and output."""

    def to(self, device: torch.device) -> object:
        """Move the constants to a device."""

    def see(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Make the network's input: N x 1 x S x S. `chroma` is of the original, which some papers look at."""

    def truth(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Make what the network should answer: N x 2 x S x S."""

    def chroma(self, luma: Tensor, guess: Tensor) -> Tensor:
        """Make chroma (N x 2 x S x S) of the network's answer."""


class LabFrame(nn.Module):
    """a and b of CIE Lab from lightness, scaled as `scale` says.

    `lightness`: "gray" gives the network L of the gray picture, as inference does; "color" L of the original, as the
    papers train and measure (0.6 of 100 apart on average, up to 18 for saturated colors).
    """

    to_xyz: Tensor
    white: Tensor

    def __init__(self, scale: LabScale, lightness: str = "gray") -> None:
        super().__init__()
        self.scale, self.lightness = scale, lightness
        self.back = ChromaOfLab(nn.Identity(), scale)
        self.register_buffer("to_xyz", torch.tensor(XYZ_OF_RGB).reshape(3, 3, 1, 1))
        self.register_buffer("white", torch.tensor(WHITE).reshape(1, 3, 1, 1))

    def lab(self, rgb: Tensor) -> Tensor:
        """RGB (N x 3 x S x S, gamma-coded, 0..1) -> L, a and b of CIE Lab as scikit-image has them."""
        powered = ((rgb.clamp(min=_CODED_KNEE) + 0.055) / 1.055) ** 2.4
        linear = torch.where(rgb > _CODED_KNEE, powered, rgb / 12.92)
        ratio = F.conv2d(linear, self.to_xyz) / self.white
        root = ratio.clamp(min=_RATIO_KNEE) ** (1 / 3)
        curved = torch.where(ratio > _RATIO_KNEE, root, 7.787 * ratio + 16 / 116)
        x, y, z = curved[:, :1], curved[:, 1:2], curved[:, 2:]
        return torch.cat([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)

    def see_color(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """L of the original, 0..100: N x 1 x S x S."""
        return self.lab(join(luma, chroma).clamp(0, 1))[:, :1]

    def see(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Luma, and chroma of the original -> what the network sees, scaled: N x 1 x S x S."""
        if self.scale.sees == "luma":
            seen = luma
        elif self.lightness == "color":
            seen = self.see_color(luma, chroma)
        else:
            seen = lightness_of(luma)
        return (seen - self.scale.center) / self.scale.spread

    def truth(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Scaled a and b of the original: N x 2 x S x S."""
        return (self.lab(join(luma, chroma).clamp(0, 1))[:, 1:] - self.scale.offset) / self.scale.gain

    def chroma(self, luma: Tensor, guess: Tensor) -> Tensor:
        """Scaled a and b that were guessed -> chroma."""
        return self.back.chroma_of(lightness_of(luma), guess * self.scale.gain + self.scale.offset)


class JpegFrame(nn.Module):
    """Cb and Cr of JPEG, 0..1, from gray, 0..1, as Dahl has them.

    `lightness`: "color" gives the network the mean of red, green and blue, as Dahl trains; "gray" luma.
    """

    gains: Tensor

    def __init__(self, lightness: str = "gray") -> None:
        super().__init__()
        self.lightness = lightness
        self.register_buffer("gains", torch.tensor(GAINS).reshape(1, 2, 1, 1))

    def see(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Gray of luma and chroma: N x 1 x S x S."""
        return join(luma, chroma).mean(1, keepdim=True) if self.lightness == "color" else luma

    def truth(self, _luma: Tensor, chroma: Tensor) -> Tensor:
        """Cb and Cr of the original."""
        return chroma / self.gains + GRAY

    def chroma(self, _luma: Tensor, guess: Tensor) -> Tensor:
        """Cb and Cr that were guessed -> chroma."""
        return (guess - GRAY) * self.gains
