"""The cpu study: every way answers as the others do, and what was measured is not measured again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from colorrt.models.lite import Lite, LiteShape
from colorrt.training.train import save_weights
from studies.__main__ import main


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["studies", "cpu", *map(str, arguments)])
    return main()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(Lite(LiteShape((16, 12, 8, 8), 8)), path)
    return path


def test_ways_take_turns_and_parts_are_kept(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = tmp_path / "cpu.json"
    asked = ("--network", weights, "--threads", 1, "--rounds", 1, "--json", found)
    assert run(monkeypatch, *asked, "--factors", 1) == 0
    (part,) = json.loads(found.read_text())["parts"]
    rows = {row["runner"]: row for row in part["rows"]}
    left_out = {line.partition(":")[0] for line in part["left_out"]}
    known = {f"{name} {kind}" for name in ("ONNX Runtime", "OpenVINO") for kind in ("FP32", "INT8")}
    # Without OpenVINO, its ways are named with the reason.
    assert known | {"PyTorch eager", "OpenVINO BF16", "OpenVINO INT8 by NNCF"} == set(rows) | left_out
    assert rows["ONNX Runtime FP32"]["ratio"] == 1
    assert rows["PyTorch eager"]["mean"] < 1e-2
    # The ranges of a file that was only made to be timed say nothing of INT8's error.
    assert rows["ONNX Runtime INT8"]["mean"] is None
    part["rounds"] = 77
    found.write_text(json.dumps({"parts": [part]}))
    capsys.readouterr()
    assert run(monkeypatch, *asked, "--factors", 1) == 0
    assert "77 rounds" in capsys.readouterr().out


def test_knobs_change_no_answer(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = tmp_path / "cpu.json"
    code = run(
        monkeypatch, "--network", weights, "--factors", 1, "--threads", 2, "--rounds", 1, "--knobs", "--json", found
    )
    assert code == 0
    rows = json.loads(found.read_text())["parts"][0]["rows"]
    single = [row for row in rows if row["runner"].startswith("FP32")]
    assert len(single) == 10
    assert max(row["mean"] for row in single) < 1e-3


def test_other_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"rows": []}')
    assert run(monkeypatch, "--json", path) == 2
    assert "no result of the cpu study" in capsys.readouterr().err
