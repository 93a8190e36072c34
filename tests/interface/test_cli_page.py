"""`colorrt page`: what it prints and how it ends. tests/service/test_static_files.py tests what it writes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from colorrt.service.ort_web import FILES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Command = Callable[..., Result]


def test_it_says_what_it_wrote(colorrt: Command, tmp_path: Path, tiny_onnx: Path) -> None:
    package = tmp_path / "onnxruntime-web"
    (package / "dist").mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"name": "onnxruntime-web", "version": "1.29.9"}))
    for name in FILES.values():
        (package / name).write_text("code")
    result = colorrt("page", tmp_path / "site", "--ort", package, "--engine", tiny_onnx, "--max-pixels", "1000")
    assert result.exit_code == 0, result.stderr
    assert re.fullmatch(r".*site: \d+ files, \d+\.\d MB\nto look at it: python -m http.server -d .*\n", result.stdout)
    assert result.stderr.startswith("onnxruntime-web 1.29.9 is not known to this colorrt")
    assert json.loads((tmp_path / "site" / "about.json").read_text())["max_pixels"] == 1000


def test_it_asks_for_what_it_needs_in_one_line(colorrt: Command, tmp_path: Path, tiny_onnx: Path) -> None:
    for options, words in (
        ((), "--ort onnxruntime-web-1.30.0.tgz"),
        (("--engine", tiny_onnx, "--precision", "int8"), "--precision int8 is of the model that ships"),
    ):
        result = colorrt("page", tmp_path / "site", *options)
        assert result.exit_code == 2
        assert words in result.stderr
        assert result.stderr.count("\n") == 1
        assert not (tmp_path / "site").exists()
