from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorrt.kernels.steadiness import Scores, Steadiness
from colorrt.kernels.steady import Steadied


def at(plane: Any, y: float, x: float) -> Any:
    height, width = plane.shape[-2:]
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    over = plane[..., top, left] * (1 - (x - left)) + plane[..., top, right] * (x - left)
    under = plane[..., bottom, left] * (1 - (x - left)) + plane[..., bottom, right] * (x - left)
    return over * (1 - (y - top)) + under * (y - top)


def reference(frames: list[Steadied], name: str) -> Scores:
    """From the definitions in float64; of frames no larger than the flow, so that nothing is reduced."""
    flicker, warp = [], []
    for last, this in itertools.pairwise(frames):
        if this.begins_shot:
            continue
        before, after = (getattr(frame, name).astype(float) for frame in (last, this))
        same = np.abs(this.luma - last.luma) < np.float32(2 / 255)
        if same.any():
            flicker.append(np.abs(after - before)[:, same].mean() * 255)
        onward, back = this.onward.astype(float), this.back.astype(float)
        height, width = this.luma.shape
        edged = np.pad(onward, [(0, 0), (1, 1), (1, 1)], mode="edge")
        slope = ((edged[:, 2:, 1:-1] - edged[:, :-2, 1:-1]) ** 2 + (edged[:, 1:-1, 2:] - edged[:, 1:-1, :-2]) ** 2) / 4
        errors = []
        for y, x in np.ndindex(height, width):
            way = onward[:, y, x]
            returned = at(back, y + way[0], x + way[1])
            hidden = ((way + returned) ** 2).sum() > 0.01 * ((way**2).sum() + (returned**2).sum()) + 0.5
            if not hidden and slope[:, y, x].sum() <= 0.01 * (way**2).sum() + 0.002:
                errors.append(((at(after, y + way[0], x + way[1]) - before[:, y, x]) ** 2).sum())
        if errors:
            warp.append(np.mean(errors))
    divergences = []
    for gray in (False, True):
        of_steps = []
        for step in (1, 2, 4):
            values = []
            for start in range(len(frames) - step):
                if any(frame.begins_shot for frame in frames[start + 1 : start + step + 1]):
                    continue
                one, other = (histograms(frames[k], name, gray=gray) for k in (start, start + step))
                values.append(np.mean([jensen_shannon(p, q) for p, q in zip(one, other, strict=True)]))
            of_steps += [np.mean(values)] if values else []
        divergences.append(np.mean(of_steps) if of_steps else 0.0)
    chroma = np.mean([np.abs(getattr(frame, name)).mean() for frame in frames]) * 255
    means = (float(np.mean(values)) if values else 0.0 for values in (flicker, warp))
    return Scores(next(means), next(means) * 1e6, float(divergences[0] - divergences[1]), float(chroma))


def histograms(frame: Steadied, name: str, *, gray: bool) -> list[Any]:
    u, v = getattr(frame, name).astype(float) * (0 if gray else 1)
    luma = frame.luma.astype(float)
    blue, red = u / 0.492, v / 0.877
    green = -(0.299 * red + 0.114 * blue) / 0.587
    levels = [np.floor(np.clip(luma + part, 0, 1) * 255 + 0.5).astype(int) for part in (blue, green, red)]
    return [np.bincount(channel.ravel(), minlength=256) / channel.size for channel in levels]


def jensen_shannon(p: Any, q: Any) -> float:
    middle = (p + q) / 2
    return sum(sum(a * math.log(a / m) for a, m in zip(part, middle, strict=True) if a > 0) / 2 for part in (p, q))


def film(seed: int, frames: int, side: int, motion: float, shots: tuple[int, ...] = ()) -> list[Steadied]:
    random = np.random.default_rng(seed)
    luma = random.random((side, side))

    def noise(*shape: int, size: float) -> Any:
        return random.normal(0, size, shape).astype(np.float32)

    return [
        Steadied(
            noise(2, side, side, size=0.05),
            noise(2, side, side, size=0.1),
            np.clip(luma + noise(side, side, size=0.01), 0, 1).astype(np.float32),
            noise(2, 1, 1, size=motion) + noise(2, side, side, size=motion / 20),
            noise(2, 1, 1, size=motion) + noise(2, side, side, size=motion / 20),
            t == 0 or t in shots,
        )
        for t in range(frames)
    ]


def scored(frames: list[Steadied]) -> Steadiness:
    steadiness = Steadiness()
    for frame in frames:
        steadiness.add(frame)
    return steadiness


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    frames=st.integers(1, 8),
    side=st.sampled_from([1, 2, 7, 16]),
    motion=st.sampled_from([0.0, 0.3, 2.0]),
    shots=st.sampled_from([(), (1,), (3, 6)]),
)
def test_scores_follow_their_definitions(seed: int, frames: int, side: int, motion: float, shots: Any) -> None:
    made = film(seed, frames, side, motion, shots)
    steadiness = scored(made)
    for scores, name in ((steadiness.raw, "raw"), (steadiness.steadied, "chroma")):
        expected = reference(made, name)
        assert scores.flicker == pytest.approx(expected.flicker, rel=1e-4, abs=1e-6)
        assert scores.warp == pytest.approx(expected.warp, rel=1e-2, abs=1e-3)
        assert scores.chroma == pytest.approx(expected.chroma, rel=1e-4)
        # A level that lies between two bins falls into either.
        assert scores.cdc == pytest.approx(expected.cdc, rel=0.02, abs=0.01)


def test_still_film_without_flicker_scores_nothing() -> None:
    frame = film(0, 1, 32, 0.0)[0]
    again = Steadied(frame.chroma, frame.raw, frame.luma, frame.back, frame.onward, begins_shot=False)
    scores = scored([frame, again, again, again, again, again]).raw
    assert scores == Scores(0.0, 0.0, 0.0, scores.chroma)
    assert scores.chroma > 0


def test_film_of_one_frame_and_no_film_score_nothing() -> None:
    assert Steadiness().raw == Scores(0.0, 0.0, 0.0, 0.0)
    assert scored(film(1, 1, 16, 0.0)).steadied.flicker == 0


def test_cuts_are_left_out() -> None:
    frames = film(2, 2, 16, 0.0, shots=(1,))
    assert scored(frames).raw.flicker == scored(frames).raw.warp == scored(frames).raw.cdc == 0


def test_chroma_that_is_not_finite_is_no_crash() -> None:
    frames = film(3, 3, 16, 0.0)
    frames[1].raw[:] = np.nan
    assert math.isfinite(scored(frames).steadied.flicker)


def test_scores_go_on_from_their_sums() -> None:
    frames = film(4, 12, 16, 0.3)
    whole = Steadiness()
    for t, frame in enumerate(frames):
        if t == 5:
            whole.part()
        whole.add(frame)
    first = scored(frames[:5])
    second = Steadiness(first.sums)
    for frame in frames[5:]:
        second.add(frame)
    assert second.raw == whole.raw
    assert second.steadied == whole.steadied
    assert whole.raw != scored(frames).raw
