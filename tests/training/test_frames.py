"""What networks of the papers see and are asked for, in their own units."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from colorrt.models.kth import SCALE
from colorrt.training.frames import LabFrame
from colorrt.training.squares.augment import split


def cube() -> torch.Tensor:
    levels = torch.linspace(0, 255, 9).round().to(torch.uint8)
    return torch.cartesian_prod(levels, levels, levels).reshape(1, 27, 27, 3)


def test_lab_is_that_of_scikit_image() -> None:
    skimage = pytest.importorskip("skimage.color")
    rgb = cube()
    wanted = torch.from_numpy(skimage.rgb2lab(rgb[0].numpy()).astype(np.float32)).permute(2, 0, 1)
    torch.testing.assert_close(LabFrame(SCALE).lab(rgb.permute(0, 3, 1, 2) / 255)[0], wanted, atol=2e-3, rtol=0)


def test_truth_leads_back_to_chroma() -> None:
    luma, chroma = split(cube())
    frame = LabFrame(SCALE)
    # L of the original belongs to a and b; L of its gray picture is what `chroma` takes.
    exact = frame.back.chroma_of(frame.see_color(luma, chroma), frame.truth(luma, chroma) * SCALE.gain + SCALE.offset)
    torch.testing.assert_close(exact, chroma, atol=2e-4, rtol=0)
    assert (frame.chroma(luma, frame.truth(luma, chroma)) - chroma).abs().mean() < 0.05


def test_gray_is_gray() -> None:
    luma = torch.linspace(0, 1, 64).reshape(1, 1, 8, 8)
    nothing = torch.zeros(1, 2, 8, 8)
    for lightness in ("gray", "color"):
        frame = LabFrame(SCALE, lightness)
        torch.testing.assert_close(frame.truth(luma, nothing), torch.full((1, 2, 8, 8), 0.5 / 127.5), atol=5e-5, rtol=0)
        assert frame.see(luma, nothing)[0, 0, 0, 0] == pytest.approx(-1, abs=1e-5)
        assert frame.see(luma, nothing)[0, 0, -1, -1] == pytest.approx(1, abs=1e-3)


def test_network_sees_lightness_of_the_original_or_of_its_gray_picture() -> None:
    luma, chroma = split(torch.tensor([0, 0, 255], dtype=torch.uint8).expand(1, 4, 4, 3))
    seen = [
        LabFrame(SCALE, lightness).see(luma, chroma)[0, 0, 0, 0].item() * 50 + 50 for lightness in ("color", "gray")
    ]
    assert seen == pytest.approx([32.30, 10.80], abs=0.01)
