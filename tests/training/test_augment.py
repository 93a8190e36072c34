"""Luma and chroma of training pictures, and what age does to luma."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from colorrt.training.squares.augment import age, join, speckle, split


def random_pictures(count: int = 3, size: int = 16) -> torch.Tensor:
    return torch.randint(0, 256, (count, size, size, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def aged(luma: torch.Tensor, seed: int) -> torch.Tensor:
    return age(luma, torch.Generator().manual_seed(seed))


def test_split_is_the_definition_of_bt601() -> None:
    pictures = random_pictures()
    luma, chroma = split(pictures)
    red, green, blue = np.moveaxis(pictures.numpy().astype(np.float64) / 255, 3, 0)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    assert (luma.shape, chroma.shape) == ((3, 1, 16, 16), (3, 2, 16, 16))
    assert luma.dtype == chroma.dtype == torch.float32
    np.testing.assert_allclose(luma[:, 0].numpy(), y, atol=1e-6)
    np.testing.assert_allclose(chroma[:, 0].numpy(), 0.492 * (blue - y), atol=1e-6)
    np.testing.assert_allclose(chroma[:, 1].numpy(), 0.877 * (red - y), atol=1e-6)


def test_split_loses_nothing() -> None:
    pictures = random_pictures()
    luma, chroma = (tensor.double().numpy() for tensor in split(pictures))
    y, blue, red = luma[:, 0], luma[:, 0] + chroma[:, 0] / 0.492, luma[:, 0] + chroma[:, 1] / 0.877
    green = (y - 0.299 * red - 0.114 * blue) / 0.587
    back = np.rint(255 * np.stack([red, green, blue], axis=3))
    np.testing.assert_array_equal(back, pictures.numpy())


def test_gray_has_its_level_as_luma_and_no_chroma() -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).expand(-1, -1, -1, 3)
    luma, chroma = split(levels)
    torch.testing.assert_close(luma[0, 0], levels[0, ..., 0] / 255, atol=1e-6, rtol=0)
    assert float(chroma.abs().max()) < 1e-6


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_aged_luma_keeps_shape_and_range(level: float) -> None:
    luma = torch.full((64, 1, 12, 12), level)
    old = aged(luma, 4)
    assert old.shape == luma.shape
    assert old.dtype == torch.float32
    assert 0 <= float(old.min()) <= float(old.max()) <= 1


def test_aging_is_decided_by_the_generator() -> None:
    luma = split(random_pictures(8))[0]
    assert torch.equal(aged(luma, 4), aged(luma, 4))
    assert not torch.equal(aged(luma, 4), aged(luma, 5))


def test_most_pictures_age_and_some_stay_as_they_are() -> None:
    luma = torch.rand(400, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    changed = (aged(luma, 6) - luma).abs().flatten(1).amax(1) > 1e-4
    # Left out with chances 0.5, 0.6, 0.6, 0.6, 0.7, 0.8, 0.8: one picture of twenty escapes all seven.
    assert 0.9 < float(changed.float().mean()) < 0.99


def test_pictures_of_a_batch_age_each_in_its_own_way() -> None:
    old = aged(torch.full((64, 1, 4, 4), 0.5), 7)
    assert len(np.unique(old.mean(dim=(1, 2, 3)).numpy().round(5))) > 32


def test_clean_luma_is_left_as_it_was() -> None:
    luma = torch.rand(16, 1, 8, 8)
    before = luma.clone()
    aged(luma, 8)
    assert torch.equal(luma, before)


def test_join_undoes_split() -> None:
    pictures = random_pictures()
    rgb = join(*split(pictures))
    torch.testing.assert_close(rgb, pictures.permute(0, 3, 1, 2).float() / 255, atol=1e-5, rtol=0)


def test_aging_has_what_old_photographs_have() -> None:
    """Of many aged pictures some are blocky from JPEG, some darker at the corners, some of less contrast."""
    smooth = torch.linspace(0.2, 0.8, 32).expand(600, 1, 32, 32).clone()
    old = aged(smooth, 9)
    spread = (old.flatten(1).std(dim=1) / smooth.flatten(1).std(dim=1)).numpy()
    assert (spread < 0.75).mean() > 0.05
    assert (spread > 1.2).mean() > 0.02
    flat = torch.full((600, 1, 32, 32), 0.7)
    dark = aged(flat, 10)
    corners = dark[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]].mean(1) / dark[:, 0, 12:20, 12:20].mean((1, 2))
    assert 0.05 < float((corners < 0.9).float().mean()) < 0.4


def test_specks_move_single_pixels_by_up_to_30_levels() -> None:
    luma = torch.full((300, 1, 16, 16), 0.5)
    old = speckle(luma, torch.Generator().manual_seed(3))
    moved = (old - luma).abs()
    assert float(moved.max()) <= 30 / 255 + 1e-6
    shares = (moved > 0).flatten(1).float().mean(dim=1)
    assert float(shares.max()) < 0.6
    assert 0.1 < float((shares == 0).float().mean()) < 0.35
