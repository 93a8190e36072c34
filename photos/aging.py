"""Luma as old photographs have it: contrast, gamma, vignettes, fading, softness, grain, JPEG, each by chance.

The changes and their chances are those that training makes (`colorrt.training.squares.augment`), without PyTorch, one
picture at a time.
"""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Chances of each change. The first four are those of the first training of `lite`.
GAMMA, FADE, SOFT, GRAIN = 0.5, 0.4, 0.4, 0.4
CONTRAST, JPEG, VIGNETTE = 0.3, 0.2, 0.2

Plane = NDArray[np.float32]


def age(luma: Plane, random: np.random.Generator) -> Plane:
    """Change luma (S x S float32, 0..1) as age, printing and bad scans do, each change by chance.

    In the order in which it happens to photographs: contrast and gamma of the film, vignetting of the lens, fading of
    the print, softness and grain, then the blocks of JPEG. The same state of `random` gives the same picture.
    """
    draw = _Draw(random)
    aged: NDArray[Any] = luma
    contrast, happens = draw.uniform(0.6, 1.5), draw.chance(CONTRAST)
    if happens:
        middle = luma.mean()
        aged = (middle + contrast * (luma - middle)).clip(0, 1)
    gamma, happens = math.exp(draw.uniform(-math.log(1.6), math.log(1.6))), draw.chance(GAMMA)
    if happens:
        aged = aged.clip(1e-4, 1) ** gamma
    vignette, happens = _vignette(luma.shape[0], draw), draw.chance(VIGNETTE)
    if happens:
        aged = aged * vignette
    low, high, happens = draw.uniform(0.0, 0.2), draw.uniform(0.75, 1.0), draw.chance(FADE)
    if happens:
        aged = low + (high - low) * aged
    amount, happens = draw.uniform(-0.5, 1.0), draw.chance(SOFT)
    if happens:
        aged = aged + amount * (_soften(aged) - aged)
    grain, happens = draw.uniform(0.0, 0.06), draw.chance(GRAIN)
    if happens:
        aged = aged + grain * random.standard_normal(luma.shape, np.float32)
    aged = aged.clip(0, 1).astype(np.float32)
    quality, happens = draw.uniform(15.0, 70.0), draw.chance(JPEG)
    return through_jpeg(aged, int(quality)) if happens else aged


def through_jpeg(plane: Plane, quality: int) -> Plane:
    """Write a plane (H x W float32, 0..1) as JPEG and read it back."""
    encoded = io.BytesIO()
    Image.fromarray(np.rint(plane * 255).astype(np.uint8)).save(encoded, "JPEG", quality=quality)
    return np.asarray(Image.open(encoded), np.float32) / np.float32(255)


class _Draw:
    """Random numbers."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random

    def uniform(self, low: float, high: float) -> float:
        return float(self._random.uniform(low, high))

    def chance(self, probability: float) -> bool:
        return bool(self._random.random() < probability)


def _soften(plane: NDArray[Any]) -> Plane:
    """Return the mean of each pixel and its eight neighbors, edges repeated."""
    padded = np.pad(plane, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    means: Plane = ((rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9).astype(np.float32)
    return means


def _vignette(size: int, draw: _Draw) -> Plane:
    """Darken towards the corners by up to two thirds, around a middle that may lie off the center."""
    across = np.linspace(-1, 1, size).astype(np.float32)
    x, y = across - draw.uniform(-0.3, 0.3), across[:, None] - draw.uniform(-0.3, 0.3)
    shade: Plane = (1 - draw.uniform(0.15, 0.65) * ((x**2 + y**2) / 2).clip(0, 1)).astype(np.float32)
    return shade
