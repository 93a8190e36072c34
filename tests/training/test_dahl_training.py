"""Dahl's loss and trainings: blurred pictures, VGG that stays as it is."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from colorrt.errors import UsageError, WeightsError
from colorrt.models.dahl import GRAY, Vgg
from colorrt.models.registry import load_network
from colorrt.models.weights.checkpoint import load_state
from colorrt.training.frames import JpegFrame
from colorrt.training.logs import Progress
from colorrt.training.papers.blurs import blur_kernel, blurred, colors_of, rgb_of
from colorrt.training.recipes.reading import find_recipe, read_recipe
from colorrt.training.recipes.recipe import Recipe
from colorrt.training.squares.augment import split
from colorrt.training.train import Files, train

if TYPE_CHECKING:
    from pathlib import Path

WIDTHS = (8, 16, 32, 64)


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(9)
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save({key: value for key, value in Vgg(WIDTHS).state_dict().items() if "features" in key}, path)
    return path


def small(name: str) -> Recipe:
    recipe = read_recipe(find_recipe(name))
    (stage,) = recipe.stages
    stage = replace(stage, size=32, batch=2, steps=3, sources=("album",))
    return replace(recipe, network=replace(recipe.network, width=8), stages=(stage,))


@pytest.mark.parametrize("name", ["dahl-residual", "dahl-hypercolumns"])
def test_all_but_vgg_learns(name: str, album: Path, vgg_file: Path, tmp_path: Path) -> None:
    out = train(small(name), album, tmp_path, Files(encoder=vgg_file), progress=Progress(io.StringIO()))
    assert load_network(out).model == name
    state, given = load_state(out), load_state(vgg_file)
    for key, value in given.items():
        assert torch.equal(state[f"vgg.{key}"], value), key
    head = "steps.0.norm.bias" if name == "dahl-residual" else "layers.0.norm.bias"
    assert state[head].abs().max() > 0


def test_missing_and_foreign_vgg_are_named(album: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="sees through a VGG-16: give its ImageNet weights"):
        train(small("dahl-residual"), album, tmp_path)
    torch.save({"features.0.weight": torch.zeros(1, 3, 3, 3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"other\.pth: features\.0\.weight is missing or of another shape"):
        train(small("dahl-residual"), album, tmp_path, Files(encoder=tmp_path / "other.pth"))


def test_kernels_are_as_heavy_as_published_or_as_one() -> None:
    sums = [blur_kernel(side, normalized=False).sum().item() for side in (3, 5)]
    assert sums == pytest.approx([6.10, 9.32], abs=0.01)
    assert blur_kernel(5, normalized=True).sum().item() == pytest.approx(1)
    assert blur_kernel(3, normalized=False)[0, 1] / blur_kernel(3, normalized=False)[1, 1] == pytest.approx(
        2 ** (-4 / 9)
    )


def test_color_leads_to_rgb_and_back() -> None:
    luma, chroma = split(torch.randint(0, 256, (1, 8, 8, 3), dtype=torch.uint8))
    colors = JpegFrame().truth(luma, chroma)
    rgb = rgb_of(luma, colors)
    torch.testing.assert_close(colors_of(rgb), colors, atol=2e-3, rtol=0)
    torch.testing.assert_close(JpegFrame().chroma(luma, colors), chroma)


def test_blur_of_one_color_changes_it_only_where_it_is_not_normalized() -> None:
    gray, colors = (
        torch.full((1, 1, 9, 9), 0.5),
        torch.tensor([GRAY - 0.1, GRAY + 0.1])[:, None, None].expand(1, 2, 9, 9),
    )
    for one in blurred(gray, colors, normalized=True):
        torch.testing.assert_close(one[..., 4, 4], colors[..., 4, 4], atol=1e-3, rtol=0)
    strong = blurred(gray, colors, normalized=False)[1][0, :, 4, 4]
    assert strong[0] < 0.05
    assert strong[1] == 1
