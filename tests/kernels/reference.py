"""What the kernels should answer, in float64 and straight from the definitions; slow and plain."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RED, GREEN, BLUE = 0.299, 0.587, 0.114


def luma(picture: NDArray[Any]) -> NDArray[Any]:
    """(H, W, 3) integers -> (H, W), in exact integers."""
    red, green, blue = (picture[..., i].astype(np.int64) for i in range(3))
    if picture.dtype == np.uint16:
        return ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(np.uint16)
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


def linear_matrix(inputs: int, scale: float, outputs: int) -> NDArray[np.float64]:
    """(outputs, inputs): linear interpolation at (i + 1/2) scale - 1/2, the edge pixels repeated."""
    matrix = np.zeros((outputs, inputs))
    for i in range(outputs):
        place = min(max((i + 0.5) * scale - 0.5, 0.0), inputs - 1.0)
        near = int(place)
        matrix[i, near] += 1.0 - (place - near)
        matrix[i, min(near + 1, inputs - 1)] += place - near
    return matrix


def blur(plane: NDArray[np.float64], down: float = 0.25, across: float = 0.25) -> NDArray[np.float64]:
    """Mean with the neighbors, which weigh `down` and `across` each; the edge pixels repeated."""
    padded = np.pad(plane, 1, mode="edge")
    rows = (1 - 2 * down) * padded[1:-1] + down * (padded[:-2] + padded[2:])
    return (1 - 2 * across) * rows[:, 1:-1] + across * (rows[:, :-2] + rows[:, 2:])


def fineness(plane: NDArray[np.float64]) -> tuple[float, float]:
    """(h, w) -> the mean energy of p - blur(p) at half the size, and at a quarter."""
    half = blur(plane)[::2, ::2]
    quarter = blur(half)[::2, ::2]
    return float(np.mean((half - blur(half)) ** 2)), float(np.mean((quarter - blur(quarter)) ** 2))


def passing_matrix(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) -> (n, n): what passes from each pixel of a line to each, the product of all steps between."""
    steps = np.exp(-np.sqrt(2) / 8) / (1 + (np.diff(light) / 0.03) ** 2 / 8) ** 4
    matrix = np.eye(light.size)
    for i in range(light.size):
        matrix[i, i + 1 :] = np.cumprod(steps[i:])
    return np.triu(matrix) + np.triu(matrix, 1).T


def edge_means(chroma: NDArray[np.float64], light: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, h, w), (h, w) -> (2, h, w): the trusted mean of what reaches each pixel along its row, then its column."""
    around = np.pad(light, 1, mode="edge")
    nine = np.stack([around[i : i + light.shape[0], j : j + light.shape[1]] for i in range(3) for j in range(3)])
    trust = 0.01 + 1 / (1 + (np.ptp(nine, axis=0) / 0.06) ** 4)
    sums = np.concatenate([chroma * trust, trust[None]])
    for y in range(light.shape[0]):
        sums[:, y] = sums[:, y] @ passing_matrix(light[y])
    for x in range(light.shape[1]):
        sums[:, :, x] = sums[:, :, x] @ passing_matrix(light[:, x])
    return sums[:2] / sums[2]


def edge_share(chroma: NDArray[np.float64], light: NDArray[np.float64]) -> float:
    """How much of `edge_means` is taken: 1 for chroma smoother than its luma, 0 for chroma as fine or too small."""
    if min(light.shape) < 32:
        return 0.0
    fine, coarse = np.mean([fineness(plane) for plane in chroma], axis=0)
    fine_light, coarse_light = fineness(light)
    if coarse * fine_light == 0:
        return 0.0
    return float(np.clip((0.32 - fine / coarse * np.sqrt(coarse_light / fine_light)) / 0.04, 0, 1))


def follow_edges(chroma: NDArray[np.float64], light: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, h, w), (h, w) -> (2, h, w)."""
    share = edge_share(chroma, light)
    return chroma + share * (edge_means(chroma, light) - chroma) if share else chroma


def guided_parts(
    chroma: NDArray[Any], guide: NDArray[Any], size: tuple[int, int], picture: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A and B, (2, h, w) each, at most `size` large: chroma is A + B luma, luma 0..1, U and V."""
    finite = np.isfinite(chroma).all(axis=0)
    planes = [np.where(finite, plane, 0.0) for plane in chroma]
    planes.append(np.clip(np.where(np.isnan(guide), 0.0, guide), 0.0, 1.0))
    planes[:2] = follow_edges(np.stack(planes[:2]), planes[2])
    height, width = min(guide.shape[0], size[0]), min(guide.shape[1], size[1])
    small = [resize(plane, height, width) if plane.shape != (height, width) else plane for plane in planes]
    down, across = (
        min(2 * (large / little - 1), 1) / 4 for large, little in zip(picture, (height, width), strict=True)
    )
    u, v, light = (plane + 0.75 * (plane - blur(plane, down, across)) for plane in small)
    variance = np.maximum(blur(light * light) - blur(light) ** 2, 0.0)
    slopes = np.stack([(blur(light * plane) - blur(light) * blur(plane)) / (variance + 0.01) for plane in (u, v)])
    return np.stack([u, v]) - slopes * light, slopes


def guided_differences(
    luma: NDArray[Any],
    chroma: NDArray[Any],
    guide: NDArray[Any],
    saturation: float,
    step: tuple[int, int] = (1, 1),
) -> NDArray[np.float64]:
    """R - Y, G - Y, B - Y in levels at the centers of blocks, with their mean luma."""
    white = int(np.iinfo(luma.dtype).max)
    means = blocks(luma, step).mean(axis=(1, 3)) / white
    offsets, slopes = guided_parts(chroma, guide, means.shape, luma.shape)
    u, v = at_all(offsets, luma.shape, step) + at_all(slopes, luma.shape, step) * means
    red, blue = saturation * white * v / 0.877, saturation * white * u / 0.492
    return np.stack([red, -(RED * red + BLUE * blue) / GREEN, blue], axis=-1)


def plain_differences(
    luma: NDArray[Any], chroma: NDArray[Any], saturation: float, step: tuple[int, int]
) -> NDArray[np.float64]:
    """R - Y, G - Y, B - Y in levels at the centers of blocks."""
    white = int(np.iinfo(luma.dtype).max)
    height, width = blocks(luma, step).shape[::2]
    small = min(chroma.shape[1], height), min(chroma.shape[2], width)
    u, v = (at_blocks(resize(plane, *small), luma.shape, step) for plane in chroma)
    red, blue = saturation * white * v / 0.877, saturation * white * u / 0.492
    return np.stack([red, -(RED * red + BLUE * blue) / GREEN, blue], axis=-1)


def at_all(planes: NDArray[np.float64], picture: tuple[int, int], step: tuple[int, int]) -> NDArray[np.float64]:
    """`at_blocks` of each plane."""
    return np.stack([at_blocks(plane, picture, step) for plane in planes])


def at_blocks(plane: NDArray[np.float64], picture: tuple[int, int], step: tuple[int, int]) -> NDArray[np.float64]:
    """Interpolate linearly at the center of each block of the picture."""
    down, across = (
        linear_matrix(inputs, inputs * each / outputs, -(-outputs // each))
        for inputs, outputs, each in zip(plane.shape, picture, step, strict=True)
    )
    return down @ plane @ across.T


def blocks(luma: NDArray[Any], step: tuple[int, int]) -> NDArray[np.float64]:
    """(H, W) -> (rows, down, columns, across); beyond the picture its last row and column go on."""
    rows, columns = (-(-side // each) for side, each in zip(luma.shape, step, strict=True))
    beyond = [(0, rows * step[0] - luma.shape[0]), (0, columns * step[1] - luma.shape[1])]
    return np.pad(luma.astype(np.float64), beyond, mode="edge").reshape(rows, step[0], columns, step[1])


def render_guided(
    luma: NDArray[Any], chroma: NDArray[Any], guide: NDArray[Any], saturation: float
) -> NDArray[np.float64]:
    """(H, W), (2, h, w) and (h, w) -> (H, W, 3), not rounded."""
    change = guided_differences(luma, chroma, guide, saturation)
    return luma[..., None] + largest_fit(luma, change, int(np.iinfo(luma.dtype).max))[..., None] * change


def block_planes(
    luma: NDArray[Any], change: NDArray[np.float64], step: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cb and Cr of differences at block centers, not rounded, up to 255."""
    each = blocks(luma, step)
    fits = [largest_fit(each.min(axis=(1, 3)), change, 255), largest_fit(each.max(axis=(1, 3)), change, 255)]
    change = np.minimum(*fits)[..., None] * change
    return np.minimum(128 + change[..., 2] / 1.772, 255), np.minimum(128 + change[..., 0] / 1.402, 255)
