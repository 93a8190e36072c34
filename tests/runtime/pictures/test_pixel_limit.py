"""Our limit of pixels counts, and neither Pillow's nor the length of a side."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from picture_files import GRAY, refusal, saved
from PIL import Image, ImageFile

from colorrt.errors import PictureError
from colorrt.runtime.pictures.reading import read_picture

if TYPE_CHECKING:
    from pathlib import Path


def test_sides_of_any_length_are_read(tmp_path: Path) -> None:
    for name, size in (("a.png", (65535, 1)), ("a.tif", (1, 65535)), ("b.tif", (65535, 2)), ("b.png", (1, 1))):
        path = saved(tmp_path, name, Image.new("I;16", size, 257))

        assert read_picture(path).pixels.shape == size[::-1]


def test_too_many_pixels_are_refused_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, "a.png", Image.fromarray(GRAY))
    assert read_picture(path, max_pixels=12).pixels.shape == (3, 4)

    def never(self: object) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", never)
    message = refusal(path, max_pixels=11)

    assert "4 x 3 = 12 pixels" in message
    assert "--max-pixels" in message


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_limit_of_pillow_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = saved(tmp_path, name, Image.fromarray(GRAY))
    for limit in (1, 11):
        # Pillow refuses above twice its limit and warns above it.
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)

        assert read_picture(path, max_pixels=None).pixels.shape == (3, 4)
        assert limit == Image.MAX_IMAGE_PIXELS


def test_limit_of_pillow_is_put_back_by_the_last_of_many_readers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, "a.png", Image.fromarray(GRAY))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    started = threading.Barrier(4)

    def read_some(_: int) -> None:
        started.wait(30)
        for _ in range(25):
            assert np.array_equal(read_picture(path).pixels, GRAY)
            with pytest.raises(PictureError):
                read_picture(path, max_pixels=1)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(read_some, range(4)))

    assert Image.MAX_IMAGE_PIXELS == 1
