"""What a file says of its picture, and what of that goes on to the colored copy."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from PIL import ExifTags, Image, TiffImagePlugin

from colorrt.runtime.pictures.profiles import profile_of_copy

# What describes the picture. The rest says how the file stored it, and would mislead in another file.
TAGS_TO_CARRY = (
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

_XMP_TAG = 700
_IPTC_TAG = 33723
_IPTC_RESOURCE = 0x0404

# What XMP repeats of how the file was stored, and pictures of the picture, which are gray.
_STORAGE_IN_XMP = (
    b"tiff:BitsPerSample|tiff:Compression|tiff:PhotometricInterpretation|tiff:SamplesPerPixel|tiff:PlanarConfiguration"
    b"|photoshop:ColorMode|photoshop:ICCProfile|xmp:Thumbnails|exif:ColorSpace"
)
_STORAGE_ATTRIBUTE = re.compile(rb"\s(?:" + _STORAGE_IN_XMP + rb")\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_STORAGE_TAG = re.compile(rb"<(?P<close>/?)(?P<name>" + _STORAGE_IN_XMP + rb")(?P<rest>(?:\s[^<>]*)?/?)>")
_ORIENTATION_IN_XMP = re.compile(rb"(\btiff:Orientation(?:\s*=\s*[\"']|\s*>\s*))[2-8]\b")


@dataclass(frozen=True)
class Metadata:
    """What goes on to the colored copy. The fields are those of `colorrt.runtime.pictures.picture.Picture`."""

    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    icc_profile: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None


def read_metadata(image: Image.Image, *, gray: bool, lay: bool = False) -> tuple[Metadata, int]:
    """Return what to carry of a loaded image, and the EXIF orientation still to be applied (1 to 8, 1: upright).

    `gray`: whether its pixels are taken for gray, which decides what becomes of its color profile. `lay`: whether it
    lay on its side and was turned by Pillow already, which leaves its resolution as it was.
    """
    exif, orientation = _exif(image)
    dpi = read_dpi(image.info.get("dpi"))
    if dpi is not None and (lay or orientation >= 5):
        dpi = (dpi[1], dpi[0])
    profile = profile_of_copy(image.info.get("icc_profile"), gray=gray)
    return Metadata(exif, dpi, profile, read_xmp(_xmp(image)), _iptc(image)), orientation


def _exif(image: Image.Image) -> tuple[bytes | None, int]:
    orientation = 1
    try:
        tags = image.getexif()
        # A TIFF tells none here: Pillow has turned it already.
        found = tags.get(ExifTags.Base.Orientation, 1)
        orientation = found if found in range(1, 9) else 1
        return descriptive(tags), orientation
    except Exception:
        # Damaged metadata must not cost the picture.
        return None, orientation


def descriptive(tags: Image.Exif) -> bytes | None:
    """Return a block (from its "Exif" on) of the tags that describe the picture, None if there are none."""
    kept = Image.Exif()
    for tag in TAGS_TO_CARRY:
        if tag in tags:
            value = tags[tag]
            # Pillow reads a byte as a letter, and writes letters beyond ASCII as question marks.
            kept[tag] = value.encode("latin-1") if isinstance(value, str) else value
    for folder in _TAG_FOLDERS_TO_CARRY:
        # The folder of interoperability is given as a place in the old file.
        entries = {tag: value for tag, value in tags.get_ifd(folder).items() if tag != ExifTags.IFD.Interop}
        if entries:
            kept[folder] = entries
    return kept.tobytes() if len(kept) else None


def read_dpi(found: object) -> tuple[float, float] | None:
    """Return a resolution that every format can hold, or None."""
    try:
        across, down = (float(value) for value in found)  # type: ignore[attr-defined]  # what cannot be iterated raises TypeError, caught below
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    sound = all(math.isfinite(value) and 1 <= value <= 65535 for value in (across, down))
    return (across, down) if sound else None


def read_xmp(found: object) -> bytes | None:
    """Return an XMP packet that says upright, and nothing of how the gray picture was stored; None for no packet."""
    if isinstance(found, str):
        found = found.encode("utf-8", "replace")
    if not isinstance(found, bytes) or (b"xmpmeta" not in found and b"rdf:RDF" not in found):
        return None
    return _ORIENTATION_IN_XMP.sub(rb"\g<1>1", without_storage(found.rstrip(b"\0")))


def without_storage(packet: bytes) -> bytes:
    """Return an XMP packet that says nothing of how the gray picture was stored, and has no thumbnails."""
    return _STORAGE_ATTRIBUTE.sub(b"", _without_storage_tags(packet))


def _without_storage_tags(packet: bytes) -> bytes:
    """Return an XMP packet without the elements of storage; what is opened and not closed stays.

    One pass, for a packet may open a hundred thousand elements and close none.
    """
    tags = list(_STORAGE_TAG.finditer(packet))
    closes: dict[bytes, int] = {}
    ends: list[int] = []
    # From behind: where the next end tag of each name ends.
    for tag in reversed(tags):
        name = tag["name"]
        if tag["close"]:
            closes[name] = tag.end()
        ends.append(tag.end() if tag["rest"].endswith(b"/") else closes.get(name, 0))
    kept = []
    place = 0
    for tag, end in zip(tags, reversed(ends), strict=True):
        if not tag["close"] and end and tag.start() >= place:
            kept.append(packet[place : tag.start()])
            place = end
    return b"".join([*kept, packet[place:]])


def _xmp(image: Image.Image) -> object:
    # Pillow 10 knew no common name.
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return _tag_bytes(image, _XMP_TAG)
    return image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")


def _iptc(image: Image.Image) -> bytes | None:
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return _tag_bytes(image, _IPTC_TAG)
    resources = image.info.get("photoshop")
    found = resources.get(_IPTC_RESOURCE) if isinstance(resources, dict) else None
    return found if isinstance(found, bytes) and found else None


def _tag_bytes(image: TiffImagePlugin.TiffImageFile, tag: int) -> bytes | None:
    """Return a tag as it lies in the file, for some programs declare blocks of bytes as numbers of 32 bits."""
    # Pillow keeps the bytes of tags here for its own reader of IPTC; asked by number, it gives the first number only.
    found = getattr(image.tag_v2, "_tagdata", {}).get(tag)
    return found if isinstance(found, bytes) and found else None
