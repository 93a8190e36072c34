"""What the kernels should answer, in float64 and straight from the definitions; slow and plain."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RED, GREEN, BLUE = 19595 / 65536, 38470 / 65536, 7471 / 65536


def luma(picture: NDArray[Any]) -> NDArray[Any]:
    """(H, W, 3) integers -> (H, W), in exact integers."""
    red, green, blue = (picture[..., i].astype(np.int64) for i in range(3))
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).astype(picture.dtype)


@cache
def triangle_matrix(inputs: int, outputs: int) -> NDArray[np.float64]:
    """(outputs, inputs): the weight of each input in each output."""
    matrix = np.zeros((outputs, inputs))
    for i in range(outputs):
        for j in range(inputs):
            # |j + 1/2 - (i + 1/2) inputs / outputs|, in whole 2 outputs-ths so that nothing is rounded.
            distance = abs((2 * j + 1) * outputs - (2 * i + 1) * inputs)
            reach = 2 * max(inputs, outputs)
            matrix[i, j] = max(0, reach - distance) / reach
        matrix[i] /= matrix[i].sum()
    return matrix


def resize(plane: NDArray[Any], height: int, width: int) -> NDArray[np.float64]:
    """(H, W) -> (height, width)."""
    rows = triangle_matrix(plane.shape[0], height)
    columns = triangle_matrix(plane.shape[1], width)
    return rows @ plane.astype(np.float64) @ columns.T


def differences(chroma: NDArray[Any], height: int, width: int, *, saturation: float, white: int) -> NDArray[np.float64]:
    """(2, h, w) -> (height, width, 3): R - Y, G - Y, B - Y in levels, in gamut or not."""
    finite = np.isfinite(chroma).all(axis=0)
    u, v = (resize(np.where(finite, plane, 0.0), height, width) for plane in chroma)
    red, blue = saturation * white * v / 0.877, saturation * white * u / 0.492
    return np.stack([red, -(RED * red + BLUE * blue) / GREEN, blue], axis=-1)


def largest_fit(luma: NDArray[Any], difference: NDArray[np.float64], white: int) -> NDArray[np.float64]:
    """(H, W): the largest t in 0..1 with which luma + t difference stays in 0..white."""
    fit = np.ones(luma.shape)
    for channel in range(3):
        change = difference[..., channel]
        room = np.where(change > 0, white - luma.astype(np.float64), luma.astype(np.float64))
        fit = np.where(np.abs(change) > room, np.minimum(fit, room / np.maximum(np.abs(change), 1e-300)), fit)
    return fit


def render(luma: NDArray[Any], chroma: NDArray[Any], saturation: float) -> NDArray[np.float64]:
    """(H, W) and (2, h, w) -> (H, W, 3), not rounded."""
    white = int(np.iinfo(luma.dtype).max)
    height, width = luma.shape
    change = differences(chroma, height, width, saturation=saturation, white=white)
    return luma[..., None] + largest_fit(luma, change, white)[..., None] * change
