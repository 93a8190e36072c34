from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorrt.kernels.alignment import align_mean
from colorrt.kernels.anchor import begin_memory, hold_color
from colorrt.kernels.cuts import DIFFERENT, is_cut, sum_up, tell_apart
from colorrt.kernels.flow import find_flow
from colorrt.kernels.resize import resize_plane
from colorrt.kernels.steady import SIDE, WINDOW, Steadied, Steadier, must_guess


def film(seed: int, frames: int, size: int, *, cuts: tuple[int, ...] = (), flicker: float = 0.02) -> Any:
    """A pan over waves in luma and color, another picture after each cut, and chroma that flickers. -> luma, chroma."""
    rows, columns = np.mgrid[:size, :size] * (64 / size)
    random = np.random.default_rng(seed)
    lumas, chromas = [], []
    start = 0
    for t in range(frames):
        if t in cuts:
            start += 1
        waves = np.random.default_rng([seed, start])
        luma, u, v = (np.zeros((size, size)) for _ in range(3))
        for _ in range(20):
            fast_down, fast_across, phase = *waves.normal(0, 0.2, 2), waves.uniform(0, 6)
            wave = np.sin(fast_down * rows + fast_across * (columns - 0.7 * t) + phase)
            luma, u, v = luma + wave, u + waves.normal() * wave, v + waves.normal() * wave
        lumas.append(np.clip(0.5 + luma / 20, 0, 1).astype(np.float32))
        chroma = np.stack([u, v]) / 100 + random.normal(0, flicker, (2, 1, 1)) + random.normal(0, 1e-3, (2, size, size))
        chromas.append(chroma.astype(np.float32))
    return np.stack(lumas), np.stack(chromas)


def run(steadier: Steadier, lumas: Any, chromas: Any, guessed: Any = None) -> list[Steadied]:
    """Push all frames. guessed: of each whether it was; None: all were."""
    given_back = []
    for t, (luma, chroma) in enumerate(zip(lumas, chromas, strict=True)):
        given_back += steadier.push(luma, chroma if guessed is None or guessed[t] else None)
    return [*given_back, *steadier.flush()]


def choose(lumas: Any, every: int) -> list[bool]:
    """Of each frame whether it has to be guessed."""
    side = min(lumas.shape[1], SIDE)
    summaries = [sum_up(resize_plane(luma, side, side)) for luma in lumas]
    pairs = zip([None, *summaries[:-1]], summaries, strict=True)
    return [must_guess(t, every, last, this) for t, (last, this) in enumerate(pairs)]


def reference(lumas: Any, chromas: Any, *, causal: bool) -> tuple[Any, list[int]]:
    """All frames at once, from the definition: windows cut from the whole film."""
    size = lumas.shape[1]
    side, count = min(size, SIDE), len(lumas)
    small = np.stack([resize_plane(luma, side, side) for luma in lumas])
    colors = np.stack([[resize_plane(plane, side, side) for plane in chroma] for chroma in chromas])
    planes = np.concatenate([colors, small[:, None]], axis=1)
    summaries = [sum_up(luma) for luma in small]
    onward, back = np.zeros((2, count, 2, side, side), np.float32)
    for t in range(1, count):
        if tell_apart(summaries[t - 1], summaries[t]) < DIFFERENT:
            onward[t - 1] = find_flow(small[t - 1], small[t])
            back[t] = find_flow(small[t], small[t - 1])
    ahead = 0 if causal else WINDOW
    begins = [t == 0 or is_cut(summaries[max(t - WINDOW, 0) : t + ahead + 1], min(t, WINDOW)) for t in range(count)]
    steadied = []
    memory = None
    for t in range(count):
        known = summaries[max(t - WINDOW, 0) : t + ahead + 1]
        first = max(t - WINDOW, 0)
        start = max(k for k in range(t + 1) if begins[k])
        before = [k for k in range(t - 1, first - 1, -1) if k >= start]
        later = [k for k in range(t + 1, min(t + ahead, count - 1) + 1) if is_cut(known, k - first)]
        after = list(range(t + 1, later[0] if later else min(t + ahead, count - 1) + 1))
        mean = align_mean(
            planes, onward, back, np.array(before, np.int64), np.array(after, np.int64), t, np.ones(count, np.bool_)
        )
        if memory is None or begins[t]:
            memory = begin_memory(small[t], mean)
        else:
            mean, memory = hold_color(memory, small[t], mean, back[t])
        correction = np.stack([resize_plane(plane, size, size) for plane in mean - colors[t]])
        steadied.append(chromas[t] + correction)
    return np.stack(steadied), [t for t in range(count) if begins[t]]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("size", "frames", "cuts"), [(64, 24, (9, 11)), (96, 18, ()), (16, 20, (10,)), (64, 3, ())])
def test_stream_gives_what_the_whole_film_gives(*, causal: bool, size: int, frames: int, cuts: tuple[int, ...]) -> None:
    lumas, chromas = film(size, frames, size, cuts=cuts)
    expected, shots = reference(lumas, chromas, causal=causal)
    frames_back = run(Steadier(size, causal=causal), lumas, chromas)
    assert [t for t, frame in enumerate(frames_back) if frame.begins_shot] == shots
    np.testing.assert_allclose(np.stack([frame.chroma for frame in frames_back]), expected, atol=1e-6, rtol=0)
    np.testing.assert_array_equal(np.stack([frame.raw for frame in frames_back]), chromas)
    np.testing.assert_array_equal(np.stack([frame.luma for frame in frames_back]), lumas)


def test_frames_come_back_in_order_and_seven_later() -> None:
    lumas, chromas = film(0, 12, 32)
    steadier = Steadier(32)
    counts = [len(steadier.push(*frame)) for frame in zip(lumas, chromas, strict=True)]
    assert counts == [0] * WINDOW + [1] * (12 - WINDOW)
    assert len(list(steadier.flush())) == WINDOW
    assert list(steadier.flush()) == []
    causal = Steadier(32, causal=True)
    assert [len(causal.push(*frame)) for frame in zip(lumas, chromas, strict=True)] == [1] * 12


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("pause", [1, 2, 7, 8, 20, 29])
def test_film_goes_on_from_memory_to_the_bit(*, causal: bool, every: int, pause: int) -> None:
    lumas, chromas = film(1, 40, 96, cuts=(5, 22, 31))
    guessed = choose(lumas, every)
    whole = run(Steadier(96, causal=causal), lumas, chromas, guessed)
    first = Steadier(96, causal=causal)
    early: list[Steadied] = []
    at = 0
    while len(early) < pause:
        early += first.push(lumas[at], chromas[at] if guessed[at] else None)
        at += 1
    second = Steadier(96, causal=causal, memory=first.memory)
    late = run(second, lumas[pause:], chromas[pause:], guessed[pause:])
    for one, other in zip(whole, early + late, strict=True):
        np.testing.assert_array_equal(one.chroma, other.chroma)
        np.testing.assert_array_equal(one.back, other.back)
        assert one.begins_shot == other.begins_shot


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), size=st.sampled_from([48, 80, 128]))
def test_flicker_goes_and_color_stays(seed: int, size: int) -> None:
    lumas, chromas = film(seed, 30, size)
    _, clean = film(seed, 30, size, flicker=0.0)
    steadied = np.stack([frame.chroma for frame in run(Steadier(size), lumas, chromas)])
    before, after = np.abs(chromas - clean).mean(), np.abs(steadied - clean).mean()
    assert after < 0.7 * before


def test_first_frames_of_shots_are_guessed_and_one_in_three_of_the_others() -> None:
    lumas, _ = film(5, 24, 64, cuts=(7, 17))
    assert [t for t, wanted in enumerate(choose(lumas, 3)) if wanted] == sorted({7, 17, *range(0, 24, 3)})
    assert all(choose(lumas, 1))


@pytest.mark.parametrize("every", [2, 3])
def test_frames_between_guesses_are_as_near_to_the_clean_color(every: int) -> None:
    lumas, chromas = film(6, 40, 96, cuts=(19,))
    _, clean = film(6, 40, 96, cuts=(19,), flicker=0.0)
    guessed = choose(lumas, every)
    steadied = np.stack([frame.chroma for frame in run(Steadier(96), lumas, chromas, guessed)])
    assert np.isfinite(steadied).all()
    errors = np.abs(steadied - clean).mean(axis=(1, 2, 3))
    between = ~np.array(guessed)
    assert between.sum() > 15
    assert errors[between].mean() < 1.2 * errors[~between].mean()
    assert errors[between].max() < np.abs(chromas - clean).mean()


def test_fine_color_between_guesses_is_that_of_the_guess_before_where_things_stand() -> None:
    luma = np.random.default_rng(7).random((96, 96)).astype(np.float32)
    chroma = np.random.default_rng(8).normal(0, 0.05, (2, 96, 96)).astype(np.float32)
    frames = run(Steadier(96), [luma] * 9, [chroma] * 9, choose(np.stack([luma] * 9), 3))
    assert [frame.raw is None for frame in frames] == [t % 3 > 0 for t in range(9)]
    for frame in frames:
        np.testing.assert_allclose(frame.chroma, chroma, atol=1e-5)


@pytest.mark.parametrize("every", [1, 3])
def test_nothing_of_another_shot_comes_in(every: int) -> None:
    lumas, chromas = film(2, 30, 64, cuts=(15,), flicker=0.0)
    guessed = choose(lumas, every)
    apart = [
        *run(Steadier(64), lumas[:15], chromas[:15], guessed[:15]),
        *run(Steadier(64), lumas[15:], chromas[15:], guessed[15:]),
    ]
    whole = run(Steadier(64), lumas, chromas, guessed)
    np.testing.assert_array_equal([f.chroma for f in whole], [f.chroma for f in apart])


def test_one_guess_that_is_not_finite_spoils_no_other() -> None:
    lumas, chromas = film(3, 20, 64)
    chromas[10] = np.nan
    steadied = [frame.chroma for frame in run(Steadier(64), lumas, chromas)]
    assert all(np.isfinite(chroma).all() == (t != 10) for t, chroma in enumerate(steadied))


def test_what_it_holds_does_not_grow() -> None:
    lumas, chromas = film(4, 10, 16)
    steadier = Steadier(16)
    for t in range(200):
        steadier.push(lumas[t % 10], chromas[t % 10])
    held = (steadier._summaries, steadier._begins, steadier._pending)
    assert max(map(len, held)) <= 2 * WINDOW + 2


def test_wrong_frames_and_memories_are_refused() -> None:
    steadier = Steadier(32)
    luma, chroma = np.zeros((32, 32), np.float32), np.zeros((2, 32, 32), np.float32)
    with pytest.raises(ValueError, match=r"luma has to be \(32, 32\)"):
        steadier.push(luma[:16], chroma)
    with pytest.raises(TypeError, match="chroma has to be float32"):
        steadier.push(luma, chroma.astype(np.float64))
    with pytest.raises(ValueError, match="at least 1 pixel"):
        Steadier(0)
    assert steadier.memory is None
    run(steadier, [luma], [chroma])
    with pytest.raises(ValueError, match="not of squares of 16 pixels"):
        Steadier(16, memory=steadier.memory)
