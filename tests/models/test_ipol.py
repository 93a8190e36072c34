"""The network of the IPOL review: its arithmetic, its two attentions and ranges, its files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from colorrt.errors import WeightsError
from colorrt.models import ipol
from colorrt.models.color import IMAGENET_MEAN, IMAGENET_STD, ChromaOfRgb
from colorrt.models.encoders import vgg
from colorrt.models.encoders.resnet import ResNetShape
from colorrt.models.ipol import YUV_OF_RGB, Attention, Ipol, IpolShape, range_of_box
from colorrt.models.lite_bins import LiteBins, centers
from colorrt.models.registry import detect, load_network

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

BODY = ResNetShape(8, (8, 16, 16, 32), (1, 1, 2, 1), bottleneck=True)
SHAPES = [
    IpolShape(BODY, 32),
    IpolShape(BODY, 32, attention="equation5", limits="equation6"),
    IpolShape(BODY, 16, attention="equation5"),
    IpolShape(BODY, 16, limits="equation6"),
    IpolShape(BODY, 32, channels=3),
]


def random_ipol(shape: IpolShape) -> Ipol:
    torch.manual_seed(3)
    network = Ipol(shape)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif name.endswith("gamma"):
                tensor.fill_(0.7)
    return network.eval()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.attention}-{shape.limits}-{shape.channels}")
def test_state_dict_tells_the_shape_and_makes_the_same_network(shape: IpolShape) -> None:
    network = random_ipol(shape)
    assert ipol.read_shape(network.state_dict()) == shape
    picture = torch.randn(1, 3, 48, 48)
    built = ipol.build(network.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(built(picture), network(picture))


def test_published_file_has_the_published_keys() -> None:
    keys = set(Ipol(SHAPES[0]).state_dict())
    expected = {
        "input_block.0.weight",
        "input_block.1.running_var",
        "down_blocks.0.0.conv3.weight",
        "down_blocks.3.0.downsample.0.weight",
        "bn.weight",
        "bridge.conv1.conv.weight",
        "bridge.conv2.batch_norm.bias",
        "up_blocks.0.upsample.conv.conv.weight",
        "up_blocks.0.upsample.conv.batch_norm.weight",
        "up_blocks.3.batch_norm.running_mean",
        "up_blocks.1.self_attention.f.weight",
        "up_blocks.1.self_attention.gamma",
        "last_upsample.conv.conv.bias",
        "res_block.1.conv.bias",
        "dense.conv.weight",
        "dense.conv.bias",
    }
    assert expected <= keys
    assert not any(key.startswith(("sigmoid", "to_", "relu")) or "normalized" in key for key in keys)
    assert "up_blocks.0.self_attention.f.weight" not in keys


@pytest.mark.parametrize(("axis", "summed"), [("equation5", 1), ("published", 2)])
def test_attention_sums_to_one_over_the_axis_that_it_names(axis: ipol.Axis, summed: int) -> None:
    torch.manual_seed(1)
    attention = Attention(16, axis)
    with torch.no_grad():
        attention.gamma.fill_(1.0)
    x = torch.randn(1, 16, 3, 4)
    flat = x.double().flatten(2)[0]
    f, g, h = ((one.weight[:, :, 0, 0].double() @ flat) for one in (attention.f, attention.g, attention.h))
    scores = (f.T @ g).exp()
    weights = scores / scores.sum(dim=summed - 1, keepdim=True)
    expected = (h @ weights + flat).reshape(x[0].shape)
    with torch.inference_mode():
        torch.testing.assert_close(attention(x)[0].double(), expected, atol=1e-5, rtol=1e-5)


def test_attention_of_equation_5_keeps_constant_features_and_the_published_one_does_not() -> None:
    """An average of equal values is that value; over the other axis the weights do not average."""
    outs = {}
    for axis in ("equation5", "published"):
        torch.manual_seed(1)
        attention = Attention(16, axis)  # type: ignore[arg-type]  # the axis is a parameter of the test
        torch.nn.init.ones_(attention.h.weight)
        with torch.no_grad():
            attention.gamma.fill_(1.0)
        x = torch.randn(1, 16, 4, 4)
        x -= x.mean(dim=1, keepdim=True) - 1
        with torch.inference_mode():
            outs[axis] = attention(x) - x
    assert float(outs["equation5"].std()) < 1e-4
    assert float(outs["published"].std()) > 0.1


@pytest.mark.parametrize("limits", ["published", "equation6"])
def test_guess_stays_within_its_range_in_normalized_space(limits: ipol.Range) -> None:
    network = random_ipol(replace(SHAPES[0], limits=limits))
    with torch.no_grad():
        network.dense.conv.bias.copy_(torch.tensor([50.0, -50.0]))
    gray = torch.zeros(1, 3, 32, 32)
    with torch.inference_mode():
        rgb = network(gray)[0, :, 5, 5].double()
    yuv = torch.tensor(YUV_OF_RGB, dtype=torch.float64) @ rgb
    u, v = (3.0, 3.0) if limits == "published" else (2.6161, 3.6899)
    torch.testing.assert_close(yuv, torch.tensor([0.0, u, -v], dtype=torch.float64), atol=2e-3, rtol=0)


def test_range_of_the_box_is_reached_at_its_corners_and_never_passed() -> None:
    corners = torch.cartesian_prod(*[torch.tensor([-3.0, 3.0])] * 3)
    yuv = corners @ torch.tensor(YUV_OF_RGB).T
    torch.testing.assert_close(yuv.abs().amax(0), range_of_box(3.0))


def test_normalized_y_passes_through() -> None:
    """What comes out has the Y of what came in, in normalized space: the network guesses U and V alone."""
    network = random_ipol(SHAPES[1])
    luma = torch.rand(2, 1, 32, 32)
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    seen = (luma - mean) / std
    weights = torch.tensor(YUV_OF_RGB[0]).reshape(1, 3, 1, 1)
    with torch.inference_mode():
        out = network(seen)
    torch.testing.assert_close((out * weights).sum(1), (seen * weights).sum(1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("container", ["training", "bare"])
def test_file_with_spectral_norms_becomes_a_network(container: str, tmp_path: Path) -> None:
    """As the published training saves them: old-style spectral norms, beside numbers of the training."""
    network = random_ipol(SHAPES[0])
    state: dict[str, Tensor] = {}
    for key, value in network.state_dict().items():
        spectral = key.endswith("conv.weight") and not key.startswith("last_upsample") and value.dim() == 4
        if not spectral or key.startswith(("input_block", "down_blocks")):
            state[key] = value
            continue
        matrix = value.flatten(1)
        u, _, v = torch.linalg.svd(matrix, full_matrices=False)
        sigma = u[:, 0] @ matrix @ v[0]
        stem = key.removesuffix("weight")
        state |= {stem + "weight_orig": value * 2, stem + "weight_u": u[:, 0], stem + "weight_v": v[0] / sigma}
    path = tmp_path / "epoch_0.pth"
    params = {"step": 3, "current_lr": np.float64(1e-3), "momentum": 0.9, "epoch": 0}
    torch.save({"state_dict": state, "training_params": params} if container == "training" else state, path)
    found = load_network(path)
    assert (found.model, found.family.name) == ("ipol", "ipol")
    luma = torch.rand(1, 1, 48, 48)
    with torch.inference_mode():
        torch.testing.assert_close(found.module(luma), ChromaOfRgb(network)(luma), atol=1e-4, rtol=1e-4)


def test_damaged_file_names_what_is_missing() -> None:
    state = Ipol(SHAPES[0]).state_dict()
    del state["up_blocks.2.conv.conv.weight"]
    with pytest.raises(WeightsError, match=r"looks like ipol, but lacks up_blocks\.2\.conv\.conv\.weight"):
        ipol.build(state)


def test_other_networks_are_not_taken_for_it() -> None:
    assert detect(LiteBins().state_dict())[1] == "lite-bins"
    assert not ipol.recognize(LiteBins().state_dict())


def test_colors_cover_what_rgb_can_have_and_nothing_else() -> None:
    colors = centers(0.06).double()
    assert len({tuple(color) for color in colors.tolist()}) == len(colors) > 150
    assert bool((colors == 0).all(dim=1).any())
    rgb = torch.cartesian_prod(*[torch.linspace(0, 1, 21, dtype=torch.float64)] * 3)
    chroma = rgb @ torch.tensor(YUV_OF_RGB, dtype=torch.float64)[1:].T
    # Half a step along both axes, and the rim, where the next place of the grid has no color any more.
    assert float(torch.cdist(chroma, colors).amin(1).max()) < 0.065


def test_sure_scores_decode_to_their_color() -> None:
    network = LiteBins().eval()
    colors = network.bins.centers
    scores = torch.full((1, len(colors), 4, 4), -20.0)
    scores[:, 7] = 20.0
    chroma = network.decode(scores)
    torch.testing.assert_close(chroma, colors[7].reshape(1, 2, 1, 1).expand(1, 2, 8, 8))
    # Unsure between two colors: their mean.
    scores[:, 9] = 20.0
    torch.testing.assert_close(network.decode(scores)[0, :, 3, 3], (colors[7] + colors[9]) / 2)


def test_bins_weights_become_a_network(tmp_path: Path) -> None:
    network = LiteBins().eval()
    torch.save(network.state_dict(), tmp_path / "bins.pth")
    found = load_network(tmp_path / "bins.pth")
    assert found.model == "lite-bins"
    luma = torch.rand(1, 1, 48, 48)
    with torch.inference_mode():
        torch.testing.assert_close(found.module(luma), network(luma))


def test_vgg_is_torchvisions_and_taps_the_last_relu_of_three_blocks() -> None:
    network = vgg.VggFeatures().eval()
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert shapes["features.0.weight"] == (64, 3, 3, 3)
    assert shapes["features.1.running_mean"] == (64,)
    assert shapes["features.40.weight"] == (512, 512, 3, 3)
    with torch.inference_mode():
        found = network(torch.randn(1, 3, 32, 48))
    assert [tuple(one.shape[1:]) for one in found] == [(256, 8, 12), (512, 4, 6), (512, 2, 3)]
    assert all(float(one.min()) == 0 for one in found)


def test_vgg_without_batch_norm_is_refused() -> None:
    state = {"features.0.weight": torch.zeros(64, 3, 3, 3), "features.2.weight": torch.zeros(64, 64, 3, 3)}
    with pytest.raises(WeightsError, match="looks like VGG-16 with batch norm, but"):
        vgg.build(state)
    with pytest.raises(WeightsError, match="no VGG"):
        vgg.build({"conv1.weight": torch.zeros(1)})
