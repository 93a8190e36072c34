"""Thumbnails in the metadata of a JPEG: taken out, or out of sight, and nothing else touched.

What is damaged is returned as it is.
"""

from __future__ import annotations

import struct

_HEADER = 6
_ENTRY = 12
_JFIF_HEAD = 14
_RESOURCE = b"8BIM"
_PHOTOSHOP_THUMBNAILS = (0x0409, 0x040C)


def without_exif_thumbnail(block: bytes) -> bytes:
    """Return an EXIF block (from its "Exif" on) whose first directory is its last, so that none holds a thumbnail.

    All bytes but the four that tell where the second directory is stay as they are.
    Source: CIPA DC-008 (Exif), 4.5.5 and 4.5.8; TIFF 6.0, section 2.
    """
    order = {b"II": "<", b"MM": ">"}.get(block[_HEADER : _HEADER + 2])
    try:
        if order is None:
            return block
        (directory,) = struct.unpack_from(f"{order}I", block, _HEADER + 4)
        (count,) = struct.unpack_from(f"{order}H", block, _HEADER + directory)
        place = _HEADER + directory + 2 + _ENTRY * count
        struct.unpack_from(f"{order}I", block, place)
    except struct.error:
        return block
    return block[:place] + bytes(4) + block[place + 4 :]


def without_jfif_thumbnail(block: bytes) -> bytes:
    """Return a JFIF block (from its "JFIF" on) whose thumbnail is of no pixels. Source: JFIF 1.02 (ITU-T T.871)."""
    return block[: _JFIF_HEAD - 2] + bytes(2) if len(block) > _JFIF_HEAD else block


def without_photoshop_thumbnails(resources: bytes) -> bytes:
    """Return a list of Photoshop's image resources without the thumbnails among them.

    Source: Adobe Photoshop File Formats Specification, "Image Resource Blocks".
    """
    kept = []
    place = 0
    while place + 12 <= len(resources):
        if resources[place : place + 4] != _RESOURCE:
            return resources
        (number,) = struct.unpack_from(">H", resources, place + 4)
        # A name with its length before it, then data: each padded to an even number of bytes.
        name = resources[place + 6] + 1
        start = place + 6 + name + name % 2
        if start + 4 > len(resources):
            return resources
        (size,) = struct.unpack_from(">I", resources, start)
        end = start + 4 + size + size % 2
        if number not in _PHOTOSHOP_THUMBNAILS:
            kept.append(resources[place:end])
        place = end
    return b"".join([*kept, resources[place:]])
