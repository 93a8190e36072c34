"""Several render factors: their guesses are averaged, and what cannot run at them says so in words."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from colorrt.errors import UsageError
from colorrt.runtime.artifact import read_artifact
from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.folder import Settings, make_making
from colorrt.runtime.journal import Making
from colorrt.runtime.marking import mark_of
from colorrt.runtime.render_factors import average_guesses, choose_render_factors, read_render_factors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RAMP = np.linspace(0, 255, 20 * 30).astype(np.uint8).reshape(20, 30)


@pytest.fixture(scope="module")
def steep(make_onnx: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph of any size whose chroma follows the luma."""
    return make_onnx(tmp_path_factory.mktemp("steep") / "steep.onnx", weight=(0.5, -0.4), offset=(-0.2, 0.2))


def enlarged(plane: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Enlarge a plane linearly, one pixel after the other: pixels are areas, the edges are repeated."""
    count = len(plane)

    def at(index: int) -> tuple[int, int, float]:
        place = min(max((index + 0.5) * count / size - 0.5, 0.0), count - 1.0)
        low = int(place)
        return low, min(low + 1, count - 1), place - low

    result = np.empty((size, size))
    for y in range(size):
        for x in range(size):
            top, bottom, down = at(y)
            left, right, across = at(x)
            upper = (1 - across) * plane[top, left] + across * plane[top, right]
            lower = (1 - across) * plane[bottom, left] + across * plane[bottom, right]
            result[y, x] = (1 - down) * upper + down * lower
    return result


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(1, 2), st.integers(0, 99))
def test_average_is_that_of_the_guesses_enlarged_linearly(sizes: list[int], pictures: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    guesses = [generator.normal(0, 0.2, (pictures, 2, size, size)).astype(np.float32) for size in sizes]
    found = average_guesses(guesses)
    assert found.dtype == np.float32
    for n in range(pictures):
        for plane in range(2):
            expected = sum(enlarged(guess[n, plane].astype(np.float64), max(sizes)) for guess in guesses) / len(guesses)
            np.testing.assert_allclose(found[n, plane], expected, atol=1e-6)


def test_guess_at_several_is_the_mean_of_the_guesses_at_each(steep: Path) -> None:
    alone = []
    for factor in (1, 2, 3):
        with Colorizer(steep, render_factor=factor) as colorizer:
            alone.append(colorizer.chroma(RAMP)[None])
    with Colorizer(steep, render_factor=(3, 1, 2, 3)) as colorizer:
        assert (colorizer.render_factors, colorizer.render_factor, colorizer.size) == ((1, 2, 3), 3, 48)
        together = colorizer.chroma(RAMP)
        squares = [colorizer.see(RAMP), colorizer.see(255 - RAMP)]
        both = colorizer.guess(squares)
        assert colorizer.colorize(RAMP).shape == (20, 30, 3)
        assert colorizer.see(RAMP, 2).smaller == ()
    np.testing.assert_allclose(together, average_guesses(alone)[0], atol=1e-6)
    np.testing.assert_array_equal(both[0], together)
    assert not np.allclose(both[0], both[1], atol=0.01)


def test_one_in_a_row_is_that_one(steep: Path) -> None:
    with Colorizer(steep, render_factor=[2]) as colorizer, Colorizer(steep, render_factor=2) as other:
        np.testing.assert_array_equal(colorizer.chroma(RAMP), other.chroma(RAMP))
        assert make_making(colorizer, Settings()).like(make_making(other, Settings()))


def test_graph_of_one_size_refuses_several_in_words(tiny32: Path) -> None:
    with pytest.raises(UsageError, match=r"made for render factor 2 alone, so the guesses at 2, 3 .*colorrt export"):
        Colorizer(tiny32, render_factor=(2, 3))
    with Colorizer(tiny32, render_factor=(2, 2)) as colorizer:
        assert colorizer.render_factors == (2,)


def test_engine_takes_several_within_its_range_only(make_plan: Callable[..., Path]) -> None:
    contract = read_artifact(make_plan(render_factor=None, render_factors=(8, 16, 24))).contract
    assert choose_render_factors(contract, (24, 8)) == (8, 24)
    with pytest.raises(UsageError, match="built for render factors 8 to 24, not 25"):
        choose_render_factors(contract, (16, 25))


@pytest.mark.parametrize("asked", [(), (0,), (16, 65), (8, 1.5), ("a",), "8,16"])
def test_impossible_ones_are_a_usage_error(steep: Path, asked: Any) -> None:
    with pytest.raises(UsageError):
        Colorizer(steep, render_factor=asked)


def test_command_line_reads_one_or_several() -> None:
    assert read_render_factors("16") == 16
    assert read_render_factors("8, 16,24") == (8, 16, 24)
    for text in ("", "a", "8,", "1.5"):
        with pytest.raises(UsageError, match=r"--render-factor .* is not a whole number from 1 to 64"):
            read_render_factors(text)
    with pytest.raises(UsageError, match="65"):
        read_render_factors("8,65")


def test_journal_and_mark_know_several(steep: Path) -> None:
    with Colorizer(steep, render_factor=(1, 2)) as colorizer, Colorizer(steep, render_factor=2) as other:
        making, alone = make_making(colorizer, Settings()), make_making(other, Settings())
        assert making.render_factor == [1, 2]
        assert not making.like(alone)
        assert Making(**json.loads(json.dumps(asdict(making)))).like(making)
        assert mark_of(colorizer, steep, None).render_factors == (1, 2)
