"""How much steadier films become, how near to truth that is, and what other guesses would give."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from colorrt.kernels import resize_plane
from colorrt.kernels.film import see_film
from colorrt.kernels.steadiness import Scores, Steadiness
from colorrt.kernels.steady import Steadied, Steadier
from colorrt.runtime.colorizer import Colorizer, Square
from colorrt.runtime.film.choosing import Choice
from colorrt.runtime.film.decoding import Decoder, Span
from colorrt.runtime.film.opening import open_film

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

SIDE_BY_SIDE = "gray_and_color"
"""What names of clips hold whose left half is gray and whose right half is the same in true color."""

FACTORS = (8, 16, 24)
SIDE = 256
SMOOTH_LEVELS, GLOBAL_LEVELS = 6.5, 2.0

PANS = {"held still": 0.0, "panned over": 0.3}
"""Pixels of SIDE a frame."""

PAN_FRAMES, GRAIN_LEVELS = 60, 3.0


@dataclass(frozen=True)
class Row:
    """One clip, guessed and filtered in one way."""

    clip: str
    guess: str
    filter: str
    every: str
    """Which pictures were guessed: "all", one in so many, or "changed", what runs do."""
    asked: float
    """The part of the pictures that were guessed. `raw` is of all of them, whichever were."""
    frames: int
    shots: int
    raw: Scores
    steadied: Scores


@dataclass(frozen=True)
class Truth:
    """True color that was made to flicker: root mean square error to it, levels of 255."""

    clip: str
    filter: str
    every: str
    asked: float
    raw: float
    steadied: float
    chroma_ratio: float


@dataclass(frozen=True)
class FilmStudy:
    """All rows."""

    rows: tuple[Row, ...]
    truths: tuple[Truth, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as `json.dumps` takes it."""
        return asdict(self)


def study_films(
    clips: Sequence[Path],
    engine: Path | None,
    most: int | None,
    say: Callable[[str], None],
    everies: Sequence[int | None] = (1, None),
) -> FilmStudy:
    """Guess each clip at render factors 8, 16 and 24, and steady each guess and the mean of the three.

    most: pictures of a clip; None: all. everies: which pictures count as guessed at render factor 16, as of
    `colorrt.runtime.film.choosing.Choice`. Clips whose names hold SIDE_BY_SIDE are guessed by their left half, and
    their right half, made to flicker, is steadied along with it; so is one of its pictures with grain, held still and
    panned over slowly. Raises PictureError where a clip cannot be read.
    """
    rows: list[Row] = []
    truths: list[Truth] = []
    for clip in clips:
        lumas, guesses, colors = _guess(clip, engine, most)
        mean = [np.mean(same, axis=0, dtype=np.float32) for same in zip(*guesses.values(), strict=True)]
        named = {f"render factor {factor}": chromas for factor, chromas in guesses.items()}
        for guess, chromas in (*named.items(), ("mean of three", mean)):
            middle = guess == "render factor 16"
            for filter_name, every in product(("on", "causal") if middle else ("on",), everies if middle else (1,)):
                row = _score(clip.name, guess, filter_name, every, lumas, chromas)
                rows.append(row)
                say(_row_line(row))
        if colors:
            scenes = {"": (lumas, colors)}
            scenes |= {f", {name}": _pan(lumas[0], colors[0], pixels) for name, pixels in PANS.items()}
            for scene, filter_name, every in product(scenes, ("on", "causal"), everies):
                truth = _compare(clip.name + scene, filter_name, every, *scenes[scene])
                truths.append(truth)
                say(_truth_line(truth))
    return FilmStudy(tuple(rows), tuple(truths))


def _guess(clip: Path, engine: Path | None, most: int | None) -> tuple[list[Any], dict[int, list[Any]], list[Any]]:
    """Return the luma of each picture at SIDE, its guesses by render factor, brought to SIDE, and its true color."""
    facts = open_film(clip)
    lumas: list[Any] = []
    colors: list[Any] = []
    guesses: dict[int, list[Any]] = {factor: [] for factor in FACTORS}
    colorizers = {factor: Colorizer(engine, render_factor=factor) for factor in FACTORS}
    halves = SIDE_BY_SIDE in clip.name
    try:
        for number, picture in enumerate(Decoder(facts, Span()).pictures()):
            if most is not None and number >= most:
                break
            luma = np.ascontiguousarray(picture.luma[:, : facts.width // 2]) if halves else picture.luma
            lumas.append(see_film(luma, SIDE, facts.coding))
            if halves:
                colors.append(_true_color(picture.frame.to_ndarray(format="rgb24")[:, facts.width // 2 :]))
            for factor, colorizer in colorizers.items():
                small = see_film(luma, colorizer.size, facts.coding)
                guesses[factor].append(_resized(colorizer.guess([Square(luma, small)])[0]))
    finally:
        for colorizer in colorizers.values():
            colorizer.close()
    return lumas, guesses, colors


def _true_color(rgb: Any) -> Any:
    red, green, blue = (rgb[..., channel].astype(np.float32) / 255 for channel in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return _resized(np.stack([0.492 * (blue - luma), 0.877 * (red - luma)]))


def _resized(planes: Any) -> Any:
    return np.stack([resize_plane(np.ascontiguousarray(plane, np.float32), SIDE, SIDE) for plane in planes])


def _pan(luma: Any, color: Any, pixels: float) -> tuple[list[Any], list[Any]]:
    """Return luma with grain, and color, of a pan over one picture, so many pixels of SIDE a frame."""
    random = np.random.default_rng(1)
    lumas, colors = [], []
    for number in range(PAN_FRAMES):
        whole, part = divmod(pixels * number, 1)

        def move(planes: Any, steps: int = int(whole), part: float = part) -> Any:
            near, far = (np.roll(planes, -steps - more, -1) for more in (0, 1))
            return ((1 - part) * near + part * far).astype(np.float32)

        grain = random.normal(0, GRAIN_LEVELS / 255, luma.shape)
        lumas.append(np.clip(move(luma) + grain, 0, 1).astype(np.float32))
        colors.append(move(color))
    return lumas, colors


def _run(filter_name: str, asked: Sequence[bool], lumas: Sequence[Any], chromas: Sequence[Any]) -> Iterator[Steadied]:
    steadier = Steadier(SIDE, causal=filter_name == "causal")
    for asks, luma, chroma in zip(asked, lumas, chromas, strict=True):
        yield from steadier.push(luma, chroma if asks else None)
    yield from steadier.flush()


def _choose(every: int | None, lumas: Sequence[Any]) -> list[bool]:
    choice = Choice(every)
    return [choice.asks(luma) for luma in lumas]


def _name_of(every: int | None) -> str:
    return "changed" if every is None else "all" if every == 1 else f"one in {every}"


def _score(
    clip: str, guess: str, filter_name: str, every: int | None, lumas: Sequence[Any], chromas: Sequence[Any]
) -> Row:
    steadiness, shots, asked = Steadiness(), 0, _choose(every, lumas)
    for frame, chroma in zip(_run(filter_name, asked, lumas, chromas), chromas, strict=True):
        steadiness.add(replace(frame, raw=chroma))
        shots += frame.begins_shot
    share = sum(asked) / len(asked)
    scores = steadiness.raw, steadiness.steadied
    return Row(clip, guess, filter_name, _name_of(every), share, len(lumas), shots, *scores)


def _compare(clip: str, filter_name: str, every: int | None, lumas: Sequence[Any], colors: Sequence[Any]) -> Truth:
    random = np.random.default_rng(0)
    flickering = [_flicker(color, random) for color in colors]
    asked = _choose(every, lumas)
    steadied = [frame.chroma for frame in _run(filter_name, asked, lumas, flickering)]

    def error(chromas: Sequence[Any]) -> float:
        squares = [float(((one - other) ** 2).mean()) for one, other in zip(chromas, colors, strict=True)]
        return 255 * float(np.sqrt(np.mean(squares)))

    ratio = float(np.abs(steadied).mean() / np.abs(colors).mean())
    return Truth(clip, filter_name, _name_of(every), sum(asked) / len(asked), error(flickering), error(steadied), ratio)


def _flicker(color: Any, random: np.random.Generator) -> Any:
    """Add noise as smooth as 8 x 8 pixels, and a shift of the whole picture."""
    noise = _resized(random.normal(0, 1, (2, 8, 8)))
    noise *= SMOOTH_LEVELS / 255 / noise.std()
    return (color + noise + random.normal(0, GLOBAL_LEVELS / 255, (2, 1, 1))).astype(np.float32)


def _row_line(row: Row) -> str:
    raw, steadied = row.raw, row.steadied

    def share(after: float, before: float) -> str:
        return f"{after / before:.0%}" if before else "-"

    return (
        f"{row.clip}, {row.guess}, {row.filter}, {row.every} guessed ({row.asked:.0%}): "
        f"{row.frames} pictures, {row.shots} shots; "
        f"F {raw.flicker:.3f} -> {share(steadied.flicker, raw.flicker)}, W {raw.warp:.2f} -> "
        f"{share(steadied.warp, raw.warp)}, "
        f"CDC over gray {1000 * raw.cdc:.3f} -> {1000 * steadied.cdc:.3f} thousandths, "
        f"chroma {raw.chroma:.2f} -> {share(steadied.chroma, raw.chroma)}"
    )


def _truth_line(truth: Truth) -> str:
    return (
        f"{truth.clip}, true color made to flicker, {truth.filter}, {truth.every} guessed ({truth.asked:.0%}): "
        f"error {truth.raw:.2f} -> {truth.steadied:.2f} levels, "
        f"chroma {truth.chroma_ratio:.3f} of the true one"
    )
