"""Chroma of a small picture onto the luma of a large one, without touching that luma."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING

import numpy as np

from colorrt.kernels.arrays import Level, check_float32, check_plane, readonly_view, white_of
from colorrt.kernels.field import make_axis, make_field
from colorrt.kernels.rendering import render_block_rows, render_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS = (1, 2, 4)
"""Pixels of a block of `render_planes` along an axis: the samplings that JPEG files have."""


def render_rgb(
    luma: NDArray[Level],
    chroma: NDArray[np.float32],
    saturation: float = 1.0,
    *,
    guide: NDArray[np.float32] | None = None,
    out: NDArray[Level] | None = None,
    top: int = 0,
    height: int | None = None,
) -> NDArray[Level]:
    """Return the picture with this luma and this chroma, or a band of its rows.

    With U and V interpolated between the pixels of `chroma` as Pillow's BILINEAR does, and s the saturation:

        R - Y = s V / 0.877
        B - Y = s U / 0.492
        G - Y = -(0.299 (R - Y) + 0.114 (B - Y)) / 0.587

    With a guide they follow the edges of the luma: `chroma` is sharpened by what antialiasing took, and R - Y and
    B - Y are interpolated as linear functions of luma, fitted in 3 x 3 pixels (`colorrt.kernels.field.make_field`).

    Where a channel would leave black..white, all three differences are scaled by the largest t in 0..1 with
    which none does: luma and hue stay, saturation gives way. Nothing is clipped. Channels are rounded to
    nearest, and so the luma of the result is `luma` within one level.

    luma: (H, W) uint8 or uint16.
    chroma: (2, h, w) float32, U and V in units of white; any h and w. A pixel where U or V is NaN or infinite
    counts as gray, and anything above a million times white as a million.
    saturation: 0 gives gray, 1 the chroma as it is.
    guide: (h, w) float32, 0..1, the luma that `chroma` was guessed from, as `resize_luma` made it; None upsamples
    bilinearly. NaN counts as 0, the rest is clipped to 0..1.
    out: (H, W, 3), C-contiguous and writable, in the luma's dtype, to write into.
    top, height: `luma` is the rows from `top` on of a picture of `height` rows (all of it if not given). Bands are
    bit for bit those rows of the whole.
    Returns (H, W, 3) RGB, C-contiguous, in the luma's dtype: `out` if that is given.

    Raises TypeError for other dtypes, ValueError for other shapes, empty arrays, rows outside the picture, or a
    saturation that is negative or not finite.
    Source: U, V and saturation as in the IPOL article on DeOldify (equation 11); the gamut rule is ours.
    """
    white = white_of(luma, "luma")
    check_plane(luma, "luma")
    _check_chroma(chroma, guide, saturation)
    rows, width = luma.shape
    top, height = operator.index(top), rows if height is None else operator.index(height)
    if top < 0 or top + rows > height:
        raise ValueError(f"rows {top} to {top + rows} do not lie within a picture of {height} rows")
    picture = np.empty((rows, width, 3), luma.dtype) if out is None else _checked_out(out, luma)

    field = make_field(chroma, guide, saturation, white, (height, width), (height, width))
    small_height, small_width = field.shape[1] - 1, field.shape[2] - 1
    render_rows(
        rows,
        readonly_view(luma),
        readonly_view(field),
        make_axis(small_height, small_height / height, top, rows),
        make_axis(small_width, small_width / width, 0, width),
        picture.reshape(rows, 3 * width),
    )
    return picture


def render_planes(
    luma: NDArray[np.uint8],
    chroma: NDArray[np.float32],
    saturation: float = 1.0,
    step: tuple[int, int] = (2, 2),
    *,
    guide: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return Cb and Cr of a JPEG with this luma: full range, one value each for a block of pixels.

    The differences are those of `render_rgb` at the center of each block (with a guide, at its mean luma), then

        Cb = 128 + (B - Y) / 1.772
        Cr = 128 + (R - Y) / 1.402

    rounded to nearest. Both are scaled by the largest t in 0..1 with which neither the darkest nor the brightest
    pixel of the block leaves black..white: decoded to RGB by repeating them over the block, no pixel is clipped by
    more than the rounding of Cb and Cr, and luma stays within one level. By the block's mean, which allows more
    color, the darkest or the brightest pixel would lose its luma.

    luma: (H, W) uint8.
    chroma, saturation, guide: as `render_rgb` takes them.
    step: pixels of a block, (down, across), each 1, 2 or 4: (2, 2) is 4:2:0, (1, 2) 4:2:2, (1, 1) 4:4:4. Blocks
    reach beyond the picture where its sides are no multiples; the last row and column go on there.
    Returns Cb and Cr, (ceil(H / down), ceil(W / across)) uint8, C-contiguous.

    Raises TypeError for other dtypes, ValueError for other shapes, empty arrays, another step, or a saturation that
    is negative or not finite.
    Source: JFIF 1.02 (ITU-T T.871), clause 7; its centered siting of chroma.
    """
    white = white_of(luma, "luma")
    if luma.dtype != np.uint8:
        raise TypeError(f"luma has to be uint8, got {luma.dtype}; JPEG has no more than 8 bits here")
    check_plane(luma, "luma")
    _check_chroma(chroma, guide, saturation)
    down, across = (operator.index(side) for side in step)
    if down not in STEPS or across not in STEPS:
        raise ValueError(f"step has to be 1, 2 or 4 down and across, got {(down, across)}")
    height, width = luma.shape
    rows, columns = -(-height // down), -(-width // across)

    field = make_field(chroma, guide, saturation, white, (rows, columns), (height, width))
    small_height, small_width = field.shape[1] - 1, field.shape[2] - 1
    cb, cr = np.empty((rows, columns), np.uint8), np.empty((rows, columns), np.uint8)
    render_block_rows(
        rows,
        readonly_view(luma),
        readonly_view(field),
        make_axis(small_height, small_height * down / height, 0, rows),
        make_axis(small_width, small_width * across / width, 0, columns),
        (down, across),
        cb,
        cr,
    )
    return cb, cr


def _check_chroma(chroma: NDArray[np.float32], guide: NDArray[np.float32] | None, saturation: float) -> None:
    check_float32(chroma, "chroma")
    if chroma.ndim != 3 or chroma.shape[0] != 2 or chroma.size == 0:
        raise ValueError(f"chroma has to be (2, h, w) with at least one pixel, got shape {chroma.shape}")
    if guide is not None:
        check_float32(guide, "guide")
        if guide.shape != chroma.shape[1:]:
            raise ValueError(f"guide has to be {chroma.shape[1:]} as chroma is, got shape {guide.shape}")
    if not (math.isfinite(saturation) and saturation >= 0):
        raise ValueError(f"saturation has to be finite and not negative, got {saturation}; 1 changes nothing")


def _checked_out(out: NDArray[Level], luma: NDArray[Level]) -> NDArray[Level]:
    if white_of(out, "out") != white_of(luma, "luma"):
        raise TypeError(f"out has to be {luma.dtype} as luma is, got {out.dtype}")
    if out.shape != (*luma.shape, 3):
        raise ValueError(f"out has to be {(*luma.shape, 3)}, got shape {out.shape}")
    if not (out.flags.c_contiguous and out.flags.aligned and out.flags.writeable):
        raise ValueError("out has to be C-contiguous, aligned and writable; make it with numpy.empty")
    return out
