from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorrt.kernels import resize_luma, thread_limit
from colorrt.kernels.field import make_field
from colorrt.kernels.film import Coding, render_film, see_film

MATRICES = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593), "240M": (0.212, 0.087)}
CODINGS = st.builds(
    lambda matrix, depth, full, step, top, left: Coding(*matrix, depth, full, step, top, left),
    st.sampled_from(list(MATRICES.values())),
    st.sampled_from([8, 10, 12, 16]),
    st.booleans(),
    st.tuples(st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4])),
    st.booleans(),
    st.booleans(),
)


def levels(seed: int, height: int, width: int, coding: Coding) -> Any:
    dtype = np.uint8 if coding.depth == 8 else np.uint16
    return np.random.default_rng(seed).integers(0, 2**coding.depth, (height, width)).astype(dtype)


def at_site(luma: Any, y: int, x: int, coding: Coding) -> float:
    """The luma where a chroma pixel is sited, 0..1."""

    def taps(index: int, step: int, *, first: bool) -> list[tuple[int, float]]:
        if first and step > 1:
            return [(step * index - 1, 0.25), (step * index, 0.5), (step * index + 1, 0.25)]
        return [(step * index + k, 1 / step) for k in range(step)]

    # Black and white end what is summed up down the columns.
    total = 0.0
    for column, across in taps(x, coding.step[1], first=coding.left):
        inside = min(max(column, 0), luma.shape[1] - 1)
        level = sum(
            weight * float(luma[min(max(row, 0), luma.shape[0] - 1), inside])
            for row, weight in taps(y, coding.step[0], first=coding.top)
        )
        total += across * min(max((level - coding.black) / (coding.white - coding.black), 0.0), 1.0)
    return total


def interpolated(plane: Any, y: float, x: float) -> float:
    """Of a plane whose last row and column stand there twice."""
    height, width = plane.shape[0] - 1, plane.shape[1] - 1
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    top, left = int(y), int(x)
    over = plane[top, left] * (1 - (x - left)) + plane[top, left + 1] * (x - left)
    under = plane[top + 1, left] * (1 - (x - left)) + plane[top + 1, left + 1] * (x - left)
    return float(over * (1 - (y - top)) + under * (y - top))


def reference(luma: Any, chroma: Any, coding: Coding, saturation: float, guide: Any) -> Any:
    """Exact values of Cb and Cr, before rounding; the field itself is tested elsewhere."""
    (height, width), (down, across) = luma.shape, coding.step
    rows, columns = -(-height // down), -(-width // across)
    field = make_field(chroma, guide, saturation, 1, (rows, columns), (height, width)).astype(float)
    small = (field.shape[1] - 1, field.shape[2] - 1)
    planes = np.zeros((2, rows, columns))
    kr, kb = coding.red, coding.blue
    for y, x in np.ndindex(rows, columns):
        place_down = (down * y + (0.5 if coding.top else down / 2)) / height * small[0] - 0.5
        place_across = (across * x + (0.5 if coding.left else across / 2)) / width * small[1] - 0.5
        values = [interpolated(plane, place_down, place_across) for plane in field]
        level = at_site(luma, y, x, coding)
        red, blue = values[0], values[1]
        if guide is not None:
            red, blue = red + level * values[2], blue + level * values[3]
        green = -(0.299 * red + 0.114 * blue) / 0.587
        own = kr * red + (1 - kr - kb) * green + kb * blue
        red, green, blue = red - own, green - own, blue - own
        fit = 1.0
        for change in (red, green, blue):
            room = 1 - level if change > 0 else level
            if abs(change) > room:
                fit = min(fit, room / abs(change))
        planes[0, y, x] = 2 ** (coding.depth - 1) + coding.chroma_span * fit * blue / (2 * (1 - kb))
        planes[1, y, x] = 2 ** (coding.depth - 1) + coding.chroma_span * fit * red / (2 * (1 - kr))
    return planes


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    small=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    coding=CODINGS,
    saturation=st.sampled_from([0.0, 1.0, 2.5]),
    guided=st.booleans(),
)
def test_chroma_is_that_of_the_film_s_own_coding(
    *, seed: int, height: int, width: int, small: tuple[int, int], coding: Coding, saturation: float, guided: bool
) -> None:
    random = np.random.default_rng(seed)
    luma = levels(seed, height, width, coding)
    chroma = random.normal(0, 0.1, (2, *small)).astype(np.float32)
    guide = random.random(small, np.float32) if guided else None
    planes = render_film(luma, chroma, coding, saturation, guide=guide)
    expected = np.clip(reference(luma, chroma, coding, saturation, guide), 0, 2**coding.depth - 1)
    for plane, exact in zip(planes, expected, strict=True):
        assert plane.dtype == luma.dtype
        assert plane.flags.c_contiguous
        assert np.abs(plane - exact).max() <= 0.5 + 1e-5 * 2**coding.depth


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("depth", [8, 10])
def test_decoded_colors_are_those_that_were_guessed(*, matrix: str, full: bool, depth: int) -> None:
    coding = Coding(*MATRICES[matrix], depth, full, (1, 1))
    level = round(0.5 * (coding.black + coding.white))
    luma = np.full((4, 4), level, np.uint8 if depth == 8 else np.uint16)
    u, v = 0.05, -0.08
    cb, cr = render_film(luma, np.broadcast_to(np.float32([[[u]], [[v]]]), (2, 4, 4)).copy(), coding)
    span = coding.white - coding.black
    y = (level - coding.black) / span
    pb, pr = ((float(p[0, 0]) - 2 ** (depth - 1)) / coding.chroma_span for p in (cb, cr))
    red, blue = y + 2 * (1 - coding.red) * pr, y + 2 * (1 - coding.blue) * pb
    green = (y - coding.red * red - coding.blue * blue) / (1 - coding.red - coding.blue)
    b, r = u / 0.492, v / 0.877
    g = -(0.299 * r + 0.114 * b) / 0.587
    tolerance = 2.5 / 2**depth
    assert red - green == pytest.approx(r - g, abs=tolerance)
    assert blue - green == pytest.approx(b - g, abs=tolerance)


@pytest.mark.parametrize(("top", "left"), [(False, True), (True, True), (False, False)])
def test_siting_is_where_color_lies(*, top: bool, left: bool) -> None:
    """A ramp of chroma over a picture of its size: each sample is the ramp's value at its site."""
    ramp = np.linspace(-0.1, 0.1, 32, dtype=np.float32)
    chroma = np.stack([np.broadcast_to(ramp, (32, 32)), np.broadcast_to(ramp[:, None], (32, 32))])
    luma = np.full((32, 32), 126, np.uint8)
    coding = Coding(depth=8, step=(2, 2), top=top, left=left)
    cb, cr = render_film(luma, np.ascontiguousarray(chroma), coding)
    sites = {True: ramp[::2], False: (ramp[::2] + ramp[1::2]) / 2}
    # B - Y and R - Y are U and V over these; the matrix is that of the guess.
    exact_blue, exact_red = 128 + 224 * sites[left] / 0.492 / 1.772, 128 + 224 * sites[top] / 0.877 / 1.402
    # At the edges chroma that was shrunk lies elsewhere.
    np.testing.assert_allclose(cb[8, 1:-1], exact_blue[1:-1], atol=0.51)
    np.testing.assert_allclose(cr[1:-1, 8], exact_red[1:-1], atol=0.51)


def test_no_color_beyond_black_and_white() -> None:
    coding = Coding()
    luma = np.array([[0, 16, 235, 255] * 2] * 4, np.uint8)
    chroma = np.full((2, 4, 8), 0.3, np.float32)
    for plane in render_film(luma, chroma, Coding(step=(1, 1))):
        assert (plane == 128).all()
    assert (render_film(luma, chroma * 0, coding)[0] == 128).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), coding=CODINGS, size=st.sampled_from([1, 7, 16]))
def test_network_sees_black_as_0_and_white_as_1(seed: int, coding: Coding, size: int) -> None:
    luma = levels(seed, 9, 13, coding)
    top = np.iinfo(luma.dtype).max
    exact = (resize_luma(luma, size).astype(float) * top - coding.black) / (coding.white - coding.black)
    np.testing.assert_allclose(see_film(luma, size, coding), np.clip(exact, 0, 1), atol=2e-5)


def test_threads_do_not_change_the_planes() -> None:
    coding = Coding(0.2126, 0.0722)
    random = np.random.default_rng(0)
    luma = levels(0, 270, 480, coding)
    chroma, guide = random.normal(0, 0.1, (2, 64, 64)).astype(np.float32), random.random((64, 64), np.float32)
    one, many = [], []
    with thread_limit(1):
        one.extend(render_film(luma, chroma, coding, guide=guide))
    with thread_limit(4):
        many.extend(render_film(luma, chroma, coding, guide=guide))
    np.testing.assert_array_equal(one, many)


def test_lines_may_be_padded() -> None:
    padded = levels(1, 16, 32, Coding())
    chroma = np.random.default_rng(1).normal(0, 0.1, (2, 8, 8)).astype(np.float32)
    one = render_film(padded[:, :20], chroma, Coding())
    np.testing.assert_array_equal(one, render_film(padded[:, :20].copy(), chroma, Coding()))


def test_what_is_not_finite_is_gray() -> None:
    chroma = np.full((2, 4, 4), np.nan, np.float32)
    assert (render_film(np.full((8, 8), 100, np.uint8), chroma, Coding())[0] == 128).all()


def test_wrong_arguments_are_refused() -> None:
    luma, chroma = np.zeros((8, 8), np.uint8), np.zeros((2, 4, 4), np.float32)
    with pytest.raises(TypeError, match="luma of 10 bits has to be"):
        render_film(luma, chroma, Coding(depth=10))
    with pytest.raises(ValueError, match="at least one pixel"):
        render_film(luma[:0], chroma, Coding())
    with pytest.raises(ValueError, match="chroma has to be"):
        render_film(luma, chroma[0], Coding())
    with pytest.raises(ValueError, match="guide has to be"):
        render_film(luma, chroma, Coding(), guide=np.zeros((5, 5), np.float32))
    with pytest.raises(ValueError, match="saturation"):
        render_film(luma, chroma, Coding(), -1.0)
    for wrong in ({"depth": 7}, {"step": (3, 1)}, {"red": 0.9, "blue": 0.2}):
        with pytest.raises(ValueError, match="to be"):
            Coding(**wrong)  # type: ignore[arg-type]  # wrong on purpose
