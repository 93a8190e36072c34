"""Spectral norm and weight norm folded into plain weights.

Both re-parametrize a weight while a network is trained; at inference the weight is a constant. Networks here
are built of plain convolutions, so their checkpoints are folded before they are loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from colorrt.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Rows of a weight at a time: keeps the float64 copies small beside the largest weights (300 MB in float32).
_CHUNK = 256


def fold_norms(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Replace the tensors of spectral and weight norm in a state dict by the weights they stand for.

    Spectral norm: `weight_orig`, `weight_u`, `weight_v`, or `parametrizations.weight.original`, `.0._u`,
    `.0._v`. Weight norm: `weight_g`, `weight_v`, or `parametrizations.weight.original0`, `original1`.
    Arithmetic is float64; the weights are float32 and take the place of the first tensor they are made of.
    Other entries are handed on, not copied.
    Raises WeightsError when a tensor of a norm is missing or does not fit.
    """
    folded: dict[str, Tensor] = {}
    for key, value in state.items():
        parts = _parts_of(key, state)
        if parts is None:
            folded[key] = value
            continue
        target = _target_of(key)
        if target not in folded:
            folded[target] = _fold(target, {role: _need(state, name, key) for role, name in parts.items()})
    return folded


def remove_spectral_norm(weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Divide `weight` (out x ...) by its stored spectral norm sigma = u^T W v, W being out x (all the rest).

    `u`: out, `v`: product of the rest. The stored vectors count, not a fresh singular value: the network was
    trained and published with them. Float64 inside, float32 out.
    Source: Miyato et al., Spectral Normalization for Generative Adversarial Networks, 2018, section 2.1.
    """
    matrix = weight.detach().reshape(weight.shape[0], -1)
    left, right = u.detach().double(), v.detach().double()
    starts = range(0, matrix.shape[0], _CHUNK)
    sigma = sum(
        (left[start : start + _CHUNK] @ (matrix[start : start + _CHUNK].double() @ right) for start in starts),
        torch.zeros((), dtype=torch.float64),
    )
    rows = [(matrix[start : start + _CHUNK].double() / sigma).float() for start in starts]
    return torch.cat(rows).reshape(weight.shape)


def remove_weight_norm(magnitude: Tensor, direction: Tensor) -> Tensor:
    """Return g v / |v|, the norm taken over every axis along which `magnitude` has size one.

    `magnitude`: as many axes as `direction`, or none. Float64 inside, float32 out.
    Source: Salimans and Kingma, Weight Normalization, 2016, equation 2.
    """
    g, v = magnitude.detach().double(), direction.detach().double()
    axes = [axis for axis in range(v.dim()) if g.dim() == 0 or g.shape[axis] == 1]
    return (v * (g / v.square().sum(dim=axes, keepdim=g.dim() > 0).sqrt())).float()


def _parts_of(key: str, state: Mapping[str, Tensor]) -> dict[str, str] | None:
    """Name the tensors of the norm that `key` belongs to, by their roles; None for a plain tensor."""
    module, dot, leaf = key.rpartition(".")
    stem = module + dot
    if leaf in ("weight_orig", "weight_u") or (leaf == "weight_v" and stem + "weight_orig" in state):
        return {"weight": stem + "weight_orig", "u": stem + "weight_u", "v": stem + "weight_v"}
    if leaf == "weight_g" or (leaf == "weight_v" and stem + "weight_g" in state):
        return {"g": stem + "weight_g", "v": stem + "weight_v"}
    at, mark, rest = key.rpartition("parametrizations.weight.")
    if rest in ("original", "0._u", "0._v") and mark:
        return {"weight": at + mark + "original", "u": at + mark + "0._u", "v": at + mark + "0._v"}
    if rest in ("original0", "original1") and mark:
        return {"g": at + mark + "original0", "v": at + mark + "original1"}
    return None


def _target_of(key: str) -> str:
    """Name the plain weight that a norm's tensor belongs to."""
    at, mark, _ = key.rpartition("parametrizations.weight.")
    if mark:
        return at + "weight"
    module, dot, _ = key.rpartition(".")
    return module + dot + "weight"


def _need(state: Mapping[str, Tensor], key: str, because: str) -> Tensor:
    if key not in state:
        raise WeightsError(f"the state dict has {because} but lacks {key}, so the weight cannot be folded")
    return state[key]


def _fold(target: str, tensors: Mapping[str, Tensor]) -> Tensor:
    """Fold one weight after checking that its tensors fit together."""
    if "u" in tensors:
        weight, u, v = tensors["weight"], tensors["u"], tensors["v"]
        if weight.dim() < 2 or (tuple(u.shape), tuple(v.shape)) != (weight.shape[:1], (weight[0].numel(),)):
            raise WeightsError(
                f"{target} has a spectral norm whose vectors {tuple(u.shape)} and {tuple(v.shape)} "
                f"do not fit its weight {tuple(weight.shape)}; the file is damaged"
            )
        return remove_spectral_norm(weight, u, v)
    g, v = tensors["g"], tensors["v"]
    fits = g.dim() == 0 or (g.dim() == v.dim() and all(a in (1, b) for a, b in zip(g.shape, v.shape, strict=True)))
    if not fits:
        raise WeightsError(
            f"{target} has a weight norm whose magnitude {tuple(g.shape)} does not fit its direction "
            f"{tuple(v.shape)}; the file is damaged"
        )
    return remove_weight_norm(g, v)
