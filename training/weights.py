"""Weights on their way out: the moving average, and files of them."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from colorrt.atomic import atomic_path
from colorrt.errors import UsageError, WeightsError
from colorrt.models.norms import fold_norms
from colorrt.models.weights.checkpoint import load_state
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


def save_weights(network: nn.Module, path: Path, start: Path | None = None, share: float = 0.0) -> None:
    """Write the state dict of `network` as safetensors, in one move: norms folded, batch norm's counters left out.

    `share` (0..1) of the weights are those in the file `start`: between what a training began with and what it came
    to, networks often judge best what neither was trained on.
    Source: Wortsman et al., Robust fine-tuning of zero-shot models, 2022.
    Raises UsageError when it cannot be written, WeightsError when `start` is of another network.
    """
    tensors = folded_state(network)
    if start is not None and share:
        tensors = _mix(tensors, start, share)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path, UsageError) as part:
        part.write_bytes(save(tensors))


def _mix(tensors: dict[str, Tensor], start: Path, share: float) -> dict[str, Tensor]:
    first = fold_norms(load_state(start))
    if any(name not in first or first[name].shape != value.shape for name, value in tensors.items()):
        raise WeightsError(f"{start}: these are not weights of the network that was trained; give --start its own")
    return {
        name: torch.lerp(value, first[name].to(value.dtype), share) if value.is_floating_point() else value
        for name, value in tensors.items()
    }
