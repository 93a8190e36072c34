"""Films that are in color already: told from pictures spread over them, left as they are, and said."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from film_files import color, make_film

from colorrt.runtime.film.color_look import PLACES, look_at_color
from colorrt.runtime.film.decoding import Span
from colorrt.runtime.film.opening import open_film
from colorrt.runtime.film.plan import FilmSettings, plan_film
from colorrt.runtime.pictures.color_spread import InColorError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from colorrt.runtime.colorizer import Colorizer

HEIGHT, WIDTH = 64, 96
GRAY, SEPIA, NIGHT, BLACK = "gray", "sepia", "night", "black"


def scene(kind: str, number: int) -> Any:
    """RGB of a picture: fields of one luma each, in their own colors or with one tint."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    luma = 70 + 90 * (np.sin((columns + number) / 11) + 1) / 2 + 25 * np.sin(rows / 7)
    rgb = np.repeat(luma[..., None], 3, axis=2)
    if kind == BLACK:
        rgb = np.full_like(rgb, 3)
    elif kind == "color":
        rgb += np.where((rows // 16 + columns // 16)[..., None] % 2, [45, -15, -30], [-35, 20, 10])
    elif kind == SEPIA:
        rgb += [28, 4, -30]
    elif kind == NIGHT:
        rgb = rgb * 0.6 + [-20, 0, 45]
    return np.clip(rgb, 0, 255).astype(np.uint8)


def make(path: Path, scenes: Sequence[str], gop: int = 1, **options: Any) -> Path:
    """Write a film of one picture a scene, a second apart; one in `gop` can be decoded alone."""
    with av.open(str(path), "w", **options) as container:
        stream = container.add_stream("libx264", rate=1)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.gop_size = gop
        stream.codec_context.options = {"sc_threshold": "0"}
        for number, kind in enumerate(scenes):
            frame = av.VideoFrame.from_ndarray(scene(kind, number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("scenes", "looked", "found"),
    [
        (["color"] * 20, PLACES, PLACES),
        ([GRAY] * 20, PLACES, 0),
        ([SEPIA] * 5 + [NIGHT] * 5 + [GRAY] * 6 + [SEPIA] * 4, PLACES, 0),
        ([BLACK] * 8 + ["color"] * 8, 8, 8),
        ([GRAY] * 12 + ["color"] * 4, PLACES, 4),
        (["color"], 1, 1),
    ],
    ids=["color", "gray", "tinted by scenes", "black leader", "gray with a colored end", "one picture"],
)
def test_pictures_over_the_whole_film_are_looked_at(tmp_path: Path, scenes: list[str], looked: int, found: int) -> None:
    facts = open_film(make(tmp_path / "film.mp4", scenes))
    color = look_at_color(facts, Span())
    assert (color.looked, color.in_color) == (looked, found)
    assert color.is_color == (found > 0 and 2 * found >= looked)


def test_part_of_a_film_is_judged_by_itself(tmp_path: Path) -> None:
    facts = open_film(make(tmp_path / "film.mp4", [GRAY] * 8 + ["color"] * 8))
    half = facts.start + round(8 / facts.time_base)
    assert look_at_color(facts, Span(None, half)).in_color == 0
    assert look_at_color(facts, Span(half, None)).in_color == 8


def test_short_film_of_one_key_picture_is_looked_at_behind_it_too(tmp_path: Path) -> None:
    film = make(tmp_path / "film.mp4", [GRAY] * 6 + ["color"] * 26, gop=32)
    found = look_at_color(open_film(film), Span())
    assert (found.looked, found.in_color) == (PLACES, 13)


def test_film_without_a_length_and_films_of_gray_planes_are_told_too(tmp_path: Path) -> None:
    bare = open_film(make(tmp_path / "film.h264", ["color"] * 20, format="h264"))
    assert look_at_color(bare, Span()).is_color
    gray = open_film(make_film(tmp_path / "gray.mkv", pixel_format="gray"))
    assert look_at_color(gray, Span()).looked == 0


def test_film_in_color_is_left_unless_it_is_asked_for(colorizer: Colorizer, tmp_path: Path) -> None:
    film = make(tmp_path / "film.mp4", ["color"] * 6 + [GRAY] * 2)
    with pytest.raises(InColorError, match=r"film\.mp4: it is in color already, in 6 of 8 pictures looked at: left"):
        plan_film(colorizer, film, tmp_path / "out.mp4", FilmSettings())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4"]
    assert color(colorizer, film, tmp_path / "out.mp4", recolor=True).frames == 8


def test_gray_film_with_a_scene_in_color_says_so(colorizer: Colorizer, tmp_path: Path) -> None:
    film = make(tmp_path / "film.mp4", ["color"] * 3 + [GRAY] * 13)
    result = color(colorizer, film, tmp_path / "out.mp4")
    assert [note for note in result.notes if "in color" in note] == [
        "3 of 16 pictures looked at are in color already, and are colored anew like the rest; "
        "--from and --to color a part"
    ]
