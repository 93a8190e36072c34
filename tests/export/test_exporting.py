"""`export_network`: what it writes, and that it writes nothing when something is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from PIL import Image

from colorrt.contract import Contract, Parity
from colorrt.errors import ExportError, UsageError, WeightsError
from colorrt.export import exporting, memory
from colorrt.export.exporting import default_name, export_network
from colorrt.export.memory import check_memory, estimate_memory
from colorrt.export.precision import fp16
from colorrt.export.precision.fp16 import check_half
from colorrt.models.lite import Lite, LiteShape
from colorrt.models.registry import load_network
from colorrt.photos.shipped import parity_lumas
from colorrt.runtime.artifact import read_artifact
from colorrt.training.train import save_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(Lite(LiteShape((16, 12, 8, 8), 8)), path)
    return path


def test_export_writes_a_stamped_artifact_of_the_asked_size(weights: Path, tmp_path: Path) -> None:
    said: list[str] = []
    exported = export_network(weights, 3, tmp_path / "new" / "three.onnx", say=said.append)
    contract = read_artifact(exported.path).contract
    assert contract == exported.contract
    assert (contract.model, contract.render_factor, contract.size, contract.precision) == ("lite", 3, 48, "fp32")
    assert contract.parity is not None
    assert contract.parity.photos >= 4
    assert contract.parity.worst < 0.1
    session = ort.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    assert [value.shape for value in session.get_inputs()] == [["batch", 1, 48, 48]]
    assert [value.shape for value in session.get_outputs()] == [["batch", 2, 48, 48]]
    assert len(said) >= 3
    assert [path.name for path in exported.path.parent.iterdir()] == ["three.onnx"]
    with pytest.raises(UsageError, match="--overwrite"):
        export_network(weights, 3, exported.path)


def test_parity_on_the_users_own_photos(weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(5):
        level = np.random.default_rng(index).integers(0, 255, (20, 30, 3), np.uint8)
        Image.fromarray(level).save(folder / f"{index}.png")
    exported = export_network(weights, 1, tmp_path / "one.onnx", photos=folder)
    assert exported.contract.parity is not None
    assert exported.contract.parity.photos == 5


def test_too_few_photos_are_refused_before_any_work(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 4"):
        export_network(weights, 1, tmp_path / "one.onnx", photos=tmp_path)


@pytest.mark.parametrize("render_factor", [0, -3, 65])
def test_impossible_render_factor_is_refused(weights: Path, render_factor: int) -> None:
    with pytest.raises(UsageError, match=r"outside 1\.\.64"):
        export_network(weights, render_factor)


def test_failed_parity_leaves_no_file(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "measure_parity", lambda *_: Parity(4, 3.0, 9.0))
    with pytest.raises(ExportError, match=r"differs from the network by 3\.000 levels"):
        export_network(weights, 1, tmp_path / "one.onnx")
    assert list(tmp_path.iterdir()) == []


def test_interrupted_export_leaves_no_file(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.write_bytes

    def interrupted(path: Path, data: bytes) -> int:
        real(path, data[: len(data) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export_network(weights, 1, tmp_path / "one.onnx", precision="int8")
    assert list(tmp_path.iterdir()) == []


def test_wrong_outputs_are_refused_before_any_work(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="folder"):
        export_network(weights, 1, tmp_path)
    with pytest.raises(UsageError, match=r"\.onnx"):
        export_network(weights, 1, tmp_path / "graph.pth")
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot be written to"):
        export_network(weights, 1, tmp_path / "file" / "graph.onnx")


def test_missing_weights_say_so(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nothing\.pth"):
        export_network(tmp_path / "nothing.pth", 1, tmp_path / "one.onnx")


def test_memory_grows_with_the_square_of_the_tokens(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = load_network(weights)
    base = estimate_memory(network, 1)
    assert estimate_memory(network, 64) - base > 3 * 4 * 64**4
    assert estimate_memory(network, 64) - base > 16 * (estimate_memory(network, 16) - base)

    assert estimate_memory(network, 64, "tiled") < estimate_memory(network, 64) < estimate_memory(network, 64, "heads")
    assert estimate_memory(network, 1, precision="fp16") > estimate_memory(network, 1)

    class Little:
        available = 1_000_000

    monkeypatch.setattr(memory.psutil, "virtual_memory", Little)
    with pytest.raises(ExportError, match="render factor 64 needs about"):
        check_memory(network, 64)


def test_shipped_photos_are_real_and_enough() -> None:
    lumas = parity_lumas(80)
    assert len(lumas) >= 4
    assert all(luma.shape == (80, 80) and luma.dtype == np.float32 and luma.std() > 0.1 for luma in lumas)


def test_default_names_tell_model_and_factor() -> None:
    assert default_name("lite", 16) == "colorrt-lite-rf16.onnx"
    assert default_name("deoldify-artistic", None) == "colorrt-deoldify-artistic.onnx"
    assert default_name("lite", 16, "fp16") == "colorrt-lite-rf16-fp16.onnx"
    assert default_name("lite", None, "fp16") == "colorrt-lite-fp16.onnx"


def test_metadata_survives_the_onnx_package(weights: Path, tmp_path: Path) -> None:
    exported = export_network(weights, 1, tmp_path / "one.onnx")
    model = onnx.load(exported.path)
    texts = [entry.value for entry in model.metadata_props if entry.key == "colorrt"]
    assert [Contract.from_json(text) for text in texts] == [exported.contract]
    assert model.producer_name == "colorrt"


@pytest.mark.parametrize("render_factor", [2, None])
def test_fp16_export_carries_its_difference_from_fp32(weights: Path, tmp_path: Path, render_factor: int | None) -> None:
    said: list[str] = []
    exported = export_network(weights, render_factor, tmp_path / "half.onnx", precision="fp16", say=said.append)
    contract = read_artifact(exported.path).contract
    assert contract == exported.contract
    assert contract.precision == "fp16"
    assert contract.parity is not None
    assert contract.precision_parity is not None
    assert contract.parity.mean < contract.precision_parity.mean < 0.5
    check_half(onnx.load(exported.path))
    assert any("slower than FP32 on the CPU" in line for line in said)
    session = ort.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    assert [value.type for value in (*session.get_inputs(), *session.get_outputs())] == ["tensor(float)"] * 2


def test_refused_fp16_leaves_no_file(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fp16, "MEAN_BOUND", 1e-9)
    with pytest.raises(ExportError, match="FP16 differs from FP32"):
        export_network(weights, 1, tmp_path / "half.onnx", precision="fp16")
    assert list(tmp_path.iterdir()) == []


def test_target_and_attention_are_recorded(weights: Path, tmp_path: Path) -> None:
    def form(**options: str) -> str:
        exported = export_network(weights, 1, tmp_path / "one.onnx", overwrite=True, **options)  # type: ignore[arg-type]  # options of several types
        return read_artifact(exported.path).contract.attention

    def kinds() -> set[str]:
        return {node.op_type for node in onnx.load(tmp_path / "one.onnx").graph.node}

    assert form() == "tiled"
    # On CPUs alone: see `colorrt.export.denormals`.
    assert "ReduceMax" in kinds()
    assert form(target="tensorrt") == "heads"
    assert "ReduceMax" not in kinds()
    assert form(target="tensorrt", attention="plain") == "plain"


def test_unknown_precision_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'int4' is unknown"):
        export_network(tmp_path / "absent.pth", 1, precision="int4")
