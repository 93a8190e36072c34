from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorrt.kernels import luma, render_planes, render_rgb, thread_limit

if TYPE_CHECKING:
    from types import ModuleType

STEPS = st.sampled_from([(1, 1), (1, 2), (2, 1), (2, 2), (1, 4), (4, 1), (4, 4), (2, 4)])
SIDES = st.sampled_from([1, 2, 3, 5, 16, 31, 64, 97])
SEEDS = st.integers(0, 2**32)


def make_case(seed: int, size: tuple[int, int], small: tuple[int, int], strength: float = 0.15) -> Any:
    rng = np.random.default_rng(seed)
    plane = np.clip(rng.integers(-64, 320, size), 0, 255).astype(np.uint8)
    guide = np.clip(rng.normal(0.5, 0.3, small), 0, 1).astype(np.float32)
    return plane, rng.normal(0, strength, (2, *small)).astype(np.float32), guide


def decoded(plane: Any, planes: Any, step: tuple[int, int]) -> Any:
    """What a JPEG decoder that repeats chroma makes of the planes, not clipped."""
    cb, cr = (
        np.repeat(np.repeat(part, step[0], 0), step[1], 1)[: plane.shape[0], : plane.shape[1]] - 128.0
        for part in planes
    )
    y = plane.astype(float)
    return np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)


@settings(max_examples=80, deadline=None)
@given(seed=SEEDS, size=st.tuples(SIDES, SIDES), small=st.tuples(SIDES, SIDES), step=STEPS, guided=st.booleans())
def test_planes_are_the_formula(
    reference: ModuleType,
    seed: int,
    size: tuple[int, int],
    small: tuple[int, int],
    step: tuple[int, int],
    guided: bool,
) -> None:
    plane, chroma, guide = make_case(seed, size, small)
    planes = render_planes(plane, chroma, 1.2, step, guide=guide if guided else None)
    change = (
        reference.guided_differences(plane, chroma, guide, 1.2, step)
        if guided
        else reference.plain_differences(plane, chroma, 1.2, step)
    )
    for found, expected in zip(planes, reference.block_planes(plane, change, step), strict=True):
        assert found.dtype == np.uint8
        assert found.flags.c_contiguous
        assert found.shape == (-(-size[0] // step[0]), -(-size[1] // step[1]))
        assert np.abs(found - expected).max() <= 0.505


@settings(max_examples=80, deadline=None)
@given(
    seed=SEEDS,
    size=st.tuples(SIDES, SIDES),
    small=st.tuples(SIDES, SIDES),
    step=STEPS,
    guided=st.booleans(),
    strength=st.sampled_from([0.05, 1.0, 1e4, 1e37]),
    holes=st.booleans(),
)
def test_decoded_planes_keep_luma_whatever_the_chroma(
    seed: int,
    size: tuple[int, int],
    small: tuple[int, int],
    step: tuple[int, int],
    guided: bool,
    strength: float,
    holes: bool,
) -> None:
    with np.errstate(over="ignore"):
        plane, chroma, guide = make_case(seed, size, small, strength)
    if holes:
        rng = np.random.default_rng(seed)
        chroma[rng.random(chroma.shape) < 0.3] = rng.choice([np.nan, np.inf, 3.4e38])
    planes = render_planes(plane, chroma, 1.0, step, guide=guide if guided else None)
    colors = decoded(plane, planes, step)
    # Rounding of Cb and Cr moves a channel by at most 0.9 of a level.
    assert colors.min() >= -0.9
    assert colors.max() <= 255.9
    picture = np.clip(np.floor(colors + 0.5), 0, 255).astype(np.uint8)
    assert np.abs(luma(picture).astype(int) - plane).max() <= 1


@pytest.mark.parametrize("guided", [False, True])
def test_planes_of_single_pixels_agree_with_the_rgb_path(guided: bool) -> None:
    plane, chroma, guide = make_case(2, (89, 73), (16, 16))
    options = {"guide": guide if guided else None}
    colors = decoded(plane, render_planes(plane, chroma, 1.0, (1, 1), **options), (1, 1))
    # Half a level of Cb is 0.9 of blue, half a level of blue is rounded away on the other side.
    assert np.abs(colors - render_rgb(plane, chroma, 1.0, **options)).max() <= 1.4


def test_planes_of_smooth_pictures_agree_with_the_rgb_path() -> None:
    plane = np.linspace(60, 190, 96 * 128).reshape(96, 128).astype(np.uint8)
    rng = np.random.default_rng(4)
    chroma = np.broadcast_to(rng.normal(0, 0.05, (2, 1, 1)), (2, 8, 8)).astype(np.float32)
    colors = decoded(plane, render_planes(plane, chroma, 1.0, (2, 2)), (2, 2))
    assert np.abs(colors - render_rgb(plane, chroma)).max() <= 2


@pytest.mark.parametrize("step", [(1, 1), (2, 2), (1, 4)])
def test_gray_is_128(step: tuple[int, int]) -> None:
    plane, chroma, guide = make_case(3, (33, 45), (8, 8))
    for options in ({"saturation": 0.0}, {"saturation": 0.0, "guide": guide}):
        for part in render_planes(plane, chroma, step=step, **options):
            assert (part == 128).all()


@pytest.mark.parametrize("shape", [(1, 65_535), (2, 65_535), (65_535, 1), (3, 4095), (3, 4097)])
def test_long_planes_are_the_formula(reference: ModuleType, shape: tuple[int, int]) -> None:
    plane, chroma, guide = make_case(5, shape, (8, 8), 0.05)
    change = reference.guided_differences(plane, chroma, guide, 1.0, (2, 2))
    for found, expected in zip(
        render_planes(plane, chroma, 1.0, (2, 2), guide=guide),
        reference.block_planes(plane, change, (2, 2)),
        strict=True,
    ):
        assert np.abs(found - expected).max() <= 0.52


def test_planes_do_not_depend_on_the_number_of_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 8)
    plane, chroma, guide = make_case(6, (211, 157), (64, 48))
    answers = []
    for count in (1, 2, 8):
        with thread_limit(count):
            answers.append(np.stack(render_planes(plane, chroma, 1.0, (2, 2), guide=guide)))
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])


@pytest.mark.parametrize("step", [(0, 1), (3, 2), (2, 8), (-1, 1)])
def test_step_that_no_jpeg_has_is_refused(step: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="step has to be 1, 2 or 4 down and across, got "):
        render_planes(np.zeros((4, 4), np.uint8), np.zeros((2, 2, 2), np.float32), 1.0, step)


def test_planes_of_16_bits_are_refused() -> None:
    with pytest.raises(TypeError, match="luma has to be uint8, got uint16"):
        render_planes(np.zeros((4, 4), np.uint16), np.zeros((2, 2, 2), np.float32))  # type: ignore[arg-type]  # wrong on purpose
