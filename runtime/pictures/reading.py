"""Still pictures: from any file that is read here to levels, with what goes on to the colored copy."""

from __future__ import annotations

import errno
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from colorrt.atomic import in_one_line, printable
from colorrt.errors import PictureError
from colorrt.runtime.pictures.camera_raw import CAMERA_RAW, is_raw_mark
from colorrt.runtime.pictures.declared_size import declared_size
from colorrt.runtime.pictures.formats import PICTURE_SUFFIXES, formats_to_try, mark_of, why_unknown
from colorrt.runtime.pictures.guards import picture_errors, pillow_limit_lifted
from colorrt.runtime.pictures.jpeg_checks import JpegBombError, check_jpeg, measure_jpeg
from colorrt.runtime.pictures.levels import read_levels, upright
from colorrt.runtime.pictures.memory import bytes_per_pixel
from colorrt.runtime.pictures.metadata import Metadata, read_metadata
from colorrt.runtime.pictures.metered import MeteredStream
from colorrt.runtime.pictures.picture import Picture
from colorrt.runtime.pictures.sixteen_bits import Levels, is_cut, read_both_bytes
from colorrt.runtime.pictures.tiff_layout import BadLayoutError, Layout, read_layout
from colorrt.runtime.pictures.tiff_reading import REDUCED_OR_MASK, NotReadError, page_numbers, read_page, size_of_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "PICTURE_SUFFIXES",
    "Pages",
    "Picture",
    "open_pages",
    "read_picture",
]

DEFAULT_MAX_PIXELS = 150_000_000
"""A small file can unpack to any size. What a pixel takes: see `colorrt.runtime.pictures.memory`."""

_ANIMATED = frozenset({"AVIF", "GIF", "JXL", "PNG", "WEBP"})
_SUBFILE_TAG = 254
_BITS_TAG = 258
_COMPRESSION_TAG = 259
_ORIENTATION_TAG = 274
_PLANAR_TAG = 284
_SEPARATE = 2
_UNCOMPRESSED = 1


def read_picture(path: Path, max_pixels: int | None = DEFAULT_MAX_PIXELS) -> Picture:
    """Decode a picture file, turned upright by its EXIF orientation; of several pages or frames, the first.

    The format is told by the content, never by the name (TGA excepted, which has no mark of its own).
    max_pixels: the largest width x height accepted, None for any. Checked before pixels are decoded.

    What each of Pillow's modes becomes:
    - 1, L, LA, palettes of grays alone: (H, W) uint8. Other palettes, RGB, RGBA: (H, W, 3) uint8, even if the
      three channels are equal.
    - CMYK: (H, W, 3) uint8, through its ICC profile to sRGB if it has one that works, else as Pillow converts.
      YCbCr, LAB, HSV: (H, W, 3) uint8 by Pillow's conversion to RGB.
    - I;16 (16-bit gray PNG, TIFF, JPEG 2000): (H, W) uint16, exact. 12-bit TIFF is spread to 16 bits.
    - PNG and TIFF of 16 bits with several channels: uint16, exact, alpha too. CMYK of 16 bits is cut to 8.
    - I (integers of PGM and TIFF) and F (floats of TIFF and PFM): (H, W) uint16. They do not tell their
      white; negative values and NaN are black. I: white is 65535, or the largest value if that is larger; in
      a TIFF without a value above 255 it is 255, and the pixels are uint8. F: white is the first of 1, 255,
      65535 that all values are less than twice of (those above white are clipped), or else the largest value.
    Transparency becomes `alpha`, whether it comes as a channel, as palette entries, or as one color.

    Emits no warnings. Safe in threads: Pillow's own limit of pixels is set aside while pictures are read.

    Raises PictureError, "PATH: reason; advice" in one line, for all that cannot be read, or only in part.
    """
    with open_pages(path, max_pixels) as pages:
        return pages.read(0)


@contextmanager
def open_pages(path: Path, max_pixels: int | None = DEFAULT_MAX_PIXELS) -> Iterator[Pages]:
    """Open a picture file whose pages are read one by one; use it from one thread, and only inside the block.

    Raises PictureError as `read_picture` does, from the block too.
    """
    with picture_errors(path):
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "")
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(f"{printable(path)}: it is not a regular file; name a picture file")
        if status.st_size == 0:
            raise PictureError(f"{printable(path)}: it is empty (0 bytes); copy it again from its source")
        stream = path.open("rb")
    with stream:
        with picture_errors(path), pillow_limit_lifted:
            pages = Pages(stream, path, max_pixels)
        yield pages


class Pages:
    """The pages of an open picture file: those of a TIFF, less previews and masks; of others, the first frame.

    A page is found by its number from 0 to len(pages) - 1. Made by `open_pages`.
    """

    def __init__(self, stream: BinaryIO, path: Path, max_pixels: int | None) -> None:
        self._meter = MeteredStream(stream)
        self._stream = cast("BinaryIO", self._meter)
        self._path = path
        self._max_pixels = max_pixels
        self._encoded_bytes = 0
        mark = mark_of(stream)
        if mark is None and is_raw_mark(stream):
            raise PictureError(f"{printable(path)}: {CAMERA_RAW}")
        layout = self._check_before_decoders(mark, stream)
        self._formats = formats_to_try(path.suffix, mark)
        self._frames = [0]
        self._image: Image.Image | None = None
        self._beyond_pillow: set[int] = set()
        if layout is not None:
            self._meter.hidden = layout.hidden
            if layout.is_big_endian_bigtiff:
                self._frames = page_numbers(self._stream)
                self._beyond_pillow = set(self._frames)
                return
        try:
            self._image = self._opened()
        except UnidentifiedImageError as error:
            # Pillow refuses a TIFF as a whole if it does not read its first page.
            reason = why_unknown(mark, self._formats) if mark != "TIFF" else _why_not_tiff(self._stream)
            if reason is not None:
                raise PictureError(f"{printable(path)}: {reason}") from error
            self._frames = page_numbers(self._stream)
            self._beyond_pillow = set(self._frames)
        if isinstance(self._image, TiffImagePlugin.TiffImageFile):
            self._frames, self._beyond_pillow = _frames(self._image, self._meter)

    def _check_before_decoders(self, mark: str | None, stream: BinaryIO) -> Layout | None:
        """Refuse what would take a decoder's time or memory before it can be asked for its size.

        Returns the layout of a TIFF.
        """
        size = declared_size(stream, mark)
        if size is not None:
            self._check_size(*size, "")
            self._meter.allow(size[0] * size[1])
        try:
            if mark == "JPEG":
                self._encoded_bytes = measure_jpeg(stream)
            layout = read_layout(stream) if mark == "TIFF" else None
        except (BadLayoutError, JpegBombError) as error:
            raise PictureError(
                f"{printable(self._path)}: {error}; open it in another program and save it anew"
            ) from error
        except ValueError:
            # Decoders tell it in their own words.
            return None
        if layout is not None and layout.is_raw:
            raise PictureError(f"{printable(self._path)}: {CAMERA_RAW}")
        if layout is not None and self._max_pixels is not None and sum(layout.pixels) > self._max_pixels:
            self._check_claims(layout)
        return layout

    def _check_claims(self, layout: Layout) -> None:
        # A little is shared by some writers who round counts up.
        if layout.claimed > 1.1 * layout.covered:
            raise PictureError(
                f"{printable(self._path)}: its {len(layout.pixels)} pages have {sum(layout.pixels):,} pixels and share "
                "what they are stored in, as in a bomb; if you trust the file, raise the limit with --max-pixels"
            )

    def _check_size(self, width: int, height: int, page: str) -> None:
        if width < 1 or height < 1:
            raise PictureError(
                f"{printable(self._path)}: {page}it has no pixels ({width} x {height}), and is damaged; "
                "copy it again from its source"
            )
        if self._max_pixels is not None and width * height > self._max_pixels:
            raise PictureError(
                f"{printable(self._path)}: {page}its {width} x {height} = {width * height:,} pixels are "
                f"more than the limit of {self._max_pixels:,}; if you trust the file, raise the limit with --max-pixels"
            )

    def __len__(self) -> int:
        return len(self._frames)

    def frames(self) -> int:
        """Return of how many frames of an animation the picture is the first; 0 where that cannot be counted."""
        image = self._image
        if image is None or image.format not in _ANIMATED:
            return 1
        self._meter.allow()
        try:
            with picture_errors(self._path), pillow_limit_lifted:
                return int(getattr(image, "n_frames", 1))
        except PictureError:
            # What is damaged behind the first frame does not cost that.
            return 0

    def pixels(self, number: int) -> int:
        """Return width x height of a page. Raises PictureError if that is above the limit, or cannot be told."""
        with picture_errors(self._path, self._of(number)), pillow_limit_lifted:
            self._meter.allow()
            image = self._sought(self._frames[number])
            width, height = size_of_page(self._stream, self._frames[number]) if image is None else image.size
            if not (isinstance(width, int) and isinstance(height, int)):
                # Of a TIFF whose tag holds several.
                raise ValueError("its width or height is no whole number")
        self._check_size(width, height, self._of(number))
        return width * height

    def bytes_per_pixel(self, number: int) -> float:
        """Return what a pixel of a page takes at most, until its copy is written. Raises PictureError."""
        pixels = self.pixels(number)
        with picture_errors(self._path, self._of(number)), pillow_limit_lifted:
            self._meter.allow()
            return bytes_per_pixel(self._sought(self._frames[number]), pixels)

    def read(self, number: int) -> Picture:
        """Decode a page. Raises PictureError if it has too many pixels or is damaged."""
        pixels = self.pixels(number)
        frame = self._frames[number]
        with picture_errors(self._path, self._of(number)), pillow_limit_lifted:
            self._meter.allow(pixels)
            image = self._sought(frame)
            if image is None:
                levels, metadata, orientation = read_page(self._stream, frame)
                return _upright(levels, metadata, orientation, "TIFF", compressed=True)
            # An MPO is a JPEG with further pictures behind it.
            kind = "JPEG" if image.format == "MPO" else image.format or ""
            compressed = kind == "TIFF" and _tag(image, _COMPRESSION_TAG) != _UNCOMPRESSED
            levels, metadata, orientation = self._decoded(image, frame)
            if kind == "JPEG":
                self._stream.seek(0)
                check_jpeg(self._stream.read(self._encoded_bytes or -1))
            if len(self) == 1:
                # Its pixels have become levels: a second copy would double the memory of a large picture.
                self._image = None
            del image
            return _upright(levels, metadata, orientation, kind, compressed=compressed)

    def _decoded(self, image: Image.Image, frame: int) -> tuple[Levels, Metadata, int]:
        lay = _tag(image, _ORIENTATION_TAG) in (5, 6, 7, 8)
        if _tag(image, _PLANAR_TAG) == _SEPARATE and 16 in _bits(image):
            try:
                return read_page(self._stream, frame)
            except NotReadError:
                # Pillow cuts it to 8 bits, but reads it.
                image = self._opened()
                image.seek(frame)
        if is_cut(image):

            def again() -> Image.Image:
                image = self._opened()
                image.seek(frame)
                return image

            levels = read_both_bytes(image, again)
        else:
            image.load()
            levels = Levels(*read_levels(image))
        metadata, orientation = read_metadata(image, gray=levels.pixels.ndim == 2, lay=lay)
        return levels, metadata, orientation

    def _opened(self) -> Image.Image:
        self._stream.seek(0)
        return Image.open(self._stream, formats=self._formats)

    def _sought(self, frame: int) -> Image.Image | None:
        """Return the image at this frame, not loaded; None if Pillow does not read it."""
        if frame in self._beyond_pillow:
            return None
        if self._image is None:
            self._image = self._opened()
        self._image.seek(frame)
        return self._image

    def _of(self, number: int) -> str:
        return f"page {number + 1} of {len(self)}: " if len(self) > 1 else ""


def _why_not_tiff(stream: BinaryIO) -> str | None:
    """Return why a TIFF that Pillow refuses is not read here, for a message; None if it is."""
    try:
        size_of_page(stream, 0)
    except NotReadError as error:
        return f"{in_one_line(error)}; convert it to PNG"
    except Exception:
        return why_unknown("TIFF", [])
    return None


def _frames(image: TiffImagePlugin.TiffImageFile, stream: MeteredStream) -> tuple[list[int], set[int]]:
    """Return the numbers of the frames that are pages, neither previews nor masks, and which Pillow does not read."""
    frames = []
    beyond_pillow = set()
    number = 0
    while True:
        stream.allow()
        try:
            image.seek(number)
        except EOFError:
            break
        except SyntaxError:
            # It says so but once: asked for again, it shows the page before.
            frames.append(number)
            beyond_pillow.add(number)
        else:
            kind = image.tag_v2.get(_SUBFILE_TAG, 0)
            if number == 0 or not (isinstance(kind, int) and kind & REDUCED_OR_MASK):
                frames.append(number)
        number += 1
    stream.allow()
    image.seek(0)
    return frames, beyond_pillow


def _tag(image: Image.Image, tag: int) -> object:
    return image.tag_v2.get(tag) if isinstance(image, TiffImagePlugin.TiffImageFile) else None


def _bits(image: Image.Image) -> tuple[int, ...]:
    bits = _tag(image, _BITS_TAG)
    return bits if isinstance(bits, tuple) else ()


def _upright(levels: Levels, metadata: Metadata, orientation: int, kind: str, *, compressed: bool) -> Picture:
    pixels, alpha = levels
    if alpha is not None and alpha.min() == np.iinfo(alpha.dtype).max:
        alpha = None
    return Picture(
        pixels=upright(pixels, orientation),
        alpha=None if alpha is None else upright(alpha, orientation),
        exif=metadata.exif,
        dpi=metadata.dpi,
        icc_profile=metadata.icc_profile,
        format=kind,
        xmp=metadata.xmp,
        iptc=metadata.iptc,
        compressed=compressed,
    )
