from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorrt.kernels import render_rgb, resize_plane, thread_limit
from colorrt.kernels.edges import follow_edges

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

SIDES = st.sampled_from([31, 32, 33, 35, 37, 48, 61])
SEEDS = st.integers(0, 2**32)


def make_planes(seed: int, size: tuple[int, int], strength: float = 1.0) -> NDArray[np.float32]:
    """Smooth chroma over luma with steps and some noise: what a network makes of a picture."""
    rng = np.random.default_rng(seed)
    height, width = size
    rows, columns = np.mgrid[:height, :width] / 48.0
    waves = [np.sin(rng.normal(0, 3) * rows + rng.normal(0, 3) * columns + rng.uniform(0, 6)) for _ in range(3)]
    light = 0.5 + 0.3 * np.sign(waves[2] - rng.normal(0, 0.3)) + rng.normal(0, 0.01, size)
    return np.stack([strength * waves[0], strength * waves[1], np.clip(light, 0, 1)]).astype(np.float32)


def step_across(size: int, softness: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A step of luma in the middle, and of chroma (0..1) at the same place, but that many pixels wide."""
    columns = np.arange(size) + 0.5 - size / 2
    chroma = np.clip(0.5 + columns / (2 * softness), 0, 1)
    return np.broadcast_to(np.where(columns > 0, 0.7, 0.3), (size, size)), np.broadcast_to(chroma, (size, size))


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, size=st.tuples(SIDES, SIDES), strength=st.sampled_from([1e-3, 1.0, 65535.0]))
def test_chroma_at_edges_is_the_formula(
    reference: ModuleType, seed: int, size: tuple[int, int], strength: float
) -> None:
    planes = make_planes(seed, size, strength)
    followed = follow_edges(planes)
    chroma, light = planes[:2].astype(np.float64), planes[2].astype(np.float64)
    expected = reference.follow_edges(chroma, light)
    # How much is taken is a quotient of small differences of float32.
    np.testing.assert_allclose(followed[:2], expected, rtol=0, atol=3e-4 * strength)
    np.testing.assert_array_equal(followed[2], planes[2])


def test_formula_is_met_with_all_some_and_none_of_the_means(reference: ModuleType) -> None:
    shares = []
    for noise in (0.0, 0.08, 0.3):
        planes = make_planes(4, (37, 53))
        planes[:2] += noise * np.random.default_rng(1).normal(0, 1, (2, 37, 53)).astype(np.float32)
        chroma, light = planes[:2].astype(np.float64), planes[2].astype(np.float64)
        shares.append(reference.edge_share(chroma, light))
        np.testing.assert_allclose(follow_edges(planes)[:2], reference.follow_edges(chroma, light), atol=1e-5)
    assert shares[0] == 1.0
    assert 0.0 < shares[1] < 1.0
    assert shares[2] == 0.0


def test_smooth_chroma_comes_to_stand_on_the_edge_of_luma() -> None:
    light, soft = step_across(64, 6.0)
    followed = follow_edges(np.stack([soft, -soft, light]).astype(np.float32))
    truth = light > 0.5
    before, after = (np.abs(red - truth)[:, 22:42].mean() for red in (soft, followed[0]))
    assert after < 0.6 * before
    # From one side of the edge to the other.
    assert (followed[0][:, 32] - followed[0][:, 31]).min() > 4 * (soft[:, 32] - soft[:, 31]).max()
    np.testing.assert_allclose(followed[1], -followed[0], atol=1e-6)


def test_chroma_that_stands_on_the_edge_already_is_left_alone() -> None:
    light, sharp = step_across(64, 0.5)
    planes = np.stack([sharp, -sharp, light]).astype(np.float32)
    assert follow_edges(planes) is planes


def test_color_does_not_leap_over_a_thin_line() -> None:
    # Both grounds have the same luma, and only the line between them tells that they are two.
    light = np.full((64, 64), 0.6, np.float32)
    light[:, 31:33] = 0.1
    ramp = step_across(64, 8.0)[1]
    followed = follow_edges(np.stack([ramp, ramp, light]).astype(np.float32))[0]
    assert (followed[:, 33] - followed[:, 30]).min() > 3 * (ramp[:, 33] - ramp[:, 30]).max()


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, size=st.tuples(SIDES, SIDES), level=st.sampled_from([0.0, -0.3, 1e-30, 6e10]))
def test_constant_chroma_stays(seed: int, size: tuple[int, int], level: float) -> None:
    planes = make_planes(seed, size)
    planes[:2] = level
    np.testing.assert_allclose(follow_edges(planes)[:2], planes[:2], rtol=1e-5, atol=0)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, size=st.tuples(SIDES, SIDES))
def test_no_color_appears_that_was_not_there(seed: int, size: tuple[int, int]) -> None:
    planes = make_planes(seed, size)
    followed = follow_edges(planes)
    for plane, result in zip(planes[:2], followed[:2], strict=True):
        assert plane.min() - 1e-5 <= result.min()
        assert result.max() <= plane.max() + 1e-5


@pytest.mark.parametrize("light", [0.0, 0.4, 1.0])
def test_luma_without_an_edge_changes_nothing(light: float) -> None:
    planes = make_planes(2, (40, 40))
    planes[2] = light
    assert follow_edges(planes) is planes


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (31, 300)])
def test_squares_too_small_to_judge_are_left_alone(size: tuple[int, int]) -> None:
    planes = make_planes(1, size)
    assert follow_edges(planes) is planes


def test_huge_chroma_stays_finite() -> None:
    for seed in range(20):
        assert np.isfinite(follow_edges(make_planes(seed, (32, 41), 6e10))).all()


@pytest.mark.parametrize("size", [(32, 32), (37, 53), (101, 64)])
def test_what_memory_held_before_is_not_seen(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    planes = make_planes(4, size)
    expected = follow_edges(planes)

    def nan(shape: Any, dtype: Any = float) -> Any:
        return np.full(shape, np.nan, dtype)

    monkeypatch.setattr(np, "empty", nan)
    monkeypatch.setattr(np, "empty_like", lambda array: nan(array.shape, array.dtype))
    np.testing.assert_array_equal(follow_edges(planes), expected)


@pytest.mark.parametrize("size", [(33, 64), (64, 33), (130, 71)])
def test_edges_do_not_depend_on_the_number_of_threads(size: tuple[int, int]) -> None:
    planes = make_planes(4, size)
    with thread_limit(1):
        alone = follow_edges(planes)
    # As on as many threads as there could be: each group of rows by itself.
    with thread_limit(64):
        together = follow_edges(planes)
    np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize("locked", [True, False])
def test_planes_of_any_layout_are_taken(locked: bool) -> None:
    planes = make_planes(3, (48, 33))
    expected = follow_edges(planes)
    other = planes.copy() if locked else np.asfortranarray(planes)
    other.flags.writeable = not locked
    np.testing.assert_array_equal(follow_edges(other), expected)


def test_argument_is_not_written_to() -> None:
    planes = make_planes(3, (48, 33))
    before = planes.copy()
    assert follow_edges(planes) is not planes
    np.testing.assert_array_equal(planes, before)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_guided_picture_of_smooth_chroma_is_the_formula(reference: ModuleType, dtype: Any) -> None:
    white = np.iinfo(dtype).max
    for seed, size in ((5, (48, 64)), (6, (97, 45))):
        planes = make_planes(seed, (48, 48), 0.1)
        chroma, guide = np.ascontiguousarray(planes[1::-1]), planes[2]
        assert reference.edge_share(chroma.astype(np.float64), guide.astype(np.float64)) > 0
        chroma[0, 5, 7] = np.nan
        plane = np.clip(resize_plane(guide, *size) * white, 0, white).astype(dtype)
        picture = render_rgb(plane, chroma, 1.3, guide=guide)
        assert np.abs(picture - reference.render_guided(plane, chroma, guide, 1.3)).max() <= 0.5 + 1e-4 * white
