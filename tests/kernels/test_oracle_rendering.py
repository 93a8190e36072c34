"""The original's finished pictures, from its own guess and our rendering."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from colorrt.kernels import luma, render_rgb

if TYPE_CHECKING:
    from pathlib import Path

CASES = [
    f"{net}_{picture}"
    for net in ("artistic", "wide")
    for picture in (
        "rf04_landscape_rgb_480x320",
        "rf04_odd_rgb_333x517",
        "rf04_portrait_rgb_320x410",
        "rf05_odd_rgb_333x517",
    )
]


def chroma_of(square: Any) -> Any:
    """(S, S, 3) uint8 -> (2, S, S) float32 U, V."""
    rgb = square.astype(float) / 255
    y = rgb @ [0.299, 0.587, 0.114]
    return np.stack([0.492 * (rgb[..., 2] - y), 0.877 * (rgb[..., 0] - y)]).astype(np.float32)


@pytest.mark.parametrize("case", CASES)
def test_rendering_agrees_with_the_original_where_it_did_not_clip(shared: Path, case: str) -> None:
    folder = shared / "reference"
    final = np.asarray(Image.open(folder / "final" / f"{case}.png").convert("RGB")).astype(int)
    picture = np.asarray(Image.open(folder / "inputs" / f"{case.split('_', 2)[2]}.png"))
    with np.load(folder / "raw" / f"{case}.npz") as raw:
        chroma = chroma_of(raw["square_rgb"])
    rendered = render_rgb(luma(picture), chroma).astype(int)

    clipped = ((final == 0) | (final == 255)).any(axis=-1)
    agrees = (np.abs(rendered - final) <= 2).all(axis=-1)
    assert clipped.mean() < 0.9
    assert agrees[~clipped].mean() >= 0.99
