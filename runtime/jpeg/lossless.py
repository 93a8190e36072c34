"""Color for a JPEG whose luma stays bit for bit: its coefficients and tables are kept, chroma is added beside them.

A JPEG may hold each component in scans of its own. The scans of a gray JPEG are luma already, and their blocks lie in
the very order that a scan of luma alone has in a color JPEG, whatever its subsampling: they are copied as they are,
byte for byte, baseline or progressive, with their restart markers. Cb and Cr, encoded as gray JPEGs of their size,
give the scans behind them. So is every plain gray JPEG colored. Of a color JPEG, luma has first to be freed of the
chroma that it is interleaved with; jpeglib does that on the coefficients, if that is asked for.

Source: ITU-T T.81, A.2 (order of blocks in scans of one component), B.2 (syntax), F.1.1 and G.1 (processes).
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from colorrt.atomic import atomic_path, printable
from colorrt.errors import PictureError
from colorrt.runtime.jpeg.carried import carried_segments
from colorrt.runtime.jpeg.chroma_look import is_jpeg_in_color
from colorrt.runtime.jpeg.chroma_scans import with_chroma
from colorrt.runtime.jpeg.reading import (
    GRAY_STEP,
    JPEG_SUFFIXES,
    decode_luma,
    luma_step,
    metadata_of,
    read_bytes,
    reduction_of,
)
from colorrt.runtime.jpeg.segments import (
    DHT,
    DQT,
    DRI,
    SOS,
    Frame,
    Segment,
    is_metadata,
    join_segments,
    read_frame,
    split_segments,
)
from colorrt.runtime.jpeg.xmp_segments import with_xmp
from colorrt.runtime.pictures.color_spread import InColorError
from colorrt.runtime.pictures.jpeg_checks import decode_cleanly, reduced_size
from colorrt.runtime.pictures.levels import upright
from colorrt.runtime.pictures.memory import LOSSLESS
from colorrt.runtime.pictures.reading import read_picture
from colorrt.runtime.provenance.mark import marked_xmp

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from colorrt.runtime.paint import Paint
    from colorrt.runtime.provenance.mark import Mark

_LOSSY = "color it without --lossless-luma"
_CODING = frozenset({DHT, DQT, DRI, SOS})


@dataclass(frozen=True, eq=False)
class LosslessStill:
    """A JPEG whose coded luma is at hand. A `Still` of the pipeline."""

    luma: NDArray[np.uint8]
    """Upright, (H, W): what the network sees and what guides chroma; of a large picture half of both, rounded up."""

    header: tuple[Segment, ...]
    """Metadata of the result."""

    coded: tuple[Segment, ...]
    """Tables, frame and scans of a gray JPEG: the luma."""

    step: tuple[int, int]
    """The chroma step (down, across) of the result, in the file's own orientation."""

    orientation: int
    """EXIF's, 1 to 8. The file's pixels are not turned, and the tag is kept."""

    reduction: int = 1
    """Pixels (down and across) that one value of `luma` stands for: 1 or 2."""

    def suffix(self, wanted: str) -> str:
        """Return the suffix that was wanted: that of a JPEG."""
        return wanted

    def marked(self, mark: Mark) -> LosslessStill:
        """Return this still with a mark in its XMP."""
        return replace(self, header=with_xmp(self.header, lambda packet: marked_xmp(packet, mark)))

    def planes(self, paint: Paint) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return Cb and Cr from `paint`, which is upright as `luma` is, as the file stores them; see `Paint.planes`."""
        turned = replace(
            paint,
            chroma=np.stack([to_stored(plane, self.orientation) for plane in paint.chroma]),
            guide=None if paint.guide is None else to_stored(paint.guide, self.orientation),
        )
        down, across = self.step
        step = (down // self.reduction, across // self.reduction)
        return turned.planes(to_stored(self.luma, self.orientation), step)

    def write(self, path: Path, cb: NDArray[np.uint8], cr: NDArray[np.uint8], quality: int) -> None:
        """Write the JPEG with its own luma and these planes; quality: 1..100, of them. Raises PictureError."""
        encoded = join_segments([*self.header, *with_chroma(self.coded, cb, cr, self.step, quality)])
        with atomic_path(path, PictureError) as part:
            part.write_bytes(encoded)

    def save(self, path: Path, paint: Paint, quality: int) -> None:
        """Write the JPEG in color, see `write`."""
        self.write(path, *self.planes(paint), quality)


def keep_gray(encoded: bytes, frame: Frame, orientation: int, side: int | None) -> LosslessStill | None:
    """Return a gray JPEG to be colored with its luma kept bit for bit; None for one that has to be encoded again.

    That is one that libjpeg warns of, or that holds anything but what its kind needs: it is not copied but mended. So
    is one whose last scan may have bytes too many, which libjpeg passes over before the end of the file alone.
    encoded, frame: of one with a step of chroma (`luma_step`). side: that of the network's square, see `reduction_of`.
    """
    if len(frame.components) != 1:
        return None
    reduction = reduction_of(frame, GRAY_STEP, side)
    try:
        segments = split_segments(encoded)
        if not _is_plain(segments, frame) or _may_be_padded(segments):
            return None
        plane = decode_cleanly(encoded, size=reduced_size(frame, reduction))[..., 0]
    except ValueError:
        return None
    return _still(segments, segments, plane, (GRAY_STEP, orientation, reduction))


def _is_plain(segments: list[Segment], frame: Frame) -> bool:
    """Whether there is one frame, and nothing beside it but metadata, tables and scans."""
    known = all(part.marker in _CODING or part.marker == frame.marker or is_metadata(part) for part in segments)
    return known and read_frame(segments) == frame


def _may_be_padded(segments: list[Segment]) -> bool:
    """Whether the coded data of the last scan end as filling does: in zero, or in two equal bytes.

    A sound scan may do so too, which costs nothing but that luma is encoded again.
    """
    data = next((part.data for part in reversed(segments) if part.marker == SOS), b"")
    return data[-1:] == b"\0" or (len(data) > 1 and data[-1] == data[-2])


def _still(
    segments: list[Segment], coded: list[Segment], plane: NDArray[np.uint8], ways: tuple[tuple[int, int], int, int]
) -> LosslessStill:
    step, orientation, reduction = ways
    return LosslessStill(
        luma=upright(plane, orientation),
        header=tuple(carried_segments(segments, gray=len(read_frame(segments).components) == 1)),
        coded=tuple(part for part in coded if not is_metadata(part)),
        step=step,
        orientation=orientation,
        reduction=reduction,
    )


def open_lossless(
    source: Path,
    target: Path,
    max_pixels: int | None,
    reserve: Callable[..., None],
    *,
    recolor: bool = True,
    side: int | None = None,
) -> LosslessStill:
    """Open a JPEG to be colored with its luma kept bit for bit, or refuse it.

    Gray JPEGs and color ones with a luma plane of full size; baseline, extended and progressive, 8 bits, Huffman.
    `target`: where the result is to go. `reserve`: called with the number of pixels before they are decoded,
    `each`: the bytes that one takes. `recolor`: False raises InColorError for a JPEG that is in color already.
    `side`: that of the network's square, see `reduction_of`.

    Raises PictureError, "PATH: reason; advice" in one line, when the result would be no JPEG, or the file is no JPEG,
    one without luma, damaged, or too large; and when a color JPEG needs jpeglib and that is not installed.
    """
    try:
        encoded = read_bytes(source)
    except (OSError, ValueError) as error:
        if _has_content(source):
            raise PictureError(
                f"{printable(source)}: it is not a JPEG, and --lossless-luma is for JPEGs only; {_LOSSY}"
            ) from error
        raise _refused(source, max_pixels, error) from error
    if target.suffix.lower() not in JPEG_SUFFIXES:
        raise PictureError(
            f"{printable(source)}: --lossless-luma writes JPEG, and its result would be {printable(target.name)}; "
            f"name it .jpg, or {_LOSSY}"
        )
    try:
        segments = split_segments(encoded)
        frame = read_frame(segments)
        step = luma_step(segments, frame)
        _, orientation = metadata_of(segments, frame)
    except (OSError, ValueError, MemoryError) as error:
        raise _refused(source, max_pixels, error) from error
    if step is None:
        raise PictureError(
            f"{printable(source)}: it is a JPEG without a luma plane of 8 bits and full size, or with arithmetic "
            f"coding, which --lossless-luma cannot keep; {_LOSSY}"
        )
    if max_pixels is not None and frame.width * frame.height > max_pixels:
        raise _refused(source, max_pixels, ValueError("it is too large"))
    reserve(frame.width * frame.height, each=LOSSLESS)
    if not recolor and is_jpeg_in_color(encoded, frame):
        raise InColorError(source)
    reduction = reduction_of(frame, step, side)
    try:
        plane = decode_luma(encoded, frame, reduction)
    except (ValueError, MemoryError) as error:
        raise _refused(source, max_pixels, error) from error
    coded = segments if len(frame.components) == 1 else luma_alone(source, encoded)
    return _still(segments, coded, plane, (step, orientation, reduction))


def _has_content(source: Path) -> bool:
    try:
        return source.is_file() and source.stat().st_size > 0
    except OSError:
        return False


def _refused(source: Path, max_pixels: int | None, error: Exception) -> PictureError:
    """Return why a file cannot be used, or raise it: what is wrong with it is told as without the option."""
    read_picture(source, max_pixels)
    return PictureError(f"{printable(source)}: its luma cannot be kept bit for bit ({error}); {_LOSSY}")


def to_stored(levels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo `upright`: turn an upright plane as the file stores it. C-contiguous."""
    # Turns by a quarter undo each other; the other orientations undo themselves.
    return upright(levels, {6: 8, 8: 6}.get(orientation, orientation))


def luma_alone(path: Path, encoded: bytes) -> list[Segment]:
    """Return the segments of a gray JPEG that has the luma coefficients and table of a color one.

    Raises PictureError when jpeglib is not installed, or fails.
    """
    try:
        import jpeglib
    except ImportError as error:
        raise PictureError(
            f"{printable(path)}: it is a color JPEG, and --lossless-luma needs jpeglib to separate its luma from its "
            f"chroma ({error}); install it: pip install 'colorrt[archive]' (gray JPEGs need nothing)"
        ) from error
    try:
        # jpeglib knows files only.
        with tempfile.TemporaryDirectory(prefix="colorrt-") as folder:
            source, target = Path(folder) / "color.jpg", Path(folder) / "gray.jpg"
            source.write_bytes(encoded)
            color = jpeglib.read_dct(str(source))
            table = color.qt[color.quant_tbl_no[0]][None]
            gray = jpeglib.from_dct(color.Y, qt=table, quant_tbl_no=[0])
            gray.height, gray.width = color.height, color.width
            gray.write_dct(str(target), flags=["+OPTIMIZE_CODING"])
            segments = split_segments(target.read_bytes())
        read_frame(segments)
    except (OSError, ValueError, RuntimeError, IndexError) as error:
        raise PictureError(
            f"{printable(path)}: its luma cannot be separated from its chroma bit for bit ({error}); {_LOSSY}"
        ) from error
    return segments
