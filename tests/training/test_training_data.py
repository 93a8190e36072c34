"""Photographs from folders and shards, and the squares that training sees of them."""

from __future__ import annotations

import tarfile
import threading
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, UnidentifiedImageError

import colorrt.training.squares.dataset as room
from colorrt.errors import UsageError
from colorrt.photos.finding import Entry, find_entries, is_held_out
from colorrt.training.squares.dataset import Dataset, Photo, Plan, cut_batches, decode, order_of, prefetch, square

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COLORS = [(250, 40, 30), (40, 200, 60), (50, 60, 220), (240, 200, 40), (180, 60, 200)]


def pack(folder: Path, shard: Path, mode: str = "w") -> Path:
    with tarfile.open(shard, mode) as tar:  # type: ignore[call-overload]  # the mode is a parameter of the test
        for path in sorted(folder.rglob("*")):
            tar.add(path, path.relative_to(folder).as_posix(), recursive=False)
    return shard


def album_of(*sources: Path, short_side: int = 40, cache: int = 1 << 20) -> Dataset:
    return Dataset(find_entries(sources), short_side, cache)


def photos_of(album: Dataset) -> list[Photo]:
    return [photo for index in range(len(album)) if (photo := album.photo(index)) is not None]


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


@pytest.fixture
def solid(tmp_path: Path, save_photo: Callable[..., Path]) -> Dataset:
    """Five photographs of five colors."""
    for index, color in enumerate(COLORS):
        Image.new("RGB", (40, 30 + index), color).save(tmp_path / f"{index}.png")
    return album_of(tmp_path)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_folder_and_shard_give_the_same_photographs(folder: Path, mode: str) -> None:
    shard = pack(folder, folder.parent / "shard.tar", mode)
    first, second = photos_of(album_of(folder)), photos_of(album_of(shard))
    assert len(first) == len(second) == 4
    for one, other in zip(first, second, strict=True):
        assert one.dtype == np.uint8
        np.testing.assert_array_equal(one, other)
    assert [entry.name for entry in find_entries([folder])] == [entry.name for entry in find_entries([shard])]


def test_members_of_plain_shards_are_read_where_they_lie(folder: Path) -> None:
    plain = find_entries([pack(folder, folder.parent / "plain.tar")])
    packed = find_entries([pack(folder, folder.parent / "packed.tgz", "w:gz")])
    assert all(entry.data is None and entry.offset > 0 for entry in plain)
    assert all(entry.data is not None for entry in packed)


def test_several_sources_come_one_after_the_other(folder: Path) -> None:
    shard = pack(folder / "below", folder.parent / "shard.tar")
    assert [entry.name for entry in find_entries([shard, folder])][:2] == ["deep/c.webp", "a.png"]


def test_shards_within_a_folder_are_found(folder: Path, tmp_path: Path) -> None:
    names = [entry.name for entry in find_entries([folder])]
    pack(folder / "below", folder / "0.tar")
    pack(folder / "below", folder / "1.tar.gz", "w:gz")
    assert [entry.name for entry in find_entries([folder])] == ["0.tar/deep/c.webp", "1.tar.gz/deep/c.webp", *names]


def test_photographs_that_do_not_fit_the_cache_are_decoded_again(folder: Path) -> None:
    small, large = album_of(folder, cache=0), album_of(folder)
    assert small.photo(0) is not small.photo(0)
    assert large.photo(0) is large.photo(0)
    np.testing.assert_array_equal(small.photo(0), large.photo(0))


def test_gray_photographs_are_counted_and_left_out(save_photo: Callable[..., Path], tmp_path: Path) -> None:
    save_photo(tmp_path / "gray.png", (200, 200, 200))
    save_photo(tmp_path / "nearly.png", (203, 200, 197))
    save_photo(tmp_path / "color.png", (230, 120, 90))
    Image.fromarray(np.full((20, 20), 90, np.uint8)).save(tmp_path / "one-channel.png")
    album = album_of(tmp_path)
    photos = photos_of(album)
    assert (len(photos), len(album.gray), len(album.corrupt)) == (1, 3, 0)
    assert photos[0][0, -1].tolist() == [230, 120, 90]
    assert "left out so far: 3 gray, 0 corrupt" in album.describe()


def test_corrupt_photographs_are_counted_and_left_out(save_photo: Callable[..., Path], tmp_path: Path) -> None:
    whole = save_photo(tmp_path / "whole.png", COLORS[0], (200, 200)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_bytes(b"not found")
    # A text that unpacks to more than Pillow allows is a ValueError, not an OSError.
    bomb = PngImagePlugin.PngInfo()
    bomb.add_text("comment", "a" * (PngImagePlugin.MAX_TEXT_CHUNK + 1), zip=True)
    save_photo(tmp_path / "bomb.png", COLORS[1], pnginfo=bomb)
    album = album_of(tmp_path)
    assert (len(photos_of(album)), len(album.gray), len(album.corrupt)) == (1, 0, 4)


@pytest.mark.parametrize("error", [RuntimeError("bad stream"), NotImplementedError("odd"), KeyError("tag")])
def test_whatever_a_decoder_raises_is_damage(error: Exception, solid: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("colorrt.training.squares.dataset.decode", fail)
    assert solid.photo(0) is None
    assert solid.corrupt == {0}


def test_lack_of_memory_is_no_damage(solid: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("colorrt.training.squares.dataset.decode", fail)
    with pytest.raises(MemoryError):
        solid.photo(0)
    assert solid.corrupt == set()


def test_photographs_are_turned_upright(save_photo: Callable[..., Path], tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # What is drawn as the right side is the top.
    plain = save_photo(tmp_path / "plain.png", COLORS[0], (48, 30))
    turned = save_photo(tmp_path / "turned.png", COLORS[0], (48, 30), exif=exif)
    first, second = (decode(path.read_bytes(), 30) for path in (plain, turned))
    np.testing.assert_array_equal(np.rot90(first, -1), second)


def test_formats_that_start_programs_are_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "page.jpg"
    Image.new("RGB", (40, 40), COLORS[0]).save(path, format="EPS")
    with pytest.raises(UnidentifiedImageError):
        decode(path.read_bytes(), 40)


def test_photograph_that_vanishes_is_counted_as_corrupt(folder: Path) -> None:
    album = album_of(folder)
    (folder / "a.png").unlink()
    assert album.photo(0) is None
    assert album.corrupt == {0}


def test_missing_source_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        find_entries([tmp_path / "nowhere.tar"])


def test_file_that_is_no_shard_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photos.tar"
    path.write_bytes(b"<html>not found</html>" * 100)
    with pytest.raises(UsageError, match=r"photos\.tar: not a tar archive") as caught:
        find_entries([path])
    assert "\n" not in str(caught.value)


def test_shard_that_is_cut_short_is_refused(folder: Path) -> None:
    shard = pack(folder, folder.parent / "shard.tar")
    shard.write_bytes(shard.read_bytes()[:700])
    with pytest.raises(UsageError, match="or a damaged one"):
        find_entries([shard])


def test_names_alone_decide_what_is_held_out() -> None:
    names = [f"n{index}.jpg" for index in range(4000)]
    held = {name for name in names if is_held_out(name, 0.1)}
    assert 0.08 < len(held) / len(names) < 0.12
    assert held == {name for name in reversed(names) if is_held_out(name, 0.1)}
    # A larger share keeps what a smaller one kept.
    assert held < {name for name in names if is_held_out(name, 0.2)}
    assert not any(is_held_out(name, 0.0) for name in names)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize(
    ("size", "expected"),
    [((400, 200), (50, 100)), ((200, 400), (100, 50)), ((1000, 60), (50, 833)), ((50, 70), (70, 50))],
)
def test_photographs_are_reduced_to_the_short_side_and_never_enlarged(
    suffix: str, size: tuple[int, int], expected: tuple[int, int], save_photo: Callable[..., Path], tmp_path: Path
) -> None:
    save_photo(tmp_path / f"photo{suffix}", COLORS[0], size)
    assert photos_of(album_of(tmp_path, short_side=50))[0].shape == (*expected, 3)


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


def test_batches_depend_on_the_plan_alone(solid: Dataset) -> None:
    first, again, other = (list(islice(cut_batches(solid, Plan(16, 2, 0.5, seed)), 8)) for seed in (5, 5, 6))
    assert first[0].squares.shape == (2, 16, 16, 3)
    assert first[0].squares.dtype == np.uint8
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.squares, two.squares)
    assert not np.array_equal(first[0].squares, other[0].squares)


@pytest.mark.parametrize("after", [1, 3, 7])
def test_batches_go_on_from_a_cursor_as_if_they_had_never_stopped(
    solid: Dataset, after: int, tmp_path: Path, save_photo: Callable[..., Path]
) -> None:
    save_photo(tmp_path / "gray.png", (90, 90, 90))
    (tmp_path / "broken.jpg").write_bytes(b"broken")
    plan = Plan(16, 2, 0.5, 9)
    whole = list(islice(cut_batches(album_of(tmp_path), plan), 10))
    # Another album knows nothing of what was dropped so far.
    rest = list(islice(cut_batches(album_of(tmp_path), plan, whole[after - 1].cursor), 10 - after))
    for one, two in zip(whole[after:], rest, strict=True):
        assert one.cursor == two.cursor
        np.testing.assert_array_equal(one.squares, two.squares)


def test_number_of_threads_changes_nothing(tmp_path: Path, solid: Dataset) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"broken")
    plan = Plan(16, 3, 0.5, 2)
    for one, other in zip(
        islice(cut_batches(album_of(tmp_path), plan), 6),
        islice(cut_batches(album_of(tmp_path), plan, workers=4), 6),
        strict=True,
    ):
        assert one.cursor == other.cursor
        np.testing.assert_array_equal(one.squares, other.squares)


@pytest.mark.parametrize("batch", [2, 5, 8])
def test_each_photograph_comes_once_an_epoch(solid: Dataset, batch: int) -> None:
    batches = islice(cut_batches(solid, Plan(16, batch, 0.5, 1)), -(-15 // batch))
    seen = np.concatenate([one.squares for one in batches])[:15]
    names = [COLORS.index(tuple(picture[8, 8].tolist())) for picture in seen]
    epochs = [names[start : start + 5] for start in (0, 5, 10)]
    assert [sorted(epoch) for epoch in epochs] == [[0, 1, 2, 3, 4]] * 3
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_weights_say_how_often_photographs_are_drawn() -> None:
    plan = Plan(16, 2, 0.5, 1, (3.0, 1.0, 0.0, 1.0))
    drawn = np.concatenate([order_of(epoch, 4, plan) for epoch in range(500)])
    shares = np.bincount(drawn, minlength=4) / len(drawn)
    np.testing.assert_allclose(shares, [0.6, 0.2, 0.0, 0.2], atol=0.03)


@pytest.mark.parametrize("batches", [1, 7])
def test_closing_the_batches_ends_their_thread(solid: Dataset, batches: int) -> None:
    before = set(threading.enumerate())
    endless = prefetch(cut_batches(solid, Plan(16, 2, 0.5, 1)))
    for _ in range(batches):
        next(endless)
    threads = set(threading.enumerate()) - before
    assert any(thread.is_alive() for thread in threads)
    endless.close()
    assert not any(thread.is_alive() for thread in threads)


def test_failure_in_the_thread_reaches_the_training(solid: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Photo:
        raise ArithmeticError("a square went wrong")

    monkeypatch.setattr(room, "square", fail)
    before = set(threading.enumerate())
    with pytest.raises(ArithmeticError, match="a square went wrong"):
        next(prefetch(cut_batches(solid, Plan(16, 2, 0.5, 1))))
    assert set(threading.enumerate()) <= before


def test_folder_without_color_is_refused_rather_than_waited_for(
    save_photo: Callable[..., Path], tmp_path: Path
) -> None:
    save_photo(tmp_path / "gray.png", (200, 200, 200))
    with pytest.raises(UsageError, match=r"no color photographs to cut squares from .*1 gray"):
        next(cut_batches(album_of(tmp_path), Plan(16, 2, 0.5, 1)))
    with pytest.raises(UsageError, match="no color photographs"):
        next(cut_batches(Dataset([], 40), Plan(16, 2, 0.5, 1)))


def test_entry_that_the_shard_no_longer_holds_is_an_error(folder: Path) -> None:
    entry = find_entries([pack(folder, folder.parent / "shard.tar")])[0]
    album = Dataset([Entry(entry.name, entry.file, entry.offset, 1 << 30)], 40)
    assert album.photo(0) is None
    assert album.corrupt == {0}
