"""`lite`: sizes, bounds, cost, and how it is recognized."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from colorrt.models.encoders.efficientnet import ENCODERS
from colorrt.models.layers import SelfAttention
from colorrt.models.lite import CHROMA_LIMIT, Lite, LiteShape, read_shape, recognize
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
    assert recognize(state)
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


def test_upsampling_of_lite_begins_without_checkerboard() -> None:
    network = Lite(OTHER)
    for up in network.up:
        weight = up.get_submodule("shuffle").get_parameter("weight")
        groups = weight.detach().reshape(-1, 4, *weight.shape[1:])
        assert torch.equal(groups, groups[:, :1].expand_as(groups))
