"""The metadata of a JPEG that go on, byte for byte, to a colored copy with the same coded luma."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from colorrt.runtime.jpeg.reading import is_multi_picture
from colorrt.runtime.jpeg.segments import (
    APP0,
    APP1,
    APP2,
    APP11,
    APP13,
    APP14,
    Segment,
    is_metadata,
    numbered_segments,
)
from colorrt.runtime.jpeg.thumbnails import without_exif_thumbnail, without_jfif_thumbnail, without_photoshop_thumbnails
from colorrt.runtime.pictures.metadata import without_storage
from colorrt.runtime.pictures.profiles import profile_of_copy
from colorrt.runtime.provenance.jpeg_xmp import STANDARD

if TYPE_CHECKING:
    from collections.abc import Sequence

_ICC = b"ICC_PROFILE\0"
_EXIF, _JFIF, _PHOTOSHOP = b"Exif\0\0", b"JFIF\0", b"Photoshop 3.0\0"


def carried_segments(segments: Sequence[Segment], *, gray: bool) -> list[Segment]:
    """Return the metadata of the result: all of the file, but what would be wrong for it.

    That is: Adobe's note on how the components are coded; thumbnails, which are in the old colors; what XMP says of
    gray storage; the places of further pictures, which are not carried; APP11, whose Content Credentials (JUMBF) hold
    for the old bytes alone; and a gray profile, which an RGB one with its tone curve replaces.
    """
    profile = b"".join(part.payload[len(_ICC) + 2 :] for part in segments if _is_profile(part))
    carried = profile_of_copy(profile, gray=gray) if profile else None
    kept = []
    for part in segments:
        if not is_metadata(part) or part.marker in (APP11, APP14) or is_multi_picture(part):
            continue
        if part.marker == APP0 and not part.payload.startswith(_JFIF):
            continue
        if _is_profile(part) and carried != profile:
            continue
        kept.append(replace(part, payload=_corrected(part)))
    if carried is not None and carried != profile:
        kept += numbered_segments(APP2, _ICC, carried)
    return kept


def _corrected(part: Segment) -> bytes:
    """Return the payload of a segment of metadata without what would be wrong in it."""
    if part.marker == APP0:
        return without_jfif_thumbnail(part.payload)
    if part.marker == APP1 and part.payload.startswith(_EXIF):
        return without_exif_thumbnail(part.payload)
    if part.marker == APP1 and part.payload.startswith(STANDARD):
        return STANDARD + without_storage(part.payload[len(STANDARD) :])
    if part.marker == APP13 and part.payload.startswith(_PHOTOSHOP):
        return _PHOTOSHOP + without_photoshop_thumbnails(part.payload[len(_PHOTOSHOP) :])
    return part.payload


def _is_profile(part: Segment) -> bool:
    return part.marker == APP2 and part.payload.startswith(_ICC)
