from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from colorrt.kernels import luma, resize_luma
from colorrt.kernels.cuts import BINS, BLOCKS, CONTRAST, FLASH, is_cut, sum_up, tell_apart

PHOTOS = sorted((Path(__file__).resolve().parents[2] / "samples").glob("*.jpg"))
SMALL = 64


def photo(index: int) -> Any:
    return luma(np.asarray(Image.open(PHOTOS[index]).convert("L")))


def shot(index: int, frames: int, *, speed: float = 0.004, seed: int = 0) -> list[Any]:
    """A pan over a photograph with the grain of film."""
    whole = photo(index)
    width = whole.shape[1]
    random = np.random.default_rng(seed)
    shots = []
    for t in range(frames):
        left = int(t * speed * width)
        view = resize_luma(np.ascontiguousarray(whole[:, left : left + int(0.6 * width)]), SMALL)
        shots.append(np.clip(view + random.normal(0, 1 / 255, view.shape), 0, 1).astype(np.float32))
    return shots


def film_levels(frames: list[Any]) -> list[Any]:
    """As a film has them: in 8 bits."""
    return [(np.rint(np.clip(frame, 0, 1) * 255) / 255).astype(np.float32) for frame in frames]


def cuts_of(frames: list[Any]) -> list[int]:
    summaries = [sum_up(frame) for frame in film_levels(frames)]
    return [at for at in range(len(summaries) + 1) if is_cut(summaries, at)]


@pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 2), (2, 0)])
def test_cut_between_photographs_is_found_where_it_lies(one: int, other: int) -> None:
    assert cuts_of(shot(one, 20) + shot(other, 20) + shot(one, 3)) == [20, 40]


@pytest.mark.parametrize("speed", [0.0, 0.01, 0.02])
def test_pans_have_no_cuts(speed: float) -> None:
    for index in range(len(PHOTOS)):
        assert cuts_of(shot(index, 20, speed=speed)) == []


@pytest.mark.parametrize("frames", range(1, FLASH + 1))
def test_flashes_are_no_cuts(frames: int) -> None:
    for flash in (lambda frame: 2 * frame + 0.3, np.ones_like, np.zeros_like):
        whole = shot(0, 40)
        whole[20 : 20 + frames] = [flash(frame) for frame in whole[20 : 20 + frames]]
        assert cuts_of(whole) == []


@pytest.mark.parametrize("frames", [10, 16, 25, 50])
def test_fades_are_no_cuts(frames: int) -> None:
    rising = np.clip(np.arange(frames + 20) / frames, 0, 1)
    out = [frame * share for frame, share in zip(shot(0, frames + 20), rising[::-1], strict=True)]
    back = [frame * share for frame, share in zip(shot(1, frames + 20), rising, strict=True)]
    black = [np.zeros((SMALL, SMALL), np.float32)] * 10
    assert cuts_of(out + black + back) == []


def test_cut_to_black_and_from_black_are_found() -> None:
    black = [np.zeros((SMALL, SMALL), np.float32)] * 10
    assert cuts_of(shot(0, 20) + black + shot(1, 20)) == [20, 30]


def test_cut_right_after_the_start_and_before_the_end_is_found() -> None:
    assert cuts_of(shot(0, 1) + shot(1, 20) + shot(2, 1)) == [1, 21]


def reference(luma: Any) -> Any:
    """The two sets of histograms, pixel by pixel."""
    height, width = luma.shape
    levels = np.floor(luma.astype(np.float32) * np.float32(255) + np.float32(0.5)).astype(int)
    histograms, counts = np.zeros((2, BLOCKS, BLOCKS, BINS)), np.zeros((BLOCKS, BLOCKS))
    for y, x in np.ndindex(height, width):
        row, column = y * BLOCKS // height, x * BLOCKS // width
        rank = ((levels < levels[y, x]).mean() + (levels <= levels[y, x]).mean()) / 2
        counts[row, column] += 1
        for k, value in enumerate((float(luma[y, x]), rank)):
            for bin_ in range(BINS):
                histograms[k, row, column, bin_] += max(0.0, 1 - abs(value * (BINS - 1) - bin_))
    return histograms / np.maximum(counts, 1)[..., None]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), height=st.integers(1, 20), width=st.integers(1, 20))
def test_summary_follows_its_definition(seed: int, height: int, width: int) -> None:
    luma = np.random.default_rng(seed).random((height, width), np.float32) ** 2
    summary = sum_up(luma)
    np.testing.assert_allclose(summary.histograms, reference(luma), atol=1e-5)
    assert summary.contrast == pytest.approx(luma.astype(float).std(), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), gain=st.floats(0.5, 1.0), offset=st.floats(0.0, 0.2))
def test_other_light_is_the_same_picture(seed: int, gain: float, offset: float) -> None:
    picture = np.random.default_rng(seed).random((32, 32)) * 0.8
    one, other = (sum_up(frame) for frame in film_levels([picture, picture * gain + offset]))
    assert tell_apart(one, other) < 0.05
    assert tell_apart(one, one) == 0


def test_almost_black_pictures_are_hardly_different() -> None:
    random = np.random.default_rng(0)
    one, other = (sum_up((random.random((64, 64)) * 2 / 255).astype(np.float32)) for _ in range(2))
    assert one.contrast < CONTRAST
    assert tell_apart(one, other) < 0.02


def test_values_beyond_the_range_are_clipped_and_wrong_arrays_refused() -> None:
    wild = np.array([[-1.0, 2.0], [0.0, 1.0]], np.float32)
    np.testing.assert_allclose(sum_up(wild).histograms, sum_up(np.clip(wild, 0, 1)).histograms)
    with pytest.raises(TypeError, match="float32"):
        sum_up(np.zeros((4, 4)))
    with pytest.raises(ValueError, match="at least one pixel"):
        sum_up(np.zeros((0, 4), np.float32))
