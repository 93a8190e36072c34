from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colorrt import kernels
from colorrt.errors import PictureError, UsageError
from colorrt.runtime.colorizer import Colorizer, Square
from colorrt.runtime.paint import Paint


@pytest.fixture(scope="module")
def square() -> Square:
    """A picture with an edge, and what a network of 16 pixels sees of it."""
    luma = np.full((60, 90), 80, np.uint8)
    luma[:, 41:] = 180
    return Square(luma, kernels.resize_luma(luma, 16))


@pytest.fixture(scope="module")
def chroma() -> Any:
    edge = (np.arange(16) > 7) * 0.2
    return np.broadcast_to(np.array([-0.1, 1.0]).reshape(2, 1, 1) * edge, (2, 16, 16)).astype(np.float32)


def test_paint_is_guided_unless_bilinear_is_asked_for(tiny_onnx: Path, square: Square, chroma: Any) -> None:
    with Colorizer(tiny_onnx, render_factor=1) as colorizer:
        guided = colorizer.paint(square, chroma)
        assert guided.guide is square.small
        np.testing.assert_array_equal(
            colorizer.render(square, chroma), kernels.render_rgb(square.luma, chroma, guide=square.small)
        )
    with Colorizer(tiny_onnx, render_factor=1, upsample="bilinear") as colorizer:
        assert colorizer.paint(square, chroma).guide is None
        np.testing.assert_array_equal(colorizer.render(square, chroma), kernels.render_rgb(square.luma, chroma))


@pytest.mark.parametrize("upsample", ["", "cubic", "Guided"])
def test_unknown_upsampling_is_a_usage_error(tiny_onnx: Path, upsample: str) -> None:
    with pytest.raises(UsageError, match=f"there is no upsampling '{upsample}'; choose guided or bilinear"):
        Colorizer(tiny_onnx, render_factor=1, upsample=upsample)


def test_paint_has_the_saturation_asked_for(tiny_onnx: Path, square: Square, chroma: Any) -> None:
    with Colorizer(tiny_onnx, render_factor=1) as colorizer:
        assert colorizer.paint(square, chroma).saturation == 1.0
        assert colorizer.paint(square, chroma, 0.5).saturation == 0.5
        with pytest.raises(UsageError, match="outside 0"):
            colorizer.paint(square, chroma, 11)
        with pytest.raises(PictureError, match="no finite number"):
            colorizer.paint(square, np.full_like(chroma, np.nan))


@pytest.mark.parametrize("guided", [False, True])
def test_bands_of_paint_make_up_the_picture(square: Square, chroma: Any, guided: bool) -> None:
    paint = Paint(chroma, 1.3, square.small if guided else None)
    whole = paint.rgb(square.luma)
    together = np.zeros_like(whole)
    for top in range(0, 60, 13):
        paint.rgb(square.luma[top : top + 13], out=together[top : top + 13], top=top, height=60)
    np.testing.assert_array_equal(together, whole)


def test_planes_of_paint_are_those_of_its_chroma(square: Square, chroma: Any) -> None:
    cb, cr = Paint(chroma, 1.0, square.small).planes(square.luma, (2, 2))
    assert cb.shape == cr.shape == (30, 45)
    assert (cr[:, :18] < 134).all()
    assert (cr[:, 23:] > 160).all()
    assert (cb[:, 23:] < 124).all()
