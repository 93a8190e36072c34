"""The mark: it is there and can be read, all else of a packet stays, and no packet can do harm."""

from __future__ import annotations

import string
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colorrt.runtime.provenance.mark import DIGITAL_SOURCE_TYPE, LONGEST_UNREADABLE, NAMESPACE, Mark, marked_xmp
from colorrt.runtime.provenance.xmp import LONGEST_PACKET, RDF, read_outline

MARK = Mark("colorrt 1.2.3", "old.tif", "lite", "ab" * 32, (16,), 1.25, "guided")
XMP, MEDIA = "http://ns.adobe.com/xap/1.0/", "http://ns.adobe.com/xap/1.0/mm/"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
REFERENCE = "http://ns.adobe.com/xap/1.0/sType/ResourceRef#"
DC = "http://purl.org/dc/elements/1.1/"

# Other prefixes than usual, both ways to write a property, one tag for two, and signs that could mislead a search.
SOURCE = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><R:RDF xmlns:R="{RDF}">
<R:Description R:about="uuid:7" xmlns:q="{XMP}" q:CreatorTool = "Scan &gt; > Pro" q:Rating='3'
 xmlns:d="{DC}">
<!-- <q:CreatorTool>no</q:CreatorTool> -->
<d:title><R:Alt><R:li xml:lang="x-default">Häfen &amp; <![CDATA[<mm:DocumentID>]]></R:li></R:Alt></d:title
></R:Description>
<R:Description R:about="uuid:7" xmlns:mm="{MEDIA}"><mm:DocumentID>xmp.did:1</mm:DocumentID
><mm:InstanceID>xmp.iid:2</mm:InstanceID ><mm:DerivedFrom xmlns:s="{REFERENCE}" s:documentID=">"/>
<mm:OriginalDocumentID>xmp.did:0</mm:OriginalDocumentID></R:Description></R:RDF></x:xmpmeta>
   <?xpacket end="w"?>""".encode()


def properties(packet: bytes) -> dict[str, Any]:
    """All properties of a packet by their qualified names; each may be there but once."""
    found: dict[str, Any] = {}
    # Of the tests' own making.
    root = ET.fromstring(packet)
    rdf = root if root.tag == f"{{{RDF}}}RDF" else root.find(f"{{{RDF}}}RDF")
    assert rdf is not None
    for description in rdf:
        pairs = [*description.attrib.items(), *((child.tag, child) for child in description)]
        for name, value in pairs:
            if name == f"{{{RDF}}}about":
                assert found.setdefault(name, value) == value
            else:
                assert name not in found
                found[name] = value
    return found


def assert_marked(packet: bytes, mark: Mark = MARK) -> dict[str, Any]:
    found = properties(packet)
    assert found[f"{{{XMP}}}CreatorTool"] == mark.tool
    assert found[f"{{{IPTC}}}DigitalSourceType"] == DIGITAL_SOURCE_TYPE
    assert found[f"{{{MEDIA}}}DerivedFrom"].attrib[f"{{{REFERENCE}}}filePath"] == mark.source
    settings = {
        "Model": mark.model,
        "WeightsSHA256": mark.weights_sha256,
        "RenderFactor": ", ".join(map(str, mark.render_factors)),
        "Saturation": f"{mark.saturation:g}",
        "Upsampling": mark.upsampling,
    }
    assert {name: found[f"{{{NAMESPACE}}}{name}"] for name in settings} == settings
    return found


def test_picture_without_xmp_gets_a_packet_with_the_mark() -> None:
    packet = marked_xmp(None, MARK)
    assert_marked(packet)
    assert packet.isascii()


def test_all_else_of_a_packet_stays_byte_for_byte() -> None:
    packet = marked_xmp(SOURCE, MARK)
    found = assert_marked(packet)
    assert found[f"{{{XMP}}}Rating"] == "3"
    assert found[f"{{{MEDIA}}}OriginalDocumentID"].text == "xmp.did:0"
    title = SOURCE[SOURCE.index(b"<!--") : SOURCE.index(b"<mm:DocumentID>xmp")]
    assert title in packet
    assert packet.startswith(SOURCE[: SOURCE.index(b" q:CreatorTool")])
    assert packet.endswith(SOURCE[SOURCE.index(b"</R:RDF>") :])


def test_what_the_mark_replaces_goes_on_as_words_about_the_original() -> None:
    found = assert_marked(marked_xmp(SOURCE, MARK))
    assert found[f"{{{NAMESPACE}}}SourceCreatorTool"] == "Scan > > Pro"
    reference = found[f"{{{MEDIA}}}DerivedFrom"].attrib
    assert reference[f"{{{REFERENCE}}}documentID"] == "xmp.did:1"
    assert reference[f"{{{REFERENCE}}}instanceID"] == "xmp.iid:2"
    assert f"{{{MEDIA}}}DocumentID" not in found
    assert found[f"{{{RDF}}}about"] == "uuid:7"


def test_mark_of_an_earlier_run_is_replaced_and_the_scanner_still_known() -> None:
    again = replace(MARK, source="old-color.tif", saturation=2, model="other")
    found = assert_marked(marked_xmp(marked_xmp(SOURCE, MARK), again), again)
    assert found[f"{{{NAMESPACE}}}SourceCreatorTool"] == "Scan > > Pro"


@given(name=st.text(), model=st.text())
def test_any_name_can_stand_in_a_mark(name: str, model: str) -> None:
    found = properties(marked_xmp(SOURCE, replace(MARK, source=name, model=model)))
    kept = found[f"{{{MEDIA}}}DerivedFrom"].attrib[f"{{{REFERENCE}}}filePath"]
    assert len(kept) == len(name)
    visible = string.ascii_letters + string.punctuation + "äΩ🙂"
    assert [sign for sign in kept if sign in visible] == [sign for sign in name if sign in visible]


UNREADABLE = {
    "cut off": SOURCE[:-300],
    "prefix that is not declared": b"<x:xmpmeta><rdf:RDF><rdf:Description/></rdf:RDF></x:xmpmeta>",
    "no RDF": b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>',
    "empty RDF": f'<R:RDF xmlns:R="{RDF}"/>'.encode(),
    "not UTF-8": SOURCE.replace("ä".encode(), b"\xe4"),
    "UTF-16": SOURCE.decode().encode("utf-16"),
    "control letters": b"<x:xmpmeta>\0\x01\x1b[2J</x:xmpmeta>",
    "nothing": b"",
    "entities": b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a>&c;</a>',
}


@pytest.mark.parametrize("packet", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_packet_that_cannot_be_read_is_kept_as_text_beside_the_mark(packet: bytes) -> None:
    found = assert_marked(marked_xmp(packet, MARK))
    kept = found[f"{{{NAMESPACE}}}UnreadableXMP"].text or ""
    visible = [sign for sign in packet.decode("utf-8", "replace") if sign.isalnum()]
    assert [sign for sign in kept if sign.isalnum()] == visible


def test_unreadable_packet_is_still_there_after_a_second_run() -> None:
    packet = b"<x:xmpmeta>torn"
    found = assert_marked(marked_xmp(marked_xmp(packet, MARK), MARK))
    assert found[f"{{{NAMESPACE}}}UnreadableXMP"].text == packet.decode()


RDF_START = f'<R:RDF xmlns:R="{RDF}"><R:Description>'.encode()
HOSTILE = {
    "deep": RDF_START + b"<a>" * 300_000 + b"</a>" * 300_000 + b"</R:Description></R:RDF>",
    "many elements": RDF_START + b"<a/>" * 2_000_000 + b"</R:Description></R:RDF>",
    "many attributes": RDF_START.replace(b"tion>", b"tion ")
    + b" ".join(b'a%d=""' % number for number in range(200_000))
    + b"></R:Description></R:RDF>",
    "many thumbnails that do not end": b"<xmp:Thumbnails>x" * 100_000,
    "open tags": b"<" * 1_000_000,
    "one long attribute": RDF_START.replace(b"tion>", b'tion a="' + b"x" * 4_000_000 + b'">')
    + b"</R:Description></R:RDF>",
    "blanks": RDF_START + b" " * 8_000_000 + b"</R:Description></R:RDF>",
    "longer than any": bytes(LONGEST_PACKET + 1),
}


@pytest.mark.parametrize("packet", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_packet_costs_no_more_than_its_length(packet: bytes) -> None:
    # Quadratic ways would take hours, and recursion would end the process.
    packet = marked_xmp(packet, MARK)
    assert b"compositeWithTrainedAlgorithmicMedia" in packet
    read_outline(packet, lambda _: False)


def test_long_unreadable_packet_is_left_out_and_said() -> None:
    found = assert_marked(marked_xmp(b"<" * (LONGEST_UNREADABLE + 1), MARK))
    assert found[f"{{{NAMESPACE}}}UnreadableXMP"].text == f"left out: {LONGEST_UNREADABLE + 1} bytes"


@given(st.binary(max_size=200), st.integers(0, len(SOURCE)), st.integers(0, 40))
def test_no_damage_to_a_packet_costs_the_mark(noise: bytes, place: int, cut: int) -> None:
    assert_marked(marked_xmp(SOURCE[:place] + noise + SOURCE[place + cut :], MARK))
