"""What comes along with the pictures: each kind is carried, or named before the work begins."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import av
import pytest
from film_files import assert_same_luma, color, make_film, see
from PIL import Image

from colorrt.runtime.film.codecs import FilmCoding
from colorrt.runtime.film.opening import is_cover, open_film
from colorrt.runtime.film.plan import FilmSettings, plan_film

if TYPE_CHECKING:
    from pathlib import Path

    from colorrt.runtime.colorizer import Colorizer

FFV1 = FilmCoding("ffv1")


def cover_of(kind: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (400, 300), (200, 40, 20)).save(data, kind)
    return data.getvalue()


def lost_of(colorizer: Colorizer, source: Path, target: Path) -> tuple[str, ...]:
    """What is said before the first picture is guessed; nothing of the film is there yet."""
    plan = plan_film(colorizer, source, target, FilmSettings())
    assert not target.exists()
    return plan.carried.lost


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_subtitles_come_along(colorizer: Colorizer, tmp_path: Path, suffix: str) -> None:
    source = make_film(tmp_path / f"film{suffix}", codec="libx264", frames=25, subtitles=True)
    result = color(colorizer, source, tmp_path / f"color{suffix}")
    before, after = see(source), see(tmp_path / f"color{suffix}")
    assert [data for _, data in before.packets["subtitle"] if b"film" in data]
    assert after.packets["subtitle"] == before.packets["subtitle"]
    assert not result.notes or suffix == ".mkv"
    with av.open(str(tmp_path / f"color{suffix}")) as container:
        assert container.streams.subtitles[0].metadata["language"] == "eng"


@pytest.mark.parametrize(("suffix", "other", "codec"), [(".mp4", ".mkv", "mov_text"), (".mkv", ".mp4", "srt")])
def test_subtitles_of_another_container_are_named_before_the_work(
    colorizer: Colorizer, tmp_path: Path, suffix: str, other: str, codec: str
) -> None:
    source = make_film(tmp_path / f"film{suffix}", codec="libx264", frames=5, subtitles=True)
    assert open_film(source).others == ((1, f"subtitle {codec}"),)
    lost = lost_of(colorizer, source, tmp_path / f"color{other}")
    assert f"stream 1 (subtitle {codec}) is left out: {other} does not take it" in lost
    color(colorizer, source, tmp_path / f"color{other}")
    assert "subtitle" not in see(tmp_path / f"color{other}").packets


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_all_sounds_come_along_with_their_languages(colorizer: Colorizer, tmp_path: Path, suffix: str) -> None:
    source = make_film(tmp_path / f"film{suffix}", codec="libx264", frames=25, sounds=3)
    color(colorizer, source, tmp_path / f"color{suffix}")
    before, after = see(source), see(tmp_path / f"color{suffix}")
    assert {name: len(packets) > 20 for name, packets in before.packets.items()} == {
        "audio": True,
        "audio 2": True,
        "audio 3": True,
    }
    assert after.packets == before.packets
    assert before.packets["audio"] != before.packets["audio 2"]
    with av.open(str(tmp_path / f"color{suffix}")) as container:
        assert [stream.metadata["language"] for stream in container.streams.audio] == ["eng", "deu", "fra"]


@pytest.mark.parametrize(("suffix", "kind"), [(".mp4", "PNG"), (".mkv", "JPEG")])
def test_cover_is_no_film_and_comes_along(colorizer: Colorizer, tmp_path: Path, suffix: str, kind: str) -> None:
    cover = cover_of(kind)
    source = make_film(tmp_path / f"film{suffix}", codec="libx264", frames=10, cover=cover)
    facts = open_film(source)
    assert (facts.width, facts.height) == (64, 48)
    result = color(colorizer, source, tmp_path / f"color{suffix}")
    assert result.frames == 10
    with av.open(str(tmp_path / f"color{suffix}")) as container:
        arts = [stream for stream in container.streams.video if is_cover(stream)]
        named = any(f"stream {facts.others[0][0]} " in note for note in result.notes)
        assert len(arts) == 1 or named
        if arts:
            packets = [bytes(packet) for packet in container.demux(arts[0]) if packet.size]
            assert packets == [cover]


def test_font_that_comes_with_a_film_stays_with_it(colorizer: Colorizer, tmp_path: Path) -> None:
    source = make_film(tmp_path / "film.mkv", codec="libx264", frames=5, font=b"glyphs" * 50)
    result = color(colorizer, source, tmp_path / "color.mkv")
    with av.open(str(tmp_path / "color.mkv")) as container:
        fonts = [stream for stream in container.streams if stream.type == "attachment"]
        assert [(stream.name, stream.mimetype, bytes(stream.data)) for stream in fonts] == [
            ("film.ttf", "application/x-truetype-font", b"glyphs" * 50)
        ]
    assert not any("left out" in note for note in result.notes)
    lost = lost_of(colorizer, source, tmp_path / "color.mp4")
    assert any("stream 1 (attachment" in line and ".mp4 does not take it" in line for line in lost)
    color(colorizer, source, tmp_path / "color.mp4")


@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
def test_time_code_goes_on(colorizer: Colorizer, tmp_path: Path, suffix: str) -> None:
    source = make_film(tmp_path / "film.mov", codec="libx264", frames=10, metadata={"timecode": "01:02:03:04"})
    with av.open(str(source)) as container:
        assert [stream.type for stream in container.streams] == ["video", "data"]
    result = color(colorizer, source, tmp_path / f"color{suffix}")
    with av.open(str(tmp_path / f"color{suffix}")) as container:
        assert container.streams.video[0].metadata["timecode"] == "01:02:03:04"
        assert [stream.metadata.get("timecode") for stream in container.streams if stream.type == "data"] == [
            "01:02:03:04"
        ]
    assert not any("left out" in note for note in result.notes)


def test_time_code_that_matroska_has_no_track_for_is_kept_as_words(colorizer: Colorizer, tmp_path: Path) -> None:
    source = make_film(tmp_path / "film.mov", codec="libx264", frames=10, metadata={"timecode": "01:02:03:04"})
    result = color(colorizer, source, tmp_path / "color.mkv")
    assert any("stream 1 (data TimeCodeHandler) is left out" in note for note in result.notes)
    with av.open(str(tmp_path / "color.mkv")) as container:
        metadata = {**container.metadata, **container.streams.video[0].metadata}
        assert "01:02:03:04" in metadata.values()


def test_film_of_b_frames_keeps_every_picture_in_its_place(colorizer: Colorizer, tmp_path: Path) -> None:
    source = make_film(
        tmp_path / "film.mp4", codec="libx264", frames=60, options={"bf": "3", "g": "60", "x264-params": "b-adapt=0"}
    )
    with av.open(str(source)) as container:
        order = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert order != sorted(order)
    color(colorizer, source, tmp_path / "color.mkv", coding=FFV1)
    assert_same_luma(source, tmp_path / "color.mkv")
    assert see(tmp_path / "color.mkv").times == see(source).times


def test_film_that_says_nothing_of_color_or_says_gray_is_colored(colorizer: Colorizer, tmp_path: Path) -> None:
    """A master in gray, and one whose chroma planes are there and empty."""
    for pixel_format in ("gray", "yuv420p"):
        source = make_film(tmp_path / f"{pixel_format}.mkv", pixel_format=pixel_format, frames=4)
        color(colorizer, source, tmp_path / "color.mkv", coding=FFV1)
        assert_same_luma(source, tmp_path / "color.mkv")
        assert see(tmp_path / "color.mkv").planes[2][1].std() > 1
