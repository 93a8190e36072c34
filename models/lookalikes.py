"""Naming networks that colorrt does not run, so that a wrong file is met with more than "unknown".

Only for messages: nothing here decides what is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from colorrt.atomic import in_one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

_SHOWN = 3


def describe_stranger(state: Mapping[str, Tensor]) -> str:
    """Say in a clause what a state dict of no known family looks like ("the weights look like ...")."""
    for title, matches in _LOOKALIKES:
        if matches(state):
            return f"the weights look like {title}"
    shown = in_one_line(", ".join(key[:60] for key in list(state)[:_SHOWN]))
    return f"the weights are of an unknown network ({len(state)} tensors: {shown}, ...)"


def _has(*keys: str) -> Callable[[Mapping[str, Tensor]], bool]:
    return lambda state: all(key in state for key in keys)


def _has_prefix(*prefixes: str) -> Callable[[Mapping[str, Tensor]], bool]:
    return lambda state: all(any(key.startswith(prefix) for key in state) for prefix in prefixes)


def _is_critic(state: Mapping[str, Tensor]) -> bool:
    """Whether this is a stack of spectrally normed 4 x 4 convolutions on RGB, as DeOldify's critics are."""
    first = state.get("0.0.weight_orig", state.get("0.0.weight"))
    return first is not None and first.dim() == 4 and tuple(first.shape[1:]) == (3, 4, 4)


_LOOKALIKES: tuple[tuple[str, Callable[[Mapping[str, Tensor]], bool]], ...] = (
    ("a network saved inside DataParallel (every key begins with `module.`)", _has_prefix("module.")),
    ("a DeOldify critic, the judge of its training and not the generator", _is_critic),
    ("parts of DDColor, or a variant of it", _has_prefix("encoder.arch.", "decoder.")),
    ("a fastai U-Net other than DeOldify's", _has_prefix("layers.0.", "layers.4.", "layers.11.")),
    ("a torchvision ResNet classifier", _has("conv1.weight", "layer1.0.conv1.weight")),
    ("a torchvision VGG", _has("features.0.weight", "classifier.0.weight")),
    ("an EfficientNet of PyTorch", _has("_conv_stem.weight")),
)
