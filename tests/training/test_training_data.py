"""Photographs from folders and shards, and the squares that training sees of them."""

from __future__ import annotations

import tarfile
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import colorrt.training.data as room
from colorrt.errors import UsageError
from colorrt.training.data import Photo, read_photos, square, squares

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

COLORS = [(250, 40, 30), (40, 200, 60), (50, 60, 220), (240, 200, 40), (180, 60, 200)]
SOLID: list[Photo] = [np.full((30 + index, 40, 3), color, np.uint8) for index, color in enumerate(COLORS)]


def pack(folder: Path, shard: Path) -> Path:
    with tarfile.open(shard, "w") as tar:
        for path in sorted(folder.rglob("*")):
            tar.add(path, path.relative_to(folder).as_posix(), recursive=False)
    return shard


def take(batches: Generator[Photo, None, None], count: int) -> list[Photo]:
    taken = [next(batches) for _ in range(count)]
    batches.close()
    return taken


@pytest.fixture
def folder(save_photo: Callable[..., Path], tmp_path: Path) -> Path:
    """Photographs here and below, of several kinds, and files that are none."""
    folder = tmp_path / "photos"
    save_photo(folder / "a.png", COLORS[0])
    save_photo(folder / "b.JPG", COLORS[1], (300, 120), quality=90)
    save_photo(folder / "below" / "deep" / "c.webp", COLORS[2])
    save_photo(folder / "d.bmp", COLORS[3], (20, 90))
    (folder / "notes.txt").write_text("no picture")
    (folder / "looks-like-one.jpg").mkdir()
    return folder


def test_folder_and_shard_give_the_same_photographs(folder: Path) -> None:
    shard = pack(folder, folder.parent / "shard.tar")
    first, second = read_photos([folder], 40), read_photos([shard], 40)
    assert (len(first.pictures), first.gray, first.corrupt) == (4, 0, 0)
    assert (len(second.pictures), second.gray, second.corrupt) == (4, 0, 0)
    for one, other in zip(first.pictures, second.pictures, strict=True):
        assert one.dtype == np.uint8
        np.testing.assert_array_equal(one, other)


def test_several_sources_are_read_one_after_the_other(folder: Path) -> None:
    shard = pack(folder / "below", folder.parent / "shard.tar")
    pictures = read_photos([shard, folder], 40).pictures
    assert len(pictures) == 5
    np.testing.assert_array_equal(pictures[0], read_photos([folder / "below"], 40).pictures[0])


def test_gray_photographs_are_counted_and_left_out(save_photo: Callable[..., Path], tmp_path: Path) -> None:
    save_photo(tmp_path / "gray.png", (200, 200, 200))
    save_photo(tmp_path / "nearly.png", (203, 200, 197))
    save_photo(tmp_path / "color.png", (230, 120, 90))
    Image.fromarray(np.full((20, 20), 90, np.uint8)).save(tmp_path / "one-channel.png")
    photos = read_photos([tmp_path], 40)
    assert (len(photos.pictures), photos.gray, photos.corrupt) == (1, 3, 0)
    assert photos.pictures[0][0, -1].tolist() == [230, 120, 90]


def test_corrupt_photographs_are_counted_and_left_out(save_photo: Callable[..., Path], tmp_path: Path) -> None:
    whole = save_photo(tmp_path / "whole.png", COLORS[0], (200, 200)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_bytes(b"not found")
    # A text that unpacks to more than Pillow allows is a ValueError, not an OSError.
    bomb = PngImagePlugin.PngInfo()
    bomb.add_text("comment", "a" * (PngImagePlugin.MAX_TEXT_CHUNK + 1), zip=True)
    save_photo(tmp_path / "bomb.png", COLORS[1], pnginfo=bomb)
    photos = read_photos([tmp_path], 40)
    assert (len(photos.pictures), photos.gray, photos.corrupt) == (1, 0, 4)


def test_missing_source_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_photos([tmp_path / "nowhere.tar"], 40)


def test_file_that_is_no_shard_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photos.tar"
    path.write_bytes(b"<html>not found</html>" * 100)
    with pytest.raises(UsageError, match=r"photos\.tar: no tar shard") as caught:
        read_photos([path], 40)
    assert "\n" not in str(caught.value)


def test_shard_that_is_cut_short_is_refused(folder: Path) -> None:
    shard = pack(folder, folder.parent / "shard.tar")
    data = shard.read_bytes()
    shard.write_bytes(data[:700])
    with pytest.raises(UsageError, match="or a damaged one"):
        read_photos([shard], 40)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((400, 200), (50, 100)),
        ((200, 400), (100, 50)),
        ((1000, 60), (50, 833)),
        ((50, 70), (70, 50)),
        ((30, 90), (90, 30)),
    ],
)
def test_photographs_are_reduced_to_the_short_side_and_never_enlarged(
    suffix: str, size: tuple[int, int], expected: tuple[int, int], save_photo: Callable[..., Path], tmp_path: Path
) -> None:
    save_photo(tmp_path / f"photo{suffix}", COLORS[0], size)
    assert read_photos([tmp_path], 50).pictures[0].shape == (*expected, 3)


def test_square_of_the_whole_is_the_photograph_squeezed_or_mirrored() -> None:
    generator = np.random.default_rng(1)
    photo = np.random.default_rng(2).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    squeezed = np.asarray(Image.fromarray(photo).resize((32, 32), Image.Resampling.BICUBIC))
    mirrored = 0
    for _ in range(20):
        seen = square(photo, 32, 1.0, generator)
        flipped = np.array_equal(seen, squeezed[:, ::-1])
        assert flipped or np.array_equal(seen, squeezed)
        mirrored += flipped
    assert 0 < mirrored < 20


def test_square_shows_at_least_the_asked_part_of_each_side() -> None:
    # Levels rise along both sides, so the range within a square is the part it shows.
    ramp = np.arange(200, dtype=np.uint8)
    photo = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], np.uint8(0)), axis=2)
    generator = np.random.default_rng(3)
    parts = np.array([np.ptp(square(photo, 64, 0.5, generator), axis=(0, 1))[:2] / 200 for _ in range(200)])
    assert 0.47 < parts.min() < 0.6
    assert 0.9 < parts.max() <= 1.0


def test_squares_depend_on_the_seed_alone() -> None:
    first, again, other = (take(squares(SOLID, 16, 2, 0.5, seed), 8) for seed in (5, 5, 6))
    assert first[0].shape == (2, 16, 16, 3)
    assert first[0].dtype == np.uint8
    np.testing.assert_array_equal(np.stack(first), np.stack(again))
    assert not np.array_equal(np.stack(first), np.stack(other))


@pytest.mark.parametrize("batch", [2, 5, 8])
def test_each_photograph_comes_once_an_epoch(batch: int) -> None:
    seen = np.concatenate(take(squares(SOLID, 16, batch, 0.5, 1), -(-15 // batch)))[:15]
    names = [COLORS.index(tuple(picture[8, 8].tolist())) for picture in seen]
    epochs = [names[start : start + 5] for start in (0, 5, 10)]
    assert [sorted(epoch) for epoch in epochs] == [[0, 1, 2, 3, 4]] * 3
    assert len({tuple(epoch) for epoch in epochs}) > 1


@pytest.mark.parametrize("batches", [1, 7])
def test_closing_the_squares_ends_their_thread(batches: int) -> None:
    before = set(threading.enumerate())
    endless = squares(SOLID, 16, 2, 0.5, 1)
    for _ in range(batches):
        next(endless)
    (thread,) = set(threading.enumerate()) - before
    assert thread.is_alive()
    endless.close()
    assert not thread.is_alive()


def test_failure_in_the_thread_reaches_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Photo:
        raise ArithmeticError("a square went wrong")

    monkeypatch.setattr(room, "square", fail)
    before = set(threading.enumerate())
    with pytest.raises(ArithmeticError, match="a square went wrong"):
        next(squares(SOLID, 16, 2, 0.5, 1))
    assert set(threading.enumerate()) <= before


def test_no_photographs_are_refused_rather_than_waited_for() -> None:
    with pytest.raises(UsageError, match="no photographs"):
        next(squares([], 16, 2, 0.5, 1))
