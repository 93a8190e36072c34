from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorrt.errors import PictureError, UsageError
from colorrt.kernels import luma
from colorrt.runtime.api import Colorizer
from colorrt.runtime.hints import MOST, read_hints

RED = (210, 40, 40)


def strokes(size: tuple[int, int] = (60, 40), box: tuple[int, int, int, int] = (5, 5, 12, 12)) -> np.ndarray:
    levels = np.zeros((size[1], size[0], 4), np.uint8)
    left, top, right, bottom = box
    levels[top:bottom, left:right] = (*RED, 255)
    return levels


def as_png(levels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def gray() -> np.ndarray:
    return np.linspace(60, 180, 600 * 400).astype(np.uint8).reshape(400, 600)


@pytest.fixture(scope="module")
def colorizer(tiny_onnx: Path) -> Colorizer:
    return Colorizer(tiny_onnx, render_factor=4)


def test_a_stroke_colors_its_place_and_keeps_luma(colorizer: Colorizer, gray: np.ndarray) -> None:
    hinted = colorizer.colorize(gray, hints=strokes())
    plain = colorizer.colorize(gray)
    y = int(gray[80, 80])
    wanted = np.array(RED) - luma(np.array([[RED]], np.uint8))[0, 0] + y
    np.testing.assert_allclose(hinted[80, 80], wanted, atol=12)
    far = np.abs(hinted[380, 580].astype(int) - plain[380, 580]).max()
    assert far < np.abs(hinted[80, 80].astype(int) - plain[80, 80]).max() / 4
    assert np.abs(luma(hinted).astype(int) - gray).max() <= 1


def test_what_is_seen_is_the_color_of_the_hint_at_any_saturation(colorizer: Colorizer, gray: np.ndarray) -> None:
    once, twice = (colorizer.colorize(gray, s, hints=strokes())[80, 80].astype(int) for s in (1.0, 2.0))
    np.testing.assert_allclose(once, twice, atol=6)
    np.testing.assert_array_equal(colorizer.colorize(gray, 0.0, hints=strokes())[80, 80], [gray[80, 80]] * 3)


def test_hints_are_read_from_files_bytes_images_and_arrays(tmp_path: Path) -> None:
    file = tmp_path / "strokes.png"
    file.write_bytes(as_png(strokes()))
    digests = {
        read_hints(one).digest
        for one in (file, str(file), as_png(strokes()), Image.fromarray(strokes()), strokes())
    }  # fmt: skip
    assert len(digests) == 1
    assert read_hints(strokes(box=(6, 5, 12, 12))).digest not in digests


def test_strokes_are_thinned_and_keep_their_colors() -> None:
    levels = np.zeros((200, 300, 4), np.uint8)
    levels[:, :150] = (255, 0, 0, 255)
    levels[:, 150:299] = (0, 0, 255, 255)
    hints = read_hints(levels)
    assert 16 < len(hints) <= MOST
    assert np.unique(hints.colors[hints.places[:, 1] < 0.5].round(3), axis=0) == pytest.approx(
        np.array([[-0.147, 0.615]])
    )
    many = np.random.default_rng(0).integers(0, 256, (64, 64, 4)).astype(np.uint8)
    assert 0 < len(read_hints(many)) <= MOST


def test_one_pixel_is_a_hint() -> None:
    hints = read_hints(strokes(box=(5, 5, 6, 6)))
    np.testing.assert_allclose(hints.places, [[5.5 / 40, 5.5 / 60]])


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        (np.full((4, 4, 4), 255, np.uint8), "nothing of it is transparent"),
        (np.zeros((4, 4, 4), np.uint8), "it has no strokes"),
    ],
)
def test_hints_that_are_none_are_refused_in_words(tmp_path: Path, levels: np.ndarray, words: str) -> None:
    path = tmp_path / "strokes.png"
    path.write_bytes(as_png(levels))
    for given, name in ((levels, "the hints"), (path, str(path)), (as_png(levels), "the hints")):
        with pytest.raises(PictureError, match=words) as found:
            read_hints(given)
        assert str(found.value).startswith(name)
    with pytest.raises(PictureError, match="the hints: its content is none of"):
        read_hints(b"no picture")
    with pytest.raises(UsageError, match="red, green, blue and alpha"):
        read_hints(np.zeros((4, 4, 3), np.uint8))


def test_hints_of_another_picture_are_refused(colorizer: Colorizer, gray: np.ndarray) -> None:
    with pytest.raises(PictureError, match=r"its 40 x 60 pixels have other proportions than the picture \(600 x 400"):
        colorizer.colorize(gray, hints=strokes((40, 60)))
    # A layer of a picture that was reduced is as near as its pixels allow.
    assert colorizer.colorize(gray, hints=strokes((61, 40))).shape == (400, 600, 3)


def test_a_file_takes_hints_and_its_mark_counts_them(colorizer: Colorizer, gray: np.ndarray, tmp_path: Path) -> None:
    source, target = tmp_path / "old.png", tmp_path / "new.png"
    Image.fromarray(gray).save(source)
    colorizer.colorize_file(source, target, hints=strokes())
    with Image.open(target) as image:
        np.testing.assert_array_equal(np.asarray(image), colorizer.colorize(gray, hints=strokes()))
        assert f'colorrt:Hints="{len(read_hints(strokes()))}"' in image.info["XML:com.adobe.xmp"]
