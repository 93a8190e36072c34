"""The mark of a film: where machines read it, what it leaves as it was, and that it can be left out."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from typing import TYPE_CHECKING

import av
import pytest
from film_files import assert_same_film, color, make_film

from colorrt.runtime.film.coloring import color_film
from colorrt.runtime.film.marking import XMP_BOX, append_xmp, read_film_xmp
from colorrt.runtime.film.plan import FilmSettings, make_film_making, plan_film
from colorrt.runtime.provenance.mark import DIGITAL_SOURCE_TYPE

if TYPE_CHECKING:
    from pathlib import Path

    from colorrt.runtime.colorizer import Colorizer


def boxes_of(path: Path) -> list[tuple[bytes, bytes]]:
    """The boxes of an MP4 at its top level: kind and content."""
    data, place, found = path.read_bytes(), 0, []
    while place < len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        assert size >= 8
        found.append((kind, data[place + 8 : place + size]))
        place += size
    assert place == len(data)
    return found


def metadata_of(path: Path) -> dict[str, str]:
    with av.open(str(path)) as container:
        return dict(container.metadata)


@pytest.mark.parametrize("name", ["out.mp4", "out.m4v", "out.mov", "out.mkv"])
def test_mark_is_in_the_film_and_leaves_all_else_as_it_was(colorizer: Colorizer, tmp_path: Path, name: str) -> None:
    source = make_film(
        tmp_path / "film.mkv", codec="libx264", audio=True, metadata={"title": "A film", "comment": "From the attic"}
    )
    plain, marked = tmp_path / f"plain-{name}", tmp_path / name
    color(colorizer, source, plain, mark=False)
    color(colorizer, source, marked)
    assert_same_film(plain, marked)
    before, after = ({key.lower(): value for key, value in metadata_of(path).items()} for path in (plain, marked))
    assert (before["comment"], before["title"]) == ("From the attic", "A film")
    words = after["comment"].splitlines()
    assert words[0] == "From the attic"
    assert words[1].startswith("Colorized by colorrt ")
    assert words[1].endswith(" from film.mkv: model tiny, render factor 2")
    assert read_film_xmp(plain) is None
    if name == "out.mkv":
        assert after["digital_source_type"] == DIGITAL_SOURCE_TYPE
        assert "digital_source_type" not in before
        return
    xmp = read_film_xmp(marked)
    assert xmp is not None
    assert f'DigitalSourceType="{DIGITAL_SOURCE_TYPE}"'.encode() in xmp
    if name != "out.mov":
        kinds = [kind for kind, _ in boxes_of(marked)]
        assert kinds == [*(kind for kind, _ in boxes_of(plain)), b"uuid"]
        # What plays while it loads still does.
        assert kinds.index(b"moov") < kinds.index(b"mdat")
        assert boxes_of(marked)[-1][1] == XMP_BOX.bytes + xmp


def test_colored_again_it_says_so_once_and_keeps_what_its_source_said(colorizer: Colorizer, tmp_path: Path) -> None:
    source = make_film(tmp_path / "film.mp4", codec="libx264")
    append_xmp(
        source,
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="Scanner 7" '
        b'xmp:Rating="3"/></rdf:RDF></x:xmpmeta>',
    )
    color(colorizer, source, tmp_path / "one.mp4")
    color(colorizer, tmp_path / "one.mp4", tmp_path / "two.mp4", recolor=True)
    xmp = read_film_xmp(tmp_path / "two.mp4")
    assert xmp is not None
    assert xmp.count(b"DigitalSourceType=") == 1
    assert b'SourceCreatorTool="Scanner 7"' in xmp
    assert b'xmp:Rating="3"' in xmp
    assert metadata_of(tmp_path / "two.mp4")["comment"].count("Colorized by") == 1
    assert "from one.mp4" in metadata_of(tmp_path / "two.mp4")["comment"]


def test_journal_tells_films_with_a_mark_from_those_without(colorizer: Colorizer) -> None:
    marked, plain = (make_film_making(colorizer, FilmSettings(mark=mark)) for mark in (True, False))
    assert (marked.mark, plain.mark) == (True, False)


@pytest.mark.parametrize("name", ["out.mp4", "out.mov"])
def test_signed_film_is_valid_and_plays_as_before(colorizer: Colorizer, tmp_path: Path, name: str) -> None:
    c2pa = pytest.importorskip("c2pa")
    from signers import make_signer

    source = make_film(tmp_path / f"film{name[-4:]}", codec="libx264", audio=True)
    told: list[str] = []
    settings = FilmSettings(credentials=make_signer(tmp_path))
    plan = plan_film(colorizer, source, tmp_path / name, settings)
    color_film(colorizer, plan, settings, announce=lambda _, path: told.append(path.name))
    color(colorizer, source, tmp_path / f"plain-{name}")
    assert_same_film(tmp_path / f"plain-{name}", tmp_path / name)
    assert told == [name]
    with c2pa.Reader(str(tmp_path / name)) as reader:
        found = json.loads(reader.json())
        assert reader.get_validation_state() == "Valid"
    manifest = found["manifests"][found["active_manifest"]]
    assert [one["title"] for one in manifest["ingredients"]] == [source.name]
    assert read_film_xmp(tmp_path / name) == read_film_xmp(tmp_path / f"plain-{name}")
    kinds = [kind for kind, _ in boxes_of(tmp_path / name)]
    assert kinds.index(b"moov") < kinds.index(b"mdat")


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not here")
@pytest.mark.parametrize("name", ["out.mp4", "out.mov"])
def test_exiftool_reads_the_mark(colorizer: Colorizer, tmp_path: Path, name: str) -> None:
    color(colorizer, make_film(tmp_path / "film.mkv"), tmp_path / name)
    command = ["exiftool", "-json", "-struct", "-n", str(tmp_path / name)]
    (tags,) = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert tags["DigitalSourceType"] == DIGITAL_SOURCE_TYPE
    assert tags["DerivedFrom"] == {"FilePath": "film.mkv"}
    assert not {"Error", "Warning"} & set(tags)
