"""How much memory an export takes, told before it starts."""

from __future__ import annotations

import psutil

from colorrt.contract import UNIT
from colorrt.errors import ExportError
from colorrt.models.registry import Network

FLOAT = 4
# Scores, their softmax and one copy on the way: N x N matrices that live at once.
ATTENTION_MATRICES = 3
# PyTorch's weights, the traced graph's, its serialized form, ONNX Runtime's, and copies on the way.
WEIGHT_COPIES = 6
# The packages themselves.
BASE = 600_000_000


def estimate_memory(network: Network, render_factor: int) -> int:
    """Peak memory in bytes of exporting `network` for `render_factor`, weights included.

    Attention needs N x N scores with N tokens; features grow with the square's pixels. The factors were measured
    on two cores with torch 2.13 and ONNX Runtime 1.31.
    """
    size = UNIT * render_factor
    tokens = network.family.attention_tokens(size)
    scores = ATTENTION_MATRICES * FLOAT * tokens**2
    features = network.family.bytes_per_pixel * size**2
    return BASE + WEIGHT_COPIES * FLOAT * network.parameters + scores + features


def check_memory(network: Network, render_factor: int) -> None:
    """Raise ExportError when the export would need more memory than the machine has free."""
    needed, free = estimate_memory(network, render_factor), psutil.virtual_memory().available
    if needed > free:
        tokens = network.family.attention_tokens(UNIT * render_factor)
        raise ExportError(
            f"{network.model} at render factor {render_factor} needs about {needed / 1e9:.1f} GB to export "
            f"(attention compares {tokens} tokens with each other) and {free / 1e9:.1f} GB are free; "
            "take a smaller --render-factor or a machine with more memory"
        )
