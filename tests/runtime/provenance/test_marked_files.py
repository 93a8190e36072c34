"""Marks in files: each format that can hold one does, by every way to write it, and the pixels are the same."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from colored_files import DEEP, DONE, GRAY
from PIL import Image, features

from colorrt.runtime.folder import Result
from colorrt.runtime.jpeg.segments import APP1, Segment, join_segments, split_segments
from colorrt.runtime.provenance.boxes import XMP_UUID
from colorrt.runtime.provenance.jpeg_xmp import EXTENSION, STANDARD, joined_xmp
from colorrt.runtime.provenance.mark import DIGITAL_SOURCE_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Color = Callable[..., Result]

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    b' xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" dc:source="box 7" xmpMM:DocumentID="xmp.did:scan">'
    b"%s</rdf:Description></rdf:RDF></x:xmpmeta>"
)


def descriptions(image: Image.Image) -> list[dict[str, Any]]:
    pytest.importorskip("defusedxml")
    found = image.getxmp()["xmpmeta"]["RDF"]["Description"]
    return found if isinstance(found, list) else [found]


def assert_marked(path: Path, source: Path, frame: int = 0) -> None:
    with Image.open(path) as image:
        image.seek(frame)
        (mark,) = [found for found in descriptions(image) if "DigitalSourceType" in found]
    assert mark["DigitalSourceType"] == DIGITAL_SOURCE_TYPE
    assert mark["CreatorTool"].startswith("colorrt ")
    assert mark["Model"] == "tiny"
    assert mark["WeightsSHA256"] == "0" * 64
    assert mark["RenderFactor"] == "1"
    assert mark["Saturation"] == "1"
    assert mark["Upsampling"] == "guided"
    assert mark["DerivedFrom"]["filePath"] == source.name


NAMES = ["a.jpg", "a.png", "a.tif", "deep.png", "deep.tif", "clear.png"]
NAMES += ["a.webp"] if features.check("webp") else []
NAMES += ["a.avif"] if "avif" in features.modules and features.check("avif") else []


def saved(path: Path, **options: Any) -> Path:
    levels = DEEP if path.stem == "deep" else GRAY
    image = Image.fromarray(levels)
    if path.stem == "clear":
        image.putalpha(Image.fromarray(GRAY))
    image.save(path, **options)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_result_is_marked_and_its_pixels_are_those_without_a_mark(color: Color, tmp_path: Path, name: str) -> None:
    source = saved(tmp_path / name)
    assert color(source, f"marked-{name}").outcome is DONE
    assert color(source, f"plain-{name}", mark=False).outcome is DONE
    assert_marked(tmp_path / "out" / f"marked-{name}", source)
    with Image.open(tmp_path / "out" / f"plain-{name}") as plain, Image.open(tmp_path / f"out/marked-{name}") as marked:
        assert plain.getxmp() == {}
        np.testing.assert_array_equal(np.asarray(plain), np.asarray(marked))


def test_each_page_is_marked(color: Color, tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GRAY, metadata=None)
        file.write(DEEP[:9], metadata=None)
    assert color(tmp_path / "a.tif").outcome is DONE
    with tifffile.TiffFile(tmp_path / "out/a.tif") as written:
        packets = [page.aspage().tags[700].value for page in written.pages]
    assert [packet.count(b"DigitalSourceType") for packet in packets] == [1, 1]


@pytest.mark.parametrize("lossless", [False, True])
def test_packet_of_a_jpeg_goes_on_with_the_mark_in_it(color: Color, tmp_path: Path, lossless: bool) -> None:
    source = saved(tmp_path / "a.jpg", xmp=XMP % b"<dc:title>Harbor</dc:title>")
    assert color(source, lossless_luma=lossless).outcome is DONE
    assert_marked(tmp_path / "out/a.jpg", source)
    with Image.open(tmp_path / "out/a.jpg") as image:
        first, mark = descriptions(image)
    assert (first["source"], first["title"]) == ("box 7", "Harbor")
    assert mark["DerivedFrom"]["documentID"] == "xmp.did:scan"
    assert "DocumentID" not in first


@pytest.mark.parametrize("lossless", [False, True])
def test_packet_that_leaves_no_room_for_the_mark_is_parted(color: Color, tmp_path: Path, lossless: bool) -> None:
    title = b"<dc:title>" + b"x" * 65_000 + b"</dc:title>"
    source = saved(tmp_path / "a.jpg", xmp=XMP % title)
    assert color(source, lossless_luma=lossless).outcome is DONE
    assert_marked(tmp_path / "out/a.jpg", source)
    payloads = [part.payload for part in split_segments((tmp_path / "out/a.jpg").read_bytes()) if part.marker == APP1]
    _, extended = joined_xmp(payloads)
    assert title in extended


def test_long_packet_of_a_png_goes_on_in_a_jpeg(color: Color, tmp_path: Path) -> None:
    from PIL import PngImagePlugin

    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", (XMP % (b"<dc:title>" + b"x" * 200_000 + b"</dc:title>")).decode())
    source = saved(tmp_path / "a.png", pnginfo=texts)
    assert color(source, "a.jpg").outcome is DONE
    payloads = [part.payload for part in split_segments((tmp_path / "out/a.jpg").read_bytes()) if part.marker == APP1]
    assert b"x" * 200_000 in joined_xmp(payloads)[1]
    assert_marked(tmp_path / "out/a.jpg", source)


def test_extension_of_a_jpeg_stays_beside_its_lossless_luma(color: Color, tmp_path: Path) -> None:
    piece = EXTENSION + b"0" * 32 + struct.pack(">II", 4, 0) + b"rest"
    plain = saved(tmp_path / "plain.jpg", xmp=XMP % b"")
    segments = split_segments(plain.read_bytes())
    at = next(n for n, part in enumerate(segments) if part.payload.startswith(STANDARD)) + 1
    source = tmp_path / "a.jpg"
    source.write_bytes(join_segments([*segments[:at], Segment(APP1, piece), *segments[at:]]))
    assert color(source, lossless_luma=True).outcome is DONE
    assert piece in [part.payload for part in split_segments((tmp_path / "out/a.jpg").read_bytes())]
    assert_marked(tmp_path / "out/a.jpg", source)


@pytest.mark.skipif(not features.check("jpg_2000"), reason="this Pillow has no JPEG 2000")
def test_jpeg_2000_has_a_box_with_the_mark_at_its_end(color: Color, tmp_path: Path) -> None:
    source = saved(tmp_path / "a.jp2")
    assert color(source).outcome is DONE
    assert color(source, "plain.jp2", mark=False).outcome is DONE
    marked, plain = (tmp_path / "out/a.jp2").read_bytes(), (tmp_path / "out/plain.jp2").read_bytes()
    # The last box of a file may leave its length open, and would then swallow another.
    boxes, place = {}, 0
    while place < len(marked):
        length, name = struct.unpack_from(">I4s", marked, place)
        assert length >= 8
        boxes[name] = marked[place + 8 : place + length]
        place += length
    assert boxes[b"uuid"].startswith(XMP_UUID + b"<?xpacket")
    assert marked.startswith(plain)
    with Image.open(tmp_path / "out/a.jp2") as image:
        image.load()


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not here")
def test_exiftool_reads_every_mark(color: Color, tmp_path: Path) -> None:
    names = [*NAMES, "a.jp2"] if features.check("jpg_2000") else NAMES
    for name in names:
        assert color(saved(tmp_path / name)).outcome is DONE
    command = ["exiftool", "-json", "-struct", "-n", *(str(tmp_path / "out" / name) for name in names)]
    read = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    for name, tags in zip(names, read, strict=True):
        assert "Warning" not in tags
        assert tags["DigitalSourceType"] == DIGITAL_SOURCE_TYPE
        assert tags["CreatorTool"].startswith("colorrt ")
        assert tags["DerivedFrom"] == {"FilePath": name}
        assert (tags["Model"], tags["RenderFactor"], tags["Upsampling"]) == ("tiny", 1, "guided")


def test_formats_without_a_place_for_xmp_are_colored_all_the_same(color: Color, tmp_path: Path) -> None:
    for name in ("a.bmp", "a.tga", "a.ppm"):
        result = color(saved(tmp_path / name))
        assert result.outcome is DONE
        assert result.job.target.exists()
