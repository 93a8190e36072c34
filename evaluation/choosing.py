"""A blind choice between two models: the same photographs by both, side by side, on a page that does not say which is
which until the end."""

from __future__ import annotations

import io
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from colorrt.contract import Device, Upsampling
from colorrt.errors import UsageError
from colorrt.evaluation.sheet import even_choice
from colorrt.photos.reading import photo_names, read_rgb_photos
from colorrt.runtime.colorizer import Colorizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

TALLEST, WIDEST = 640, 760
_QUALITY = 90


@dataclass(frozen=True)
class Pair:
    """One photograph by both models, as JPEG files. `a_left`: whether A stands on the left."""

    name: str
    left: bytes
    right: bytes
    a_left: bool


@dataclass(frozen=True)
class Choice:
    """What the page asks. `a`, `b`: the models, as they were named; they are hidden until the end."""

    a: str
    b: str
    seed: int
    pairs: tuple[Pair, ...]


def make_choice(
    photos: Path,
    first: Path,
    second: Path,
    *,
    render_factor: int | Sequence[int] | None = None,
    device: str = Device.AUTO,
    threads: int | None = None,
    saturation: float | None = None,
    upsample: str = Upsampling.GUIDED,
    seed: int = 1,
    most: int = 100,
    on_skip: Callable[[str, str], None] | None = None,
) -> Choice:
    """Color photographs with two models and put them side by side, sides and order drawn from `seed`.

    `photos`: a folder or a tar archive; of more than `most` photographs some are taken, spread evenly. `saturation`:
    for both; None takes each model's own. Pictures are shown at most 760 x 640 pixels large.

    Raises UsageError when there are no photographs, ModelError or BackendError when a model cannot run.
    """
    names = photo_names(photos)
    wanted = {names[index] for index in even_choice(len(names), most)}
    made: list[tuple[str, bytes, bytes]] = []
    with ExitStack() as held:
        both = [
            held.enter_context(
                Colorizer(path, render_factor=render_factor, device=device, threads=threads, upsample=upsample)
            )
            for path in (first, second)
        ]
        for name, original in read_rgb_photos(photos, on_skip):
            if name in wanted:
                seen = reduce_for_page(original)
                a, b = (encode_for_page(colorizer.colorize(seen, saturation)) for colorizer in both)
                made.append((name, a, b))
    if not made:
        raise UsageError(f"{photos}: none of the photographs that were drawn can be read; name others")
    return Choice(str(first), str(second), seed, _shuffle(made, seed))


def _shuffle(made: Sequence[tuple[str, bytes, bytes]], seed: int) -> tuple[Pair, ...]:
    """Put photographs and sides into the order of a seed: A stands on the left in half of them, within one."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(made))
    sides = generator.permutation(np.arange(len(made)) % 2 == generator.integers(2))
    pairs = []
    for index, a_left in zip(order, sides, strict=True):
        name, a, b = made[int(index)]
        pairs.append(Pair(name, a if a_left else b, b if a_left else a, bool(a_left)))
    return tuple(pairs)


def reduce_for_page(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduce (H, W, 3) uint8 sRGB to at most 760 x 640 pixels."""
    image = Image.fromarray(rgb)
    image.thumbnail((WIDEST, TALLEST), Image.Resampling.LANCZOS)
    return np.asarray(image)


def encode_for_page(rgb: NDArray[np.uint8]) -> bytes:
    """Return (H, W, 3) uint8 sRGB as a JPEG file."""
    encoded = io.BytesIO()
    # Chroma at full size: it is what is judged.
    Image.fromarray(rgb).save(encoded, "JPEG", quality=_QUALITY, subsampling=0)
    return encoded.getvalue()
