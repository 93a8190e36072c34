"""Pictures to measure on: sizes as they are written, photographs as they are asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorrt.bench.pictures import read_numbers, read_sizes, write_scaled
from colorrt.errors import UsageError
from colorrt.photos.shipped import shipped_photos


def test_sizes_are_width_by_height_and_each_once() -> None:
    assert read_sizes("640x480, 1920X1080,640x480") == ((640, 480), (1920, 1080))


@pytest.mark.parametrize("text", ["", "640", "640x", "0x480", "640x480,", "640x480x3", "-1x5", "999999x9", "axb"])
def test_impossible_sizes_are_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="give WIDTHxHEIGHT") as caught:
        read_sizes(text)
    assert "\n" not in str(caught.value)


def test_numbers_come_sorted_and_each_once() -> None:
    assert read_numbers("8,1, 2,8", "--batches", 1, 64) == (1, 2, 8)


@pytest.mark.parametrize("text", ["", "0", "65", "1,,2", "two", "1.5"])
def test_impossible_numbers_name_the_option(text: str) -> None:
    with pytest.raises(UsageError, match=r"--batches: .* 1 to 64"):
        read_numbers(text, "--batches", 1, 64)


def test_photographs_are_scaled_to_the_size_and_differ(tmp_path: Path) -> None:
    paths = write_scaled(tmp_path, (64, 48), most=3)
    assert len(paths) == 3
    pixels = []
    for path in paths:
        with Image.open(path) as image:
            assert (image.size, image.mode, image.format) == ((64, 48), "L", "JPEG")
            pixels.append(np.asarray(image, np.int32))
    assert min(np.abs(pixels[0] - pixels[1]).mean(), np.abs(pixels[1] - pixels[2]).mean()) > 5


def test_six_photographs_ship() -> None:
    assert len(list(shipped_photos().glob("*.jpg"))) == 6
