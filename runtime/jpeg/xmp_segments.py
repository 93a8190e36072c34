"""The XMP among the segments of a JPEG: exchanged, and all others left as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from colorrt.runtime.jpeg.segments import APP0, APP1, Segment
from colorrt.runtime.provenance.jpeg_xmp import EXTENSION, STANDARD, joined_xmp, xmp_payloads


def with_xmp(header: Sequence[Segment], change: Callable[[bytes | None], bytes]) -> tuple[Segment, ...]:
    """Return the metadata segments of a JPEG with its XMP packet changed, in the place of the old one.

    change: takes the packet, or None without one. An extension of the packet stays as it is. Where the changed packet
    is too long beside its extension, or cannot be parted, that of `change(None)` takes the place of both.
    """
    places = [place for place, part in enumerate(header) if _begins(part, STANDARD)]
    payloads = [part.payload for part in header if part.marker == APP1]
    packets = joined_xmp(payloads)
    has_extension = any(_begins(part, EXTENSION) for part in header)
    written = xmp_payloads(change(packets[0] if packets else None))
    if not written or (has_extension and len(written) > 1):
        written = xmp_payloads(change(None))
        header = [part for part in header if not _begins(part, EXTENSION)]
        places = [place for place, part in enumerate(header) if _begins(part, STANDARD)]
    new = [Segment(APP1, payload) for payload in written]
    if not places:
        # Behind JFIF and EXIF, where Pillow puts it: some readers look for these in their places.
        at = next((n for n, part in enumerate(header) if part.marker not in (APP0, APP1)), len(header))
        return (*header[:at], *new, *header[at:])
    kept = [part for place, part in enumerate(header) if place not in places[1:]]
    return (*kept[: places[0]], *new, *kept[places[0] + 1 :])


def _begins(part: Segment, mark: bytes) -> bool:
    return part.marker == APP1 and part.payload.startswith(mark)
