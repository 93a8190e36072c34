"""The speed command: it runs both sides and reports them; how fast they are is not a test's business."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from colorrt.models.lite import Lite, LiteShape
from colorrt.training.train import save_weights
from studies.__main__ import main


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(Lite(LiteShape((16, 12, 8, 8), 8)), path)
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
    return main()


def test_speed_reports_both_runners_and_the_machine(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    threads = torch.get_num_threads()
    found = tmp_path / "speed.json"
    code = run(monkeypatch, "speed", weights, "--render-factor", 1, "--rounds", 2, "--threads", 1, "--json", found)
    torch.set_num_threads(threads)
    assert code == 0
    table = json.loads(found.read_text())
    assert (table["model"], table["render_factor"], table["rounds"]) == ("lite", 1, 2)
    eager, exported = table["timings"]
    assert eager["ratio"] == 1.0
    assert exported["ratio"] > 0
    assert exported["runner"].startswith("ONNX Runtime")
    assert table["machine"]["cores"] >= 1
    assert "network alone" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--render-factor", 0], 2, "outside 1..64"),
        (["--rounds", 0], 2, "1 or more"),
        (["--threads", 0], 2, "1 or more"),
        (["nothing.pth"], 3, "nothing.pth"),
    ],
)
def test_wrong_arguments_are_one_line(
    arguments: list[object],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "speed", *arguments) == code
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
