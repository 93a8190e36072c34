"""One rule for where photographs lie: training, evaluation and parity take the same files under the same names."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from colorrt.errors import PictureError, UsageError
from colorrt.photos.finding import PHOTO_SUFFIXES, DamagedShardError, find_entries, read_entry
from colorrt.photos.reading import decode_photos, list_photos, photo_names, read_rgb_photos
from colorrt.photos.shipped import parity_lumas, shipped_photos
from colorrt.training.recipes.recipe import Stage
from colorrt.training.squares.listing import PhotoIndex

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [
    "a.png",
    "below/deep/C.JPEG",
    "below/shard.tar/one.png",
    "below/shard.tar/sub/two.gif",
    "link/far.bmp",
    "packed.tgz/one.png",
    "packed.tgz/sub/two.gif",
    "z.ppm",
]


def save(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), np.uint8)
    Image.fromarray(noise).save(path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Photographs of many kinds beside shards, links, hidden files and files that are none."""
    root = tmp_path / "photos"
    for index, name in enumerate(("z.ppm", "a.png", "below/deep/C.JPEG", ".hidden.png", "below/.cache/thumb.png")):
        save(root / name, index)
    save(tmp_path / "elsewhere" / "far.bmp", 7)
    (root / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere" / "back").symlink_to(root, target_is_directory=True)
    (root / "notes.txt").write_text("no picture")
    (root / "scan.tga").write_bytes(b"\0" * 99)
    for name, seed in (("one.png", 8), ("sub/two.gif", 9), (".hidden.png", 10)):
        save(tmp_path / "members" / name, seed)
    (tmp_path / "members" / "readme.md").write_text("no picture")
    for shard, mode in (("below/shard.tar", "w"), ("packed.tgz", "w:gz"), ("below/.hidden.tar", "w")):
        with tarfile.open(root / shard, mode) as archive:  # type: ignore[call-overload]  # mode is one of its literals
            archive.add(tmp_path / "members", ".")
    return root


def test_training_evaluation_and_parity_take_the_same_photographs(tree: Path) -> None:
    stage = Stage(32, 2, (".",), images=4)
    trained = [entry.name for entry in PhotoIndex(tree, 0.0, None, lambda _: None).listing(stage).kept]
    assert trained == NAMES
    assert photo_names(tree) == NAMES
    assert [name for name, _ in read_rgb_photos(tree)] == NAMES
    assert len(parity_lumas(16, tree)) == len(NAMES)


def test_photographs_have_the_same_bytes_held_or_not(tree: Path) -> None:
    held = find_entries([tree])
    assert [entry.data is not None for entry in held] == [name.startswith("packed") for name in NAMES]
    listed = list_photos(tree)
    assert all(entry.data is None for entry in listed)
    with pytest.raises(ValueError, match=r"packed\.tgz/one\.png was not held"):
        read_entry(listed[NAMES.index("packed.tgz/one.png")])
    pictures = dict(read_rgb_photos(tree))
    for entry in held:
        with Image.open(io.BytesIO(read_entry(entry))) as image:
            np.testing.assert_array_equal(pictures[entry.name], np.asarray(image.convert("RGB")))


def test_last_of_two_members_of_one_name_counts(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "twice.tar", "w") as archive:
        for seed in (1, 2):
            save(tmp_path / "a.png", seed)
            archive.add(tmp_path / "a.png", "./a.png")
    (entry,) = find_entries([tmp_path / "twice.tar"])
    assert (entry.name, read_entry(entry)) == ("a.png", (tmp_path / "a.png").read_bytes())


def test_damaged_shard_is_told_where_someone_listens_and_raised_where_not(tree: Path) -> None:
    shard = tree / "below/shard.tar"
    noise = tree.parent / "noise.bin"
    noise.write_bytes(bytes(50_000))
    with tarfile.open(shard, "w") as archive:
        archive.add(tree / "a.png", "one.png")
        archive.add(noise, "noise.bin")
    shard.write_bytes(shard.read_bytes()[:20_000])
    said: list[str] = []
    names = [entry.name for entry in find_entries([tree], on_skip=said.append)]
    assert names == [name for name in NAMES if not name.startswith("below/shard.tar")]
    assert len(said) == 1
    assert said[0].startswith(f"{shard}: not a tar archive, or a damaged one")
    with pytest.raises(DamagedShardError):
        find_entries([tree])
    with pytest.raises(PictureError, match=r"shard\.tar is cut off or damaged"):
        parity_lumas(16, tree)


def test_parity_passes_over_what_is_no_picture(tree: Path) -> None:
    (tree / "a.png").write_bytes(b"no picture")
    assert len(parity_lumas(16, tree)) == len(NAMES) - 1


def test_parity_on_too_few_readable_photographs_says_how_many_are_not(tmp_path: Path) -> None:
    for index in range(5):
        save(tmp_path / f"{index}.png", index)
        if index > 2:
            (tmp_path / f"{index}.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match="3 photographs here, and 2 that cannot be read; parity takes at least 4"):
        parity_lumas(16, tmp_path)


def test_parity_takes_a_shard_as_it_takes_its_folder(tmp_path: Path) -> None:
    for index in range(4):
        save(tmp_path / "photos" / f"{index}.png", index)
    with tarfile.open(tmp_path / "photos.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "photos", ".")
    for one, other in zip(
        parity_lumas(16, tmp_path / "photos"), parity_lumas(16, tmp_path / "photos.tar.gz"), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(UsageError, match="does not exist"):
        parity_lumas(16, tmp_path / "nowhere")


def test_shipped_photographs_are_found_by_the_same_rule() -> None:
    assert photo_names(shipped_photos()) == sorted(path.name for path in shipped_photos().glob("*.jpg"))


def test_unreadable_photographs_come_as_errors_in_their_places(tree: Path) -> None:
    (tree / "z.ppm").write_bytes(b"no picture")
    found = {entry.name: picture for entry, picture in decode_photos(list_photos(tree))}
    assert list(found) == NAMES
    assert [name for name, picture in found.items() if isinstance(picture, PictureError)] == ["z.ppm"]


def test_every_suffix_has_a_decoder() -> None:
    assert {".jpg", ".png", ".tif", ".webp", ".gif"} <= PHOTO_SUFFIXES
    assert ".tga" not in PHOTO_SUFFIXES
