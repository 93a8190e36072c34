"""More saturation without more cast: what is added to a guess spreads its colors apart and leaves their mean.

A network that is unsure answers with what is common, so the mean color of its guess leans to brown. Multiplied along,
this lean becomes a cast over everything. On held-out photographs, colors that are spread around a mean that stays are
nearer to the originals than colors that are multiplied, at every colorfulness above that of the guess;
docs/quality.md has the figures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def keep_mean(chroma: NDArray[np.float32], saturation: float) -> NDArray[np.float32]:
    """Return what has to be multiplied with `saturation`, so that above 1 the mean color stays as it was guessed.

        saturation above 1:  mean(chroma) + saturation (chroma - mean(chroma)), divided by saturation
        up to 1:             chroma itself

    chroma: (2, H, W) float32, U and V in units of white; values that are not finite count as 0 in the mean, and stay.
    saturation: 0..10. Returns (2, H, W) float32: `chroma` itself up to 1.
    """
    if saturation <= 1:
        return chroma
    finite = np.nan_to_num(chroma, nan=0.0, posinf=0.0, neginf=0.0)
    mean = finite.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
    kept: NDArray[np.float32] = chroma - (mean * (1 - 1 / saturation)).astype(np.float32)
    return kept
