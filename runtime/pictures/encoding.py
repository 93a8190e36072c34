"""Colored pictures in the formats that Pillow writes, 8 bits per channel."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

from PIL import Image, PngImagePlugin

from colorrt.runtime.pictures.colored import Colored, bands_of, in_8_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from colorrt.runtime.pictures.picture import Picture

# A photo of 1920 x 1080: level 1 takes 0.12 s and 2.97 MB, 3: 0.17 s and 2.85 MB, 6 (the default): 0.46 s and
# 2.84 MB.
PNG_LEVEL = 1

# From here on the color of red lettering on blue is worth the 15% that full chroma adds to a file.
FULL_CHROMA_QUALITY = 90

_LONGEST_SEGMENT = 65533
_XMP_MARK = b"http://ns.adobe.com/xap/1.0/\0"
_IPTC_MARK = b"Photoshop 3.0\x008BIM\x04\x04\0\0"


def encode(image: Image.Image, kind: str, picture: Picture, quality: int) -> bytes:
    """Return an image as a file of the format `kind` (Pillow's name) with what its source carried.

    Tags that cannot be written, or are too long for the format, are left out.
    """
    # Encoded in memory and written by Python, for Pillow's own writing hides that a disk is full.
    try:
        return _with_options(image, kind, picture, quality, picture.exif)
    except Exception:
        # Tags that Pillow can read but not write, or that are too long for a JPEG, must not cost the picture.
        if picture.exif is None:
            raise
        return _with_options(image, kind, picture, quality, None)


def jpeg_segments(picture: Picture) -> bytes:
    """Return the segments that carry a picture's XMP and IPTC in a JPEG; what is too long for one is left out."""
    segments = b""
    if picture.xmp is not None:
        segments += _segment(0xE1, _XMP_MARK + picture.xmp)
    if picture.iptc is not None:
        padded = picture.iptc + bytes(len(picture.iptc) % 2)
        segments += _segment(0xED, _IPTC_MARK + struct.pack(">I", len(picture.iptc)) + padded)
    return segments


def _segment(marker: int, data: bytes) -> bytes:
    return b"" if len(data) > _LONGEST_SEGMENT else struct.pack(">BBH", 0xFF, marker, 2 + len(data)) + data


def _with_options(image: Image.Image, kind: str, picture: Picture, quality: int, exif: bytes | None) -> bytes:
    options: dict[str, Any] = {}
    if picture.dpi is not None:
        options["dpi"] = picture.dpi
    if picture.icc_profile is not None:
        options["icc_profile"] = picture.icc_profile
    if kind == "JPEG":
        options |= {"quality": quality, "subsampling": 0 if quality >= FULL_CHROMA_QUALITY else 2}
        options |= {"extra": jpeg_segments(picture)}
    elif kind == "AVIF":
        options |= {
            "quality": quality,
            "subsampling": "4:4:4" if quality >= FULL_CHROMA_QUALITY else "4:2:0",
        }
    elif kind == "WEBP":
        options |= {"quality": quality}
    elif kind == "PNG":
        options |= {"compress_level": PNG_LEVEL}
        if picture.xmp is not None:
            texts = PngImagePlugin.PngInfo()
            texts.add_itxt("XML:com.adobe.xmp", picture.xmp.decode("utf-8", "replace"))
            options["pnginfo"] = texts
    if kind in ("AVIF", "WEBP") and picture.xmp is not None:
        options["xmp"] = picture.xmp
    if exif is not None:
        options["exif"] = exif
    stream = io.BytesIO()
    image.save(stream, format=kind, **options)
    return stream.getvalue()


def as_image(rgb: NDArray[Any] | Colored, alpha: NDArray[Any] | None) -> Image.Image:
    """Return a picture (H, W, 3) as an image of 8 bits per channel."""
    if isinstance(rgb, Colored):
        # Band by band, for the image is one copy of the picture already.
        image = Image.new("RGB", (rgb.shape[1], rgb.shape[0]))
        for top, band in bands_of(rgb):
            image.paste(Image.fromarray(in_8_bits(band, "rgb")), (0, top))
    else:
        image = Image.fromarray(in_8_bits(rgb, "rgb"))
    if alpha is not None:
        image.putalpha(Image.fromarray(in_8_bits(alpha, "alpha")))
    return image
