"""Colors as classes, and the trainings of the fusion networks, of eccv16 and of the half ResNet-18."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from colorrt.errors import UsageError, WeightsError
from colorrt.models.half_resnet import HalfResNet, HalfResNetShape
from colorrt.models.hull import hull_colors
from colorrt.models.registry import load_network
from colorrt.models.weights.checkpoint import load_state
from colorrt.training.logs import Progress
from colorrt.training.networks import make_trainee
from colorrt.training.papers.classes import TEMPERATURE, ChannelClasses, HullClasses
from colorrt.training.recipes.reading import find_recipe, read_recipe
from colorrt.training.recipes.recipe import NetworkRecipe, Recipe
from colorrt.training.train import train

if TYPE_CHECKING:
    from pathlib import Path


def small(name: str, **network: object) -> Recipe:
    recipe = read_recipe(find_recipe(name))
    (stage,) = recipe.stages
    stage = replace(stage, size=32, batch=2, epochs=0.0, steps=2, sources=("album",))
    changed = replace(recipe.network, width=4, encoder="random", **network)  # type: ignore[arg-type]  # options of several types
    return replace(recipe, network=changed, stages=(stage,), holdout=0.0)


@pytest.mark.parametrize(
    ("recipe", "model", "head"),
    [
        ("zhang-class", "eccv16", "model8.6.bias"),
        ("zhang-l2", "eccv16-l2", "model8.6.bias"),
        ("half-resnet18", "half-resnet18", "midlevel_resnet.0.weight"),
        ("fusion-bins", "fusion-bins", "dec.4.bias"),
    ],
)
def test_short_training_gives_a_network_that_loads(
    recipe: str, model: str, head: str, album: Path, tmp_path: Path
) -> None:
    asked = small(recipe, **({"extractor": "lite"} if "fusion" in recipe else {}))
    torch.manual_seed(asked.seed)
    start = make_trainee(asked.network, None, None).network.state_dict()
    out = train(asked, album, tmp_path, progress=Progress(io.StringIO()))
    assert load_network(out).model == model
    state = load_state(out)
    assert not torch.equal(state[head], start[head])
    still = {"eccv16": "model_out.weight", "half-resnet18": "midlevel_resnet.4.0.conv1.weight"}
    frozen = still.get(model, "extractor.fc.weight" if "fusion" in model else None)
    assert frozen is None or torch.equal(state[frozen], start[frozen])
    assert "bins" not in model or torch.equal(
        state["extractor.norm.running_mean"], start["extractor.norm.running_mean"]
    )


def test_hull_is_the_published_one() -> None:
    colors = hull_colors()
    assert colors.shape == (313, 2)
    assert len({tuple(color) for color in colors.tolist()}) == 313
    rows = torch.unique(colors[:, 0], return_counts=True)[1]
    assert rows.tolist() == [5, 8, 10, 12, 14, 15, 16, 16, 17, 18, 18, 18, 19, 20, 19, 20, 20, 19, 19, 10]
    assert colors[0].tolist() == [-90, 50]
    assert colors[-1].tolist() == [100, 0]


def test_scores_at_temperature_meet_the_soft_target_best() -> None:
    classes = HullClasses(neighbors=1)
    ab = torch.tensor([20.0, -30.0])[:, None, None].expand(1, 2, 8, 8)
    colors = hull_colors()
    place = int((colors - torch.tensor([20.0, -30.0])).abs().sum(1).argmin())
    scores, weights = torch.zeros(1, 313, 2, 2), torch.ones(313)
    even = classes.loss(scores, ab, weights)
    torch.testing.assert_close(even, torch.tensor(313.0).log())
    scores[:, place] = 100 / TEMPERATURE
    assert classes.loss(scores, ab, weights) < 1e-6
    assert classes.loss(scores, torch.ones(1, 2, 8, 8), weights) == 0


@pytest.mark.parametrize("classes", [HullClasses(), ChannelClasses(10)])
def test_rare_classes_weigh_more_and_one_on_average(classes: HullClasses | ChannelClasses) -> None:
    common, rare = torch.zeros(3, 2, 16, 16), torch.full((1, 2, 16, 16), 60.0)
    weights = classes.weigh([torch.cat([common, rare])], 0.5)
    if isinstance(classes, HullClasses):
        colors = hull_colors()
        first, second = (int((colors - value).abs().sum(1).argmin()) for value in (0, 60))
        assert weights.shape == (313,)
        assert weights[first] < weights[second] < weights[0]
        return
    assert weights.shape == (2, 10)
    assert torch.allclose((0.75 * weights[:, 5] + 0.25 * weights[:, 7]), torch.ones(2))
    assert bool((weights[:, 5] < weights[:, 7]).all())


def test_bins_are_told_apart_for_each_channel() -> None:
    classes = ChannelClasses(10)
    ab = torch.stack([torch.full((4, 4), 60.0), torch.full((4, 4), -105.0)])[None]
    scores = torch.zeros(1, 20, 2, 2)
    weights = torch.ones(2, 10)
    torch.testing.assert_close(classes.loss(scores, ab, weights), 2 * torch.tensor(10.0).log())
    scores[:, 7], scores[:, 10] = 50, 50
    assert classes.loss(scores, ab, weights) < 1e-6


def test_half_resnet_begins_with_imagenet_in_gray(tmp_path: Path) -> None:
    torch.manual_seed(6)
    names = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2"}
    published = {"fc.bias": torch.zeros(10), "layer3.0.conv1.weight": torch.zeros(1)}
    for key, value in HalfResNet(HalfResNetShape()).midlevel_resnet.state_dict().items():
        first, _, rest = key.partition(".")
        published[f"{names[first]}.{rest}"] = torch.randn(64, 3, 7, 7) if first == "0" else value
    torch.save(published, tmp_path / "resnet18.pth")
    trainee = make_trainee(NetworkRecipe("half-resnet18"), tmp_path / "resnet18.pth", None)
    state = trainee.network.state_dict()
    assert torch.equal(state["midlevel_resnet.0.weight"], published["conv1.weight"].sum(1, keepdim=True))
    assert torch.equal(state["midlevel_resnet.5.1.conv2.weight"], published["layer2.1.conv2.weight"])
    torch.save({"conv1.weight": torch.zeros(1, 1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"other\.pth: not torchvision's weights of a resnet18"):
        make_trainee(NetworkRecipe("half-resnet18"), tmp_path / "other.pth", None)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("half-resnet18", "torchvision's resnet18 weights"),
        ("fusion-inception", "torchvision's inception_v3 as --encoder"),
        ("fusion-convnext", "torchvision's convnext_tiny as --encoder"),
    ],
)
def test_missing_weights_are_named(name: str, wanted: str) -> None:
    with pytest.raises(UsageError, match=wanted):
        make_trainee(read_recipe(find_recipe(name)).network, None, None)


@pytest.mark.parametrize("name", ["fusion-lite", "fusion-inception", "fusion-convnext", "fusion-256"])
def test_recipes_that_ship_can_be_read(name: str) -> None:
    assert read_recipe(find_recipe(name)).network.name == name
