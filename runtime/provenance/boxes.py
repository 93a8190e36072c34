"""XMP in JPEG 2000, which Pillow does not write: a box at the end of the file.

Source: ISO/IEC 15444-1, I.7.2 (UUID boxes); ISO 16684-3 (the UUID of XMP).
"""

from __future__ import annotations

import struct

XMP_UUID = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")


def xmp_box(packet: bytes) -> bytes:
    """Return the box that carries a packet; it may follow the last box of a JP2 file."""
    return struct.pack(">I4s", 8 + len(XMP_UUID) + len(packet), b"uuid") + XMP_UUID + packet
