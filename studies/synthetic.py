"""DeOldify's networks with made-up weights, for timings where the published weights are not at hand.

How long a network takes does not depend on its weights, as long as nothing overflows or dies out; what it answers does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import save
from torch import nn

from colorrt.atomic import atomic_path
from colorrt.contract import UNIT
from colorrt.models.color import ChromaOfRgb
from colorrt.models.deoldify import DeOldify, DeOldifyShape
from colorrt.models.encoders.resnet import ResNetShape
from colorrt.photos.shipped import parity_lumas

if TYPE_CHECKING:
    from pathlib import Path

_PLANES = (64, 128, 256, 512)
SHAPES = {
    "artistic": DeOldifyShape(ResNetShape(64, _PLANES, (3, 4, 6, 3), bottleneck=False), deep=True, width=768),
    "wide": DeOldifyShape(ResNetShape(64, _PLANES, (3, 4, 23, 3), bottleneck=True), deep=False, width=512),
}
"""Shapes of the published networks."""
_SEED = 20190501
_FACTOR = 8


def write_synthetic(path: Path, model: str, shape: DeOldifyShape | None = None) -> None:
    """Write a checkpoint (.safetensors) of DeOldify `model` ("artistic", "wide") with random weights.

    The statistics of its norms are those of the photographs that ship, so every layer is alive. `shape`: another than
    the published one. Raises KeyError for another model, and what `atomic_path` raises.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        network = DeOldify(shape or SHAPES[model])
    with torch.no_grad():
        # At 0, where training begins, attention would do nothing.
        network.attention.gamma.fill_(0.5)
        _fit_norms(network)
    with atomic_path(path) as part:
        part.write_bytes(save({name: tensor.contiguous() for name, tensor in network.state_dict().items()}))


def _fit_norms(network: DeOldify) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    lumas = torch.from_numpy(np.stack(parity_lumas(UNIT * _FACTOR))[:, None])
    network.train()
    ChromaOfRgb(network)(lumas)
    network.eval()
