"""The papers' human test: photographs of which half are shown as they are, and half colored from their luma."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from colorrt.errors import UsageError
from colorrt.evaluation.choosing import encode_for_page, reduce_for_page
from colorrt.evaluation.sheet import even_choice
from colorrt.photos.reading import photo_names, read_rgb_photos

if TYPE_CHECKING:
    from collections.abc import Callable

    from colorrt.runtime.colorizer import Colorizer


@dataclass(frozen=True)
class Question:
    """One picture, as a JPEG file. `real`: whether its colors are the photograph's own."""

    name: str
    picture: bytes
    real: bool


@dataclass(frozen=True)
class TuringTest:
    """What the page asks. `model`: what colored; it is hidden until the end."""

    model: str
    seed: int
    questions: tuple[Question, ...]


def make_turing_test(
    photos: Path,
    colorizer: Colorizer,
    saturation: float | None = None,
    *,
    seed: int = 1,
    most: int = 100,
    on_skip: Callable[[str, str], None] | None = None,
) -> TuringTest:
    """Draw which photographs are colored, and the order, from `seed`. No photograph is shown both ways.

    `photos`: a folder or a tar archive; of more than `most` photographs some are taken, spread evenly. `saturation`:
    None takes the model's own. Both kinds are reduced and encoded alike, at most 760 x 640 pixels large.

    Raises UsageError when there are no photographs.
    """
    names = photo_names(photos)
    wanted = [names[index] for index in even_choice(len(names), most)]
    generator = np.random.default_rng(seed)
    drawn = generator.permutation(np.arange(len(wanted)) % 2 == generator.integers(2))
    real = dict(zip(wanted, drawn.tolist(), strict=True))
    questions = []
    for name, original in read_rgb_photos(photos, on_skip):
        if name in real:
            seen = reduce_for_page(original)
            shown = seen if real[name] else colorizer.colorize(seen, saturation)
            questions.append(Question(name, encode_for_page(shown), real[name]))
    if not questions:
        raise UsageError(f"{photos}: none of the photographs that were drawn can be read; name others")
    order = generator.permutation(len(questions))
    contract = colorizer.contract
    model = f"{contract.model}, weights {contract.weights_sha256[:12]}"
    return TuringTest(model, seed, tuple(questions[place] for place in order))
