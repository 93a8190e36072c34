"""Luma kept bit for bit: coefficients, tables and coded bytes of the input are those of the output."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from colorrt.errors import PictureError
from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.folder import Outcome, Settings, color_jobs
from colorrt.runtime.jobs import Job, plan_jobs
from colorrt.runtime.jpeg.lossless import LosslessStill, open_lossless, to_stored
from colorrt.runtime.jpeg.segments import (
    APP0,
    APP1,
    APP2,
    APP14,
    COM,
    DQT,
    DRI,
    SOS,
    Segment,
    is_metadata,
    join_segments,
    numbered_segments,
    read_frame,
    split_segments,
)
from colorrt.runtime.jpeg.thumbnails import without_exif_thumbnail
from colorrt.runtime.paint import Paint

if TYPE_CHECKING:
    from numpy.typing import NDArray

OUT = Path("out.jpg")
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "gray": ("L", {}),
    "gray optimized": ("L", {"optimize": True, "quality": 40}),
    "gray progressive": ("L", {"progressive": True}),
    "gray with restarts": ("L", {"restart_marker_blocks": 3}),
    "gray progressive with restarts": ("L", {"progressive": True, "restart_marker_rows": 1}),
    "4:2:0": ("RGB", {"subsampling": 2}),
    "4:2:2": ("RGB", {"subsampling": 1}),
    "4:4:4": ("RGB", {"subsampling": 0, "quality": 97}),
    "4:2:0 progressive": ("RGB", {"subsampling": 2, "progressive": True}),
    "4:4:4 progressive with restarts": ("RGB", {"subsampling": 0, "progressive": True, "restart_marker_blocks": 5}),
}


def photo(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """A gray picture with soft shapes, edges and grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    shapes = 128 + 60 * np.sin(x / 7 + 1) * np.cos(y / 5) + 40 * ((x // 9 + y // 11) % 2)
    return (shapes + rng.normal(0, 3, (height, width))).clip(0, 255).astype(np.uint8)


def encode(levels: NDArray[np.uint8], mode: str = "L", **options: Any) -> bytes:
    stream = io.BytesIO()
    if mode == "RGB":
        levels = np.dstack([levels, levels[::-1], 255 - levels])
    Image.fromarray(levels).convert(mode).save(stream, "JPEG", **options)
    return stream.getvalue()


def write(path: Path, encoded: bytes) -> Path:
    path.write_bytes(encoded)
    return path


def paint(seed: int = 1, strength: float = 0.1) -> Paint:
    chroma = np.random.default_rng(seed).uniform(-strength, strength, (2, 16, 16)).astype(np.float32)
    return Paint(chroma, 1.0, None)


def opened(path: Path) -> LosslessStill:
    return open_lossless(path, OUT, None, lambda _, **__: None)


def colored(path: Path, encoded: bytes, colors: Paint | None = None, quality: int = 90) -> bytes:
    out = path / "out.jpg"
    opened(write(path / "in.jpg", encoded)).save(out, colors or paint(), quality)
    return out.read_bytes()


def scans(encoded: bytes) -> list[bytes]:
    return [part.data for part in split_segments(encoded) if part.marker == SOS]


def assert_same_coefficients(before: Path, after: Path) -> None:
    """Compare all blocks of luma, those of the edges too, and the table, as libjpeg reads them."""
    jpeglib = pytest.importorskip("jpeglib", reason="jpeglib, which judges, is not installed")
    first, second = jpeglib.read_dct(str(before)), jpeglib.read_dct(str(after))
    assert first.Y.shape == second.Y.shape == (-(-first.height // 8), -(-first.width // 8), 8, 8)
    np.testing.assert_array_equal(first.Y, second.Y)
    np.testing.assert_array_equal(first.qt[first.quant_tbl_no[0]], second.qt[second.quant_tbl_no[0]])
    assert second.Cb is not None
    assert (second.height, second.width) == (first.height, first.width)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [(1, 1), (7, 9), (17, 16), (16, 33), (61, 90)])
def test_luma_coefficients_and_table_are_kept_bit_for_bit(tmp_path: Path, way: str, size: tuple[int, int]) -> None:
    mode, options = WAYS[way]
    if mode == "RGB":
        pytest.importorskip("jpeglib", reason="jpeglib, which color JPEGs need, is not installed")
    encoded = encode(photo(*size), mode, **options)
    result = colored(tmp_path, encoded)
    assert_same_coefficients(tmp_path / "in.jpg", tmp_path / "out.jpg")
    with Image.open(io.BytesIO(result)) as image:
        image.load()
        assert (image.mode, image.size) == ("RGB", size[::-1])


@settings(max_examples=40, deadline=None)
@given(size=st.tuples(st.integers(1, 50), st.integers(1, 50)), way=st.sampled_from([w for w in WAYS if "gray" in w]))
def test_coded_bytes_of_gray_are_copied_and_decode_to_the_same_luma(
    tmp_path_factory: pytest.TempPathFactory, size: tuple[int, int], way: str
) -> None:
    mode, options = WAYS[way]
    encoded = encode(photo(*size), mode, **options)
    result = colored(tmp_path_factory.mktemp("lossless"), encoded)
    before = scans(encoded)
    assert scans(result)[: len(before)] == before
    assert len(scans(result)) == 3 * len(before)
    np.testing.assert_array_equal(simplejpeg.decode_jpeg(result, "GRAY"), simplejpeg.decode_jpeg(encoded, "GRAY"))


@pytest.mark.parametrize("way", ["gray", "gray progressive", "4:2:0", "4:4:4", "4:2:2"])
def test_colors_are_those_of_the_paint(tmp_path: Path, way: str) -> None:
    mode, options = WAYS[way]
    if mode == "RGB":
        pytest.importorskip("jpeglib", reason="jpeglib, which color JPEGs need, is not installed")
    levels = (photo(60, 90) // 2 + 60).astype(np.uint8)
    chroma = np.empty((2, 16, 16), np.float32)
    chroma[0], chroma[1] = 0.08, -0.06
    colors = Paint(chroma, 1.0, None)
    result = colored(tmp_path, encode(levels, mode, **options), colors, 95)
    luma = opened(tmp_path / "in.jpg").luma
    with Image.open(io.BytesIO(result)) as image:
        # Coded blue of 4:4:4 has an extreme luma; elsewhere nothing runs out of gamut.
        inside = (luma > 50) & (luma < 200)
        assert np.abs(np.asarray(image).astype(int) - colors.rgb(luma))[inside].max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_stay_as_stored_and_colors_follow_the_orientation(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    encoded = encode((photo(48, 80) // 2 + 60).astype(np.uint8), exif=exif)
    still = opened(write(tmp_path / "in.jpg", encoded))
    assert still.luma.shape == ((48, 80) if orientation < 5 else (80, 48))
    chroma = np.zeros((2, 16, 16), np.float32)
    chroma[0, :8, :8], chroma[1, 8:, :8] = 0.1, 0.1
    # A guide has to turn as well.
    colors = Paint(chroma, 1.0, np.random.default_rng(0).uniform(0, 1, (16, 16)).astype(np.float32))
    still.save(tmp_path / "out.jpg", colors, 98)
    assert scans((tmp_path / "out.jpg").read_bytes())[0] == scans(encoded)[0]
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.getexif()[0x0112] == orientation
        assert image.size == (80, 48)
        seen = np.asarray(ImageOps.exif_transpose(image)).astype(int)
    assert seen.shape[:2] == still.luma.shape
    # Chroma is coded for 2 x 2 pixels: the mean tells turned colors from right ones, single pixels do not.
    assert np.abs(seen - colors.rgb(still.luma)).mean() < 2
    turned = Paint(chroma[:, ::-1], 1.0, None).rgb(still.luma)
    assert np.abs(seen - turned).mean() > 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_stored_undoes_upright(orientation: int) -> None:
    from colorrt.runtime.pictures.levels import upright

    levels = photo(5, 8)
    np.testing.assert_array_equal(to_stored(upright(levels, orientation), orientation), levels)


def with_segments(encoded: bytes, *extra: Segment) -> bytes:
    return join_segments([*extra, *split_segments(encoded)])


def test_metadata_are_kept_byte_for_byte(tmp_path: Path) -> None:
    kept = [
        Segment(APP0, b"JFIF\0\1\1\1\1\x2c\1\x2c\0\0"),
        Segment(APP1, b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
        Segment(APP1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>"),
        *numbered_segments(APP2, b"ICC_PROFILE\0", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
        Segment(0xED, b"Photoshop 3.0\0anything"),
        Segment(0xE5, b"unknown"),
        Segment(COM, b"a comment"),
    ]
    plain = [part for part in split_segments(encode(photo(20, 20))) if not is_metadata(part)]
    result = split_segments(colored(tmp_path, join_segments([*kept, *plain])))
    assert [part for part in result if is_metadata(part)] == kept


def test_what_would_be_wrong_for_color_is_left_out(tmp_path: Path) -> None:
    encoded = with_segments(
        encode(photo(20, 20)),
        Segment(APP14, b"Adobe\0\x64\0\0\0\0\0"),
        Segment(APP0, b"JFXX\0\x10thumbnail"),
        Segment(APP2, b"MPF\0places of further pictures"),
    )
    result = colored(tmp_path, encoded + b"further pictures")
    metadata = [part.payload[:4] for part in split_segments(result) if is_metadata(part)]
    assert metadata == [b"JFIF"]
    assert result.endswith(b"\xff\xd9")
    with Image.open(io.BytesIO(result)) as image:
        # Without Adobe's note gone, this would be red, green and blue.
        assert image.mode == "RGB"
        gray = np.asarray(image.convert("L")).astype(int)
    assert np.abs(gray - opened(tmp_path / "in.jpg").luma).mean() < 3


def test_gray_profile_gives_way_to_one_of_color_with_its_tone_curve(tmp_path: Path) -> None:
    curve = b"curv\0\0\0\0\0\0\0\1\1\xcd\0\0"
    profile = bytes(16) + b"GRAY" + bytes(16) + b"acsp" + bytes(88) + b"\0\0\0\1kTRC" + bytes(3) + b"\x90"
    profile += bytes(3) + bytes((len(curve),)) + curve
    encoded = with_segments(encode(photo(9, 9)), *numbered_segments(APP2, b"ICC_PROFILE\0", profile))
    with Image.open(io.BytesIO(colored(tmp_path, encoded))) as image:
        carried = image.info["icc_profile"]
    assert carried[16:20] == b"RGB "
    assert curve[:14] in carried


def test_thumbnail_is_unlinked_and_the_rest_of_exif_stays() -> None:
    for order, numbers in ((b"II", "little"), (b"MM", "big")):

        def number(value: int, size: int, numbers: Any = numbers) -> bytes:
            return value.to_bytes(size, numbers)

        tag = number(0x0112, 2) + number(3, 2) + number(1, 4) + number(6, 2) + bytes(2)
        block = b"Exif\0\0" + order + number(42, 2) + number(8, 4) + number(1, 2) + tag + number(26, 4) + b"thumbnail"
        after = without_exif_thumbnail(block)
        assert after == block.replace(number(26, 4) + b"thumbnail", bytes(4) + b"thumbnail")
        exif = Image.Exif()
        exif.load(after)
        assert exif[0x0112] == 6
    for damaged in (b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"):
        assert without_exif_thumbnail(damaged) == damaged


def test_restart_interval_of_luma_does_not_reach_chroma(tmp_path: Path) -> None:
    result = split_segments(colored(tmp_path, encode(photo(40, 40), restart_marker_blocks=3)))
    assert [part.payload for part in result if part.marker == DRI] == [b"\0\3", b"\0\0"]


def test_luma_table_of_another_number_and_spare_tables_do_not_clash_with_chroma(tmp_path: Path) -> None:
    segments = split_segments(encode(photo(30, 30), quality=70))
    frame = read_frame(segments)
    changed = []
    for part in segments:
        if part.marker == DQT:
            table = part.payload[1:]
            # One segment with a table that nothing uses, and luma's own as number 1.
            changed.append(Segment(DQT, b"\0" + bytes([9] * 64) + b"\1" + table))
        elif part.marker == frame.marker:
            changed.append(Segment(part.marker, part.payload[:-1] + b"\1"))
        else:
            changed.append(part)
    encoded = join_segments(changed)
    result = colored(tmp_path, encoded)
    assert_same_coefficients(tmp_path / "in.jpg", tmp_path / "out.jpg")
    np.testing.assert_array_equal(simplejpeg.decode_jpeg(result, "GRAY"), simplejpeg.decode_jpeg(encoded, "GRAY"))
    assert [part.table for part in read_frame(split_segments(result)).components] == [1, 0, 0]


def test_gray_with_sampling_factors_of_its_own_is_read_in_the_same_order(tmp_path: Path) -> None:
    segments = split_segments(encode(photo(30, 45)))
    frame = read_frame(segments)
    # Factors of a single component mean nothing; some writers give 2 x 2.
    encoded = join_segments(
        Segment(part.marker, part.payload[:-2] + b"\x22" + part.payload[-1:]) if part.marker == frame.marker else part
        for part in segments
    )
    result = colored(tmp_path, encoded)
    np.testing.assert_array_equal(simplejpeg.decode_jpeg(result, "GRAY"), simplejpeg.decode_jpeg(encoded, "GRAY"))


@pytest.mark.parametrize("quality", [30, 75, 100])
def test_quality_chooses_the_chroma_table_of_libjpeg(tmp_path: Path, quality: int) -> None:
    result = colored(tmp_path, encode(photo(30, 30), quality=61), quality=quality)
    with (
        Image.open(io.BytesIO(result)) as image,
        Image.open(io.BytesIO(encode(photo(9, 9), "RGB", quality=quality))) as own,
    ):
        tables: Any = image
        expected: Any = own
        assert tables.quantization[1] == expected.quantization[1]


def test_color_without_jpeglib_says_what_to_install_and_gray_needs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jpeglib", None)
    path = write(tmp_path / "color.jpg", encode(photo(20, 20), "RGB"))
    with pytest.raises(PictureError, match=r"color.jpg: it is a color JPEG.*pip install 'colorrt\[archive\]'"):
        opened(path)
    assert opened(write(tmp_path / "gray.jpg", encode(photo(20, 20)))).luma.shape == (20, 20)


def test_inputs_that_cannot_keep_luma_fail_alone_with_a_sentence(tiny_onnx: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    good = encode(photo(30, 40))
    write(folder / "1.jpg", good)
    write(folder / "cut.jpg", good[:300])
    write(folder / "empty.jpg", b"")
    write(folder / "inks.jpg", encode(photo(30, 40), "CMYK"))
    write(folder / "last.jpg", good)
    write(folder / "rgb.jpg", encode(photo(30, 40), "RGB", keep_rgb=True))
    Image.fromarray(photo(30, 40)).save(folder / "scan.png")
    said: dict[str, str] = {}
    with Colorizer(tiny_onnx, render_factor=1) as colorizer:
        jobs = plan_jobs([str(folder)], tmp_path / "out")
        jobs.append(Job(folder / "last.jpg", tmp_path / "out" / "other.png"))
        results = list(color_jobs(colorizer, jobs, Settings(lossless_luma=True)))
    for result in results:
        if result.outcome is Outcome.FAILED:
            assert result.reason is not None
            assert "\n" not in result.reason
            said[result.job.target.name] = result.reason
    assert {name: reason.partition(": ")[2].partition(";")[0] for name, reason in said.items()} == {
        "cut.jpg": said["cut.jpg"].partition(": ")[2].partition(";")[0],
        "empty.jpg": "it is empty (0 bytes)",
        "inks.jpg": "it is a JPEG without a luma plane of 8 bits and full size, or with arithmetic coding, "
        "which --lossless-luma cannot keep",
        "other.png": "--lossless-luma writes JPEG, and its result would be other.png",
        "rgb.jpg": "it is a JPEG without a luma plane of 8 bits and full size, or with arithmetic coding, "
        "which --lossless-luma cannot keep",
        "scan.png": "it is not a JPEG, and --lossless-luma is for JPEGs only",
    }
    assert "damaged or cut off" in said["cut.jpg"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1.jpg", "last.jpg"]
    assert scans((tmp_path / "out" / "last.jpg").read_bytes())[0] == scans(good)[0]


def test_limit_of_pixels_and_missing_files_are_told_as_without_the_option(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jpg", encode(photo(20, 20)))
    with pytest.raises(PictureError, match=r"more than the limit of 399.*--max-pixels"):
        open_lossless(path, OUT, 399, pytest.fail)
    with pytest.raises(PictureError, match="there is no such file"):
        open_lossless(tmp_path / "none.jpg", OUT, None, pytest.fail)
    with pytest.raises(PictureError, match="it is a folder"):
        open_lossless(tmp_path, OUT, None, pytest.fail)
