"""Whole pickled modules: read as their state dict, with nothing of them made or run; what is odd is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from colorrt.errors import WeightsError
from colorrt.models.encoders.resnet import BasicBlock
from colorrt.models.half_resnet import HalfResNet, HalfResNetShape
from colorrt.models.registry import load_network
from colorrt.models.weights import whole_modules
from colorrt.models.weights.checkpoint import load_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Draw = Callable[[nn.Module], dict[str, Tensor]]

SMALL = HalfResNetShape(planes=(6, 8), depths=(2, 1), widths=(7, 5, 4))


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, draw_weights: Draw, tmp_path: Path) -> Path:
    """A small network pickled whole, under the names that HKUST's files have."""
    network = HalfResNet(SMALL)
    network.load_state_dict(draw_weights(network))
    main = sys.modules["__main__"]
    foreign = type(sys)("torchvision.models.resnet")
    for part in ("torchvision", "torchvision.models", foreign.__name__):
        monkeypatch.setitem(sys.modules, part, foreign)
    for place, name, kind in ((main, "ColorizationNet", HalfResNet), (foreign, "BasicBlock", BasicBlock)):
        renamed = type(name, (kind,), {"__module__": place.__name__})
        monkeypatch.setattr(place, name, renamed, raising=False)
        for module in network.modules():
            if type(module) is kind:
                module.__class__ = renamed
    torch.save(network, tmp_path / "model.pth")
    return tmp_path / "model.pth"


def test_whole_module_gives_the_state_dict_of_its_network(
    published: Path, draw_weights: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("a module was made or restored")

    wanted = draw_weights(HalfResNet(SMALL))
    with monkeypatch.context() as patch:
        patch.setattr(nn.Module, "__setstate__", never)
        patch.setattr(nn.Module, "__init__", never)
        state = load_state(published)
    assert list(state) == list(wanted)
    assert all(torch.equal(state[key], value) for key, value in wanted.items())
    assert load_network(published).model == "half-resnet18"


class Stranger(nn.Module):
    """A class that no list has."""


@pytest.mark.parametrize("module", [Stranger(), nn.Sequential(nn.Linear(2, 2), Stranger())], ids=["whole", "inside"])
def test_modules_of_other_classes_are_refused_by_name(tmp_path: Path, module: nn.Module) -> None:
    torch.save(module, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"asks for `[\w.]*Stranger`.*save model.state_dict\(\) alone"):
        load_state(tmp_path / "a.pth")


def nested(times: int) -> nn.Module:
    module: nn.Module = nn.Sequential()
    for _ in range(times):
        module = nn.Sequential(module, module)
    return module


def endless() -> nn.Module:
    module = nn.Sequential()
    # By hand: add_module would not mind, and repr would never end.
    module._modules["0"] = module
    return module


@pytest.mark.parametrize("make", [endless, lambda: nested(40)], ids=["endless", "doubled"])
def test_trees_without_end_are_refused(tmp_path: Path, make: Callable[[], nn.Module]) -> None:
    torch.save(make(), tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="nested without end"):
        load_state(tmp_path / "a.pth")


def test_odd_attributes_are_dropped_or_named(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(2, 2))
    module.register_buffer("passing", torch.ones(2), persistent=False)
    torch.save(module, tmp_path / "a.pth")
    assert list(load_state(tmp_path / "a.pth")) == ["0.weight", "0.bias"]
    strange: Any = module._parameters
    strange["odd"] = 3
    torch.save(module, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="'odd' is not a tensor"):
        load_state(tmp_path / "a.pth")


def test_stand_ins_answer_layers_alone() -> None:
    # Nothing that could be called to an effect: classes of layers, each on the list by its full name.
    allowed = ("torch.nn.modules.", "torchvision.models.resnet.", "__main__.ColorizationNet")
    assert all(name.startswith(allowed) for name in whole_modules.MODULE_NAMES)
