"""XMP in a JPEG: one segment holds 64 KB, and what does not fit goes into extended XMP.

Source: ISO 16684-3 (embedding in JPEG): descriptions that do not fit move into a second packet, which is cut over as
many segments as it needs and found by its MD5 digest, `xmpNote:HasExtendedXMP`.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Sequence

from colorrt.runtime.provenance.xmp import RDF, Name, Outline, Span, edited, read_outline

STANDARD = b"http://ns.adobe.com/xap/1.0/\0"
"""What the payload of an APP1 segment with XMP begins with."""
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
"""What the payload of an APP1 segment with a piece of extended XMP begins with."""

LONGEST_PAYLOAD = 65533

_NOTE = "http://ns.adobe.com/xmp/note/"
_HAS_EXTENDED = Name(_NOTE, "HasExtendedXMP")
_PIECE = LONGEST_PAYLOAD - len(EXTENSION) - 32 - 8
_PACKET_MARKS = re.compile(rb"<\?xpacket[^?]{0,200}\?>")


def xmp_payloads(packet: bytes, room: int = LONGEST_PAYLOAD - len(STANDARD)) -> list[bytes]:
    """Return the payloads of the APP1 segments that carry a packet; none if it is too long and cannot be parted.

    Whole descriptions move into the extension, the first of them first: a mark, which is the last, stays where every
    reader looks. A note of an extension that the packet says it has is dropped then: there can be one only.
    """
    packet = packet.rstrip(b"\0") if len(packet) <= room else _without_padding(packet)
    if len(packet) <= room:
        return [STANDARD + packet]
    try:
        outline = read_outline(packet, lambda name: name == _HAS_EXTENDED)
    except ValueError:
        return []
    extended, moved = _extended(packet, outline, room)
    digest = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper().encode()
    note = f'<rdf:Description xmlns:rdf="{RDF}" rdf:about="" xmlns:xmpNote="{_NOTE}" xmpNote:HasExtendedXMP="'.encode()
    notes = [found.span for found in outline.properties if not any(_holds(span, found.span) for span in moved)]
    standard = edited(packet, [*moved, *notes], outline.end, note + digest + b'"/>')
    if len(standard) > room:
        return []
    pieces = [
        EXTENSION + digest + struct.pack(">II", len(extended), place) + extended[place : place + _PIECE]
        for place in range(0, len(extended), _PIECE)
    ]
    return [STANDARD + standard, *pieces]


def joined_xmp(payloads: Sequence[bytes]) -> list[bytes]:
    """Return the packets that the APP1 payloads of a JPEG carry: the first, and its extension if it is whole."""
    standard = next((payload[len(STANDARD) :] for payload in payloads if payload.startswith(STANDARD)), None)
    if standard is None:
        return []
    pieces: dict[int, bytes] = {}
    sizes = set()
    for payload in payloads:
        head = len(EXTENSION) + 40
        if payload.startswith(EXTENSION) and len(payload) >= head:
            digest, size, place = struct.unpack(">32sII", payload[len(EXTENSION) : head])
            if digest in standard:
                sizes.add(size)
                pieces[place] = payload[head:]
    extended = b"".join(pieces[place] for place in sorted(pieces))
    return [standard, extended] if sizes == {len(extended)} else [standard]


def _extended(packet: bytes, outline: Outline, room: int) -> tuple[bytes, list[Span]]:
    """Return the packet of the descriptions that have to move, and where they are."""
    # The note takes some 200 bytes.
    over = len(packet) - room + 300
    moved: list[Span] = []
    for span in outline.descriptions[:-1] if len(outline.descriptions) > 1 else outline.descriptions:
        if over <= 0:
            break
        moved.append(span)
        over -= span.end - span.start
    stay = [span for span in outline.descriptions if span not in moved]
    return _PACKET_MARKS.sub(b"", edited(packet, stay, outline.end, b"")).strip(), moved


def _holds(span: Span, inner: Span) -> bool:
    return span.start <= inner.start and inner.end <= span.end


def _without_padding(packet: bytes) -> bytes:
    """Return a packet without the blanks that programs leave before its end, to edit it in its place."""
    packet = packet.rstrip(b"\0")
    end = packet.rfind(b"<?xpacket end=")
    return packet if end < 0 else packet[:end].rstrip() + packet[end:]
