"""XMP of any length in a JPEG: in one segment where it fits, else parted, and put together again."""

from __future__ import annotations

import hashlib

import pytest

from colorrt.runtime.provenance.jpeg_xmp import EXTENSION, LONGEST_PAYLOAD, STANDARD, joined_xmp, xmp_payloads
from colorrt.runtime.provenance.mark import Mark, marked_xmp
from colorrt.runtime.provenance.xmp import RDF, read_outline

MARK = Mark("colorrt 1.2.3", "old.tif", "lite", "ab" * 32, (16,), 1.0, "guided")


def packet_of(*sizes: int, padding: int = 0) -> bytes:
    descriptions = "".join(
        f'<rdf:Description rdf:about="" xmlns:p{number}="urn:p"><p{number}:of{number}>{"x" * size}'
        f"</p{number}:of{number}></rdf:Description>"
        for number, size in enumerate(sizes)
    )
    return (
        f'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{RDF}">{descriptions}</rdf:RDF></x:xmpmeta>{" " * padding}<?xpacket end="w"?>'
    ).encode()


def test_packet_that_fits_is_one_payload() -> None:
    packet = packet_of(10)
    assert xmp_payloads(packet) == [STANDARD + packet]
    assert joined_xmp([STANDARD + packet]) == [packet]


def test_padding_gives_way_before_anything_else() -> None:
    assert xmp_payloads(packet_of(100, padding=70_000)) == [STANDARD + packet_of(100)]


@pytest.mark.parametrize("sizes", [(70_000,), (300_000, 50), (40_000, 40_000, 40_000), (65_400,)])
def test_long_packet_is_parted_and_its_mark_stays_in_front(sizes: tuple[int, ...]) -> None:
    packet = marked_xmp(packet_of(*sizes), MARK)
    payloads = xmp_payloads(packet)
    assert len(payloads) >= 2
    assert all(len(payload) <= LONGEST_PAYLOAD for payload in payloads)
    assert payloads[0].startswith(STANDARD)
    assert b"compositeWithTrainedAlgorithmicMedia" in payloads[0]
    assert all(payload.startswith(EXTENSION) for payload in payloads[1:])
    standard, extended = joined_xmp(payloads)
    assert hashlib.md5(extended).hexdigest().upper().encode() in standard
    assert extended.startswith(b"<x:xmpmeta")
    for number, size in enumerate(sizes):
        named = f"of{number}>".encode() + b"x" * size + b"<"
        assert (named in standard) != (named in extended)
    for part in (standard, extended):
        read_outline(part, lambda _: False)


def test_order_of_the_pieces_does_not_matter_and_a_lost_one_is_noticed() -> None:
    payloads = xmp_payloads(marked_xmp(packet_of(200_000), MARK))
    assert joined_xmp([payloads[0], *payloads[:0:-1]]) == joined_xmp(payloads)
    assert joined_xmp(payloads[:-1]) == [payloads[0][len(STANDARD) :]]
    assert joined_xmp(payloads[1:]) == []


def test_long_packet_that_cannot_be_parted_has_no_payload() -> None:
    assert xmp_payloads(b"<x:xmpmeta>" + b"x" * 70_000) == []


def test_note_of_an_extension_that_is_not_carried_is_replaced() -> None:
    first = xmp_payloads(marked_xmp(packet_of(70_000), MARK))
    standard = joined_xmp(first)[0]
    old = first[1][len(EXTENSION) : len(EXTENSION) + 32]
    assert old in standard
    grown = (
        standard[: standard.index(b"<rdf:Description")]
        + packet_of(71_000)[
            packet_of(0).index(b"<rdf:Description") : -len(b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>')
        ]
        + standard[standard.index(b"<rdf:Description") :]
    )
    again = xmp_payloads(grown)
    assert old not in again[0]
    assert len(joined_xmp(again)) == 2
