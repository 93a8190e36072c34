"""Files that are whole or not there, made beside their name and moved into place; pictures among them."""

from __future__ import annotations

import errno
import io
import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, features

from colorrt.errors import ColorrtError, PictureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from colorrt.runtime.pictures import Picture

# What holds RGB. BMP can hold alpha too, but few programs look at it there.
_FORMAT_OF = {
    ".bmp": "BMP",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".pnm": "PPM",
    ".ppm": "PPM",
    ".tga": "TGA",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
if features.check("webp"):
    _FORMAT_OF[".webp"] = "WEBP"
if features.check("jpg_2000"):
    _FORMAT_OF[".jp2"] = "JPEG2000"
# Pillow 11.3 brought AVIF; asking an older one about it is answered with a warning.
if "avif" in features.modules and features.check("avif"):
    _FORMAT_OF[".avif"] = "AVIF"

_WITH_ALPHA = frozenset({"AVIF", "JPEG2000", "PNG", "TGA", "TIFF", "WEBP"})
_LONGEST_SIDE = {"JPEG": 65500, "TGA": 65535, "WEBP": 16383}

# A photo of 1920 x 1080: level 1 takes 0.12 s and 2.97 MB, 3: 0.17 s and 2.85 MB, 6 (the default): 0.46 s and
# 2.84 MB.
_PNG_LEVEL = 1

# From here on the color of red lettering on blue is worth the 15% that full chroma adds to a file.
_FULL_CHROMA_QUALITY = 90

_WHY_NOT_WRITTEN = {
    errno.EACCES: "there is no permission to write here; choose another folder",
    errno.EDQUOT: "the quota of the disk is used up; free some space or choose another disk",
    errno.EISDIR: "it is a folder; name a file in it",
    errno.ENAMETOOLONG: "its name is too long; choose a shorter one",
    errno.ENOENT: "its folder does not exist; create the folder first",
    errno.ENOSPC: "the disk is full; free some space or choose another disk",
    errno.ENOTDIR: "what should be its folder is a file; choose another folder",
    errno.EPERM: "there is no permission to write here; choose another folder",
    errno.EROFS: "the disk is read-only; choose another folder",
}


def shown(path: Path | str) -> str:
    """Return a path as it can stand in a one-line message: line breaks and undecodable bytes are escaped."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in str(path))


@contextmanager
def atomic_path(path: Path, failure: type[ColorrtError] = ColorrtError) -> Iterator[Path]:
    """Lend the path of an empty file to write to; it takes the place of `path` once the block has succeeded.

    The lent file lies hidden in the folder of `path`, so that moving it is one step of the file system:
    others see the old file or the new one, never a part. Its permissions follow the umask. If the block fails
    in any way (KeyboardInterrupt too), the lent file is removed and `path` stays as it was. A symbolic link
    is followed. The lent name ends in .part: a writer that goes by suffixes has to be told the format.

    Raises `failure`, "PATH: reason; advice" in one line, for every OSError, those of the block included.
    Other exceptions of the block pass through.
    """
    part: Path | None = None
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if target.exists() and not target.is_file():
            # Moving a file to the name of a device would take the device away.
            raise failure(f"{shown(path)}: cannot be written: it is not a regular file; choose another name")
        # Cut, because the longer name may not be longer than a name can be (mostly 255 bytes).
        part = target.with_name(f".{target.name[:40]}.{secrets.token_hex(6)}.part")
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        yield part
        part.replace(target)
        part = None
    except OSError as error:
        reason = _WHY_NOT_WRITTEN.get(error.errno or 0)
        if reason is None:
            reason = f"{_in_one_line(error.strerror or error)}; check the disk or choose another folder"
        raise failure(f"{shown(path)}: cannot be written: {reason}") from error
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink()


def output_suffix(picture: Picture, suffix: str) -> str:
    """Return the suffix under which `picture` can be saved in color: `suffix` itself, or else ".png".

    suffix: with its dot, in any case; that of the input, mostly. ".png" replaces suffixes of formats that
    hold no RGB (.gif, .pgm), that this build does not write, and, if the picture has alpha, that hold none
    (.jpg).
    """
    kind = _FORMAT_OF.get(suffix.lower())
    if kind is None or (picture.alpha is not None and kind not in _WITH_ALPHA):
        return ".png"
    return suffix


def write_picture(path: Path, rgb: NDArray[Any], picture: Picture, quality: int = 95) -> None:
    """Save a colored picture with what its source carried, in the format that the suffix of `path` names.

    rgb: (H, W, 3), uint8 or uint16. Pillow writes 8 bits per channel, so uint16 is rounded to
    (255 x + 32767) // 65535, and so is a 16-bit alpha.
    picture: the source; its alpha, exif, dpi and icc_profile are saved where the format can hold them, and
    left out where it cannot: to keep the alpha, choose the path by `output_suffix`.
    quality: 1..100, for JPEG, WebP and AVIF. JPEG and AVIF keep chroma at full size from 90 on. PNG, TIFF and
    JPEG 2000 are lossless.

    The file appears whole or not at all, see `atomic_path`.

    Raises PictureError, "PATH: reason; advice" in one line, if the suffix names no format for RGB, the
    picture is too large for the format, or the file cannot be written; UsageError for another quality;
    ValueError or TypeError for another rgb.
    """
    kind = _FORMAT_OF.get(path.suffix.lower())
    if kind is None:
        raise PictureError(
            f"{shown(path)}: cannot be written: '{shown(path.suffix)}' names no format for color pictures; "
            f"use one of {', '.join(sorted(_FORMAT_OF))}"
        )
    if not 1 <= quality <= 100:
        raise UsageError(f"{shown(path)}: the quality has to be 1 to 100, got {quality}; 95 suits photos")
    image = _as_image(rgb, picture.alpha if kind in _WITH_ALPHA else None)
    limit = _LONGEST_SIDE.get(kind)
    if limit is not None and max(image.size) > limit:
        raise PictureError(
            f"{shown(path)}: cannot be written: {image.width} x {image.height} pixels are too many "
            f"for {kind}, which holds {limit} a side; save it as .png or .tif"
        )
    with atomic_path(path, PictureError) as part:
        part.write_bytes(_encoded(path, image, kind, picture, quality))


def _encoded(path: Path, image: Image.Image, kind: str, picture: Picture, quality: int) -> bytes:
    # Encoded in memory and written by Python, for Pillow's own writing hides that a disk is full.
    try:
        try:
            return _with_options(image, kind, picture, quality, picture.exif)
        except Exception:
            # Tags that Pillow can read but not write, or that are too long for a JPEG, must not cost the picture.
            if picture.exif is None:
                raise
            return _with_options(image, kind, picture, quality, None)
    except MemoryError:
        raise PictureError(
            f"{shown(path)}: cannot be written: there is not enough memory for "
            f"{image.width} x {image.height} pixels; close other programs or work on fewer pictures at a time"
        ) from None
    except Exception as error:
        raise PictureError(
            f"{shown(path)}: cannot be written: the {kind} encoder failed ({_in_one_line(error)}); "
            "save it in another format"
        ) from error


def _with_options(image: Image.Image, kind: str, picture: Picture, quality: int, exif: bytes | None) -> bytes:
    options: dict[str, Any] = {}
    if picture.dpi is not None:
        options["dpi"] = picture.dpi
    if picture.icc_profile is not None:
        options["icc_profile"] = picture.icc_profile
    if kind == "JPEG":
        options |= {"quality": quality, "subsampling": 0 if quality >= _FULL_CHROMA_QUALITY else 2}
    elif kind == "AVIF":
        options |= {
            "quality": quality,
            "subsampling": "4:4:4" if quality >= _FULL_CHROMA_QUALITY else "4:2:0",
        }
    elif kind == "WEBP":
        options |= {"quality": quality}
    elif kind == "PNG":
        options |= {"compress_level": _PNG_LEVEL}
    elif kind == "TIFF":
        # Pillow loses EXIF folders in compressed TIFF. (LZW would take 0.06 s and halve a photo of 1920 x 1080.)
        options |= {"compression": "raw"}
    if exif is not None:
        options["exif"] = exif
    stream = io.BytesIO()
    image.save(stream, format=kind, **options)
    return stream.getvalue()


def _as_image(rgb: NDArray[Any], alpha: NDArray[Any] | None) -> Image.Image:
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise ValueError(f"rgb has to be (H, W, 3) with at least one pixel, got shape {rgb.shape}")
    image = Image.fromarray(_in_8_bits(rgb, "rgb"))
    if alpha is not None:
        if alpha.shape != rgb.shape[:2]:
            raise ValueError(f"alpha has to be as large as rgb, got shapes {alpha.shape} and {rgb.shape}")
        image.putalpha(Image.fromarray(_in_8_bits(alpha, "alpha")))
    return image


def _in_8_bits(levels: NDArray[Any], name: str) -> NDArray[np.uint8]:
    if levels.dtype == np.uint8:
        return np.ascontiguousarray(levels)
    if levels.dtype != np.uint16:
        raise TypeError(f"{name} has to be uint8 or uint16, got {levels.dtype}; convert it with astype")
    rounded = np.empty(levels.shape, np.uint8)
    # A few rows at a time: the wider products would take four times the memory of the picture.
    for top in range(0, len(levels), 64):
        rows = slice(top, top + 64)
        rounded[rows] = (levels[rows] * np.uint32(255) + np.uint32(32767)) // np.uint32(65535)
    return rounded


def _in_one_line(reason: object) -> str:
    return " ".join(str(reason).split()) or type(reason).__name__
