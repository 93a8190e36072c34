"""DDColor: recognized folded or not, built at any width and depth, its algebra against the definition."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F

from colorrt.errors import WeightsError
from colorrt.models.color import ChromaOfLab
from colorrt.models.color_queries import QueryShape, encode_positions
from colorrt.models.ddcolor import FAMILY, DDColor, DDColorShape, build, read_shape, recognize
from colorrt.models.encoders.convnext import ConvNextShape
from colorrt.models.layers import blur
from colorrt.models.norms import fold_norms
from colorrt.models.registry import load_network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor, nn

    Draw = Callable[[nn.Module], dict[str, Tensor]]

SMALL = DDColorShape(
    ConvNextShape((8, 12, 16, 24), (1, 2, 2, 1)), (12, 12, 8), (16, 12, 8), QueryShape(7, 16, 4, 24, (16, 12, 8), 8)
)
SHAPES = [
    SMALL,
    DDColorShape(
        ConvNextShape((6, 8, 8, 12), (2, 1, 1, 2)), (8, 4, 4), (6, 8, 4), QueryShape(3, 8, 2, 10, (6, 8, 4), 5), True
    ),
]
SURPLUS = {
    "encoder.arch.head_cls.weight": torch.zeros(9, 24),
    "encoder.arch.head_cls.bias": torch.zeros(9),
    "encoder.arch.norm.weight": torch.ones(24),
    "encoder.arch.norm.bias": torch.zeros(24),
}


@pytest.fixture
def state(draw_weights: Draw) -> dict[str, Tensor]:
    return sane(draw_weights(DDColor(SMALL)))


def sane(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drawn weights with ImageNet's statistics, as every file has them."""
    return state | {
        "mean": torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1),
        "std": torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1),
    }


def published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights under the spectral norms of the published files, sigma not the largest singular value."""
    torch.manual_seed(3)
    normed: dict[str, Tensor] = {}
    for key, value in state.items():
        stem = key.removesuffix("weight")
        if value.dim() == 4 and key.startswith(("decoder.layers.", "decoder.last_shuf.", "refine_net.")):
            u, v = torch.randn(value.shape[0]), torch.randn(value[0].numel())
            sigma = u @ value.flatten(1) @ v
            normed |= {stem + "weight_orig": value * 3, stem + "weight_u": u / sigma, stem + "weight_v": v}
        else:
            normed[key] = value
    return normed


def picture(size: int) -> Tensor:
    ramp = torch.linspace(0, 1, size)
    return (ramp[:, None] * 0.6 + 0.4 * torch.sin(11 * ramp[None]).abs())[None, None]


@pytest.mark.parametrize("shape", SHAPES, ids=["spectral", "batch"])
def test_weights_make_the_network_that_they_were_taken_from(shape: DDColorShape, draw_weights: Draw) -> None:
    network = DDColor(shape)
    state = sane(draw_weights(network))
    network.load_state_dict(state)
    assert read_shape(state) == shape
    with torch.inference_mode():
        torch.testing.assert_close(build(state)(picture(64)), network.eval()(picture(64)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("form", ["params", "ema", "bare", "wrapped"])
def test_published_containers_load_with_their_surplus(state: dict[str, Tensor], form: str, tmp_path: Path) -> None:
    normed = published(state) | SURPLUS
    other = {key: torch.zeros_like(value) for key, value in normed.items()}
    content: dict[str, object] = {
        "params": {"params": normed},
        "ema": {"params": other, "params_ema": normed},
        "bare": normed,
        "wrapped": {"params": {f"module.{key}": value for key, value in normed.items()}},
    }[form]
    torch.save(content, tmp_path / "a.pth")
    loaded = load_network(tmp_path / "a.pth")
    assert (loaded.model, loaded.family) == ("ddcolor-tiny", FAMILY)
    assert isinstance(loaded.module, ChromaOfLab)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.module.network(picture(32)), build(state)(picture(32)), atol=1e-3, rtol=1e-4)
        assert float(loaded.module(picture(32)).std()) > 1e-3


def test_refined_colors_equal_maps_of_queries_that_are_blurred_and_refined(state: dict[str, Tensor]) -> None:
    """The definition: features shuffled and blurred, a map for each query, all joined with the picture, refined."""
    network = build(state)
    x = picture(64).expand(1, 3, 64, 64)
    with torch.inference_mode():
        guess = network(x)
        normed = (x - state["mean"]) / state["std"]
        *skips, y = network.encoder.arch(normed)
        scales = []
        for block, skip in zip(network.decoder.layers, reversed(skips), strict=True):
            y = block(y, skip)
            scales.append(y)
        colors = network.decoder.color_decoder(scales)
        features = blur(F.pixel_shuffle(network.decoder.last_shuf(y), 4))
        maps = torch.einsum("nqc,nchw->nqhw", colors, features)
        expected = network.refine_net(torch.cat([maps, normed], dim=1))
    assert float(expected.std()) > 0.1
    torch.testing.assert_close(guess, expected, atol=1e-3, rtol=1e-4)


def test_attention_is_that_of_pytorch(state: dict[str, Tensor]) -> None:
    ours = build(state).decoder.color_decoder.transformer_cross_attention_layers[0].multihead_attn
    theirs = torch.nn.MultiheadAttention(16, 8, batch_first=True).eval()
    theirs.load_state_dict(ours.state_dict())
    queries, keys, values = torch.randn(2, 7, 16), torch.randn(2, 20, 16), torch.randn(2, 20, 16)
    with torch.inference_mode():
        torch.testing.assert_close(ours(queries, keys, values), theirs(queries, keys, values)[0], atol=1e-5, rtol=1e-5)


def test_positions_are_those_of_the_definition() -> None:
    found = encode_positions(3, 5, 16)
    assert found.shape == (15, 16)
    for place in (0, 7, 14):
        row, column = place // 5 + 1, place % 5 + 1
        for channel in range(16):
            share = row / (3 + 1e-6) if channel < 8 else column / (5 + 1e-6)
            k = channel % 8
            angle = 2 * math.pi * share / 10000 ** (2 * (k // 2) / 8)
            assert float(found[place, channel]) == pytest.approx((math.sin, math.cos)[k % 2](angle), abs=1e-6)


def test_each_layer_looks_at_its_scale_the_coarsest_first(state: dict[str, Tensor]) -> None:
    network = build(state)
    seen: list[int] = []
    for layer in network.decoder.color_decoder.transformer_cross_attention_layers:
        layer.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[2].shape[1]))
    with torch.inference_mode():
        network(picture(64))
    assert seen == [16, 64, 256, 16]


def test_full_shapes_have_the_parameters_of_the_published_files() -> None:
    large = DDColorShape(ConvNextShape((192, 384, 768, 1536), (3, 3, 27, 3)))
    with torch.device("meta"):
        tiny, wide = DDColor(DDColorShape()), DDColor(large)
    counts = [sum(tensor.numel() for tensor in network.parameters()) for network in (tiny, wide)]
    # With the two tensors of `encoder.arch.norm`, which nothing reads.
    assert [counts[0] + 2 * 768, counts[1] + 2 * 1536] == [55_006_640, 227_869_328]
    assert recognize(wide.state_dict()) == "ddcolor-large"
    assert read_shape(wide.state_dict()) == large


def test_damage_and_variants_are_named_in_one_line(state: dict[str, Tensor]) -> None:
    normed = published(state)
    single = {key: value for key, value in state.items() if not key.startswith("decoder.color_decoder.")} | {
        "decoder.color_decoder.transformer.decoder.layers.0.norm1.weight": torch.zeros(8)
    }
    rgb = state | {"refine_net.0.0.weight": torch.zeros(3, 10, 1, 1)}
    cases = [
        (single, "SingleColorDecoder"),
        (rgb, "guesses 3 channels instead of a and b"),
        ({key: value for key, value in normed.items() if key != "refine_net.0.0.weight_u"}, "refine_net.0.0.weight_u"),
        ({key: value for key, value in state.items() if key != "encoder.arch.norm2.weight"}, "encoder.arch.norm2"),
        ({key: value for key, value in state.items() if key != "mean"}, "lacks mean"),
        (state | {"decoder.color_decoder.level_embed.weight": torch.zeros(2, 16)}, "has 2 scales"),
        (state | {"decoder.color_decoder.query_feat.weight": torch.zeros(16)}, "not a matrix"),
        (state | {"encoder.arch.stages.1.0.gamma": torch.zeros(13)}, r"stages.1.0.gamma is \(13,\) instead of \(12,\)"),
        (state | {"encoder.arch.grn": torch.zeros(13)}, "has unknown encoder.arch.grn"),
    ]
    for broken, words in cases:
        assert recognize(broken) is not None
        with pytest.raises(WeightsError, match=words) as caught:
            build(broken)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 700


def test_norms_of_any_kind_are_recognized(state: dict[str, Tensor]) -> None:
    assert recognize(published(state)) == recognize(fold_norms(published(state))) == "ddcolor-tiny"
    assert read_shape(fold_norms(published(state))) == replace(SMALL)
