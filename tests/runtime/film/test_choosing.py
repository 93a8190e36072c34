"""Which pictures of a film the network is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from film_files import assert_same_film, color, make_film

from colorrt.errors import PictureError
from colorrt.kernels.steady import Steadier
from colorrt.runtime.film import pieces
from colorrt.runtime.film.choosing import DENSE, LONGEST, PERIOD, Choice, is_scored
from colorrt.runtime.film.coloring import FilmStep

if TYPE_CHECKING:
    from pathlib import Path

    from colorrt.runtime.colorizer import Colorizer

SIDE = 64


def lumas_of(speed: float, frames: int, grain: float = 0.003) -> list[Any]:
    """A pan over waves, so many pixels a frame, with grain."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    random = np.random.default_rng(0)
    waves = [0.5 + 0.2 * np.sin((columns - speed * t) / 4) + 0.2 * np.sin(rows / 5) for t in range(frames)]
    return [np.clip(wave + random.normal(0, grain, wave.shape), 0, 1).astype(np.float32) for wave in waves]


def asked(lumas: list[Any], every: int | None = None) -> list[bool]:
    choice = Choice(every)
    return [choice.asks(luma) for luma in lumas]


def test_of_what_stands_one_in_three_is_asked_and_of_what_moves_all() -> None:
    still = asked(lumas_of(0, 2 * PERIOD))
    rest = still[DENSE - 1 : PERIOD]
    assert rest == [k % LONGEST == 0 for k in range(len(rest))]
    assert all(still[:DENSE])
    assert all(still[PERIOD : PERIOD + DENSE])
    assert all(asked(lumas_of(1, 2 * PERIOD)))
    assert 0.4 < np.mean(asked(lumas_of(0.08, 4 * PERIOD))) < 0.9


def test_light_that_flickers_asks_for_nothing_and_a_cut_does() -> None:
    lumas = lumas_of(0, 20)
    light = [luma + np.float32(0.05 * (t % 2)) for t, luma in enumerate(lumas)]
    assert asked(light) == asked(lumas)
    cut = [*lumas[:13], *(luma[::-1, ::-1].copy() * np.float32(0.5) for luma in lumas[13:])]
    assert (asked(lumas)[13], asked(cut)[13]) == (False, True)


def test_one_in_so_many_is_asked_where_that_is_wanted() -> None:
    assert asked(lumas_of(0, 7), every=3) == [True, False, False, True, False, False, True]
    assert all(asked(lumas_of(0, 7), every=1))


def test_choice_goes_on_as_if_the_film_had_not_been_stopped() -> None:
    lumas = lumas_of(0.08, 60)
    wanted = asked(lumas)
    steadier, choice, done = Steadier(SIDE), Choice(None), 0
    for luma in lumas:
        chroma = np.zeros((2, SIDE, SIDE), np.float32)
        done += len(steadier.push(luma, chroma if choice.asks(luma) else None))
        if done and done % 5 == 0:
            again = Choice(None, done, steadier.memory)
            assert [again.asks(luma) for luma in lumas[done:]] == wanted[done:]


def test_still_film_that_was_stopped_becomes_the_same_film(
    colorizer: Colorizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE_SECONDS", 0.5)
    monkeypatch.setattr(pieces, "CUT_SECONDS", 0.2)
    source = make_film(tmp_path / "film.mp4", frames=70, codec="libx264", size=(48, 64), still=True)
    whole = color(colorizer, source, tmp_path / "whole.mp4")

    def stop(step: FilmStep) -> None:
        if step.frames >= 40:
            raise RuntimeError

    assert whole.raw is not None
    with pytest.raises(PictureError, match="pictures are done"):
        color(colorizer, source, tmp_path / "part.mp4", stop)
    result = color(colorizer, source, tmp_path / "part.mp4")
    assert result.resumed > 0
    assert (result.raw, result.steadied) == (whole.raw, whole.steadied)
    assert_same_film(tmp_path / "whole.mp4", tmp_path / "part.mp4")


def test_a_quarter_of_the_pictures_is_scored() -> None:
    assert sum(is_scored(number) for number in range(4 * PERIOD)) == PERIOD
