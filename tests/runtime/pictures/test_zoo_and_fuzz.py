"""Odd files by the hundred: a picture or one line, and not a word beside it."""

from __future__ import annotations

import struct
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
from odd_files import bombs_of_text, hostile_files, sound_files
from picture_files import tiff_bytes

from colorrt.errors import PictureError
from colorrt.runtime.pictures.metadata import read_xmp
from colorrt.runtime.stills import open_still

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Outcomes:
    """Opens files as a run does, to JPEG and to PNG, and keeps what came of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read: list[str] = []
        self.refused: dict[str, str] = {}

    def open(self, name: str, data: bytes) -> None:
        path = self.folder / name
        path.write_bytes(data)
        for target in ("out.jpg", "out.tif"):
            try:
                still = open_still(path, self.folder / target, 1_000_000)
            except PictureError as error:
                self.refused[f"{name} {target}"] = str(error).removeprefix(str(path))
            else:
                assert still.luma.size > 0
                assert still.luma.dtype in (np.uint8, np.uint16)
                self.read.append(f"{name} {target}")

    def check_sentences(self) -> None:
        for name, said in self.refused.items():
            assert said.startswith(": "), name
            assert said.isprintable(), name
            assert len(said) < 500, name
            assert "; " in said, name


@pytest.fixture
def outcomes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterable[Outcomes]:
    """Fails the test for every warning, and every word that a library writes to the terminal."""
    found = Outcomes(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield found
    found.check_sentences()
    assert capfd.readouterr() == ("", "")


def test_zoo_has_many_animals() -> None:
    assert len(sound_files()) + len(list(hostile_files())) + len(bombs_of_text()) >= 120


def test_sound_pictures_of_the_zoo_are_read(outcomes: Outcomes) -> None:
    for name, data in sound_files().items():
        outcomes.open(name, data)
    assert outcomes.refused == {}


def test_hostile_files_of_the_zoo_are_refused_in_one_line(outcomes: Outcomes) -> None:
    for name, data in hostile_files():
        outcomes.open(name, data)
    assert outcomes.read == []


def test_odd_metadata_cost_no_picture(outcomes: Outcomes) -> None:
    for name, data in bombs_of_text().items():
        outcomes.open(name, data)
    assert outcomes.refused == {}


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes changed, taken out, repeated, or set to what lengths and counts fear."""
    damaged = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        place = int(rng.integers(len(damaged)))
        kind = int(rng.integers(6))
        if kind == 0:
            damaged[place] = int(rng.integers(256))
        elif kind == 1:
            damaged[place] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            damaged[place : place + 4] = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\x01")[
                place % 4
            ]
        elif kind == 3:
            del damaged[place : place + int(rng.integers(1, 40))]
        elif kind == 4:
            damaged[place:place] = damaged[place : place + int(rng.integers(1, 40))]
        else:
            # Heads are where formats keep their lengths.
            damaged[place % min(64, len(damaged))] = int(rng.integers(256))
        if not damaged:
            return data
    return bytes(damaged)


FUZZED = ("L-False.jpg", "RGB-True.jpg", "CMYK-False.jpg", "L.png", "RGBA.png", "I16.png", "P.png")
FUZZED_TIFFS = ("L.tif", "RGB.tif", "F.tif", "tiff_lzw.tif", "tiff_adobe_deflate.tif", "packbits.tif", "group4.tif")


@pytest.mark.parametrize("name", [*FUZZED, *FUZZED_TIFFS])
def test_damaged_bytes_are_a_picture_or_one_line(outcomes: Outcomes, name: str) -> None:
    data = sound_files()[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    for number in range(120):
        outcomes.open(f"{number}-{name}", mutated(data, rng))
    assert outcomes.refused


def test_color_of_one_channel_is_refused(outcomes: Outcomes) -> None:
    rng = np.random.default_rng(7621)
    outcomes.open("a.tif", mutated(sound_files()["RGB.tif"], rng))
    outcomes.open("b.tif", tiff_bytes(bytes(96), (4, 3), bits=16, photometric=2))
    assert outcomes.read == []


def test_more_samples_than_pillow_takes_are_said_once(outcomes: Outcomes) -> None:
    whole = bytearray(tiff_bytes(bytes(12), (4, 3)))
    place = whole.index(struct.pack("<HHI", 277, 3, 1))
    whole[place + 8 : place + 10] = struct.pack("<H", 2304)
    outcomes.open("a.tif", bytes(whole))
    assert outcomes.read == []


def test_damaged_xmp_is_a_packet_or_nothing() -> None:
    packet = (
        b'<x:xmpmeta><rdf:RDF><rdf:Description tiff:Orientation="6" exif:ColorSpace="1"><xmp:Thumbnails>'
        b"<rdf:Alt>x</rdf:Alt></xmp:Thumbnails><tiff:Compression/></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    rng = np.random.default_rng(5)
    for _ in range(3000):
        found = read_xmp(mutated(packet, rng))
        assert found is None or isinstance(found, bytes)
