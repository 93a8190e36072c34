"""The outline of an XMP packet: where its descriptions and some of its properties lie, byte by byte.

Packets are edited in place and never serialized anew, so that all that is not edited stays as it was written.
Source: ISO 16684-1 (XMP data model, serialization as RDF/XML).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from xml.parsers import expat

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

LONGEST_PACKET = 1 << 24
"""Bytes of the longest packet that is read: no camera's and no scanner's comes near."""

_MOST_PARTS = 250_000
_NAME = re.compile(rb"<[^\s/>]+")
_ATTRIBUTE = re.compile(rb"\s+([^\s=]+)\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_TAG_END = re.compile(rb"\s*/?>")


@dataclass(frozen=True)
class Name:
    """A qualified name: namespace URI and local part."""

    space: str
    local: str


@dataclass(frozen=True)
class Span:
    """The bytes from `start` to before `end` of a packet."""

    start: int
    end: int


@dataclass(frozen=True)
class Property:
    """A property at the top level of a packet, written as an element or an attribute. `text`: that of a simple one."""

    name: Name
    span: Span
    text: str


@dataclass(frozen=True)
class Outline:
    """Where the parts of a packet lie."""

    about: str
    """The rdf:about that all descriptions of a packet share."""
    descriptions: tuple[Span, ...]
    properties: tuple[Property, ...]
    """Those that were asked for."""
    end: int
    """Where the end tag of rdf:RDF begins: the place for another description."""


def read_outline(packet: bytes, wanted: Callable[[Name], bool]) -> Outline:
    """Find the descriptions of a packet, and its top-level properties whose names are `wanted`.

    Takes time linear in the packet, and no more than is needed for 16 MB or 250,000 elements and attributes. Raises
    ValueError when it is not well-formed, has a document type (as entity bombs do), has no rdf:RDF with content, or is
    larger.
    """
    if len(packet) > LONGEST_PACKET:
        raise ValueError(f"it has {len(packet):,} bytes")
    reader = _Reader(packet, wanted)
    try:
        reader.parser.Parse(packet, True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error
    if reader.rdf_end is None:
        raise ValueError("it has no RDF")
    return Outline(reader.about, tuple(reader.descriptions), tuple(reader.properties), reader.rdf_end)


def edited(packet: bytes, removed: Iterable[Span], at: int, inserted: bytes) -> bytes:
    """Return a packet without these spans, which may neither overlap nor hold `at`, and with `inserted` at `at`."""
    parts = []
    place = 0
    for span in sorted([*removed, Span(at, at)], key=lambda span: (span.start, span.end)):
        parts.append(packet[place : span.start])
        if span == Span(at, at):
            parts.append(inserted)
        place = span.end
    return b"".join([*parts, packet[place:]])


@dataclass(frozen=True)
class _Open:
    """An element whose end is still to come; `end`: where it ends, if it has but one tag."""

    name: Name
    start: int
    end: int | None


class _Reader:
    """The handlers of one parse."""

    def __init__(self, packet: bytes, wanted: Callable[[Name], bool]) -> None:
        self._packet = packet
        self._wanted = wanted
        self._depth = 0
        self._parts = 0
        self._rdf_depth: int | None = None
        self._description: _Open | None = None
        self._property: _Open | None = None
        self._text: list[str] = []
        self.about = ""
        self.descriptions: list[Span] = []
        self.properties: list[Property] = []
        self.rdf_end: int | None = None
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.namespace_prefixes = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._doctype

    @property
    def _place(self) -> int:
        return self.parser.CurrentByteIndex

    def _doctype(self, *_: object) -> None:
        raise ValueError("it has a document type")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._parts += 1 + len(attributes)
        if self._parts > _MOST_PARTS:
            raise ValueError(f"it has more than {_MOST_PARTS:,} elements and attributes")
        name = _name_of(tag)
        if self._rdf_depth is None:
            if name == Name(RDF, "RDF"):
                if self._end_of_only_tag() is not None:
                    raise ValueError("its RDF is empty")
                self._rdf_depth = self._depth
        elif self.rdf_end is None:
            if self._depth == self._rdf_depth + 1 and name == Name(RDF, "Description"):
                self._description = _Open(name, self._place, self._end_of_only_tag())
                self._take_attributes(attributes)
            elif self._depth == self._rdf_depth + 2 and self._description is not None and self._wanted(name):
                self._property = _Open(name, self._place, self._end_of_only_tag())
                self._text.clear()
        self._depth += 1

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if self._rdf_depth is None or self.rdf_end is not None:
            return
        if self._depth == self._rdf_depth:
            self.rdf_end = self._place
        elif self._depth == self._rdf_depth + 1 and self._description is not None:
            self.descriptions.append(self._span(self._description))
            self._description = None
        elif self._depth == self._rdf_depth + 2 and self._property is not None:
            text = "".join(self._text).strip()
            self.properties.append(Property(self._property.name, self._span(self._property), text))
            self._property = None

    def _characters(self, text: str) -> None:
        if self._property is not None:
            self._text.append(text)

    def _take_attributes(self, attributes: dict[str, str]) -> None:
        names = {attribute: _name_of(attribute) for attribute in attributes}
        self.about = next((attributes[key] for key, name in names.items() if name == Name(RDF, "about")), self.about)
        wanted = {key: name for key, name in names.items() if name.space and self._wanted(name)}
        if not wanted:
            return
        spans, _ = _attribute_spans(self._packet, self._place)
        for key, name in wanted.items():
            prefix = key.rpartition(" ")[2]
            self.properties.append(Property(name, spans[f"{prefix}:{name.local}".encode()], attributes[key].strip()))

    def _end_of_only_tag(self) -> int | None:
        """Return where the tag ends that begins an element, if the element ends with it too."""
        _, end = _attribute_spans(self._packet, self._place)
        return end if self._packet.endswith(b"/>", 0, end) else None

    def _span(self, element: _Open) -> Span:
        end = element.end
        # Of an element of one tag, expat tells another place at its end, from one release to the next.
        return Span(element.start, self._packet.index(b">", self._place) + 1 if end is None else end)


def _name_of(found: str) -> Name:
    """Take apart what expat calls "URI local prefix", "URI local" or "local"."""
    space, _, rest = found.partition(" ")
    return Name(space, rest.partition(" ")[0]) if rest else Name("", space)


def _attribute_spans(packet: bytes, place: int) -> tuple[dict[bytes, Span], int]:
    """Return the attributes of the tag at `place` by their written names, the blanks before them included, and its end.

    For packets that expat has found well-formed up to here.
    """
    found = _NAME.match(packet, place)
    spans: dict[bytes, Span] = {}
    while found is not None:
        place = found.end()
        found = _ATTRIBUTE.match(packet, place)
        if found is not None:
            spans[found[1]] = Span(found.start(), found.end())
    end = _TAG_END.match(packet, place)
    if end is None:
        raise ValueError("it is written in letters that are not read here")
    return spans, end.end()
