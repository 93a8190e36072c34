"""Aging without PyTorch is the aging that training does."""

from __future__ import annotations

import numpy as np
import pytest

from colorrt.photos import aging
from colorrt.photos.shipped import parity_lumas


def test_same_state_gives_the_same_picture_in_range() -> None:
    luma = parity_lumas(64)[0]
    one, two = (aging.age(luma, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    many = [aging.age(luma, np.random.default_rng(seed)) for seed in range(20)]
    assert all(picture.dtype == np.float32 and picture.min() >= 0 and picture.max() <= 1 for picture in many)
    assert any(np.abs(picture - luma).max() > 0.05 for picture in many)


@pytest.mark.parametrize("place", [0.0, 1.0])
def test_changes_are_those_of_training(monkeypatch: pytest.MonkeyPatch, place: float) -> None:
    torch = pytest.importorskip("torch")
    from colorrt.training.squares import augment

    def between(self: object, low: float, high: float) -> float:
        # No grain: its numbers are drawn otherwise.
        return 0.0 if (low, high) == (0.0, 0.06) else low + place * (high - low)

    monkeypatch.setattr(aging._Draw, "uniform", between)
    monkeypatch.setattr(aging._Draw, "chance", lambda self, probability: True)
    monkeypatch.setattr(
        augment._Draw, "uniform", lambda self, low, high: torch.full(self.shape, between(self, low, high))
    )
    monkeypatch.setattr(augment._Draw, "chance", lambda self, probability: torch.ones(self.shape, dtype=torch.bool))
    luma = parity_lumas(64)[1]
    ours = aging.age(luma, np.random.default_rng(0))
    theirs = augment.age(torch.from_numpy(luma)[None, None], torch.Generator().manual_seed(0))[0, 0].numpy()
    # JPEG may fall on either side of a level.
    assert np.abs(ours - theirs).mean() < 0.5 / 255
