"""A contact sheet of a film, one picture a shot, before hours are spent on it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from colorrt.atomic import atomic_path, printable
from colorrt.errors import PictureError
from colorrt.kernels import resize_plane
from colorrt.kernels.cuts import DIFFERENT, sum_up, tell_apart
from colorrt.kernels.film import see_film
from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.film.layout import convert_frame, read_luma
from colorrt.runtime.film.opening import import_av, open_film, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from colorrt.kernels.film import Coding

MOST = 60
"""Pictures of a sheet at most; of more shots every second, third and so on is shown."""

COLUMNS = 6
WIDTH = 320
_SMALL = 64


def write_preview(colorizer: Colorizer, source: Path, target: Path, saturation: float | None = None) -> int:
    """Write a sheet of a film as PNG: of each shot one of the pictures that can be decoded alone, colored by itself.

    Returns how many shots were found. Raises PictureError where the film cannot be read or the sheet not be written.
    """
    facts = open_film(source)
    shown: list[Any] = []
    shots, every = 0, 1
    last = None
    for luma in _key_pictures(source, facts):
        small = see_film(luma, _SMALL, facts.coding)
        summary = sum_up(small)
        different = last is None or tell_apart(last, summary) >= DIFFERENT
        last = summary
        if not different:
            continue
        if shots % every == 0:
            shown.append(_reduce(luma, facts.coding))
        shots += 1
        if len(shown) > MOST:
            shown, every = shown[::2], 2 * every
    if not shown:
        raise PictureError(f"{printable(source)}: not one picture in it can be decoded; play it to see")
    sheet = _sheet([_color(colorizer, luma, saturation) for luma in shown])
    with atomic_path(target, PictureError) as part:
        Image.fromarray(sheet).save(part, format="PNG")
    return shots


def _key_pictures(source: Path, facts: Any) -> Iterator[Any]:
    av = import_av()
    with reading(source) as container:
        stream = container.streams[facts.stream]
        stream.codec_context.skip_frame = "NONKEY"
        stream.thread_type = "AUTO"
        with suppress(av.error.InvalidDataError, av.error.EOFError):
            for packet in container.demux(stream):
                with suppress(av.error.InvalidDataError, av.error.EOFError):
                    for frame in packet.decode():
                        if (frame.width, frame.height) == (facts.width, facts.height):
                            yield read_luma(convert_frame(frame, facts.layout, facts.matrix), facts.layout)


def _reduce(luma: Any, coding: Coding) -> Any:
    """Return luma in 8 bits, full range, as wide as it is shown."""
    height = max(1, round(WIDTH * luma.shape[0] / luma.shape[1]))
    plane = (luma.astype(np.float32) - coding.black) / (coding.white - coding.black)
    reduced = np.clip(resize_plane(plane.astype(np.float32), height, WIDTH), 0.0, 1.0)
    return np.rint(reduced * 255).astype(np.uint8)


def _color(colorizer: Colorizer, luma: Any, saturation: float | None) -> Any:
    square = colorizer.see(luma)
    return colorizer.render(square, colorizer.guess([square])[0], saturation)


def _sheet(pictures: list[Any]) -> Any:
    columns = min(COLUMNS, len(pictures))
    blank = np.zeros_like(pictures[0])
    pictures = pictures + [blank] * (-len(pictures) % columns)
    rows = [np.concatenate(pictures[k : k + columns], axis=1) for k in range(0, len(pictures), columns)]
    return np.concatenate(rows, axis=0)
