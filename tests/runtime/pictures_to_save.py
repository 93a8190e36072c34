"""Colored pixels, and the pictures that they are saved as copies of."""

from __future__ import annotations

import numpy as np

from colorrt.runtime.pictures.reading import Picture

GENERATOR = np.random.default_rng(0)
RGB = GENERATOR.integers(0, 256, (24, 40, 3), np.uint8)
ALPHA = GENERATOR.integers(0, 256, (24, 40), np.uint8)
SMOOTH = np.stack(np.broadcast_arrays(np.arange(40) * 6, np.arange(24)[:, None] * 10, 99), -1).astype(np.uint8)

OPAQUE = Picture(np.zeros((24, 40), np.uint8))
TRANSPARENT = Picture(np.zeros((24, 40), np.uint8), alpha=ALPHA)
