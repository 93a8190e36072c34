"""Which photographs a stage is about, and how often each is drawn."""

from __future__ import annotations

import os
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from colorrt.errors import UsageError
from colorrt.photos.finding import find_entries
from colorrt.training.recipes.recipe import Stage
from colorrt.training.squares.listing import Listing, PhotoIndex

if TYPE_CHECKING:
    from collections.abc import Callable

STAGE = Stage(32, 2, ("album", "more"), images=4)


@pytest.fixture
def data(save_photo: Callable[..., Path], tmp_path: Path) -> Path:
    for name in ("album/cats/0.png", "album/dogs/tiny__1.png", "album/dogs/2.png", "more/tiny__3.png"):
        save_photo(tmp_path / "data" / name, (200, 90, 40))
    return tmp_path / "data"


def list_of(data: Path, stage: Stage, without: Path | None = None, said: list[str] | None = None) -> Listing:
    return PhotoIndex(data, 0.0, without, (said if said is not None else []).append).listing(stage)


def names_of(listing: Listing) -> list[str]:
    return [entry.name for entry in listing.kept]


def weights_of(listing: Listing) -> dict[str, float]:
    return dict(zip(names_of(listing), listing.weights, strict=True))


def test_favored_photographs_are_drawn_more_often(data: Path) -> None:
    stage = replace(STAGE, favored=("cats/*", "tiny__*", "*1*"), favor=(3.0, 5.0, 7.0))
    expected = {"cats/0.png": 3.0, "dogs/tiny__1.png": 5.0, "dogs/2.png": 1.0, "tiny__3.png": 5.0}
    assert weights_of(list_of(data, stage)) == expected
    both = weights_of(list_of(data, replace(stage, source_weights=(1.0, 2.0))))
    assert both == expected | {"tiny__3.png": 10.0}


@pytest.mark.parametrize(
    "options",
    [{}, {"favored": ("dragons/*",), "favor": (9.0,)}, {"source_weights": (2.0, 2.0)}],
    ids=["none", "nobody", "alike"],
)
def test_photographs_that_are_drawn_alike_come_once_an_epoch(
    options: dict[str, tuple[object, ...]], data: Path
) -> None:
    assert list_of(data, replace(STAGE, **options)).weights == ()  # type: ignore[arg-type]  # options of several types


def test_members_of_a_shard_of_a_dot_are_favored_too(data: Path) -> None:
    with tarfile.open(data / "dot.tar", "w") as shard:
        for index in range(2):
            shard.add(data / "more" / "tiny__3.png", f"./{'tiny' if index else 'large'}__{index}.png")
    stage = replace(STAGE, sources=("dot.tar",), favored=("tiny__*",), favor=(4.0,))
    assert weights_of(list_of(data, stage)) == {"large__0.png": 1.0, "tiny__1.png": 4.0}


def test_everything_is_taken_once_where_no_source_is_there(data: Path) -> None:
    said: list[str] = []
    shelf = PhotoIndex(data, 0.0, None, said.append)
    first = shelf.listing(replace(STAGE, sources=("shards-*.tar",), source_weights=(2.0,)))
    assert len(first.kept) == 4
    assert first.weights == ()
    assert shelf.listing(replace(STAGE, sources=("others-*.tar",))) is first
    assert said == [f"{data}: nothing matches shards-*.tar; using every photograph"]


def test_what_the_training_writes_is_not_what_it_reads(data: Path, save_photo: Callable[..., Path]) -> None:
    out = data / "album" / "run"
    save_photo(out / "samples" / "stage-1.png", (10, 200, 40))
    assert "run/samples/stage-1.png" in names_of(list_of(data, STAGE))
    assert "run/samples/stage-1.png" not in names_of(list_of(data, STAGE, without=out))


def test_other_photographs_have_another_digest(data: Path, save_photo: Callable[..., Path]) -> None:
    before = list_of(data, STAGE)
    assert list_of(data, STAGE).digest == before.digest
    assert list_of(data, replace(STAGE, source_weights=(1.0, 2.0))).digest != before.digest
    save_photo(data / "album" / "new.png", (10, 200, 40))
    assert list_of(data, STAGE).digest != before.digest


@pytest.mark.parametrize("damage", ["stray", "cut", "forbidden"])
def test_bad_shards_within_a_folder_are_named_and_left_out(damage: str, data: Path) -> None:
    shard = data / "album" / "model.tar.xz"
    with tarfile.open(shard, "w:xz") as archive:
        archive.add(data / "more" / "tiny__3.png", "a.png")
    if damage == "stray":
        shard.write_bytes(b"weights of a network" * 99)
    elif damage == "cut":
        shard.write_bytes(shard.read_bytes()[:150])
    elif os.geteuid() == 0:
        pytest.skip("everything may be read by root")
    else:
        shard.chmod(0)
    said: list[str] = []
    assert names_of(list_of(data, STAGE, said=said)) == ["cats/0.png", "dogs/2.png", "dogs/tiny__1.png", "tiny__3.png"]
    assert len(said) == 1
    assert said[0].startswith(f"{shard}: not a tar archive, or a damaged one")
    assert "\n" not in said[0]
    with pytest.raises(UsageError, match="not a tar archive, or a damaged one"):
        find_entries([shard])


def test_links_are_followed_and_not_in_circles(data: Path, tmp_path: Path, save_photo: Callable[..., Path]) -> None:
    save_photo(tmp_path / "elsewhere" / "far.png", (10, 200, 40))
    (data / "album" / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere" / "back").symlink_to(data / "album", target_is_directory=True)
    names = names_of(list_of(data, replace(STAGE, sources=("album",))))
    assert names == ["cats/0.png", "dogs/2.png", "dogs/tiny__1.png", "link/far.png"]


def test_pipe_with_the_name_of_a_picture_is_no_picture(data: Path) -> None:
    os.mkfifo(data / "album" / "pipe.png")
    assert "pipe.png" not in names_of(list_of(data, STAGE))


def test_files_kept_for_validation_are_not_learned_from(data: Path) -> None:
    said: list[str] = []
    shelf = PhotoIndex(data, 0.5, None, said.append, ("more",))
    listing = shelf.listing(STAGE)
    assert [entry.name for entry in listing.held] == ["tiny__3.png"]
    assert sorted(names_of(listing)) == ["cats/0.png", "dogs/2.png", "dogs/tiny__1.png"]
    without = PhotoIndex(data, 0.0, None, said.append, ("others.tar",)).listing(STAGE)
    assert len(without.kept) == 4
