"""The critic of NoGAN stages: says of each patch of a picture whether it is a photograph.

Source: DeOldify's critic (Antic 2019), after fastai's; spectral norm and self-attention as SAGAN has them (Zhang et al.
2019).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from colorrt.models.layers import SelfAttention

_SLOPE = 0.2
_QUERY_SHARE = 8


class Critic(nn.Sequential):
    """Normalized RGB (N x 3 x H x W) -> a score a patch (N x P), positive for photographs.

    `width` channels after the first convolution, doubled with the size halved in each of `blocks` blocks; H and W of at
    least `CriticRecipe.least_size` pixels.
    """

    def __init__(self, width: int = 256, blocks: int = 3, dropout: float = 0.15) -> None:
        layers: list[nn.Module] = [*_conv(3, width, 4, 2), nn.Dropout2d(dropout / 2)]
        for block in range(blocks):
            layers += [*_conv(width, width, 3, 1), nn.Dropout2d(dropout), *_conv(width, width * 2, 4, 2)]
            width *= 2
            if block == 0:
                layers.append(_attention(width))
        last = nn.Conv2d(width, 1, 4, bias=False)
        layers += [*_conv(width, width, 3, 1), parametrizations.spectral_norm(last), nn.Flatten()]
        super().__init__(*layers)


def adversarial_loss(scores: Tensor, *, real: bool) -> Tensor:
    """Binary cross-entropy of scores (N x P) with the claim that all are of photographs, or none: a scalar."""
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, float(real)))


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """What the critic minimizes: the mean of both kinds of mistakes."""
    return (adversarial_loss(real, real=True) + adversarial_loss(fake, real=False)) / 2


def _conv(inside: int, outside: int, kernel: int, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(inside, outside, kernel, stride, padding=(kernel - 1) // 2)
    nn.init.kaiming_normal_(conv.weight)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return [parametrizations.spectral_norm(conv), nn.LeakyReLU(_SLOPE)]


def _attention(channels: int) -> SelfAttention:
    attention = SelfAttention(channels, max(1, channels // _QUERY_SHARE))
    for conv in (attention.query, attention.key, attention.value):
        parametrizations.spectral_norm(conv)
    return attention
