"""How much memory an export takes, told before it starts."""

from __future__ import annotations

import psutil

from colorrt.contract import UNIT, AttentionForm, Precision
from colorrt.errors import ExportError
from colorrt.export.attention import count_heads, count_scores
from colorrt.models.family import Network

FLOAT = 4
# Scores, their softmax and one copy on the way: matrices of scores that live at once.
ATTENTION_MATRICES = 3
# PyTorch's weights, the traced graph's, its serialized form, ONNX Runtime's, and copies on the way.
WEIGHT_COPIES = 6
# The FP16 graph, the one that rounds as it does, the one that is searched for overflows, and their sessions, on top.
HALF_COPIES = 6
# The packages themselves.
BASE = 600_000_000


def estimate_memory(
    network: Network,
    render_factor: int,
    form: AttentionForm | None = AttentionForm.PLAIN,
    precision: str = Precision.FP32,
) -> int:
    """Peak memory in bytes of exporting `network` for `render_factor`, weights included.

    Attention of the given form needs scores: N x N with N tokens when plain, 1024 x N in tiles; a network without any
    needs none. Features grow with the
    square's pixels. The factors were measured on two cores with torch 2.13 and ONNX Runtime 1.31.
    """
    size = UNIT * render_factor
    tokens = network.family.attention_tokens(size)
    scores = ATTENTION_MATRICES * FLOAT * count_scores(form, tokens, count_heads(network.module))
    features = network.family.bytes_per_pixel * size**2
    copies = WEIGHT_COPIES + (HALF_COPIES if precision == Precision.FP16 else 0)
    return BASE + copies * FLOAT * network.parameters + scores + features


def check_memory(
    network: Network,
    render_factor: int,
    form: AttentionForm | None = AttentionForm.PLAIN,
    precision: str = Precision.FP32,
) -> None:
    """Raise ExportError when the export would need more memory than the machine has free."""
    needed, free = estimate_memory(network, render_factor, form, precision), psutil.virtual_memory().available
    if needed > free:
        tokens = network.family.attention_tokens(UNIT * render_factor)
        why = f" ({form} attention compares {tokens} tokens with each other)" if tokens else ""
        thriftier = ", --attention tiled" if tokens and form != "tiled" else ""
        raise ExportError(
            f"{network.model} at render factor {render_factor} needs about {needed / 1e9:.1f} GB to export{why} and "
            f"{free / 1e9:.1f} GB are free; use a smaller --render-factor{thriftier} or a machine with more memory"
        )
