"""Where the time of a picture goes: decode, resize, network, render, encode, and the whole call."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from colorrt.bench.timing import Times, summarize_times
from colorrt.runtime.jpeg.lossless import LosslessStill
from colorrt.runtime.jpeg.still import JpegStill
from colorrt.runtime.pictures.writing import write_picture
from colorrt.runtime.stills import PictureStill, open_still

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from colorrt.runtime.colorizer import Colorizer

STAGES = ("decode", "resize", "network", "render", "encode")
"""File to luma; luma to its square; luma square to chroma; chroma to RGB, or to planes of a JPEG; those to a file."""
WHOLE = "whole"


@dataclass(frozen=True)
class StageTimes:
    """Times of pictures of one size, by the host clock, one picture at a time; `whole` is from file to file."""

    width: int
    height: int
    pictures: int
    stages: dict[str, Times]
    whole: Times


def time_stages(
    colorizer: Colorizer, photos: Sequence[Path], output: Path, rounds: int, warmups: int = 1
) -> StageTimes:
    """Color `photos` in turn, `rounds` pictures in all after `warmups`, and time every stage of each.

    `photos`: of one size. `output`: the file that every result is written to; its suffix tells the format.
    Nothing overlaps here, as it does in `colorrt run` on many pictures.

    Raises PictureError and ModelError as coloring does.
    """
    taken: dict[str, list[float]] = {name: [] for name in (*STAGES, WHOLE)}
    with Image.open(photos[0]) as image:
        width, height = image.size
    for turn in range(-warmups, rounds):
        marks = color_file(colorizer, photos[(turn + warmups) % len(photos)], output)
        if turn < 0:
            continue
        for name, start, end in zip(STAGES, marks, marks[1:], strict=False):
            taken[name].append(1000 * (end - start))
        taken[WHOLE].append(1000 * (marks[-1] - marks[0]))
    summarized = {name: summarize_times(times) for name, times in taken.items()}
    whole = summarized.pop(WHOLE)
    return StageTimes(width, height, len(photos), summarized, whole)


def color_file(colorizer: Colorizer, source: Path, target: Path, quality: int = 95) -> list[float]:
    """Color a picture file as `colorrt run` does, on this thread, and return the clock before and after every stage.

    `source`: a file of one page. Raises PictureError and ModelError as coloring does.
    """
    marks = [time.perf_counter()]
    still = open_still(source, target, side=colorizer.size)
    assert isinstance(still, LosslessStill | JpegStill | PictureStill)
    marks.append(time.perf_counter())
    square = colorizer.see(still.luma)
    marks.append(time.perf_counter())
    chroma = colorizer.guess([square])[0]
    marks.append(time.perf_counter())
    paint = colorizer.paint(square, chroma)
    if isinstance(still, LosslessStill | JpegStill):
        planes = still.planes(paint)
        marks.append(time.perf_counter())
        still.write(target, *planes, quality)
    else:
        rgb = paint.rgb(still.luma)
        marks.append(time.perf_counter())
        write_picture(target, rgb, still.picture, quality)
    marks.append(time.perf_counter())
    return marks
