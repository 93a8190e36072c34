"""Small DeOldify generators, published and folded, for tests that need no full-size weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from colorrt.models.deoldify import DeOldify, DeOldifyShape
from colorrt.models.encoders.resnet import ResNetShape

if TYPE_CHECKING:
    from torch import Tensor

TINY = {
    "artistic": DeOldifyShape(ResNetShape(8, (8, 16, 16, 32), (1, 2, 1, 1), bottleneck=False), True, 48),
    "wide": DeOldifyShape(ResNetShape(8, (8, 16, 16, 32), (1, 1, 2, 1), bottleneck=True), False, 32),
}


@pytest.fixture(params=sorted(TINY))
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tiny(variant: str) -> DeOldify:
    """A small generator with random weights and statistics, in eval mode."""
    torch.manual_seed(7)
    network = DeOldify(TINY[variant])
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif name.endswith("running_mean"):
                tensor.normal_(std=0.1)
            elif name.endswith("gamma"):
                tensor.fill_(0.5)
    return network.eval()


@pytest.fixture
def published(tiny: DeOldify) -> dict[str, Tensor]:
    """The state dict of `tiny` with the norms that the published files have, twice the weights inside."""
    torch.manual_seed(8)
    state: dict[str, Tensor] = {}
    for key, value in tiny.state_dict().items():
        stem = key.removesuffix("weight")
        if value.dim() < 3 or key.startswith("layers.0."):
            state[key] = value
        elif key.startswith("layers.8."):
            direction = torch.randn(value.shape[0]).abs().add(0.5).reshape(-1, 1, 1, 1) * value
            state[stem + "weight_g"] = value.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
            state[stem + "weight_v"] = direction
        else:
            u = torch.randn(value.shape[0])
            v = torch.randn(value[0].numel())
            sigma = u @ value.flatten(1) @ v
            # u is scaled so that sigma of the doubled weight is two.
            state[stem + "weight_orig"] = value * 2
            state[stem + "weight_u"] = u / sigma
            state[stem + "weight_v"] = v
    return state
