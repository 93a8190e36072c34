"""What the encoder is not to forget: its distance from the published one, and a training that minimizes it."""

from __future__ import annotations

import copy
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from colorrt.errors import WeightsError
from colorrt.models.lite import Lite, LiteShape
from colorrt.training.logs import Progress
from colorrt.training.losses.knowledge import Twin, make_twin
from colorrt.training.recipes.recipe import Recipe
from colorrt.training.squares.augment import split
from colorrt.training.train import Files, train


class Eye(nn.Module):
    """Stands for an encoder: one convolution, whose features tell pictures apart as random deep weights do not."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 32, 32)

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """N x 1 or 3 x S x S, 0..1 -> no skips, and features at 1/32."""
        return [], self.conv(x.expand(-1, 3, -1, -1) - 0.5)


@pytest.fixture
def eye() -> Any:
    torch.manual_seed(8)
    return Eye()


@pytest.fixture
def twin(eye: Any) -> Twin:
    return Twin(eye, copy.deepcopy(eye))


def test_nothing_is_forgotten_where_gray_is_seen_as_it_is(eye: Any, twin: Twin) -> None:
    luma = torch.rand(2, 1, 64, 64)
    eye(luma)
    assert twin.distance(luma, torch.zeros(2, 2, 64, 64)).item() == pytest.approx(0, abs=1e-5)


def test_distance_is_from_what_the_published_encoder_sees_in_color(eye: Any, twin: Twin) -> None:
    rgb = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    luma, chroma = split(rgb)
    eye(luma)
    found = twin.distance(luma, chroma)
    with torch.inference_mode():
        colored, gray = eye(rgb.permute(0, 3, 1, 2) / 255)[1].double(), eye(luma)[1].double()
    cosine = (colored * gray).sum(1) / (colored.square().sum(1) * gray.square().sum(1)).sqrt()
    assert found.item() == pytest.approx(1 - float(cosine.mean()), abs=1e-4)
    assert found.item() > 0.02


def test_gradient_reaches_what_is_trained_and_not_the_twin(eye: Any) -> None:
    published = copy.deepcopy(eye)
    twin = Twin(eye, published)
    luma = torch.rand(2, 1, 64, 64)
    eye(1 - luma)
    twin.distance(luma, torch.rand(2, 2, 64, 64) * 0.2).backward()  # type: ignore[no-untyped-call]  # torch: backward has no types
    assert float(eye.conv.weight.grad.abs().sum()) > 0
    assert published.conv.weight.grad is None


def test_only_the_first_pictures_count_where_noisy_doubles_were_seen_too(eye: Any, twin: Twin) -> None:
    luma = torch.rand(2, 1, 64, 64)
    eye(torch.cat([luma, torch.rand(2, 1, 64, 64)]))
    assert twin.distance(luma, torch.zeros(2, 2, 64, 64)).item() == pytest.approx(0, abs=1e-5)


def test_what_is_seen_without_learning_is_not_kept(eye: Any, twin: Twin) -> None:
    luma, gray = torch.rand(2, 1, 64, 64), torch.zeros(2, 2, 64, 64)
    eye(luma)
    with torch.inference_mode():
        eye(1 - luma)
    assert twin.distance(luma, gray).item() == pytest.approx(0, abs=1e-5)


def test_colors_beyond_the_range_of_rgb_are_clamped_before_they_are_seen(eye: Any, twin: Twin) -> None:
    luma = torch.ones(1, 1, 64, 64)
    eye(luma)
    least = twin.distance(luma, torch.tensor([0.0, 0.01]).reshape(1, 2, 1, 1).expand(1, 2, 64, 64))
    eye(luma)
    # Red can rise no further; green falls, and is black long before the second.
    most = [torch.tensor([0.0, value]).reshape(1, 2, 1, 1).expand(1, 2, 64, 64) for value in (1.8, 2.6)]
    found = twin.distance(luma, most[0])
    eye(luma)
    assert least.item() < found.item() == pytest.approx(twin.distance(luma, most[1]).item(), abs=1e-6)


def test_training_with_knowledge_says_what_it_costs(
    tiny_recipe: Recipe, album: Path, encoder_pth: Path, tmp_path: Path
) -> None:
    recipe = replace(tiny_recipe, loss=replace(tiny_recipe.loss, knowledge=0.2), stages=tiny_recipe.stages[:1])
    train(recipe, album, tmp_path, Files(encoder=encoder_pth), progress=Progress(io.StringIO()))
    assert "knowledge=" in (tmp_path / "log.csv").read_text(encoding="utf-8")


def test_there_is_no_twin_where_the_recipe_wants_none(tiny_recipe: Recipe) -> None:
    assert make_twin(tiny_recipe, Lite(LiteShape((16, 8), 8)), None, torch.device("cpu")) is None


def test_weights_of_another_encoder_are_refused(tiny_recipe: Recipe, encoder_pth: Path) -> None:
    recipe = replace(tiny_recipe, loss=replace(tiny_recipe.loss, knowledge=0.2))
    with pytest.raises(WeightsError, match="not the published weights"):
        make_twin(recipe, Lite(LiteShape((16, 8), 8, "lite2")), encoder_pth, torch.device("cpu"))
