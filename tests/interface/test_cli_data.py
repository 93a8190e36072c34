"""`colorrt data`: shards from CIFAR-10 and from folders, the audit; errors in words, nothing overwritten."""

from __future__ import annotations

import json
import pickle
import tarfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from colorrt.photos.cifar import CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Command = Callable[..., Result]

GRAYS = 30


@pytest.fixture
def batches(tmp_path: Path) -> Path:
    """Batches of 1,000 training pictures, each of one color, of which 30 are gray; and 10 test pictures."""
    folder = tmp_path / "batches"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for name, count, grays in (("data_batch_1", 1000, GRAYS), ("test_batch", 10, 1)):
        colors = rng.integers(0, 256, (count, 3, 1), np.uint8)
        colors[:grays] = colors[:grays, :1]
        data = np.repeat(colors, 1024, axis=2).reshape(count, 3072)
        labels = [index % 10 for index in range(count)]
        (folder / name).write_bytes(pickle.dumps({"data": data, "labels": labels}, 2))
    return folder


def members(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        return archive.getnames()


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        # Of 970 and of 418, every tenth from the first one on; of 1,000, a tenth.
        (["--grays", "drop"], (873, 97)),
        ([], (376, 42)),
        (["--split", "random", "--grays", "keep"], (900, 100)),
    ],
    ids=["drop", "published", "random"],
)
def test_cifar_becomes_shards(
    colorrt: Command, batches: Path, tmp_path: Path, options: list[str], counts: tuple[int, int]
) -> None:
    result = colorrt("data", "cifar10", batches, "-o", "shards", *options)
    assert result.exit_code == 0
    assert f"{GRAYS} of 1000 training pictures are gray" in result.stdout
    train, held, test = (members(tmp_path / "shards" / f"{name}.tar") for name in ("train", "validation", "test"))
    assert (len(train), len(held)) == counts
    assert len(test) == 10
    assert set(train).isdisjoint(held)
    assert {name.split("/")[0] for name in train} == set(CLASSES)
    again = colorrt("data", "cifar10", batches, "-o", "shards")
    assert again.exit_code == 2
    assert "train.tar: is there already" in again.stderr


def test_folder_is_split_class_by_class(colorrt: Command, tmp_path: Path) -> None:
    for kind in ("beach", "forest"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for index in range(20):
            Image.new("RGB", (8, 8), (200, 10 * index, 0)).save(tmp_path / "photos" / kind / f"{index}.png")
    Image.new("L", (8, 8)).save(tmp_path / "photos" / "beach" / "gray.png")
    (tmp_path / "photos" / "beach" / "broken.jpg").write_bytes(b"no picture")
    result = colorrt("data", "split", "photos", "-o", "shards", "--drop-gray")
    assert result.exit_code == 1
    assert "skipped beach/broken.jpg" in result.stderr
    assert "1 gray or nearly gray pictures left out" in result.stdout
    for name, count in (("train", 16), ("validation", 2), ("test", 2)):
        found = members(tmp_path / "shards" / f"{name}.tar")
        assert [sum(one.startswith(kind) for one in found) for kind in ("beach", "forest")] == [count, count]
    with tarfile.open(tmp_path / "shards" / "test.tar") as archive:
        one = archive.getmembers()[0]
        stream = archive.extractfile(one)
        assert stream is not None
        assert stream.read() == (tmp_path / "photos" / one.name).read_bytes()


@pytest.mark.parametrize("shares", ["80:20", "a:b:c", "0:50:50", "-1:1:1"])
def test_shares_that_are_none_are_refused(colorrt: Command, tmp_path: Path, shares: str) -> None:
    (tmp_path / "photos").mkdir()
    result = colorrt("data", "split", "photos", "-o", "shards", f"--shares={shares}")
    assert result.exit_code == 2
    assert "is not three numbers such as 80:10:10" in result.stderr


def test_audit_tells_and_writes(colorrt: Command, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    noise = np.random.default_rng(2).integers(0, 256, (6, 9, 3), np.uint8)
    picture = Image.fromarray(noise).resize((72, 48), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "photos" / "a.png")
    picture.save(tmp_path / "photos" / "b.jpg")
    Image.new("L", (50, 50), 99).save(tmp_path / "photos" / "c.png")
    result = colorrt("data", "audit", "photos", "--hues", "hues.png", "--json", "audit.json")
    assert result.exit_code == 0
    assert "the same: a.png, b.jpg" in result.stdout
    table = json.loads((tmp_path / "audit.json").read_text())
    assert table["gray"] == ["c.png"]
    with Image.open(tmp_path / "hues.png") as image:
        assert image.width > 400
    again = colorrt("data", "audit", "photos", "--hues", "hues.png")
    assert again.exit_code == 2
    assert "hues.png: is there already" in again.stderr


def test_audit_of_damage_and_of_nothing(colorrt: Command, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert colorrt("data", "audit", "photos").exit_code == 2
    (tmp_path / "photos" / "a.png").write_bytes(b"no picture")
    result = colorrt("data", "audit", "photos")
    assert result.exit_code == 1
    assert "cannot be read: a.png" in result.stderr
