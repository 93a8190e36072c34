"""Weights on their way out: the moving average, and files of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from colorrt.errors import UsageError
from colorrt.runtime.atomic import atomic_path
from colorrt.training.networks import folded_state

# Estimates of singular vectors and counters follow as they are: their average stands for nothing.
_COPIED = ("._u", "._v", "num_batches_tracked")


class Average:
    """An exponential moving average of a network's weights and statistics, itself a network in eval mode."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = copy.deepcopy(network).requires_grad_(False).eval()

    def follow(self, network: nn.Module, steps: int) -> None:
        """Move towards `network`, whose training has taken `steps` steps.

        A young average forgets faster, or the first random weights would stay in it for thousands of steps.
        """
        decay = min(self.decay, (1 + steps) / (10 + steps))
        with torch.no_grad():
            for (name, mean), value in zip(
                self.network.state_dict().items(), network.state_dict().values(), strict=True
            ):
                if mean.is_floating_point() and not name.endswith(_COPIED):
                    mean.lerp_(value, 1 - decay)
                else:
                    mean.copy_(value)


def save_weights(network: nn.Module, path: Path, state: Mapping[str, Tensor] | None = None) -> None:
    """Write the state dict of `network` as safetensors, in one move: norms folded, batch norm's counters left out.

    Raises UsageError when it cannot be written.
    """
    tensors = folded_state(network, network.state_dict() if state is None else state)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path, UsageError) as part:
        part.write_bytes(save(tensors))
