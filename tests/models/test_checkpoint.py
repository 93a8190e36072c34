"""Weights files: every form that is read, and every one that is refused, with its sentence."""

from __future__ import annotations

import collections
import functools
import os
import pickle
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from colorrt.errors import WeightsError
from colorrt.models.weights.checkpoint import fill, load_state

CONTAINERS = {"zip": True, "legacy": False}


class TouchFile:
    """A pickled object that makes a file when an open unpickler reads it."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


class TouchByStandIn(TouchFile):
    """The same through a name that is on the list of harmless ones."""

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial, (os.mkdir, str(self.target))


@pytest.fixture
def state() -> dict[str, Tensor]:
    torch.manual_seed(5)
    return collections.OrderedDict(
        [("a.weight", torch.randn(4, 3, 3, 3)), ("a.bias", torch.randn(4)), ("n", torch.tensor(7))]
    )


@pytest.fixture(params=sorted(CONTAINERS))
def container(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def save(content: object, path: Path, container: str) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=CONTAINERS[container])
    return path


def refusal(path: Path) -> str:
    """The sentence a file is refused with; it names the file and fits one line."""
    with pytest.raises(WeightsError) as caught:
        load_state(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: ")
    assert "\n" not in sentence
    return sentence.removeprefix(f"{path}: ")


def assert_same(loaded: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    assert list(loaded) == list(state)
    for key, value in state.items():
        assert loaded[key].dtype == value.dtype
        assert torch.equal(loaded[key], value)


def test_bare_state_dict_is_read(state: dict[str, Tensor], container: str, tmp_path: Path) -> None:
    assert_same(load_state(save(state, tmp_path / "a.pth", container)), state)


def test_safetensors_are_read_whatever_their_name(state: dict[str, Tensor], tmp_path: Path) -> None:
    safetensors.torch.save_file(dict(state), tmp_path / "a.pth")
    loaded = load_state(tmp_path / "a.pth")
    assert_same({key: loaded[key] for key in state}, state)


def test_learner_file_gives_its_model(state: dict[str, Tensor], container: str, tmp_path: Path) -> None:
    optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(2))])
    content = {"model": state, "opt": optimizer.state_dict()}
    assert_same(load_state(save(content, tmp_path / "a.pth", container)), state)


def test_optimizer_constructor_in_the_file_is_harmless(
    state: dict[str, Tensor], container: str, tmp_path: Path
) -> None:
    opt = {
        "opt_func": functools.partial(torch.optim.Adam, betas=(0.9, 0.99)),
        "sgd": torch.optim.SGD,
        "state": collections.defaultdict(dict, {0: {"exp_avg": torch.zeros(3), "step": 4}}),
        "groups": collections.defaultdict(list),
        "lr": np.float64(3e-3),
        "wd": np.float32(0.1),
        "moms": np.array([0.95, 0.85]),
        "slice": slice(1, 2),
        "counter": collections.Counter("aab"),
    }
    path = save({"model": state, "opt": opt}, tmp_path / "a.pth", container)
    assert_same(load_state(path), state)


def test_parameters_and_half_precision_are_read(container: str, tmp_path: Path) -> None:
    state = {"p": nn.Parameter(torch.ones(2)), "h": torch.ones(3, dtype=torch.float16)}
    loaded = load_state(save(state, tmp_path / "a.pth", container))
    assert loaded["p"].tolist() == [1, 1]
    assert loaded["h"].dtype == torch.float16


@pytest.mark.parametrize("place", ["alone", "in opt", "in model"])
@pytest.mark.parametrize("bait", [TouchFile, TouchByStandIn])
def test_code_in_a_file_is_refused_by_name_and_not_run(
    state: dict[str, Tensor], bait: type[TouchFile], place: str, container: str, tmp_path: Path
) -> None:
    evil = bait(tmp_path / "made")
    contents = {
        "alone": evil,
        "in opt": {"model": state, "opt": evil},
        "in model": {"model": {"a": evil}, "opt": {}},
    }
    path = save(contents[place], tmp_path / "a.pth", container)
    pickle.loads(pickle.dumps(TouchFile(tmp_path / "control")))
    sentence = refusal(path)
    assert (tmp_path / "control").exists()
    assert not (tmp_path / "made").exists()
    assert "`posix.mkdir`" in sentence or "`nt.mkdir`" in sentence
    assert sentence.startswith("refused, because the pickle asks for")


def test_global_of_another_library_is_refused_by_name(container: str, tmp_path: Path) -> None:
    content = {"model": {"a": torch.ones(1)}, "opt": Path("a")}
    assert "`pathlib." in refusal(save(content, tmp_path / "a.pth", container))


def test_whole_pickled_model_is_refused_by_name(container: str, tmp_path: Path) -> None:
    # Plain layers are read; these are not.
    sentence = refusal(save(nn.Sequential(nn.LSTM(2, 2)), tmp_path / "a.pth", container))
    why = "`torch.nn.modules.rnn.LSTM`" if container == "zip" else "whole module was pickled here by PyTorch before 1.6"
    assert why in sentence
    assert "state_dict()" in sentence


def test_refusal_leaves_no_stand_in_behind(container: str, tmp_path: Path) -> None:
    before = set(torch.serialization.get_safe_globals())
    refusal(save(TouchFile(tmp_path / "made"), tmp_path / "a.pth", container))
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.9, 0.9999])
def test_truncated_pickle_is_refused(state: dict[str, Tensor], container: str, kept: float, tmp_path: Path) -> None:
    whole = save(state | {"big": torch.randn(5000)}, tmp_path / "a.pth", container).read_bytes()
    (tmp_path / "b.pth").write_bytes(whole[: int(len(whole) * kept)])
    sentence = refusal(tmp_path / "b.pth")
    assert "cut short or damaged" in sentence
    assert "again" in sentence


@pytest.mark.parametrize("kept", [0.001, 0.5, 0.999])
def test_truncated_safetensors_are_refused(kept: float, tmp_path: Path) -> None:
    safetensors.torch.save_file({"a": torch.randn(5000), "b": torch.randn(5000)}, tmp_path / "a.safetensors")
    whole = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "b.safetensors").write_bytes(whole[: int(len(whole) * kept)])
    assert "cut short or damaged" in refusal(tmp_path / "b.safetensors")


@pytest.mark.parametrize("seed", range(8))
def test_damage_raises_nothing_but_weights_errors(
    state: dict[str, Tensor], container: str, seed: int, tmp_path: Path
) -> None:
    whole = save({"model": state, "opt": {"lr": 1.0}}, tmp_path / "a.pth", container).read_bytes()
    dice = random.Random(seed)
    refused = 0
    for _ in range(25):
        damaged = bytearray(whole)
        for _ in range(dice.randint(1, 8)):
            damaged[dice.randrange(16, len(damaged))] = dice.randrange(256)
        (tmp_path / "b.pth").write_bytes(damaged)
        try:
            load_state(tmp_path / "b.pth")
        except WeightsError:
            refused += 1
    assert refused > 0


def test_missing_file_and_folder_are_told_apart(tmp_path: Path) -> None:
    assert "no such weights file" in refusal(tmp_path / "missing.pth")
    assert "folder" in refusal(tmp_path)


ONNX = onnx.helper.make_model(
    onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])],
    ),
    producer_name="test",
).SerializeToString()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
        (b"\xef\xbb\xbf<html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
        (b"Not found\n", "text file"),
        (ONNX, "ONNX model"),
        (b"ftrt" + bytes(60), "TensorRT engine"),
        (b"\x89HDF\r\n\x1a\n" + bytes(60), "HDF5"),
        (pickle.dumps({"a": 1}), "pickle that torch.save did not write"),
        (b"x\0" * 128 + b"\0ustar\x0000" + bytes(9), "tar archive"),
        (b"\xff\xd8\xff\xe0" + bytes(60), "not a weights file of a known kind"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_files_are_named_for_what_they_are(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    assert words in refusal(path)


def test_zip_archives_are_told_apart(tmp_path: Path) -> None:
    for member, words in (("notes.txt", "unpack it"), ("net/constants.pkl", "TorchScript")):
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, b"x")
        assert words in refusal(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([torch.ones(1)], "a list, not a state dict"),
        (torch.ones(1), "a single tensor, not a state dict"),
        ({}, "empty"),
        ({"model": {}, "opt": {}}, "empty"),
        ({"epoch": 3, "a": torch.ones(1)}, "'epoch' is not a tensor"),
        ({"model": {"a": torch.ones(1)}}, "'model' is not a tensor"),
        ({"model": {"a": torch.ones(1)}, "opt": {}, "epoch": 3}, "'model', 'opt', 'epoch' are not tensors"),
        ({1: torch.ones(1), 2: torch.ones(1), 3: torch.ones(1), 4: torch.ones(1)}, "1, 2, 3, ... are not"),
        ({"model": [1], "opt": {}}, "a list, not a state dict"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_pickles_of_other_things_are_refused(content: object, words: str, container: str, tmp_path: Path) -> None:
    assert words in refusal(save(content, tmp_path / "a.pth", container))


def test_safetensors_without_tensors_are_refused(tmp_path: Path) -> None:
    safetensors.torch.save_file({}, tmp_path / "a.safetensors")
    assert "no tensors" in refusal(tmp_path / "a.safetensors")


def test_pickle_that_claims_to_be_safetensors_is_read_as_what_it_is(
    state: dict[str, Tensor], container: str, tmp_path: Path
) -> None:
    assert_same(load_state(save(state, tmp_path / "a.safetensors", container)), state)


def test_filling_makes_a_meta_module_real() -> None:
    source = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    with torch.device("meta"):
        target = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    fill(target, source.state_dict(), "a pair")
    x = torch.randn(1, 1, 4, 4)
    assert torch.equal(target(x), source.eval()(x))
    assert not target.training


def test_misfits_are_listed_together() -> None:
    state = {"weight": torch.ones(3, 1, 1, 1), "gain": torch.ones(1)}
    with pytest.raises(WeightsError) as caught:
        fill(nn.Conv2d(1, 2, 1), state, "a convolution")
    for words in ("lacks bias", "unknown gain", "weight is (3, 1, 1, 1) instead of (2, 1, 1, 1)"):
        assert words in str(caught.value)
