"""Gray JPEGs keep their coded luma unless a quality is asked for; what cannot be copied soundly is encoded again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from colorrt.errors import PictureError
from colorrt.runtime.folder import Outcome, Result, Settings, color_jobs
from colorrt.runtime.history import Journals, Skip
from colorrt.runtime.jobs import Job
from colorrt.runtime.jpeg.lossless import LosslessStill
from colorrt.runtime.jpeg.reading import reduction_of
from colorrt.runtime.jpeg.segments import (
    APP0,
    APP1,
    APP11,
    APP13,
    EOI,
    SOS,
    Segment,
    frame_segment,
    is_metadata,
    join_segments,
    read_frame,
    split_segments,
)
from colorrt.runtime.jpeg.still import JpegStill, open_jpeg
from colorrt.runtime.jpeg.thumbnails import without_photoshop_thumbnails
from colorrt.runtime.paint import Paint
from colorrt.runtime.pictures.jpeg_checks import decode_cleanly, decode_strictly, reduced_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from colorrt.runtime.colorizer import Colorizer

OUT = Path("out.jpg")
KEPT, ENCODED = LosslessStill, JpegStill


def photo(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """A gray picture with soft shapes, edges and grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    shapes = 128 + 60 * np.sin(x / 37 + 1) * np.cos(y / 25) + 40 * ((x // 59 + y // 71) % 2)
    return (shapes + rng.normal(0, 3, (height, width))).clip(0, 255).astype(np.uint8)


def encode(levels: NDArray[np.uint8], mode: str = "L", **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(levels).convert(mode).save(stream, "JPEG", **options)
    return stream.getvalue()


def opened(path: Path, encoded: bytes, **options: Any) -> object:
    path = path / "in.jpg"
    path.write_bytes(encoded)
    return open_jpeg(path, OUT, None, lambda _, **__: None, **{"encode_luma": False, **options})


def scans(encoded: bytes) -> list[bytes]:
    return [part.data for part in split_segments(encoded) if part.marker == SOS]


def color(colorizer: Colorizer, source: Path, target: Path, journals: Journals | None = None, **chosen: Any) -> Result:
    (result,) = color_jobs(colorizer, [Job(source, target)], Settings(**chosen), journals)
    return result


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 3, "quality": 30}])
def test_run_keeps_the_coded_luma_of_gray_and_a_quality_encodes_it(
    colorizer: Colorizer, tmp_path: Path, options: dict[str, Any]
) -> None:
    source = tmp_path / "a.jpg"
    source.write_bytes(encode(photo(60, 90), **options))
    before = scans(source.read_bytes())
    assert color(colorizer, source, tmp_path / "kept.jpg").outcome is Outcome.DONE
    assert color(colorizer, source, tmp_path / "coded.jpg", quality=95).outcome is Outcome.DONE
    assert scans((tmp_path / "kept.jpg").read_bytes())[: len(before)] == before
    assert scans((tmp_path / "coded.jpg").read_bytes())[: len(before)] != before


def test_another_way_of_coding_is_another_setting(colorizer: Colorizer, tmp_path: Path) -> None:
    source, target = tmp_path / "a.jpg", tmp_path / "out.jpg"
    source.write_bytes(encode(photo(20, 30)))
    journals = Journals()
    try:
        assert color(colorizer, source, target, journals).outcome is Outcome.DONE
        assert color(colorizer, source, target, journals).skip is Skip.DONE
        assert color(colorizer, source, target, journals, quality=95).skip is Skip.OTHER_SETTINGS
    finally:
        journals.close()


def test_side_of_a_picture_that_lies_stays_with_its_tag(colorizer: Colorizer, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a.jpg").write_bytes(encode(photo(60, 90), exif=exif))
    color(colorizer, tmp_path / "a.jpg", tmp_path / "out.jpg")
    with Image.open(tmp_path / "a.jpg") as before, Image.open(tmp_path / "out.jpg") as after:
        assert (after.size, after.getexif()[0x0112]) == (before.size, 6)
        gray, seen = (np.asarray(ImageOps.exif_transpose(one).convert("L")).astype(int) for one in (before, after))
    assert seen.shape == (90, 60)
    assert np.abs(seen - gray).mean() < 2


def changed(encoded: bytes, place: int, new: Segment) -> bytes:
    segments = split_segments(encoded)
    return join_segments([*segments[:place], new, *segments[place:]])


def test_what_cannot_be_copied_soundly_is_encoded_again(tmp_path: Path) -> None:
    gray = encode(photo(40, 50))
    segments = split_segments(gray)
    frame = read_frame(segments)
    padded = gray[:-2] + bytes(40) + gray[-2:]
    kinds = {
        "plain": (gray, KEPT),
        "color": (encode(photo(40, 50), "RGB"), ENCODED),
        "padded": (padded, ENCODED),
        "number of lines": (changed(gray, len(segments), Segment(0xDC, b"\0\x28")), ENCODED),
        "trailing": (gray + b"anything", KEPT),
        "12 bits": (
            join_segments(
                Segment(part.marker, b"\x0c" + part.payload[1:]) if part.marker == frame.marker else part
                for part in segments
            ),
            type(None),
        ),
        "arithmetic": (
            join_segments(Segment(0xC9, part.payload) if part.marker == frame.marker else part for part in segments),
            type(None),
        ),
    }
    for name, (encoded, kind) in kinds.items():
        assert type(opened(tmp_path, encoded)) is kind, name
    assert type(opened(tmp_path, gray, encode_luma=True)) is ENCODED


@settings(max_examples=40, deadline=None)
@given(place=st.floats(0, 1), junk=st.binary(min_size=1, max_size=30), progressive=st.booleans())
def test_damage_is_noticed_at_half_the_size_as_at_full(place: float, junk: bytes, progressive: bool) -> None:
    encoded = encode(photo(64, 80), progressive=progressive)
    frame = read_frame(split_segments(encoded))
    start = encoded.index(b"\xff\xda") + 12
    at = start + int(place * (len(encoded) - 2 - start))
    broken = encoded[:at] + junk + encoded[at + len(junk) :]
    said = []
    for reduction in (1, 2):
        try:
            decode_cleanly(broken, size=reduced_size(frame, reduction))
            said.append("")
        except ValueError as error:
            said.append(str(error))
    assert said[0] == said[1]


@settings(max_examples=30, deadline=None)
@given(size=st.tuples(st.integers(9, 70), st.integers(9, 70)))
def test_half_of_the_luma_is_the_mean_of_its_pixels_within_grain(size: tuple[int, int]) -> None:
    height, width = size
    encoded = encode(photo(*size), quality=95)
    frame = read_frame(split_segments(encoded))
    half = decode_strictly(encoded, size=reduced_size(frame, 2))[..., 0].astype(int)
    assert half.shape == (-(-height // 2), -(-width // 2))
    full = decode_strictly(encoded)[: height // 2 * 2, : width // 2 * 2, 0].astype(int)
    means = full.reshape(height // 2, 2, width // 2, 2).mean((1, 3))
    assert np.abs(half[: height // 2, : width // 2] - means).mean() < 2.5


@pytest.mark.parametrize("orientation", [1, 6, 7])
@pytest.mark.parametrize("size", [(256, 320), (257, 301)])
def test_chroma_of_half_the_luma_is_that_of_all_of_it(tmp_path: Path, orientation: int, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    encoded = encode((photo(*size) // 2 + 60).astype(np.uint8), exif=exif, quality=95)
    half, full = opened(tmp_path, encoded, side=32), opened(tmp_path, encoded)
    assert isinstance(half, LosslessStill)
    assert isinstance(full, LosslessStill)
    assert (half.reduction, full.reduction) == (2, 1)
    upright = full.luma.shape
    assert half.luma.shape == (-(-upright[0] // 2), -(-upright[1] // 2))
    down, across = np.mgrid[:16, :16] / 4
    chroma = np.stack([np.sin(down + across), np.cos(down - across)]).astype(np.float32) / 10
    paint = Paint(chroma, 1.0, (0.5 + np.sin(across) / 5).astype(np.float32))
    for one, other in zip(half.planes(paint), full.planes(paint), strict=True):
        assert one.shape == other.shape
        assert np.abs(one.astype(int) - other).mean() < 0.5
        assert np.ptp(other) > 20


def test_only_large_pictures_of_420_are_reduced() -> None:
    frame = read_frame(split_segments(encode(photo(256, 300))))
    assert reduction_of(frame, (2, 2), 32) == 2
    assert reduction_of(frame, (2, 2), 33) == 1
    assert reduction_of(frame, (1, 1), 32) == 1
    assert reduction_of(frame, (2, 2), None) == 1


def test_thumbnails_old_credentials_and_words_on_gray_storage_are_left_out(tmp_path: Path) -> None:
    def resource(number: int, data: bytes) -> bytes:
        size = len(data).to_bytes(4, "big")
        return b"8BIM" + number.to_bytes(2, "big") + b"\0\0" + size + data + bytes(len(data) % 2)

    words = b"http://ns.adobe.com/xap/1.0/\0"
    iptc = resource(0x0404, b"caption")
    extra = [
        Segment(APP0, b"JFIF\0\1\1\1\1\x2c\1\x2c\1\1abc"),
        Segment(APP1, words + b'<x:xmpmeta photoshop:ColorMode="1" tiff:Orientation="6"/>'),
        Segment(APP11, b"JP\0\1signed"),
        Segment(APP13, b"Photoshop 3.0\0" + resource(0x040C, b"old colors!") + iptc),
    ]
    plain = [part for part in split_segments(encode(photo(20, 20))) if not is_metadata(part)]
    still = opened(tmp_path, join_segments([*extra, *plain]))
    assert isinstance(still, LosslessStill)
    assert [part.payload for part in still.header] == [
        b"JFIF\0\1\1\1\1\x2c\1\x2c\0\0",
        words + b'<x:xmpmeta tiff:Orientation="6"/>',
        b"Photoshop 3.0\0" + iptc,
    ]


@given(resources=st.binary(max_size=60))
def test_odd_photoshop_resources_stay_as_they_are_or_lose_bytes_only(resources: bytes) -> None:
    for odd in (resources, b"8BIM" + resources):
        left = without_photoshop_thumbnails(odd)
        assert odd.endswith(left) or left in (odd, b"") or len(left) < len(odd)


def test_damaged_jpeg_in_color_is_said_to_be_damaged(tmp_path: Path) -> None:
    y, x = np.mgrid[:200, :240]
    colors = np.dstack([128 + 100 * np.sin(x / 30), 128 + 100 * np.cos(y / 25), 128 + 100 * np.sin((x + y) / 40)])
    for options in ({}, {"progressive": True}):
        encoded = encode(colors.astype(np.uint8), "RGB", **options)
        with pytest.raises(PictureError, match="in color already"):
            opened(tmp_path, encoded, recolor=False)
        cut = encoded[: int(len(encoded) * 0.8)] + bytes((0xFF, EOI))
        with pytest.raises(PictureError, match="damaged"):
            opened(tmp_path, cut, recolor=False)


def test_share_of_memory_counts_coded_bytes_and_is_left_to_the_ordinary_way_for_odd_kinds(tmp_path: Path) -> None:
    path, shares = tmp_path / "in.jpg", []
    path.write_bytes(encode(photo(80, 80)))

    def reserve(pixels: int, *, each: float) -> None:
        shares.append(pixels * each)

    open_jpeg(path, OUT, None, reserve)
    assert shares == [pytest.approx(2.5 * 6400 + 2 * path.stat().st_size)]
    segments = split_segments(encode(photo(48, 48), "RGB", subsampling=1))
    frame = read_frame(segments)
    third = Segment(frame.marker, frame_segment(frame).payload.replace(b"\1\x21", b"\1\x31"))
    path.write_bytes(join_segments(third if part.marker == frame.marker else part for part in segments))
    assert open_jpeg(path, OUT, None, pytest.fail) is None


@pytest.mark.parametrize("filling", [b"\0", b"\0\0", bytes(7), b"\x9a\x9a"])
@pytest.mark.parametrize("quality", [30, 92])
def test_copy_of_a_scan_with_filling_at_its_end_is_as_sound_as_any(
    colorizer: Colorizer, tmp_path: Path, filling: bytes, quality: int
) -> None:
    sound = encode(photo(203, 301), quality=quality)
    source, target = tmp_path / "a.jpg", tmp_path / "b.jpg"
    source.write_bytes(sound[:-2] + filling + sound[-2:])
    assert isinstance(opened(tmp_path, source.read_bytes()), ENCODED)
    assert color(colorizer, source, target).outcome is Outcome.DONE
    decode_cleanly(target.read_bytes())
