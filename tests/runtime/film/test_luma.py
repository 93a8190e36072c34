"""What must come through: luma, times, coding, and all that came along."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from film_files import assert_same_luma, color, frame_of, make_film, picture, see

from colorrt.errors import PictureError
from colorrt.kernels.film import Coding, render_film, see_film
from colorrt.runtime.film.codecs import FilmCoding
from colorrt.runtime.film.layout import convert_frame, find_layout, read_luma

if TYPE_CHECKING:
    from pathlib import Path

    from colorrt.runtime.colorizer import Colorizer

LOSSLESS = FilmCoding("x264", lossless=True, preset="ultrafast")
FFV1 = FilmCoding("ffv1")
X264_FORMATS = {
    "yuv420p": "yuv420p",
    "yuv422p": "yuv422p",
    "yuv444p": "yuv444p",
    "yuvj420p": "yuvj420p",
    "gray": "yuv420p",
    "yuv420p10le": "yuv420p10le",
    "yuv422p10le": "yuv422p10le",
    "yuv444p10le": "yuv444p10le",
    "gray10le": "yuv420p10le",
}


@pytest.mark.parametrize("pixel_format", X264_FORMATS)
def test_x264_lossless_keeps_luma_bit_for_bit(colorizer: Colorizer, tmp_path: Path, pixel_format: str) -> None:
    codec = "mjpeg" if pixel_format == "yuvj420p" else "ffv1"
    source = make_film(tmp_path / "film.mkv", pixel_format=pixel_format, codec=codec)
    color(colorizer, source, tmp_path / "color.mp4", coding=LOSSLESS)
    assert see(tmp_path / "color.mp4").pixel_format == X264_FORMATS[pixel_format]
    assert_same_luma(source, tmp_path / "color.mp4")


@pytest.mark.parametrize(
    "pixel_format",
    [
        "yuv420p",
        "yuv422p",
        "yuv444p",
        "yuv411p",
        "gray",
        "yuv420p10le",
        "gray10le",
        "yuv422p12le",
        "gray16le",
        "yuv444p16le",
    ],
)
def test_ffv1_keeps_luma_bit_for_bit(colorizer: Colorizer, tmp_path: Path, pixel_format: str) -> None:
    source = make_film(tmp_path / "film.mkv", pixel_format=pixel_format)
    color(colorizer, source, tmp_path / "color.mkv", coding=FFV1)
    assert_same_luma(source, tmp_path / "color.mkv")


def test_luma_beside_interleaved_chroma_is_kept(colorizer: Colorizer, tmp_path: Path) -> None:
    source = make_film(tmp_path / "film.nut", pixel_format="nv12", codec="rawvideo")
    color(colorizer, source, tmp_path / "color.mp4", coding=LOSSLESS)
    assert_same_luma(source, tmp_path / "color.mp4")


@pytest.mark.parametrize(
    ("pixel_format", "step"),
    [
        ("p010le", (2, 2)),
        ("nv12", (2, 2)),
        ("nv16", (1, 2)),
        ("yuv420p", (2, 2)),
        ("yuv411p", (1, 4)),
        ("yuva444p10le", (1, 1)),
        ("yuv420p10be", (2, 2)),
        ("gray", None),
        ("gray12le", None),
        ("gray16be", None),
        ("yuyv422", (1, 2)),
    ],
)
def test_luma_is_read_from_any_layout(pixel_format: str, step: tuple[int, int] | None) -> None:
    depth = av.VideoFormat(pixel_format).components[0].bits
    size = (48, 64)
    planar = f"gray{depth}le" if depth > 8 else "gray"
    luma = picture(3, *size, depth)
    if pixel_format in ("p010le", "nv12", "nv16", "gray", "gray12le") or pixel_format.startswith(("yuv4", "yuva")):
        native = pixel_format.replace("be", "le")
        frame = frame_of(3, size, native, 0)
        frame = frame if native == pixel_format else frame.reformat(format=pixel_format)
    else:
        frame = frame_of(3, size, planar if step is None else "yuv422p", 0).reformat(format=pixel_format)
    layout = find_layout(frame.format)
    assert layout.step == step
    np.testing.assert_array_equal(read_luma(convert_frame(frame, layout, 6), layout), luma)


@pytest.mark.parametrize("size", [(49, 64), (48, 65), (47, 63), (2, 2), (1, 1)])
def test_odd_sizes_keep_their_luma(colorizer: Colorizer, tmp_path: Path, size: tuple[int, int]) -> None:
    source = make_film(tmp_path / "film.mkv", size=size)
    color(colorizer, source, tmp_path / "color.mkv", coding=FFV1)
    assert_same_luma(source, tmp_path / "color.mkv")
    if min(size) > 8:
        result = color(colorizer, source, tmp_path / "color.mp4", coding=LOSSLESS)
        assert_same_luma(source, tmp_path / "color.mp4")
        assert any("chroma is sampled anew" in note for note in result.notes)


def test_lossy_codecs_keep_depth_and_nearly_luma(colorizer: Colorizer, tmp_path: Path) -> None:
    source = make_film(tmp_path / "film.mkv", size=(144, 256), pixel_format="yuv420p10le", frames=6)
    for codec, suffix, pixel_format in (
        ("x264", ".mp4", "yuv420p10le"),
        ("x265", ".mp4", "yuv420p10le"),
        ("av1", ".mkv", "yuv420p10le"),
        ("prores", ".mov", "yuv422p10le"),
        ("dnxhr", ".mov", "yuv422p10le"),
    ):
        target = tmp_path / f"{codec}{suffix}"
        color(colorizer, source, target, coding=FilmCoding(codec))
        before, after = see(source), see(target)
        assert after.pixel_format == pixel_format
        assert len(after.planes) == len(before.planes)
        error = np.mean(
            [np.abs(a[0].astype(float) - b[0]).mean() for a, b in zip(before.planes, after.planes, strict=True)]
        )
        assert error < 12


@pytest.mark.parametrize("codec", ["prores", "dnxhr"])
def test_luma_of_8_bits_is_deepened_where_a_codec_has_10(colorizer: Colorizer, tmp_path: Path, codec: str) -> None:
    source = make_film(tmp_path / "film.mkv", size=(144, 256), frames=3)
    color(colorizer, source, tmp_path / "color.mov", coding=FilmCoding(codec))
    before, after = see(source), see(tmp_path / "color.mov")
    scale = 4 if after.pixel_format.endswith("10le") else 1
    assert np.abs(before.planes[1][0].astype(float) * scale - after.planes[1][0]).mean() < 3 * scale


TAGS = {
    "601": {"colorspace": 6, "color_primaries": 6, "color_trc": 6, "color_range": 1},
    "709": {"colorspace": 1, "color_primaries": 1, "color_trc": 1, "color_range": 1},
    "709 full": {"colorspace": 1, "color_primaries": 1, "color_trc": 1, "color_range": 2},
    "2020": {"colorspace": 9, "color_primaries": 9, "color_trc": 14, "color_range": 1},
}
CODINGS = {
    "601": Coding(0.299, 0.114),
    "709": Coding(0.2126, 0.0722),
    "709 full": Coding(0.2126, 0.0722, full=True),
    "2020": Coding(0.2627, 0.0593, top=True),
}


@pytest.mark.parametrize("name", TAGS)
def test_chroma_is_in_the_film_s_own_coding_and_tags_stay(colorizer: Colorizer, tmp_path: Path, name: str) -> None:
    source = make_film(tmp_path / "film.mkv", tags=TAGS[name], frames=3)
    color(colorizer, source, tmp_path / "color.mkv", coding=FFV1, steady="off")
    before, after = see(source), see(tmp_path / "color.mkv")
    assert after.tags == before.tags
    for one, other in zip(before.planes, after.planes, strict=True):
        small = see_film(one[0], colorizer.size, CODINGS[name])
        chroma = np.stack([0.2 * small - 0.15, -0.3 * small + 0.2])
        expected = render_film(one[0], chroma, CODINGS[name], guide=small)
        for plane, exact in zip(other[1:], expected, strict=True):
            assert np.abs(plane.astype(int) - exact).max() <= 1
        assert np.abs(other[1].astype(int) - 128).max() > 5


def test_matrix_that_is_not_said_is_taken_by_the_size_and_then_said(colorizer: Colorizer, tmp_path: Path) -> None:
    small = make_film(tmp_path / "small.mkv", frames=2)
    large = make_film(tmp_path / "large.mkv", frames=2, size=(720, 64))
    for source, matrix in ((small, 6), (large, 1)):
        color(colorizer, source, tmp_path / f"{source.stem}-color.mkv", coding=FFV1)
        assert see(tmp_path / f"{source.stem}-color.mkv").tags[0] == matrix


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_times_and_durations_of_uneven_films_are_exact(colorizer: Colorizer, tmp_path: Path, suffix: str) -> None:
    times = [0, 3000, 6003, 6100, 12000, 15000, 90000, 93003, 95000, 180000, 180001, 190000]
    source = make_film(
        tmp_path / f"film{suffix}", codec="libx264", times=times, time_base=Fraction(1, 90000), options={"bf": "3"}
    )
    color(colorizer, source, tmp_path / f"color{suffix}")
    before, after = see(source), see(tmp_path / f"color{suffix}")
    assert before.times == [Fraction(time, 90000) for time in times]
    assert after.times == before.times


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_length_stays(colorizer: Colorizer, tmp_path: Path, suffix: str) -> None:
    source = make_film(tmp_path / f"film{suffix}", codec="libx264", rate=Fraction(24000, 1001), frames=48)
    color(colorizer, source, tmp_path / f"color{suffix}")
    with av.open(str(source)) as one, av.open(str(tmp_path / f"color{suffix}")) as other:
        assert abs(one.duration - other.duration) <= 1000
        assert one.streams.video[0].average_rate == other.streams.video[0].average_rate


def test_film_that_does_not_begin_at_zero_keeps_its_times(colorizer: Colorizer, tmp_path: Path) -> None:
    times = [45000 + 3600 * k for k in range(12)]
    source = make_film(tmp_path / "film.mp4", codec="libx264", times=times, time_base=Fraction(1, 90000))
    color(colorizer, source, tmp_path / "color.mp4")
    assert see(tmp_path / "color.mp4").times == see(source).times


def test_matroska_rounds_to_milliseconds_and_says_so(colorizer: Colorizer, tmp_path: Path) -> None:
    times = [3003 * k for k in range(12)]
    source = make_film(tmp_path / "film.mp4", codec="libx264", times=times, time_base=Fraction(1, 90000))
    result = color(colorizer, source, tmp_path / "color.mkv")
    assert any("milliseconds" in note for note in result.notes)
    pairs = zip(see(source).times, see(tmp_path / "color.mkv").times, strict=True)
    assert max(abs(one - other) for one, other in pairs) <= Fraction(1, 2000)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_sound_metadata_chapters_rotation_and_shape_come_along(
    colorizer: Colorizer, tmp_path: Path, suffix: str
) -> None:
    chapters = [
        {"id": 1, "start": 0, "end": 400, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}},
        {"id": 2, "start": 400, "end": 1000, "time_base": Fraction(1, 1000), "metadata": {"title": "Two"}},
    ]
    source = make_film(
        tmp_path / f"film{suffix}",
        codec="libx264",
        frames=25,
        audio=True,
        chapters=chapters,
        metadata={"title": "A film"},
        rotation=90,
        aspect=Fraction(16, 15),
    )
    result = color(colorizer, source, tmp_path / f"color{suffix}")
    before, after = see(source), see(tmp_path / f"color{suffix}")
    assert before.packets["audio"]
    assert after.packets == before.packets
    assert after.metadata["title"] == "A film"
    assert [chapter["metadata"]["title"] for chapter in after.chapters] == ["One", "Two"]
    assert after.rotation == before.rotation == 90
    assert after.aspect == before.aspect == Fraction(16, 15)
    assert result.notes == () or suffix == ".mkv"


def test_what_ffv1_loses_is_said(colorizer: Colorizer, tmp_path: Path) -> None:
    source = make_film(tmp_path / "film.mp4", codec="libx264", aspect=Fraction(16, 15))
    result = color(colorizer, source, tmp_path / "color.mkv", coding=FFV1)
    assert any("shape of pixels, 16:15, is left out" in note for note in result.notes)


def test_depth_that_a_codec_lacks_is_refused_with_one_that_has_it(colorizer: Colorizer, tmp_path: Path) -> None:
    source = make_film(tmp_path / "film.mkv", pixel_format="gray16le", frames=2)
    with pytest.raises(PictureError, match=r"its luma has 16 bits, and x264 has 8 or 10; take --codec ffv1"):
        color(colorizer, source, tmp_path / "color.mp4")
    assert not (tmp_path / "color.mp4").exists()


def test_steady_color_is_what_the_filter_gives(colorizer: Colorizer, tmp_path: Path) -> None:
    """The chain of decoder, filter and encoder adds nothing of its own."""
    from colorrt.kernels.steady import Steadier

    source = make_film(tmp_path / "film.mkv", frames=30, cuts=(12,))
    result = color(colorizer, source, tmp_path / "color.mkv", coding=FFV1)
    assert result.shots == 2
    steadier = Steadier(colorizer.size)
    before, after = see(source), see(tmp_path / "color.mkv")
    coding = Coding()
    steadied: list[Any] = []
    for planes in before.planes:
        small = see_film(planes[0], colorizer.size, coding)
        steadied += steadier.push(small, np.stack([0.2 * small - 0.15, -0.3 * small + 0.2]))
    steadied += steadier.flush()
    for one, frame, other in zip(before.planes, steadied, after.planes, strict=True):
        expected = render_film(one[0], frame.chroma, coding, guide=frame.luma)
        for plane, exact in zip(other[1:], expected, strict=True):
            assert np.abs(plane.astype(int) - exact).max() <= 1
