"""The 313 colors that eccv16 chooses among: a grid of a and b over all that sRGB shows.

Source: pts_in_hull.npy of richzhang/colorization, whose rows are these.
"""

from __future__ import annotations

import torch
from torch import Tensor

# The rows of a, and of each the first and the last b, all in steps of 10: colors of ImageNet within sRGB.
_HULL = (
    (-90, 50, 90), (-80, 20, 90), (-70, 0, 90), (-60, -20, 90), (-50, -30, 100), (-40, -40, 100), (-30, -50, 100),
    (-20, -50, 100), (-10, -60, 100), (0, -70, 100), (10, -80, 90), (20, -80, 90), (30, -90, 90), (40, -100, 90),
    (50, -100, 80), (60, -110, 80), (70, -110, 80), (80, -110, 70), (90, -110, 70), (100, -90, 0),
)  # fmt: skip
STEP = 10


def hull_colors() -> Tensor:
    """The 313 colors, a and b: 313 x 2 float32."""
    rows = [(a, b) for a, first, last in _HULL for b in range(first, last + 1, STEP)]
    return torch.tensor(rows, dtype=torch.float32)
