"""Weights in FP16: what the file holds, what it may cost, and that the shipped pair belongs together."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import safetensors
import safetensors.torch
import torch

from colorrt.errors import ExportError, UsageError, WeightsError
from colorrt.export import half_weights
from colorrt.export.checks import MEAN_BOUND, WORST_BOUND, answer_of_network
from colorrt.export.half_weights import MADE_FROM, SMALLEST, halve_weights, main
from colorrt.export.precision.parity import answer_of, compare
from colorrt.models.lite import Lite, LiteShape
from colorrt.models.registry import load_network
from colorrt.models.weights.checkpoint import load_state
from colorrt.photos.shipped import parity_lumas
from colorrt.runtime.artifact import read_artifact
from colorrt.runtime.shipped import shipped_artifact, shipped_weights
from colorrt.training.weights import save_weights

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(4)
    path = tmp_path / "weights.safetensors"
    save_weights(Lite(LiteShape((16, 12, 8, 8), 8)), path)
    return path


def test_large_tensors_are_halved_and_small_ones_kept(weights: Path, tmp_path: Path) -> None:
    made = halve_weights(weights, tmp_path / "new" / "half.safetensors")
    before, stored = safetensors.torch.load_file(weights), safetensors.torch.load_file(made.path)
    assert before.keys() == stored.keys()
    for name, tensor in before.items():
        large = tensor.numel() >= SMALLEST
        assert stored[name].dtype == (torch.float16 if large else tensor.dtype), name
        assert torch.equal(stored[name], tensor.half() if large else tensor), name
    assert made.size == made.path.stat().st_size < 0.6 * weights.stat().st_size
    assert made.parity.photos >= 4
    assert 0 < made.parity.mean <= MEAN_BOUND
    with safetensors.safe_open(made.path, "pt") as file:
        assert file.metadata()[MADE_FROM] == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_halves_come_back_as_float32_and_make_the_network(weights: Path, tmp_path: Path) -> None:
    halve_weights(weights, tmp_path / "half.safetensors")
    state = load_state(tmp_path / "half.safetensors")
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}
    network = load_network(tmp_path / "half.safetensors")
    assert network.model == "lite"
    with torch.inference_mode():
        chroma = network.module(torch.rand(1, 1, 32, 32))
    assert chroma.dtype == torch.float32


def test_same_weights_give_the_same_file(weights: Path, tmp_path: Path) -> None:
    files = [halve_weights(weights, tmp_path / f"{index}.safetensors").path.read_bytes() for index in range(2)]
    assert files[0] == files[1]


def test_numbers_beyond_fp16_stay_fp32(weights: Path, tmp_path: Path) -> None:
    state = safetensors.torch.load_file(weights)
    name = next(name for name, tensor in state.items() if tensor.numel() >= SMALLEST)
    state[name].view(-1)[7] = 70_000.0
    assert half_weights._halve(state[name]).dtype == torch.float32


def test_weights_that_fp16_would_change_are_refused_without_a_file(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(half_weights, "MEAN_BOUND", 1e-9)
    with pytest.raises(ExportError, match=r"in FP16 its chroma moves by .*; nothing was written, ship the FP32 file"):
        halve_weights(weights, tmp_path / "half.safetensors")
    assert list(tmp_path.iterdir()) == [weights]


def test_weights_are_not_rounded_in_their_place(weights: Path) -> None:
    with pytest.raises(UsageError, match="name another file, and keep them"):
        halve_weights(weights, weights)


def test_command_says_what_it_made_or_why_not(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(weights), str(tmp_path / "half.safetensors")]) == 0
    assert "levels of 255 on average" in capsys.readouterr().out
    assert main([str(tmp_path / "absent.pth"), str(tmp_path / "other.safetensors")]) == WeightsError.exit_code
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "other.safetensors").exists()


@pytest.mark.parametrize("render_factor", [9, 16])
def test_shipped_weights_answer_as_the_shipped_graph(render_factor: int) -> None:
    network = load_network(shipped_weights())
    graph = answer_of(onnx.load(shipped_artifact()))
    parity = compare(answer_of_network(network.module), graph, parity_lumas(16 * render_factor))
    assert parity.mean <= MEAN_BOUND
    assert parity.worst <= WORST_BOUND


def test_shipped_graph_names_the_weights_that_it_was_made_of() -> None:
    """Those that ship, or those that were rounded to what ships."""
    with safetensors.safe_open(shipped_weights(), "pt") as file:
        made_from = (file.metadata() or {}).get(MADE_FROM)
    digest = hashlib.sha256(shipped_weights().read_bytes()).hexdigest()
    assert read_artifact(shipped_artifact()).contract.weights_sha256 in (digest, made_from)


def test_shipped_weights_are_stored_in_half() -> None:
    stored = safetensors.torch.load_file(shipped_weights())
    count = sum(tensor.numel() for tensor in stored.values())
    assert sum(tensor.nbytes for tensor in stored.values()) < 2.2 * count
    assert all(np.isfinite(tensor.float().numpy()).all() for tensor in stored.values())
