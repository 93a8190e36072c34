"""`run --precision` and `--device`: what is taken, what is said of it, and what the journal keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    Command = Callable[..., Result]
    Save = Callable[..., Path]


@pytest.mark.parametrize(
    ("options", "said", "model"),
    [
        ((), "lite at render factor 1, fp32, ONNX Runtime", "lite"),
        (("--precision", "int8"), "lite at render factor 1, int8, ONNX Runtime", "lite int8"),
        (
            ("--precision", "int8", "--device", "openvino"),
            "lite at render factor 1, int8, OpenVINO",
            "lite int8 openvino",
        ),
        (("--precision", "fp32", "--device", "openvino"), "lite at render factor 1, fp32, OpenVINO", "lite"),
    ],
)
def test_line_and_journal_name_the_numbers(
    colorrt: Command,
    warm_kernels: None,
    save_gray: Save,
    tmp_path: Path,
    options: tuple[str, ...],
    said: str,
    model: str,
) -> None:
    if "openvino" in options:
        pytest.importorskip("openvino", reason="OpenVINO is absent (pip install 'colorrt[openvino]')")
    save_gray(tmp_path / "in" / "a.png")
    result = colorrt("run", "in", "-o", "out", "--render-factor", 1, *options)
    assert result.exit_code == 0
    assert said in result.stderr
    (row,) = (tmp_path / "out" / ".colorrt" / "journal.jsonl").read_text().splitlines()
    assert json.loads(row)["making"]["model"] == model


def test_precision_that_cannot_be_chosen_is_one_line(colorrt: Command, tiny_onnx: Path, save_gray: Save) -> None:
    save_gray(Path("a.png").resolve())
    for options, message in (
        (("--precision", "fp16"), "no FP16 model ships; choose fp32 or int8"),
        (("--precision", "int8", "--engine", tiny_onnx), "chooses among the models that ship"),
    ):
        result = colorrt("run", "a.png", *options)
        assert result.exit_code == 2
        assert message in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1


def test_missing_openvino_is_one_line(colorrt: Command, save_gray: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    from colorrt.errors import BackendError
    from colorrt.runtime.sessions import openvino

    def missing(where: str = "") -> None:
        raise BackendError(f"{where}device 'openvino' needs OpenVINO, which is not installed")

    monkeypatch.setattr(openvino, "import_openvino", missing)
    save_gray(Path("a.png").resolve())
    result = colorrt("run", "a.png", "--device", "openvino", "-q")
    assert result.exit_code == 3
    assert "device 'openvino' needs OpenVINO" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
