"""The audit of a set: grays, copies of other sizes and compressions, hues, what cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageFilter

from colorrt.photos.audit import HUES, audit_photos
from colorrt.photos.copies import find_copies, take_print
from colorrt.photos.hue_picture import draw_hues

if TYPE_CHECKING:
    from pathlib import Path


def scene(seed: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Blobs of color, as large as those of photographs."""
    noise = np.random.default_rng(seed).integers(0, 256, (8, 12, 3), np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for seed in range(6):
        scene(seed).save(tmp_path / "a" / f"{seed}.png")
    scene(2).save(tmp_path / "b" / "2-again.jpg", quality=60)
    scene(2).resize((60, 40), Image.Resampling.LANCZOS).save(tmp_path / "b" / "2-small.png")
    scene(4).filter(ImageFilter.GaussianBlur(0.7)).save(tmp_path / "b" / "4-soft.webp")
    scene(7).convert("L").save(tmp_path / "b" / "gray.png")
    tinted = np.asarray(scene(8).convert("L").convert("RGB")) + np.array([0, 0, 1], np.uint8)
    Image.fromarray(tinted).save(tmp_path / "b" / "near.png")
    (tmp_path / "b" / "broken.png").write_bytes(b"no picture")
    return tmp_path


def test_audit_finds_grays_copies_and_what_cannot_be_read(folder: Path) -> None:
    found = audit_photos(folder)
    assert found.pictures == 11
    assert found.classes == {"a": 6, "b": 5}
    assert found.gray == ("b/gray.png",)
    assert found.near_gray == ("b/near.png",)
    assert found.copies == (("a/2.png", "b/2-again.jpg", "b/2-small.png"), ("a/4.png", "b/4-soft.webp"))
    assert set(found.unread) == {"b/broken.png"}
    assert found.short_sides == (40, 64, 64)
    assert sum(found.hues) == pytest.approx(1)


def test_hues_stand_at_their_degrees(tmp_path: Path) -> None:
    for name, color in (("red", (200, 0, 0)), ("blue", (0, 0, 200)), ("gray", (90, 90, 90))):
        Image.new("RGB", (40, 40), color).save(tmp_path / f"{name}.png")
    hues = audit_photos(tmp_path).hues
    assert len(hues) == HUES
    assert hues[0] == pytest.approx(0.5)
    # Pillow's hue has 256 steps.
    assert sum(hues[23:25]) == pytest.approx(0.5)


def test_flat_pictures_of_other_colors_are_no_copies() -> None:
    prints = [take_print(str(level), np.full((32, 32, 3), level, np.uint8)) for level in (0, 100, 103, 250)]
    assert find_copies(prints) == [[1, 2]]


def test_pairs_are_those_of_a_comparison_of_all_with_all() -> None:
    rng = np.random.default_rng(11)
    prints = []
    for seed in range(40):
        image = np.asarray(scene(seed % 25)).astype(np.int16)
        noisy = np.clip(image + rng.integers(-8, 9, image.shape), 0, 255).astype(np.uint8)
        prints.append(take_print(f"{seed}", noisy))
    found = find_copies(prints)
    assert found == [[seed, seed + 25] for seed in range(15)]


def test_histogram_has_the_colors_of_its_bars() -> None:
    shares = [0.0] * HUES
    shares[0], shares[12] = 0.75, 0.25
    image = np.asarray(draw_hues({"a set": shares, "naïve ☃": shares}))
    red = (image[..., 0] > 180) & (image[..., 1] < 90) & (image[..., 2] < 60)
    green = (image[..., 1] > 180) & (image[..., 0] < 90) & (image[..., 2] < 90)
    assert 2.5 < red.sum() / green.sum() < 3.5
