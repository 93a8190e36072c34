"""Which form of self-attention an artifact gets, and how much memory that takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from colorrt.contract import AttentionForm, Target
from colorrt.errors import UsageError
from colorrt.models.layers import TILE, SelfAttention


def choose_form(target: str, asked: str | None, render_factor: int | None) -> AttentionForm:
    """Choose the form of attention for `target` ("cpu" or "tensorrt"), unless one is `asked` for.

    The CPU takes tiles, TensorRT heads. A graph of any size cannot be tiled, for how many tiles it takes is not known
    when it is traced and a loop would have to find out; on the CPU it gets plain attention.
    Raises UsageError for an unknown target or form, and for tiles without a render factor.
    """
    form = check_target(target, asked)
    if form is None:
        if target == Target.TENSORRT:
            return AttentionForm.HEADS
        return AttentionForm.PLAIN if render_factor is None else AttentionForm.TILED
    if form == AttentionForm.TILED and render_factor is None:
        raise UsageError(
            "attention 'tiled' needs a fixed size, and this graph is to take any; add --render-factor N, "
            "or use --attention plain"
        )
    return form


def check_target(target: str, asked: str | None) -> AttentionForm | None:
    """Return the form of attention that is `asked` for; raises UsageError for an unknown target or form."""
    if target not in tuple(Target):
        raise UsageError(f"target {target!r} is unknown; choose one of {', '.join(Target)}")
    if asked is not None and asked not in tuple(AttentionForm):
        raise UsageError(f"attention {asked!r} is unknown; choose one of {', '.join(AttentionForm)}")
    return None if asked is None else AttentionForm(asked)


@contextmanager
def attention_as(network: nn.Module, form: AttentionForm | None) -> Iterator[None]:
    """Let every self-attention of `network` be computed in `form` inside the block; None leaves it as it is."""
    layers = [module for module in network.modules() if isinstance(module, SelfAttention)]
    before = [layer.form for layer in layers]
    try:
        for layer in layers:
            layer.form = form or layer.form
        yield
    finally:
        for layer, former in zip(layers, before, strict=True):
            layer.form = former


def count_scores(form: AttentionForm | None, tokens: int, heads: int) -> int:
    """Count the scores that are held at once on the CPU, for `tokens` positions; 0 tokens: there is no attention."""
    if form == AttentionForm.TILED:
        return min(tokens, TILE) * tokens
    return tokens**2 * (heads if form == AttentionForm.HEADS else 1)


def count_heads(network: nn.Module) -> int:
    """Count the heads that the "heads" form of `network` has: 1 where there is no attention."""
    return max((module.heads for module in network.modules() if isinstance(module, SelfAttention)), default=1)
