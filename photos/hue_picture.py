"""Hue histograms as a picture: how the chroma of a set is spread over the circle of hue, and of several sets."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WIDTH, _HEIGHT, _LEFT, _FOOT, _HEAD = 720, 150, 46, 18, 22
_PAPER, _INK, _LINE = (255, 255, 255), (40, 40, 40), (215, 215, 215)


def draw_hues(sets: Mapping[str, Sequence[float]]) -> Image.Image:
    """Draw the histogram of each set below the one before, all to one scale, bars in the color of their hue.

    sets: by title, shares of the parts of the circle, the first from 0 degrees of HSV hue (red).
    """
    image = Image.new("RGB", (_WIDTH, (_HEIGHT + _HEAD + _FOOT) * len(sets) + 4), _PAPER)
    draw = ImageDraw.Draw(image)
    highest = max((max(shares, default=0.0) for shares in sets.values()), default=0.0) or 1.0
    for index, (title, shares) in enumerate(sets.items()):
        top = index * (_HEIGHT + _HEAD + _FOOT) + _HEAD
        # What the built-in font lacks would stop the drawing.
        draw.text((_LEFT, top - _HEAD + 5), title.encode("ascii", "replace").decode(), _INK)
        for part in (0.0, 0.5, 1.0):
            y = top + round(_HEIGHT * (1 - part))
            draw.line([(_LEFT, y), (_WIDTH - 8, y)], _LINE)
            draw.text((4, max(0, y - 6)), f"{part * highest:.1%}", _INK)
        width = (_WIDTH - 8 - _LEFT) / max(1, len(shares))
        for place, share in enumerate(shares):
            red, green, blue = colorsys.hsv_to_rgb((place + 0.5) / len(shares), 0.85, 0.85)
            left, height = _LEFT + place * width, round(_HEIGHT * share / highest)
            if height:
                box = [(left, top + _HEIGHT - height), (left + width - 1, top + _HEIGHT)]
                draw.rectangle(box, (int(255 * red), int(255 * green), int(255 * blue)))
        for degree in range(0, 360, 60):
            draw.text((_LEFT + (_WIDTH - 8 - _LEFT) * degree / 360, top + _HEIGHT + 3), str(degree), _INK)
    return image
