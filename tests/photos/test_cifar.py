"""CIFAR-10: batches read without running anything in them, PNG folders, the splits that the papers describe."""

from __future__ import annotations

import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from skimage.color import rgb2hsv

from colorrt.errors import UsageError
from colorrt.photos.cifar import CLASSES, read_batch, read_cifar10
from colorrt.photos.splits import is_gray, labels_of, mean_hues, split_at_random, split_by_class, split_by_hue

COUNT = 6


def rows(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (COUNT, 3072), np.uint8)


def content(seed: int, **changes: Any) -> dict[Any, Any]:
    names = [f"thing_{seed}_{index}.png".encode() for index in range(COUNT)]
    return {
        b"batch_label": b"a batch", b"labels": [0, 1, 2, 3, 8, 9], b"data": rows(seed), b"filenames": names,
    } | changes  # fmt: skip


def batch(seed: int, protocol: int = 2, **changes: Any) -> bytes:
    return pickle.dumps(content(seed, **changes), protocol)


@pytest.mark.parametrize("protocol", [2, 4])
def test_batch_gives_upright_pictures_and_labels(protocol: int) -> None:
    pixels, labels, names = read_batch(batch(1, protocol))
    assert labels.tolist() == [0, 1, 2, 3, 8, 9]
    assert names[4] == "thing_1_4"
    # A row is red, green, blue, each 32 lines of 32.
    raw = rows(1)
    assert pixels.shape == (COUNT, 32, 32, 3)
    assert pixels[2, 5, 7].tolist() == [raw[2, plane * 1024 + 5 * 32 + 7] for plane in range(3)]


def test_names_lead_nowhere_and_suit_any_archive() -> None:
    names = ["../../a.png", "b\n\x00.png", "\ud800.png", "..", "/etc/c", "d.png"]
    _, _, stems = read_batch(pickle.dumps(content(1) | {b"filenames": names}, 2))
    assert stems == ("a", "b__", "_", "..", "c", "d")
    assert all("/" not in stem for stem in stems)


class Runs:
    """Pickles as a call."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


def test_batch_that_would_run_something_is_refused_by_name(tmp_path: Path) -> None:
    for place in ("data", "labels", "extra"):
        data = pickle.dumps(content(1) | {place.encode(): Runs(os.mkdir, str(tmp_path / "made"))}, 2)
        with pytest.raises(ValueError, match=r"asks for `(posix|nt).mkdir`, which no batch needs"):
            read_batch(data)
    assert not (tmp_path / "made").exists()


def test_claim_of_a_huge_memo_takes_no_memory() -> None:
    # What the unpickler in C answers with an array of four billion places.
    read_batch(batch(1)[:-1] + b"r\xff\xff\xff\xff.")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": np.zeros((COUNT, 3071), np.uint8)}, "rows of 3072 bytes"),
        ({"data": np.zeros((COUNT, 3072), np.float32)}, "rows of 3072 bytes"),
        ({"data": [1, 2]}, "rows of 3072 bytes"),
        ({"labels": [0] * (COUNT - 1)}, "labels are not 6"),
        ({"labels": [0, 1, 2, 3, 8, 10]}, "labels are not 6"),
        ({"labels": 7}, "labels are not 6"),
    ],
)
def test_batch_that_is_none_is_refused_in_words(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_batch(pickle.dumps(content(1) | {key.encode(): value for key, value in changes.items()}, 2))


def test_damaged_batches_are_batches_or_refused(tmp_path: Path) -> None:
    whole = batch(1)
    refused = []
    rng = np.random.default_rng(3)
    for _ in range(200):
        damaged = bytearray(whole[: int(rng.integers(1, len(whole)))] if rng.random() < 0.3 else whole)
        for _ in range(int(rng.integers(1, 6))):
            damaged[int(rng.integers(min(len(damaged), 400)))] = int(rng.integers(256))
        try:
            read_batch(bytes(damaged))
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) > 50
    assert all(said.isprintable() for said in refused)


@pytest.fixture(params=["folder", "folder above", "archive", "png", "png archive"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The same twelve pictures, a batch for training and one for tests, in every form that is read."""
    folder = tmp_path / "cifar" / "cifar-10-batches-py"
    if "png" in request.param:
        for part, seed in (("train", 1), ("test", 2)):
            pixels, labels, names = read_batch(batch(seed))
            for square, label, name in zip(pixels, labels, names, strict=True):
                path = tmp_path / "cifar" / part / CLASSES[label] / f"{name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(square).save(path)
    else:
        folder.mkdir(parents=True)
        (folder / "data_batch_1").write_bytes(batch(1))
        (folder / "test_batch").write_bytes(batch(2))
    if "archive" in request.param:
        with tarfile.open(tmp_path / "cifar.tar.gz", "w:gz") as archive:
            archive.add(tmp_path / "cifar", "cifar")
        return tmp_path / "cifar.tar.gz"
    return folder if request.param == "folder" else tmp_path / "cifar"


def test_every_form_gives_the_same_pictures(source: Path) -> None:
    skipped: list[str] = []
    found = read_cifar10(source, lambda name, _: skipped.append(name))
    assert skipped == []
    assert set(found) == {"train", "test"}
    for part, seed in (("train", 1), ("test", 2)):
        wanted, labels, names = read_batch(batch(seed))
        by_name = {f"{CLASSES[label]}/{name}.png": one for one, label, name in zip(wanted, labels, names, strict=True)}
        assert set(found[part].names) == set(by_name)
        assert labels_of(found[part].names)[:2] == ["airplane", "automobile"]
        for name, square in zip(found[part].names, found[part].pixels, strict=True):
            assert np.array_equal(square, by_name[name])


def test_strange_pictures_are_named_and_left_out(tmp_path: Path) -> None:
    for name, side in (("train/cat/a.png", 32), ("train/cat/b.png", 33), ("train/dragon/c.png", 32)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (side, side)).save(tmp_path / name)
    (tmp_path / "train/cat/d.png").write_bytes(b"no picture")
    skipped: dict[str, str] = {}
    assert read_cifar10(tmp_path, skipped.__setitem__)["train"].names == ("cat/a.png",)
    assert "33 x 33" in skipped["train/cat/b.png"]
    assert "no folder" in skipped["train/dragon/c.png"]
    assert set(skipped) == {"train/cat/b.png", "train/dragon/c.png", "train/cat/d.png"}


def test_source_that_is_none_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.tar.gz").write_bytes(b"\x1f\x8b damaged")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "test_batch").write_bytes(b"damaged")
    for name, words in (("empty", "no CIFAR-10 here"), ("a.tar.gz", "as an archive"), ("b", "not a python batch")):
        with pytest.raises(UsageError, match=words):
            read_cifar10(tmp_path / name, lambda *_: None)
    with pytest.raises(UsageError, match="does not exist"):
        read_cifar10(tmp_path / "none.tar", lambda *_: None)


@given(arrays(np.uint8, (3, 4, 4, 3), elements=st.integers(0, 255)))
def test_mean_hue_is_that_of_scikit_image(pixels: np.ndarray) -> None:
    wanted = [rgb2hsv(picture)[..., 0].mean() for picture in pixels]
    np.testing.assert_allclose(mean_hues(pixels), wanted, atol=1e-12)


def test_hue_split_leaves_out_the_first_and_holds_every_tenth() -> None:
    hues = np.random.default_rng(5).permutation(np.linspace(0, 1, 105))
    train, held = split_by_hue(hues, 5, 24)
    order = np.argsort(hues)[5:]
    assert sorted(held) == sorted(order[::10])
    assert sorted([*train, *held]) == sorted(order)
    assert not np.array_equal(np.sort(train), train)
    assert all(np.array_equal(a, b) for a, b in zip(split_by_hue(hues, 5, 24), (train, held), strict=True))


def test_published_counts_follow_from_the_split() -> None:
    # 50,000 training pictures without the first 582: SPEC of the review of KTH's code.
    train, held = split_by_hue(np.linspace(0, 1, 50_000), 582, 24)
    assert (len(train), len(held)) == (44_476, 4_942)


def test_random_split_holds_a_tenth() -> None:
    train, held = split_at_random(np.arange(57), 24)
    assert (len(train), len(held)) == (52, 5)
    assert sorted([*train, *held]) == list(range(57))


@given(st.lists(st.sampled_from("abc"), max_size=200))
def test_split_by_class_is_alike_in_each_class_and_loses_nothing(labels: list[str]) -> None:
    parts = split_by_class(labels, (0.8, 0.1, 0.1), 1)
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    for label in set(labels):
        count = labels.count(label)
        for part, share in zip(parts, (0.8, 0.1, 0.1), strict=True):
            assert abs(sum(labels[place] == label for place in part) - share * count) <= 1


def test_gray_is_gray_in_every_pixel() -> None:
    pixels = np.full((3, 32, 32, 3), 90, np.uint8)
    pixels[1, 31, 31, 2] = 91
    assert is_gray(pixels).tolist() == [True, False, True]
    assert mean_hues(pixels)[0] == 0
