"""What XMP says of how the gray picture was stored does not go on, however the packet is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from colorrt.runtime.pictures.metadata import read_xmp

MINUTES = 120
"""Seconds that nothing here takes, but work that grows with the square of a packet does."""


def packet(inside: str) -> bytes:
    return f"<x:xmpmeta>{inside}</x:xmpmeta>".encode()


@pytest.mark.parametrize(
    ("inside", "kept"),
    [
        ("<xmp:Thumbnails>x</xmp:Thumbnails>", ""),
        ("<xmp:Thumbnails a='1'>\n<b/>x</xmp:Thumbnails >", ""),
        ("a<xmp:Thumbnails/>b", "ab"),
        ("a<xmp:Thumbnails a='1' />b<xmp:Thumbnails>c</xmp:Thumbnails>d", "abd"),
        ("a<xmp:Thumbnails>b<exif:ColorSpace>1</exif:ColorSpace>c</xmp:Thumbnails>d", "ad"),
        ("a<xmp:Thumbnails>b<xmp:Thumbnails>c</xmp:Thumbnails>d", "ad"),
        ("a<xmp:Thumbnails>b<exif:ColorSpace>1</exif:ColorSpace>c", "a<xmp:Thumbnails>bc"),
        ("a</xmp:Thumbnails>b<xmp:Thumbnails>c", "a</xmp:Thumbnails>b<xmp:Thumbnails>c"),
        ("<xmp:ThumbnailsOfOthers>x</xmp:ThumbnailsOfOthers>", "<xmp:ThumbnailsOfOthers>x</xmp:ThumbnailsOfOthers>"),
        ("<a exif:ColorSpace='1' b='2'/>", "<a b='2'/>"),
        ("<tiff:Orientation>6</tiff:Orientation>", "<tiff:Orientation>1</tiff:Orientation>"),
    ],
)
def test_storage_is_taken_out_and_nothing_else(inside: str, kept: str) -> None:
    assert read_xmp(packet(inside)) == packet(kept)


def by_search(text: str) -> str:
    """The same by its definition: again and again, the first element that is opened and closed."""
    place = 0
    while True:
        opens = [(text.find(f"<{name}", place), name) for name in ("xmp:Thumbnails", "exif:ColorSpace")]
        start, name = min(((at, name) for at, name in opens if at >= 0), default=(-1, ""))
        if start < 0:
            return text
        tag_end = text.index(">", start) + 1
        end = tag_end
        if text[tag_end - 2] != "/":
            close = text.find(f"</{name}>", tag_end)
            if close < 0:
                place = start + 1
                continue
            end = close + len(name) + 3
        text = text[:start] + text[end:]
        place = start


PIECES = ["x", "<b>", "</b>"] + [
    form.format(name)
    for name in ("xmp:Thumbnails", "exif:ColorSpace")
    for form in ("<{}>", "</{}>", "<{} a='1'/>", "<{} b>")
]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_storage_is_what_a_search_by_definition_finds(inside: str) -> None:
    assert read_xmp(packet(inside)) == by_search(packet(inside).decode()).encode()


@pytest.mark.parametrize(
    "piece",
    ["<xmp:Thumbnails>x", "</xmp:Thumbnails>", "<xmp:Thumbnails ", " exif:ColorSpace='", ' exif:ColorSpace = "', "<x"],
)
def test_packet_of_megabytes_is_read_in_one_pass(piece: str) -> None:
    script = (
        "from colorrt.runtime.pictures.metadata import read_xmp; "
        f"assert read_xmp(b'<x:xmpmeta>' + {piece.encode()!r} * 400_000) is not None"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=MINUTES)


def test_picture_whose_packet_opens_many_elements_is_read(tmp_path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>" + "<xmp:Thumbnails>x" * 55_000)
    Image.new("L", (16, 16)).save(tmp_path / "a.png", pnginfo=texts)
    script = "import sys; from colorrt.runtime.pictures.reading import read_picture; from pathlib import Path; "
    script += "assert read_picture(Path(sys.argv[1])).xmp is not None"

    subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.png")], check=True, timeout=MINUTES)
