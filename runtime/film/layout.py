"""How the pixels of a film lie in memory, and what coding of color they are in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from colorrt.errors import PictureError
from colorrt.kernels.film import Coding

if TYPE_CHECKING:
    from numpy.typing import NDArray

MATRICES = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
"""Kr and Kb by the number that H.273 gives a matrix: 709, FCC, 601 (twice), 240M, 2020 non-constant."""

UNSAID = (0, 2, 3)
"""Numbers of matrices that say nothing of luma: RGB, unspecified, reserved."""

_FULL = 2
_HD = 720
_PLANAR = re.compile(r"yuv(4\d\d)p(\d*)(le)?")
_HIGH_BITS = re.compile(r"p[024](\d\d)le")
_STEPS = {"420": (2, 2), "422": (1, 2), "444": (1, 1), "440": (2, 1), "411": (1, 4), "410": (4, 4)}


@dataclass(frozen=True)
class Layout:
    """Where luma lies in a decoded frame.

    `convert`: the pixel format that frames are brought to first, where their own has no plane of luma; None leaves
    them. `depth`: bits of luma. `shift`: bits that luma lies above the lowest. `step`: luma pixels of a chroma pixel,
    down and across; None where there is no chroma.
    """

    convert: str | None
    depth: int
    shift: int
    step: tuple[int, int] | None


def find_layout(pixel_format: Any) -> Layout:
    """Return how a decoded frame of this pixel format (`av.VideoFormat`) is read.

    Raises PictureError for formats that hold no picture: hardware surfaces, raw sensors.
    """
    name = pixel_format.name
    components = pixel_format.components
    if not components or pixel_format.is_bayer:
        raise PictureError(f"its pixel format {name} is no picture yet; decode it to YUV first")
    depth = max(component.bits for component in components)
    if depth > 16:
        raise PictureError(f"its pixel format {name} has {depth} bits; convert it to 16 or fewer first")
    if pixel_format.is_rgb or pixel_format.has_palette:
        return Layout(_planar("444", 8 if depth <= 8 else 10 if depth <= 10 else 16), max(8, depth), 0, (1, 1))
    gray = len([part for part in components if not part.is_alpha]) == 1
    if depth < 8:
        return Layout("gray", 8, 0, None)
    if pixel_format.is_big_endian:
        return Layout(name.removesuffix("be") + "le", depth, 0, None if gray else _step_of(pixel_format))
    if gray:
        # Gray with alpha is packed.
        packed = len(components) > 1
        return Layout(("gray" if depth == 8 else f"gray{depth}le") if packed else None, depth, 0, None)
    step = _step_of(pixel_format)
    if not pixel_format.is_planar:
        sampling = next((name for name, known in _STEPS.items() if known == step), "444")
        return Layout(_planar(sampling, depth), depth, 0, step)
    high = _HIGH_BITS.fullmatch(name)
    return Layout(None, depth, 16 - depth if high else 0, step)


def _step_of(pixel_format: Any) -> tuple[int, int]:
    return 16 // pixel_format.chroma_height(16), 16 // pixel_format.chroma_width(16)


def _planar(sampling: str, depth: int) -> str:
    return f"yuv{sampling}p" if depth == 8 else f"yuv{sampling}p{depth}le"


def planar_format(name: str) -> tuple[int, tuple[int, int]] | None:
    """Return depth and step of a planar YUV format without alpha, None for all others."""
    found = _PLANAR.fullmatch(name)
    if found is None or found[1] not in _STEPS:
        return None
    return int(found[2] or 8), _STEPS[found[1]]


def find_coding(frame: Any, layout: Layout, codec: str) -> tuple[Coding, int]:
    """Return the coding of a film by a decoded frame of it, and the number of its matrix in H.273.

    What a film does not say is taken as players do: BT.709 from 720 lines on, BT.601 below; limited range; chroma sited
    left (MPEG-2, H.264), at the top left for BT.2020, in the middle for MPEG-1 and motion JPEG.

    Raises PictureError for matrices in which luma is no weighted sum of R, G and B.
    """
    matrix = int(frame.colorspace)
    rgb = frame.format.is_rgb or frame.format.has_palette
    if matrix in UNSAID or rgb:
        matrix = 1 if frame.height >= _HD else 6
    if matrix not in MATRICES:
        raise PictureError(
            f"its matrix, number {matrix} of H.273, is none of 601, 709, 240M and 2020 (non-constant); convert it first"
        )
    # What comes out of the conversion from RGB has limited range.
    full = not rgb and (int(frame.color_range) == _FULL or frame.format.name.startswith("yuvj"))
    top, left = matrix == 9, codec not in ("mpeg1video", "mjpeg")
    # Only PyAV 19 and later tells; 1 left, 2 center, 3 top left, 4 top.
    said = int(getattr(frame, "chroma_location", 0) or 0)
    if said in (1, 2, 3, 4):
        top, left = said in (3, 4), said in (1, 3)
    step = layout.step or (2, 2)
    return Coding(*MATRICES[matrix], layout.depth, full, step, top, left), matrix


def convert_frame(frame: Any, layout: Layout, matrix: int) -> Any:
    """Return a frame with a plane of luma: itself, or converted to `layout.convert`."""
    if layout.convert is None:
        return frame
    if frame.format.is_rgb or frame.format.has_palette:
        # swscale counts 601 as 5.
        return frame.reformat(format=layout.convert, dst_colorspace=1 if matrix == 1 else 5, dst_color_range=1)
    return frame.reformat(format=layout.convert)


def read_luma(frame: Any, layout: Layout) -> NDArray[Any]:
    """Return a copy of the luma of a frame (of layout.convert, where that is not None).

    Returns (H, W) uint8 (8 bits) or uint16, C-contiguous; levels as coded.
    """
    plane = frame.planes[0]
    dtype = np.dtype(np.uint8) if layout.depth == 8 else np.dtype("<u2")
    lines = np.frombuffer(plane, dtype).reshape(-1, plane.line_size // dtype.itemsize)
    luma = lines[: frame.height, : frame.width]
    if layout.shift:
        return np.right_shift(luma.astype(np.uint16), layout.shift)
    return np.array(luma, np.uint8 if layout.depth == 8 else np.uint16, order="C")


def write_plane(frame: Any, index: int, levels: NDArray[Any]) -> None:
    """Write levels (h, w) into a plane of a frame that is ours to write to."""
    plane = frame.planes[index]
    lines = np.frombuffer(plane, levels.dtype).reshape(-1, plane.line_size // levels.dtype.itemsize)
    lines[: levels.shape[0], : levels.shape[1]] = levels
