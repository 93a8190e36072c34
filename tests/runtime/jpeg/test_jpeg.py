"""JPEG to JPEG by planes: the luma plane passes through, colors and metadata are those of the way through RGB."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from colorrt.errors import PictureError, UsageError
from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.folder import Outcome, Settings, color_jobs
from colorrt.runtime.jobs import plan_jobs
from colorrt.runtime.jpeg import planes as plane_coding
from colorrt.runtime.jpeg import still as jpeg_still
from colorrt.runtime.jpeg.planes import encode_planes
from colorrt.runtime.jpeg.segments import (
    EOI,
    Segment,
    frame_segment,
    is_metadata,
    join_segments,
    read_frame,
    split_segments,
)
from colorrt.runtime.jpeg.still import JpegStill, open_jpeg
from colorrt.runtime.paint import Paint
from colorrt.runtime.pictures.reading import Picture, read_picture
from colorrt.runtime.stills import PictureStill, open_still

if TYPE_CHECKING:
    from numpy.typing import NDArray

OUT = Path("out.jpg")
STEPS = [(1, 1), (1, 2), (2, 1), (2, 2), (1, 4)]
sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


def photo(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """A gray picture with soft shapes, edges and grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    shapes = 128 + 60 * np.sin(x / 7 + 1) * np.cos(y / 5) + 40 * ((x // 9 + y // 11) % 2)
    return (shapes + rng.normal(0, 3, (height, width))).clip(0, 255).astype(np.uint8)


def save(path: Path, levels: NDArray[np.uint8], mode: str = "L", **options: Any) -> Path:
    Image.fromarray(levels).convert(mode).save(path, "JPEG", **options)
    return path


def paint(size: int = 16, seed: int = 1, strength: float = 0.1) -> Paint:
    chroma = np.random.default_rng(seed).uniform(-strength, strength, (2, size, size)).astype(np.float32)
    return Paint(chroma, 1.0, None)


def opened(path: Path, target: Path = OUT) -> JpegStill:
    still = open_jpeg(path, target, None, lambda _, **__: None)
    assert isinstance(still, JpegStill)
    return still


def layers(path: Path) -> list[tuple[int, int]]:
    frame = read_frame(split_segments(path.read_bytes()))
    return [(part.down, part.across) for part in frame.components]


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("L", {}),
        ("L", {"progressive": True}),
        ("L", {"restart_marker_blocks": 2}),
        ("RGB", {"subsampling": 0}),
        ("RGB", {"subsampling": 1}),
        ("RGB", {"subsampling": 2, "progressive": True}),
    ],
)
def test_luma_plane_is_what_pillow_decodes(tmp_path: Path, mode: str, options: dict[str, Any]) -> None:
    levels = np.dstack([photo(37, 53), photo(37, 53, 1), photo(37, 53, 2)]) if mode == "RGB" else photo(37, 53)
    path = save(tmp_path / "in.jpg", levels, mode, **options)
    with Image.open(path) as image:
        image.draft("L", image.size)
        expected = np.asarray(image)
    assert expected.ndim == 2
    np.testing.assert_array_equal(opened(path).luma, expected)


@settings(max_examples=40, deadline=None)
@given(size=sizes, step=st.sampled_from(STEPS), quality=st.integers(30, 100), seed=st.integers(0, 99))
def test_luma_of_the_result_is_that_of_luma_encoded_alone(
    size: tuple[int, int], step: tuple[int, int], quality: int, seed: int
) -> None:
    luma = photo(*size, seed)
    encoded = encode_planes(luma, *paint(seed=seed).planes(luma, step), step, quality)
    alone = simplejpeg.encode_jpeg_yuv_planes(luma, None, None, quality)
    np.testing.assert_array_equal(simplejpeg.decode_jpeg(encoded, "GRAY"), simplejpeg.decode_jpeg(alone, "GRAY"))


@settings(max_examples=25, deadline=None)
@given(size=sizes, step=st.sampled_from(STEPS))
def test_encoder_sees_nothing_beyond_the_arrays(size: tuple[int, int], step: tuple[int, int]) -> None:
    height, width = size
    found = set()
    for around in (0, 255):
        larger = np.full((height + 8, width + 8), around, np.uint8)
        larger[:height, :width] = photo(height, width)
        luma = larger[:height, :width]
        chroma = np.full((-(-height // step[0]), -(-width // step[1])), 90, np.uint8)
        found.add(encode_planes(luma, chroma, chroma, step, 95))
    assert len(found) == 1


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("size", [(101, 131), (64, 64), (92, 33)])
def test_bands_on_threads_change_no_pixel(
    monkeypatch: pytest.MonkeyPatch, step: tuple[int, int], size: tuple[int, int]
) -> None:
    monkeypatch.setattr(plane_coding, "_WORTH_BANDS", 1)
    luma = photo(*size)
    planes = paint().planes(luma, step)
    whole = encode_planes(luma, *planes, step, 90)
    for threads in (2, 3, 8, 99):
        banded = encode_planes(luma, *planes, step, 90, threads)
        assert banded != whole
        np.testing.assert_array_equal(simplejpeg.decode_jpeg(banded), simplejpeg.decode_jpeg(whole))
        with Image.open(io.BytesIO(banded)) as image:
            np.testing.assert_array_equal(np.asarray(image), np.asarray(Image.open(io.BytesIO(whole))))


def test_last_band_of_one_row_is_no_band_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plane_coding, "_WORTH_BANDS", 1)
    luma = photo(65, 40)
    planes = paint().planes(luma, (2, 2))
    assert encode_planes(luma, *planes, (2, 2), 90, 5) == encode_planes(luma, *planes, (2, 2), 90, 1)


@pytest.mark.parametrize("step", STEPS)
def test_colors_are_those_of_rgb_within_2_levels_away_from_chroma_edges(step: tuple[int, int]) -> None:
    luma = (photo(96, 128) // 2 + 64).astype(np.uint8)
    # Two flat colors, side by side: one edge in the middle.
    chroma = np.zeros((2, 16, 16), np.float32)
    chroma[:, :, :8] = np.array([0.06, -0.08], np.float32)[:, None, None]
    chroma[:, :, 8:] = np.array([-0.1, 0.05], np.float32)[:, None, None]
    colors = Paint(chroma, 1.0, None)
    cb, cr = colors.planes(luma, step)
    with Image.open(io.BytesIO(encode_planes(luma, cb, cr, step, 100))) as image:
        difference = np.abs(np.asarray(image).astype(int) - colors.rgb(luma))
    away = np.r_[:48, 80:128]
    assert difference[:, away].max() <= 2
    assert difference.mean() < 1


def test_result_is_the_rgb_way_but_for_coding(tmp_path: Path) -> None:
    path = save(tmp_path / "in.jpg", (photo(61, 83) // 2 + 60).astype(np.uint8), quality=95)
    # Colors that change slowly: what differs then is coding alone.
    across, down = np.meshgrid(np.linspace(-0.1, 0.1, 16), np.linspace(-0.08, 0.08, 16))
    colors = Paint(np.stack([across, down]).astype(np.float32), 1.0, None)
    opened(path).save(tmp_path / "planes.jpg", colors, 100)
    PictureStill(read_picture(path)).save(tmp_path / "rgb.png", colors, 95)
    planes, rgb = (np.asarray(Image.open(tmp_path / name).convert("RGB")) for name in ("planes.jpg", "rgb.png"))
    difference = np.abs(planes.astype(int) - rgb)
    assert difference.max() <= 3
    assert difference.mean() < 1


@pytest.mark.parametrize(
    ("mode", "options", "expected"),
    [
        ("L", {}, (2, 2)),
        ("RGB", {"subsampling": 0}, (1, 1)),
        ("RGB", {"subsampling": 1}, (1, 2)),
        ("RGB", {"subsampling": 2}, (2, 2)),
    ],
)
def test_subsampling_of_color_is_kept_and_gray_gets_420(
    tmp_path: Path, mode: str, options: dict[str, Any], expected: tuple[int, int]
) -> None:
    path = save(tmp_path / "in.jpg", photo(33, 47), mode, **options)
    opened(path).save(tmp_path / "out.jpg", paint(), 90)
    assert layers(tmp_path / "out.jpg") == [expected, (1, 1), (1, 1)]


def test_subsampling_turns_with_the_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "in.jpg", photo(33, 47), "RGB", subsampling=1, exif=exif)
    still = opened(path)
    assert still.step == (2, 1)
    assert still.luma.shape == (47, 33)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("profile", [None, "RGB", "GRAY"])
def test_what_is_carried_is_what_the_rgb_way_carries(tmp_path: Path, orientation: int, profile: str | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "Main Street"
    options: dict[str, Any] = {"exif": exif, "dpi": (300, 200), "comment": b"a comment"}
    options["xmp"] = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF tiff:Orientation="6"/></x:xmpmeta>'
    if profile is not None:
        icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        options["icc_profile"] = icc if profile == "RGB" else icc[:16] + b"GRAY" + icc[20:]
    path = save(tmp_path / "in.jpg", photo(21, 30), **options)
    opened(path).save(tmp_path / "planes.jpg", paint(), 95)
    PictureStill(read_picture(path)).save(tmp_path / "rgb.jpg", paint(), 95)
    carried = [
        [part for part in split_segments((tmp_path / name).read_bytes()) if is_metadata(part)]
        for name in ("planes.jpg", "rgb.jpg")
    ]
    assert carried[0] == carried[1]
    with Image.open(tmp_path / "planes.jpg") as image:
        assert image.getexif().get(0x0112, 1) == 1
        assert image.getexif()[0x010E] == "Main Street"
        assert image.info["dpi"] == ((300, 200) if orientation < 5 else (200, 300))
        assert image.size == ((30, 21) if orientation < 5 else (21, 30))


def patched(encoded: bytes, **changes: Any) -> bytes:
    segments = split_segments(encoded)
    frame = read_frame(segments)
    changed = frame_segment(replace(frame, **changes))
    return join_segments(changed if part.marker == frame.marker else part for part in segments)


def test_other_kinds_take_the_ordinary_way(tmp_path: Path) -> None:
    gray = save(tmp_path / "gray.jpg", photo(20, 20))
    color = save(tmp_path / "color.jpg", photo(20, 20), "RGB")
    adobe = Segment(0xEE, b"Adobe\0\x64\0\0\0\0\0")
    frame = read_frame(split_segments(color.read_bytes()))
    reduced = tuple(replace(part, across=3 - part.across) for part in frame.components)
    others = {
        "cmyk.jpg": save(tmp_path / "x.jpg", photo(20, 20), "CMYK").read_bytes(),
        "rgb.jpg": save(tmp_path / "x.jpg", photo(20, 20), "RGB", keep_rgb=True).read_bytes(),
        "adobe.jpg": join_segments(
            [adobe, *(part for part in split_segments(color.read_bytes()) if not is_metadata(part))]
        ),
        "12bit.jpg": patched(gray.read_bytes(), precision=12),
        "arithmetic.jpg": patched(gray.read_bytes(), marker=0xC9),
        "lossless.jpg": patched(gray.read_bytes(), marker=0xC3),
        "reduced.jpg": patched(color.read_bytes(), components=reduced),
        "cut.jpg": gray.read_bytes()[:100],
        "png.jpg": b"\x89PNG",
        "empty.jpg": b"",
    }
    for name, encoded in others.items():
        (tmp_path / name).write_bytes(encoded)
        assert open_jpeg(tmp_path / name, OUT, None, pytest.fail) is None, name
    assert open_jpeg(tmp_path, OUT, None, pytest.fail) is None
    assert open_jpeg(tmp_path / "none.jpg", OUT, None, pytest.fail) is None
    assert open_jpeg(gray, Path("out.png"), None, pytest.fail) is None
    assert open_jpeg(gray, OUT, 399, pytest.fail) is None


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_jpeg_cut_anywhere_fails_or_reads_as_in_the_ordinary_way(tmp_path: Path, options: dict[str, Any]) -> None:
    encoded = save(tmp_path / "in.jpg", photo(40, 40), **options).read_bytes()
    for end in range(2, len(encoded) - 2, 29):
        (tmp_path / "cut.jpg").write_bytes(encoded[:end])
        with pytest.raises(PictureError, match=r"cut\.jpg: "):
            open_still(tmp_path / "cut.jpg", OUT)


def test_damaged_scan_reserves_once_and_is_told_as_in_the_ordinary_way(tmp_path: Path) -> None:
    encoded = save(tmp_path / "in.jpg", photo(80, 80)).read_bytes()
    path = tmp_path / "damaged.jpg"
    path.write_bytes(encoded[: len(encoded) // 2] + bytes((0xFF, EOI)))
    reserved: list[int] = []
    try:
        found: object = open_jpeg(path, OUT, None, lambda pixels, **_: reserved.append(pixels))
    except PictureError as error:
        found = str(error)
    try:
        expected: object = read_picture(path)
    except PictureError as error:
        expected = str(error)
    assert reserved == [6400]
    if isinstance(expected, Picture):
        assert isinstance(found, Picture)
    else:
        assert found == expected


def test_too_large_for_a_jpeg_is_told_and_leaves_no_file(tmp_path: Path) -> None:
    still = JpegStill(Picture(np.zeros((1, 65501), np.uint8)), (2, 2))
    with pytest.raises(PictureError, match=r"65501 x 1 pixels are too many for JPEG, which holds 65500"):
        still.save(tmp_path / "out.jpg", paint(), 95)
    with pytest.raises(UsageError, match="quality has to be 1 to 100"):
        still.save(tmp_path / "out.jpg", paint(), 0)
    assert not list(tmp_path.iterdir())


def test_run_takes_jpeg_to_jpeg_by_planes_and_the_rest_through_rgb(
    tiny_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    save(folder / "gray.jpg", photo(30, 40))
    save(folder / "inks.jpg", photo(30, 40), "CMYK")
    Image.fromarray(photo(30, 40)).save(folder / "scan.png")
    (folder / "cut.jpg").write_bytes((folder / "gray.jpg").read_bytes()[:200])
    by_planes: list[str] = []
    original = jpeg_still.write_planes

    def noted(path: Path, *rest: Any) -> None:
        by_planes.append(path.name)
        original(path, *rest)

    monkeypatch.setattr(jpeg_still, "write_planes", noted)
    with Colorizer(tiny_onnx, render_factor=1) as colorizer:
        jobs = plan_jobs([str(folder)], tmp_path / "out")
        results = list(color_jobs(colorizer, jobs, Settings(quality=95)))
    assert {result.job.source.name: result.outcome for result in results} == {
        "cut.jpg": Outcome.FAILED,
        "gray.jpg": Outcome.DONE,
        "inks.jpg": Outcome.DONE,
        "scan.png": Outcome.DONE,
    }
    assert by_planes == ["gray.jpg"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["gray.jpg", "inks.jpg", "scan.png"]
    with Image.open(tmp_path / "out" / "gray.jpg") as image:
        assert (image.mode, image.size) == ("RGB", (40, 30))
