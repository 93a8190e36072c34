"""What each command loads: an answer about a file costs no network, and coloring costs no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAVY = ("torch", "numba", "onnxruntime", "onnx", "numpy", "PIL", "matplotlib", "skimage", "colorrt.models")
NETWORKS = ("torch", "onnx", "safetensors", "matplotlib", "skimage", "colorrt.models", "colorrt.export")

PROGRAM = """
import contextlib, json, sys
if sys.argv[1:] == ["import"]:
    import colorrt
else:
    from colorrt.cli import main
    try:
        with contextlib.redirect_stdout(sys.stderr):
            main()
    except SystemExit as end:
        assert end.code == 0, end.code
json.dump(sorted(sys.modules), sys.stdout)
"""


def loaded(folder: Path, *arguments: object) -> set[str]:
    """Modules that a fresh process has loaded after `colorrt ARGUMENTS`, or after `import colorrt`."""
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return set(json.loads(answer.stdout))


@pytest.mark.parametrize("arguments", [["import"], ["--help"], ["--version"]], ids=" ".join)
def test_face_of_the_package_loads_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    modules = loaded(tmp_path, *arguments)
    assert "colorrt" in modules
    assert modules.isdisjoint(HEAVY)
    assert "rich" not in modules


def test_info_loads_nothing_heavy(tmp_path: Path, tiny_onnx: Path) -> None:
    modules = loaded(tmp_path, "info", tiny_onnx)
    assert "colorrt.runtime.artifact" in modules
    # The list of known files lies beside the networks, and loads none of them.
    assert modules.isdisjoint(set(HEAVY) - {"colorrt.models"})
    assert {name for name in modules if name.startswith("colorrt.models.")} == {
        "colorrt.models.weights",
        "colorrt.models.weights.known_files",
    }


def test_list_of_models_loads_no_torch(tmp_path: Path) -> None:
    modules = loaded(tmp_path, "models")
    assert "colorrt.models.catalog" in modules
    assert modules.isdisjoint(set(HEAVY) - {"colorrt.models"})


def test_coloring_loads_no_torch_and_no_networks(tmp_path: Path, save_gray: Callable[..., Path]) -> None:
    save_gray(tmp_path / "old.jpg")
    modules = loaded(tmp_path, "run", "old.jpg", "--render-factor", "2")
    assert {"onnxruntime", "numba", "colorrt.runtime.folder"} <= modules
    assert modules.isdisjoint(NETWORKS)
    assert (tmp_path / "old-color.jpg").exists()
