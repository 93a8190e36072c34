"""From a weights file to a network: recognition, variants, files of other networks."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
import safetensors.torch
import torch

from colorrt.errors import WeightsError
from colorrt.models.color import ChromaOfRgb
from colorrt.models.layers import SelfAttention
from colorrt.models.lite import Lite
from colorrt.models.registry import FAMILIES, detect, load_network

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from colorrt.models.deoldify import DeOldify

FAMILY = {family.name: family for family in FAMILIES}


def test_deoldify_file_becomes_a_network(
    published: dict[str, Tensor], tiny: DeOldify, variant: str, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"model": published, "opt": {}}, path)
    network = load_network(path)
    assert (network.model, network.family) == (f"deoldify-{variant}", FAMILY["deoldify"])
    assert network.parameters == sum(parameter.numel() for parameter in tiny.parameters())
    assert network.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not network.module.training
    luma = torch.rand(1, 1, 48, 48)
    with torch.inference_mode():
        torch.testing.assert_close(network.module(luma), ChromaOfRgb(tiny)(luma), atol=1e-5, rtol=0)


def test_folded_file_loads_as_the_published_one(tiny: DeOldify, variant: str, tmp_path: Path) -> None:
    safetensors.torch.save_file(tiny.state_dict(), tmp_path / "a.safetensors")
    network = load_network(tmp_path / "a.safetensors")
    assert network.model == f"deoldify-{variant}"
    assert isinstance(network.module, ChromaOfRgb)
    picture = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(network.module.network(picture), tiny(picture), atol=1e-5, rtol=0)


def test_lite_file_becomes_a_network(tmp_path: Path) -> None:
    torch.manual_seed(2)
    lite = Lite().eval()
    torch.save(lite.state_dict(), tmp_path / "lite.pth")
    network = load_network(tmp_path / "lite.pth")
    assert (network.model, network.family) == ("lite", FAMILY["lite"])
    luma = torch.rand(2, 1, 48, 48)
    with torch.inference_mode():
        assert torch.equal(network.module(luma), lite(luma))


@pytest.mark.parametrize("key", ["up.1.conv.weight", "head.bias", "attention.query.weight"])
def test_incomplete_lite_names_the_missing_key(key: str) -> None:
    state = Lite().state_dict()
    del state[key]
    with pytest.raises(WeightsError, match=f"looks like lite, but lacks {key}"):
        FAMILY["lite"].build(state)


@pytest.mark.parametrize("size", [16, 80, 128])
def test_attention_tokens_are_those_of_the_network(tiny: DeOldify, size: int) -> None:
    lite = Lite().eval()
    for family, network, channels in (("deoldify", tiny, 3), ("lite", lite, 1)):
        tokens: list[int] = []
        attention = next(module for module in network.modules() if isinstance(module, SelfAttention))
        attention.register_forward_hook(lambda _m, inputs, _o, tokens=tokens: tokens.append(inputs[0][0, 0].numel()))
        with torch.inference_mode():
            network(torch.rand(1, channels, size, size))
        assert tokens == [FAMILY[family].attention_tokens(size)]


STRANGERS: dict[str, dict[str, tuple[int, ...]]] = {
    "torchvision ResNet": {
        "conv1.weight": (64, 3, 7, 7),
        "layer1.0.conv1.weight": (64, 64, 3, 3),
        "fc.bias": (9,),
    },
    "torchvision VGG": {"features.0.weight": (64, 3, 3, 3), "classifier.0.weight": (9, 9)},
    "DeOldify critic": {"0.0.weight_orig": (256, 3, 4, 4), "0.0.bias": (256,)},
    "parts of DDColor": {"encoder.arch.norm0.weight": (192,), "decoder.last_shuf.conv.0.bias": (9,)},
    "DataParallel": {"module.layers.0.0.weight": (64, 3, 7, 7)},
    "fastai U-Net": {
        "layers.0.0.weight": (64, 3, 7, 7),
        "layers.4.conv1.0.bias": (9,),
        "layers.11.0.bias": (2,),
    },
    "EfficientNet": {"_conv_stem.weight": (32, 3, 3, 3)},
    r"unknown network \(2 tensors: left, right": {"left": (1,), "right": (1,)},
}


@pytest.mark.parametrize("look", STRANGERS)
def test_other_networks_are_named(look: str, tmp_path: Path) -> None:
    state = {key: torch.zeros(shape) for key, shape in STRANGERS[look].items()}
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    with pytest.raises(WeightsError, match=look) as caught:
        load_network(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: ")
    assert "\n" not in sentence
    assert all(family.name in sentence for family in FAMILIES)


def test_fault_of_a_known_network_names_the_file(published: dict[str, Tensor], tmp_path: Path) -> None:
    del published["layers.5.bn.weight"]
    torch.save(published, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=r"weights\.pth: .*lacks layers\.5\.bn\.weight"):
        load_network(tmp_path / "weights.pth")


def test_no_family_takes_the_files_of_another(published: dict[str, Tensor]) -> None:
    states = {"deoldify": published, "lite": Lite().state_dict()}
    for name, state in states.items():
        assert [family.name for family in FAMILIES if family.recognize(state)] == [name]
        assert detect(state)[0].name == name
