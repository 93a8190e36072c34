"""Still pictures: from any file that Pillow decodes to levels, with what goes on to the colored copy."""

from __future__ import annotations

import errno
import math
import stat
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError, features

from colorrt.errors import PictureError
from colorrt.runtime.levels import read_levels, upright
from colorrt.runtime.saving import output_suffix, shown, write_picture

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "PICTURE_SUFFIXES",
    "Picture",
    "output_suffix",
    "read_picture",
    "write_picture",
]

DEFAULT_MAX_PIXELS = 150_000_000
"""A small file can unpack to any size. Decoding takes at most 10 bytes a pixel of RGB, 3 of gray, 15 of RGBA."""

_SUFFIXES_OF = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "PPM": (".pbm", ".pgm", ".pnm", ".ppm"),
    "TGA": (".tga",),
}
if features.check("webp"):
    _SUFFIXES_OF["WEBP"] = (".webp",)
if features.check("jpg_2000"):
    _SUFFIXES_OF["JPEG2000"] = (".jp2",)
# Pillow 11.3 brought AVIF; asking an older one about it is answered with a warning.
if "avif" in features.modules and features.check("avif"):
    _SUFFIXES_OF["AVIF"] = (".avif",)

PICTURE_SUFFIXES = frozenset(suffix for suffixes in _SUFFIXES_OF.values() for suffix in suffixes)
"""What files of a folder are taken for pictures: suffixes, lower case with dot, that this build can read."""

_FIRST_BYTES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"GIF8": "GIF",
}

_WHY_NOT_READ = {
    errno.EACCES: "there is no permission to read it; make it readable (chmod +r)",
    errno.EISDIR: "it is a folder; name a picture in it",
    errno.ELOOP: "its symbolic links run in a circle; name the picture itself",
    errno.ENAMETOOLONG: "its name is too long; check the name",
    errno.ENOENT: "there is no such file; check the name",
    errno.ENOTDIR: "a part of its path is a file and no folder; check the name",
    errno.EPERM: "there is no permission to read it; make it readable (chmod +r)",
}

# What describes the picture. The rest says how the file stored it, and would mislead in another file.
_TAGS_TO_CARRY = (
    ExifTags.Base.DocumentName,
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.PageName,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.HostComputer,
    ExifTags.Base.Rating,
    ExifTags.Base.RatingPercent,
    ExifTags.Base.Copyright,
    ExifTags.Base.XPTitle,
    ExifTags.Base.XPComment,
    ExifTags.Base.XPAuthor,
    ExifTags.Base.XPKeywords,
    ExifTags.Base.XPSubject,
)
_TAG_FOLDERS_TO_CARRY = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture, upright, and what of its file goes on to the colored copy."""

    pixels: NDArray[Any]
    """(H, W) gray or (H, W, 3) RGB, uint8 or uint16, C-contiguous, gamma-coded; white is 255 or 65535."""

    alpha: NDArray[Any] | None = None
    """(H, W) uint8 or uint16, 0 transparent; None if every pixel is opaque."""

    exif: bytes | None = None
    """An EXIF block (from its "Exif" on) of what describes the picture: no orientation, which is applied, no
    thumbnail, which is gray, and nothing of how the file was stored."""

    dpi: tuple[float, float] | None = None
    """Dots per inch across and down."""

    icc_profile: bytes | None = None
    """An RGB profile. Gray and CMYK profiles are dropped, for they would be wrong for the colored copy."""

    format: str = ""
    """Pillow's name of the file's format, "JPEG" for instance."""


def read_picture(path: Path, max_pixels: int | None = DEFAULT_MAX_PIXELS) -> Picture:
    """Decode a picture file, turned upright by its EXIF orientation; of several pages or frames, the first.

    The format is told by the content, never by the name (TGA excepted, which has no mark of its own).
    max_pixels: the largest width x height accepted, None for any. Checked before pixels are decoded.

    What each of Pillow's modes becomes:
    - 1, L, LA, palettes of grays alone: (H, W) uint8. Other palettes, RGB, RGBA: (H, W, 3) uint8, even if the
      three channels are equal.
    - CMYK, YCbCr, LAB, HSV: (H, W, 3) uint8 by Pillow's conversion to RGB, which heeds no ICC profile.
    - I;16 (16-bit gray PNG, TIFF, JPEG 2000): (H, W) uint16, exact. 12-bit TIFF is spread to 16 bits.
    - I (integers of PGM and TIFF) and F (floats of TIFF and PFM): (H, W) uint16. They do not tell their
      white; negative values and NaN are black. I: white is 65535, or the largest value if that is larger; in
      a TIFF without a value above 255 it is 255, and the pixels are uint8. F: white is the first of 1, 255,
      65535 that all values are less than twice of (those above white are clipped), or else the largest value.
    - More than one channel of 16 bits: cut to 8 by Pillow, which refuses gray with alpha in TIFF.
    Transparency becomes `alpha`, whether it comes as a channel, as palette entries, or as one color.

    Emits no warnings. Safe in threads: Pillow's own limit of pixels is set aside while pictures are read.

    Raises PictureError, "PATH: reason; advice" in one line, for all that cannot be read, or only in part.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "")
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(f"{shown(path)}: it is not a regular file; name a picture file")
        if status.st_size == 0:
            raise PictureError(f"{shown(path)}: it is empty (0 bytes); copy it again from its source")
        with path.open("rb") as stream, _own_limit:
            return _decode(stream, path, max_pixels)
    except PictureError:
        raise
    except MemoryError:
        raise PictureError(
            f"{shown(path)}: there is not enough memory for it; "
            "close other programs or work on fewer pictures at a time"
        ) from None
    except Exception as error:
        # Anything: on damaged files Pillow's decoders raise nearly every exception there is.
        if isinstance(error, OSError) and error.errno in _WHY_NOT_READ:
            raise PictureError(f"{shown(path)}: {_WHY_NOT_READ[error.errno]}") from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(
            f"{shown(path)}: it is damaged or cut off ({reason}); copy it again from its source"
        ) from error


class _OwnLimit:
    """While any thread is inside, Pillow neither applies its own limit of pixels nor warns of odd metadata.

    Pillow warns (and above twice its limit refuses) by one global of its module, whatever `max_pixels` says.
    The global is put back when the last reader has left, so that a program around us keeps its protection.
    `warnings.catch_warnings` would not do: threads that leave it in another order than they came in leave the
    filters in disorder. The filter set here concerns only UserWarnings of Pillow, and stays.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers = 0
        self._set_aside: int | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._readers == 0:
                warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
                self._set_aside, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            self._readers += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0 and Image.MAX_IMAGE_PIXELS is None:
                Image.MAX_IMAGE_PIXELS = self._set_aside


_own_limit = _OwnLimit()


def _decode(stream: BinaryIO, path: Path, max_pixels: int | None) -> Picture:
    # TGA has no mark at its beginning: its reader would take random bytes for a picture.
    formats = [name for name in _SUFFIXES_OF if name != "TGA" or path.suffix.lower() == ".tga"]
    try:
        image = Image.open(stream, formats=formats)
    except UnidentifiedImageError as error:
        raise PictureError(f"{shown(path)}: {_why_unknown(stream, formats)}") from error
    width, height = image.size
    if max_pixels is not None and width * height > max_pixels:
        raise PictureError(
            f"{shown(path)}: its {width} x {height} = {width * height:,} pixels are more than "
            f"the limit of {max_pixels:,}; if you trust the file, raise the limit with --max-pixels"
        )
    sixteen_bits_cut = _rawmode(image) == "LA;16B"
    image.load()
    exif, orientation = _exif(image)
    pixels, alpha = read_levels(image.convert("LA") if sixteen_bits_cut else image)
    if alpha is not None and alpha.min() == np.iinfo(alpha.dtype).max:
        alpha = None
    dpi = _dpi(image.info.get("dpi"))
    profile = image.info.get("icc_profile")
    return Picture(
        pixels=upright(pixels, orientation),
        alpha=None if alpha is None else upright(alpha, orientation),
        exif=exif,
        dpi=dpi if dpi is None or orientation < 5 else (dpi[1], dpi[0]),
        icc_profile=profile if profile and profile[16:20] == b"RGB " else None,
        # An MPO is a JPEG with further pictures behind it.
        format="JPEG" if image.format == "MPO" else image.format or "",
    )


def _why_unknown(stream: BinaryIO, formats: list[str]) -> str:
    stream.seek(0)
    beginning = stream.read(4)
    for mark, name in _FIRST_BYTES.items():
        if beginning.startswith(mark):
            return (
                f"it begins as {name}, but is damaged or of a kind that Pillow does not read; "
                "copy it again from its source, or convert it to PNG"
            )
    return f"its content is none of {', '.join(sorted(formats))}; convert it to one of these"


def _rawmode(image: Image.Image) -> object:
    """Return how the file stores its pixels where Pillow tells so, before they are loaded."""
    return image.tile[0][3] if isinstance(image, ImageFile.ImageFile) and image.tile else None


def _exif(image: Image.Image) -> tuple[bytes | None, int]:
    """Return the EXIF block to carry on, and the orientation still to be applied (1 to 8, 1: upright)."""
    orientation = 1
    try:
        tags = image.getexif()
        # A TIFF tells none here: Pillow has turned it already.
        found = tags.get(ExifTags.Base.Orientation, 1)
        orientation = found if found in range(1, 9) else 1
        kept = _descriptive(tags)
        return (kept.tobytes() if len(kept) else None), orientation
    except Exception:
        # Damaged metadata must not cost the picture.
        return None, orientation


def _descriptive(tags: Image.Exif) -> Image.Exif:
    kept = Image.Exif()
    for tag in _TAGS_TO_CARRY:
        if tag in tags:
            kept[tag] = tags[tag]
    for folder in _TAG_FOLDERS_TO_CARRY:
        # The folder of interoperability is given as a place in the old file.
        entries = {tag: value for tag, value in tags.get_ifd(folder).items() if tag != ExifTags.IFD.Interop}
        if entries:
            kept[folder] = entries
    return kept


def _dpi(found: object) -> tuple[float, float] | None:
    """Return a resolution that every format can hold, or None."""
    try:
        across, down = (float(value) for value in found)  # type: ignore[attr-defined]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    sound = all(math.isfinite(value) and 1 <= value <= 65535 for value in (across, down))
    return (across, down) if sound else None
