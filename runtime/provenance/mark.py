"""The mark: what a result says of how it was made, in XMP, readable by machines.

Source: IPTC Photo Metadata Standard (Digital Source Type), ISO 16684-1 and Adobe's XMP specification, part 2 (xmp,
xmpMM, stRef).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.sax.saxutils import escape

from colorrt.runtime.provenance.xmp import RDF, Name, edited, read_outline

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's word for a picture that a trained algorithm added to."""

NAMESPACE = "urn:colorrt:1.0:"
"""The namespace of the settings, prefix `colorrt`."""

LONGEST_UNREADABLE = 1 << 14
"""Letters of an XMP packet that cannot be read which are kept, as text, beside the mark."""

_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_XMP = "http://ns.adobe.com/xap/1.0/"
_MEDIA = "http://ns.adobe.com/xap/1.0/mm/"
_REFERENCE = "http://ns.adobe.com/xap/1.0/sType/ResourceRef#"
_PREFIXES = {
    "rdf": RDF,
    "xmp": _XMP,
    "xmpMM": _MEDIA,
    "stRef": _REFERENCE,
    "Iptc4xmpExt": _IPTC,
    "colorrt": NAMESPACE,
}

_TOOL, _KIND = Name(_XMP, "CreatorTool"), Name(_IPTC, "DigitalSourceType")
_DERIVED = Name(_MEDIA, "DerivedFrom")
_DOCUMENT, _INSTANCE = Name(_MEDIA, "DocumentID"), Name(_MEDIA, "InstanceID")
# The ids name the original. They go into DerivedFrom, for the result is another document.
_REPLACED = frozenset({_TOOL, _KIND, _DERIVED, _DOCUMENT, _INSTANCE})

# What XML 1.0 cannot hold, not even as a reference.
_NO_LETTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Mark:
    """What a result says of itself."""

    tool: str
    """"colorrt VERSION"."""
    source: str
    """The file name of the original, without its folder."""
    model: str
    weights_sha256: str
    render_factors: tuple[int, ...]
    """Several where their guesses were averaged."""
    saturation: float
    upsampling: str
    hints: int = 0
    """Places whose color a person gave."""


def marked_xmp(packet: bytes | None, mark: Mark) -> bytes:
    """Return an XMP packet (ASCII where it is new) with the mark, and with all else that `packet` says.

    packet: that of the original, None if it has none. What the mark replaces is kept: creator tool and source type of
    the original in our namespace, its document and instance ids in xmpMM:DerivedFrom; a mark of an earlier run goes.
    A packet that cannot be read (see `read_outline`) is kept as text, `colorrt:UnreadableXMP`, up to 16,384 letters;
    a longer one is left out, and `colorrt:UnreadableXMP` tells its size. Never raises.
    """
    if packet is None:
        return _new_packet(_description(mark, "", {}))
    try:
        outline = read_outline(packet, lambda name: name in _REPLACED or name.space == NAMESPACE)
    except ValueError:
        return _new_packet(_description(mark, "", {}, unreadable=_as_text(packet)))
    kept = {found.name: found.text for found in outline.properties}
    removed = [found.span for found in outline.properties]
    return edited(packet, removed, outline.end, _description(mark, outline.about, kept))


def _description(mark: Mark, about: str, kept: dict[Name, str], *, unreadable: str | None = None) -> bytes:
    values = {
        "rdf:about": about,
        "xmp:CreatorTool": mark.tool,
        "Iptc4xmpExt:DigitalSourceType": DIGITAL_SOURCE_TYPE,
        "colorrt:Model": mark.model,
        "colorrt:WeightsSHA256": mark.weights_sha256,
        "colorrt:RenderFactor": ", ".join(map(str, mark.render_factors)),
        "colorrt:Saturation": f"{mark.saturation:g}",
        "colorrt:Upsampling": mark.upsampling,
    }
    if mark.hints:
        values["colorrt:Hints"] = str(mark.hints)
    # Of what was colored before, the words are about that coloring, but for those that it kept itself.
    again = Name(NAMESPACE, "Model") in kept
    for name, local in ((_TOOL, "SourceCreatorTool"), (_KIND, "SourceDigitalSourceType")):
        text = kept.get(Name(NAMESPACE, local) if again else name)
        if text:
            values[f"colorrt:{local}"] = text
    if again:
        unreadable = kept.get(Name(NAMESPACE, "UnreadableXMP"))
    reference = {"stRef:filePath": mark.source}
    for name, local in ((_DOCUMENT, "documentID"), (_INSTANCE, "instanceID")):
        if kept.get(name):
            reference[f"stRef:{local}"] = kept[name]
    spaces = {f"xmlns:{prefix}": space for prefix, space in _PREFIXES.items()}
    beside = "" if unreadable is None else f"<colorrt:UnreadableXMP>{escape(unreadable)}</colorrt:UnreadableXMP>"
    return (
        f"<rdf:Description{_attributes(spaces)}{_attributes(values)}>"
        f"<xmpMM:DerivedFrom{_attributes(reference)}/>{beside}</rdf:Description>"
    ).encode("ascii", "xmlcharrefreplace")


def _attributes(values: dict[str, str]) -> str:
    quoted = {name: escape(_NO_LETTER.sub("\ufffd", value), {'"': "&quot;"}) for name, value in values.items()}
    return "".join(f' {name}="{value}"' for name, value in quoted.items())


def _as_text(packet: bytes) -> str:
    if len(packet) > LONGEST_UNREADABLE:
        return f"left out: {len(packet)} bytes"
    return _NO_LETTER.sub("\ufffd", packet.decode("utf-8", "replace"))


def _new_packet(description: bytes) -> bytes:
    return (
        b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        b'<rdf:RDF xmlns:rdf="' + RDF.encode() + b'">' + description + b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    )
