"""A network that is trained, and what training has to know about it."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from colorrt.models.color import IMAGENET_MEAN, IMAGENET_STD
from colorrt.training.frames import Frame
from colorrt.training.squares.augment import join


@dataclass
class Trainee:
    """A network, and what training has to know about it.

    `space`: "chroma": luma in, chroma out. "rgb": normalized gray in three channels in, normalized RGB out. "own":
    whatever `frame` says.
    `early`, `encoder`: modules of the encoder's shallower and deeper half. `ups`: its up blocks, from the deepest.
    """

    network: nn.Module
    space: str
    early: list[nn.Module]
    encoder: list[nn.Module]
    ups: list[nn.Module]
    frame: Frame | None = None
    mean: Tensor = field(default_factory=lambda: torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1))
    std: Tensor = field(default_factory=lambda: torch.tensor(IMAGENET_STD).reshape(1, 3, 1, 1))

    def parameters(self) -> tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]]:
        """Parameters of the encoder's shallower half, of its deeper half, and of everything else."""
        early = [parameter for module in self.early for parameter in module.parameters()]
        deeper = [parameter for module in self.encoder for parameter in module.parameters()]
        known = {id(parameter) for parameter in (*early, *deeper)}
        return early, deeper, [one for one in self.network.parameters() if id(one) not in known]

    def to(self, device: torch.device) -> None:
        """Move the network and its constants to a device."""
        self.network.to(device)
        self.mean, self.std = self.mean.to(device), self.std.to(device)
        if self.frame is not None:
            self.frame.to(device)

    def see(self, luma: Tensor) -> Tensor:
        """Make the network's input of luma (N x 1 x S x S, 0..1); where there is a frame, it does."""
        seen = luma if self.space == "chroma" else (luma - self.mean) / self.std
        return seen.contiguous(memory_format=torch.channels_last)

    def normalize(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Luma and chroma -> normalized RGB (N x 3 x S x S), the space of DeOldify's losses and critics."""
        return (join(luma, chroma) - self.mean) / self.std

    def denormalize(self, rgb: Tensor) -> Tensor:
        """Normalized RGB -> RGB (N x 3 x S x S), not clamped."""
        return rgb * self.std + self.mean
