"""Films that are damaged, cut short or no films: taken as far as they go, or refused in one line."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
from film_files import assert_same_luma, color, make_film, see

from colorrt.errors import BackendError, PictureError, UsageError
from colorrt.runtime.film.codecs import FilmCoding
from colorrt.runtime.film.opening import open_film
from colorrt.runtime.film.preview import write_preview

if TYPE_CHECKING:
    from colorrt.runtime.colorizer import Colorizer


def one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_what_is_no_film_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a film", encoding="utf-8")
    (tmp_path / "empty.mkv").write_bytes(b"")
    (tmp_path / "folder.mp4").mkdir()
    for name in ("text.mp4", "empty.mkv", "folder.mp4", "absent.mp4"):
        with pytest.raises(PictureError) as error:
            open_film(tmp_path / name)
        assert one_line(error).startswith(f"{tmp_path / name}: ")


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(PictureError, match=r"there are no pictures in it \(only sound\)"):
        open_film(tmp_path / "sound.mp4")


def test_film_without_pictures_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "none.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    with pytest.raises(PictureError) as error:
        open_film(tmp_path / "none.mkv")
    one_line(error)


def test_interlaced_film_is_refused_with_what_to_do(tmp_path: Path) -> None:
    make_film(tmp_path / "film.mp4", codec="libx264", options={"x264-params": "tff=1"}, frames=4)
    with pytest.raises(PictureError, match=r"interlaced.*deinterlace it first"):
        open_film(tmp_path / "film.mp4")


def test_film_that_was_cut_short_is_colored_as_far_as_it_goes(colorizer: Colorizer, tmp_path: Path) -> None:
    whole = make_film(tmp_path / "whole.mkv", frames=40)
    short = tmp_path / "short.mkv"
    short.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    result = color(colorizer, short, tmp_path / "color.mkv", coding=FilmCoding("ffv1"))
    assert 15 < result.frames < 40
    before, after = see(whole), see(tmp_path / "color.mkv")
    for one, other in zip(before.planes[: result.frames - 1], after.planes, strict=False):
        np.testing.assert_array_equal(one[0], other[0])


def test_damaged_film_is_colored_with_what_is_left_and_says_so(colorizer: Colorizer, tmp_path: Path) -> None:
    whole = make_film(
        tmp_path / "whole.mp4", codec="libx264", frames=60, options={"g": "10", "bf": "0"}, size=(96, 128)
    )
    data = bytearray(whole.read_bytes())
    middle = len(data) // 3
    data[middle : middle + 1000] = bytes(1000)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(bytes(data))
    result = color(colorizer, damaged, tmp_path / "color.mp4")
    assert 10 < result.frames <= 60
    assert len(see(tmp_path / "color.mp4").planes) == result.frames


def test_film_in_color_keeps_its_luma_alone(colorizer: Colorizer, tmp_path: Path) -> None:
    source = make_film(tmp_path / "film.avi", pixel_format="gbrp", codec="utvideo", frames=4)
    color(colorizer, source, tmp_path / "color.mkv", coding=FilmCoding("ffv1"))
    assert see(tmp_path / "color.mkv").pixel_format == "yuv444p"


def test_still_film_of_one_picture(colorizer: Colorizer, tmp_path: Path) -> None:
    source = make_film(tmp_path / "film.mkv", frames=1)
    result = color(colorizer, source, tmp_path / "color.mkv", coding=FilmCoding("ffv1"))
    assert (result.frames, result.shots) == (1, 1)
    assert_same_luma(source, tmp_path / "color.mkv")


def test_codecs_and_containers_that_do_not_go_together_are_refused(colorizer: Colorizer, tmp_path: Path) -> None:
    source = make_film(tmp_path / "film.mkv", frames=2)
    with pytest.raises(UsageError, match=r"ffv1 goes into \.mkv"):
        color(colorizer, source, tmp_path / "color.mp4", coding=FilmCoding("ffv1"))
    with pytest.raises(UsageError, match="there is no codec"):
        FilmCoding("h266")
    with pytest.raises(UsageError, match="keeps no luma bit for bit"):
        FilmCoding("x265", lossless=True)
    with pytest.raises(UsageError, match="lies behind its end"):
        color(colorizer, source, tmp_path / "color.mp4", begin=10.0)
    with pytest.raises(UsageError, match="is not before"):
        color(colorizer, source, tmp_path / "color.mp4", begin=2.0, end=1.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mkv"]


def test_stream_that_the_container_does_not_take_is_named_before(colorizer: Colorizer, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "film.mkv"), "w") as container:
        video = container.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "gray"
        sound = container.add_stream("wavpack", rate=44100, layout="mono")
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64), 20 * number, np.uint8), format="gray")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(frame))
        noise = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.float32), format="fltp", layout="mono")
        noise.sample_rate = 44100
        container.mux(sound.encode(noise))
        container.mux([*video.encode(None), *sound.encode(None)])
    result = color(colorizer, tmp_path / "film.mkv", tmp_path / "color.mp4")
    assert "audio" not in see(tmp_path / "color.mp4").packets
    assert any("stream 1 (audio wavpack) is left out" in note for note in result.notes)
    result = color(colorizer, tmp_path / "film.mkv", tmp_path / "color.mkv")
    assert "audio" in see(tmp_path / "color.mkv").packets


def test_without_pyav_films_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(BackendError, match=r"pip install 'colorrt\[video\]'"):
        open_film(tmp_path / "film.mp4")


def test_preview_shows_one_picture_a_shot(colorizer: Colorizer, tmp_path: Path) -> None:
    from PIL import Image

    source = make_film(tmp_path / "film.mkv", frames=60, cuts=(20, 40), size=(96, 128))
    assert write_preview(colorizer, source, tmp_path / "sheet.png") == 3
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (960, 240)
        assert sheet.mode == "RGB"
