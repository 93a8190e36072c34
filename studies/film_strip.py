"""A picture of what steadying does: frames of a made film, and one row of it over time, guessed and steadied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from colorrt.atomic import atomic_path
from colorrt.errors import UsageError
from colorrt.kernels import render_rgb, resize_plane
from colorrt.kernels.steady import Steadier
from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.film.choosing import Choice
from colorrt.runtime.mean_color import keep_mean

FRAMES, SHOWN = 72, 6
GRAIN = 5.0
"""Levels of 255."""

WIDTH = 1152
"""Pixels of the strip."""

PIXELS, ZOOM = 2.0, 0.0015
"""How far the camera goes in a frame: pixels of the square across, and a share of its size nearer."""


def write_strip(photo: Path, target: Path) -> None:
    """Write a strip of a film that is made of a gray photograph by a camera that pans and nears, with grain.

    Above, SHOWN frames as they are guessed, and as they are steadied; below, the middle row of all FRAMES, one below
    the other, guessed on the left, steadied on the right. Raises UsageError for a photograph that is too small.
    """
    with Image.open(photo) as image:
        levels = np.asarray(image.convert("L"), np.float32) / 255
    with Colorizer() as colorizer:
        side = colorizer.size
        if min(levels.shape) < side:
            raise UsageError(f"{photo}: it has fewer than {side} pixels on a side; take a larger one")
        lumas = list(_film(levels, side))
        choice, steadier = Choice(None), Steadier(side)
        guessed = [colorizer.guess([colorizer.see(_bytes(luma))])[0] for luma in lumas]
        saturation = colorizer.choose_saturation(None)
    steadied: list[Any] = []
    for luma, chroma in zip(lumas, guessed, strict=True):
        steadied += steadier.push(luma, chroma if choice.asks(luma) else None)
    versions = guessed, [frame.chroma for frame in (*steadied, *steadier.flush())]
    colors = [
        [
            render_rgb(_bytes(luma), keep_mean(chroma, saturation), saturation, guide=luma)
            for luma, chroma in zip(lumas, version, strict=True)
        ]
        for version in versions
    ]
    shown = np.linspace(0, FRAMES - 1, SHOWN).astype(int)
    rows = np.concatenate([np.concatenate([color[t] for t in shown], axis=1) for color in colors])
    profiles = [np.repeat(np.stack([frame[side // 2] for frame in color]), 3, axis=0) for color in colors]
    profile = Image.fromarray(np.concatenate(profiles, axis=1)).resize((rows.shape[1], profiles[0].shape[0]))
    strip = Image.fromarray(np.concatenate([rows, np.asarray(profile)]))
    strip = strip.resize((WIDTH, round(WIDTH * strip.height / strip.width)), Image.Resampling.LANCZOS)
    with atomic_path(target, UsageError) as part:
        strip.save(part, format="JPEG", quality=80)


def _film(levels: Any, side: int) -> Any:
    random = np.random.default_rng(0)
    height, width = levels.shape
    for number in range(FRAMES):
        seen = min(height, width) * (0.75 - ZOOM * number)
        step = PIXELS * number * seen / side
        left = min(0.1 * width + step, width - seen)
        top = (height - seen) / 2
        crop = levels[round(top) : round(top + seen), round(left) : round(left + seen)]
        small = resize_plane(np.ascontiguousarray(crop), side, side)
        yield np.clip(small + random.normal(0, GRAIN / 255, small.shape), 0, 1).astype(np.float32)


def _bytes(luma: Any) -> Any:
    return np.rint(255 * luma).astype(np.uint8)
