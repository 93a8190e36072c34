"""What programs call: pictures of every kind, whole files, many pictures in order."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from colored_files import DEEP, GRAY, assert_luma
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from colorrt import Colorizer
from colorrt.errors import ColorrtError, ModelError, PictureError, UsageError
from colorrt.runtime.pictures.in_memory import from_floats, to_floats

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def colorizer(tiny_onnx: Path) -> Iterator[Colorizer]:
    with Colorizer(tiny_onnx, render_factor=1) as colorizer:
        yield colorizer


def encoded(levels: Any, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("levels", [GRAY, DEEP], ids=["8 bits", "16 bits"])
def test_file_bytes_image_and_array_of_a_picture_give_the_same(
    colorizer: Colorizer, tmp_path: Path, levels: Any
) -> None:
    expected = colorizer.colorize(levels)
    assert expected.dtype == levels.dtype
    data = encoded(levels)
    (tmp_path / "a.png").write_bytes(data)
    with Image.open(tmp_path / "a.png") as lazy:
        for picture in (tmp_path / "a.png", str(tmp_path / "a.png"), data, Image.fromarray(levels), lazy):
            np.testing.assert_array_equal(colorizer.colorize(picture), expected)


def test_lying_picture_is_turned_upright_from_bytes_and_image_as_from_a_file(
    colorizer: Colorizer, tmp_path: Path
) -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    data = encoded(GRAY, exif=tags)
    (tmp_path / "a.png").write_bytes(data)
    expected = colorizer.colorize(tmp_path / "a.png")
    assert expected.shape == (40, 24, 3)
    np.testing.assert_array_equal(colorizer.colorize(data), expected)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(colorizer.colorize(image), expected)


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGB", "RGBA", "CMYK", "F", "I"])
def test_image_of_any_mode_gives_a_picture_in_color(colorizer: Colorizer, mode: str) -> None:
    color = colorizer.colorize(Image.fromarray(GRAY).convert(mode))
    assert color.shape == (*GRAY.shape, 3)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_come_back_as_floats_with_their_luma(colorizer: Colorizer, dtype: Any) -> None:
    levels = np.random.default_rng(1).random((9, 11)).astype(dtype)
    color = colorizer.colorize(levels)
    assert color.dtype == dtype
    assert color.shape == (9, 11, 3)
    assert 0 <= color.min() <= color.max() <= 1
    luma = color.astype(np.float64) @ (0.299, 0.587, 0.114)
    assert np.abs(luma - levels.astype(np.float64)).max() < max(2 / 65535, np.finfo(dtype).eps)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1))
def test_floats_are_spread_to_the_nearest_level(values: list[float]) -> None:
    levels = from_floats(np.array([values]))
    assert levels.dtype == np.uint16
    assert np.abs(levels - np.array([values]) * 65535).max() <= 0.5
    assert np.abs(to_floats(levels, np.dtype(np.float64)) - np.array([values])).max() <= 0.5 / 65535 + 1e-12


@pytest.mark.parametrize("data", [b"", b"nothing", encoded(GRAY)[:-60], b"\xff\xd8\xff"])
def test_bytes_of_no_picture_are_told_in_one_line(colorizer: Colorizer, data: bytes) -> None:
    with pytest.raises(PictureError, match=r"^picture in memory: [^\n]+$"):
        colorizer.colorize(data)


def test_file_is_colored_with_all_that_it_carries_and_marked(colorizer: Colorizer, tmp_path: Path) -> None:
    import tifffile

    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GRAY, metadata=None, resolution=(300, 300), resolutionunit="inch", description="Harbor")
        file.write(DEEP, metadata=None)
    written = colorizer.colorize_file(str(tmp_path / "a.tif"), str(tmp_path / "new/folder/b.tif"))
    assert written == tmp_path / "new/folder/b.tif"
    assert_luma(written, GRAY, 0)
    assert_luma(written, DEEP, 1)
    with Image.open(written) as image:
        assert image.info["dpi"] == pytest.approx((300, 300))
        assert image.getexif()[270] == "Harbor"
    assert b"compositeWithTrainedAlgorithmicMedia" in written.read_bytes()


def test_settings_of_a_file_are_obeyed(colorizer: Colorizer, tmp_path: Path) -> None:
    Image.fromarray(GRAY).save(tmp_path / "a.jpg", quality=90)
    colorizer.colorize_file(tmp_path / "a.jpg", tmp_path / "gray.png", saturation=0, mark=False)
    with Image.open(tmp_path / "gray.png") as image:
        assert np.ptp(np.asarray(image).astype(int), axis=-1).max() == 0
    assert b"DigitalSourceType" not in (tmp_path / "gray.png").read_bytes()
    low = colorizer.colorize_file(tmp_path / "a.jpg", tmp_path / "low.jpg", quality=10)
    high = colorizer.colorize_file(tmp_path / "a.jpg", tmp_path / "high.jpg", quality=95)
    kept = colorizer.colorize_file(tmp_path / "a.jpg", tmp_path / "kept.jpg", quality=95, lossless_luma=True)
    assert low.stat().st_size < high.stat().st_size
    with Image.open(kept) as image, Image.open(tmp_path / "a.jpg") as source:
        assert image.quantization[0] == source.quantization[0]
    with pytest.raises(PictureError, match="limit of 100"):
        colorizer.colorize_file(tmp_path / "a.jpg", tmp_path / "no.jpg", max_pixels=100)
    for wrong in ({"quality": 0}, {"saturation": 11}):
        with pytest.raises(UsageError):
            colorizer.colorize_file(tmp_path / "a.jpg", tmp_path / "no.jpg", **wrong)
    assert not (tmp_path / "no.jpg").exists()


def test_file_that_cannot_hold_color_gets_another_suffix(colorizer: Colorizer, tmp_path: Path) -> None:
    Image.fromarray(GRAY).save(tmp_path / "a.gif")
    assert colorizer.colorize_file(tmp_path / "a.gif", tmp_path / "b.gif") == tmp_path / "b.png"
    assert_luma(tmp_path / "b.png", GRAY)


def test_file_is_never_lost(colorizer: Colorizer, tmp_path: Path) -> None:
    Image.fromarray(GRAY).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"mine")
    with pytest.raises(PictureError, match=r"b\.png: it exists already; overwrite=True replaces it"):
        colorizer.colorize_file(tmp_path / "a.png", tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes() == b"mine"
    with pytest.raises(PictureError, match="would overwrite it"):
        colorizer.colorize_file(tmp_path / "a.png", tmp_path / "a.png", overwrite=True)
    colorizer.colorize_file(tmp_path / "a.png", tmp_path / "b.png", overwrite=True)
    assert_luma(tmp_path / "b.png", GRAY)
    with pytest.raises(PictureError, match=r"none\.png: there is no such file"):
        colorizer.colorize_file(tmp_path / "none.png", tmp_path / "c.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_many_pictures_come_in_order_each_as_if_alone(colorizer: Colorizer, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(GRAY))
    kinds = [tmp_path / "a.png", GRAY[:7], DEEP, encoded(GRAY[:, :5]), Image.fromarray(GRAY[::-1]), GRAY / 255]
    pictures: list[Any] = [kinds[number % len(kinds)] for number in range(40)]
    colored = list(colorizer.colorize_many(iter(pictures), 0.5))
    assert len(colored) == 40
    for picture, color in zip(pictures, colored, strict=True):
        expected = colorizer.colorize(picture, 0.5)
        assert isinstance(color, np.ndarray)
        assert color.dtype == expected.dtype
        np.testing.assert_allclose(color.astype(float), expected.astype(float), atol=1)


def test_many_pictures_go_through_the_network_in_batches(tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = []

    with Colorizer(tiny_onnx, render_factor=2) as colorizer:
        guess = colorizer.guess

        def slow(squares: Any) -> Any:
            batches.append(len(squares))
            # While it runs, more pictures are read than one.
            time.sleep(0.02)
            return guess(squares)

        monkeypatch.setattr(type(colorizer), "best_batch", property(lambda _: 4))
        monkeypatch.setattr(colorizer, "guess", slow)
        assert len(list(colorizer.colorize_many([GRAY] * 40))) == 40
    assert sum(batches) == 40
    assert max(batches) <= 4
    assert len(batches) < 40


def test_endless_pictures_are_taken_as_they_are_wanted(colorizer: Colorizer) -> None:
    taken = []

    def endless() -> Iterator[Any]:
        while True:
            taken.append(threading.get_ident())
            yield GRAY

    colored = colorizer.colorize_many(endless())
    assert np.shape(next(colored)) == (24, 40, 3)
    assert np.shape(next(colored)) == (24, 40, 3)
    colored.close()  # type: ignore[attr-defined]  # an iterator, and a generator in fact
    assert len(taken) < 20
    assert set(taken) == {threading.get_ident()}


BAD: list[Any] = [b"nothing", np.zeros((3, 3, 3, 3)), [[1], [2, 3]], None, np.full((2, 2), 7.0), "none.jpg"]


@pytest.mark.parametrize("bad", BAD, ids=["bytes", "shape", "list", "None", "range", "path"])
def test_bad_picture_is_raised_at_its_turn_or_stands_in_its_place(colorizer: Colorizer, bad: Any) -> None:
    pictures = [GRAY, bad, GRAY]
    colored = colorizer.colorize_many(pictures)
    assert isinstance(next(colored), np.ndarray)
    with pytest.raises((PictureError, UsageError), match=r"^[^\n]+$"):
        next(colored)
    assert list(colored) == []
    first, error, last = colorizer.colorize_many(pictures, return_errors=True)
    assert isinstance(error, ColorrtError)
    np.testing.assert_array_equal(first, last)


def test_failure_of_the_network_ends_all(tiny_onnx: Path) -> None:
    colorizer = Colorizer(tiny_onnx, render_factor=1)
    colorizer.close()
    with pytest.raises(ModelError):
        list(colorizer.colorize_many([GRAY], return_errors=True))


def test_impossible_saturation_is_refused_before_the_first_picture(colorizer: Colorizer) -> None:
    with pytest.raises(UsageError, match="saturation"):
        colorizer.colorize_many([], 11)


def test_pictures_of_a_program_are_left_as_they_are(colorizer: Colorizer) -> None:
    levels, floats = GRAY.copy(), GRAY / 255
    list(colorizer.colorize_many([levels, floats]))
    np.testing.assert_array_equal(levels, GRAY)
    np.testing.assert_array_equal(floats, GRAY / 255)
