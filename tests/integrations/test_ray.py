"""A local Ray cluster of two workers: what it makes of good and bad files is what `colorrt run` makes of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("ray.data", reason="the extra 'ray' is not installed")

from odd_files import hostile_files, sound_files

if TYPE_CHECKING:
    from typing import Any


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and ".colorrt" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def start(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *(str(word) for word in words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"RAY_ADDRESS": ""})


def test_zoo_has_the_same_outcomes_as_without_a_cluster(tiny_onnx: Path, tmp_path: Path) -> None:
    zoo: dict[str, Any] = {**sound_files(), **dict(hostile_files())}
    for name, data in zoo.items():
        (tmp_path / "zoo").mkdir(exist_ok=True)
        (tmp_path / "zoo" / name).write_bytes(data)
    common = ("--engine", tiny_onnx, "--render-factor", 1, "--recolor", "--max-pixels", 4_000_000)
    alone = start("colorrt", "run", tmp_path / "zoo", "-o", tmp_path / "alone", *common)
    cluster = start("colorrt.integrations.ray", tmp_path / "zoo", tmp_path / "ray", "--workers", 2, *common)
    assert (alone.returncode, cluster.returncode) == (1, 1), cluster.stderr
    assert files(tmp_path / "ray") == files(tmp_path / "alone")
    failed = alone.stdout.partition("; ")[2].split(" failed")[0]
    assert f"; {failed} failed; " in cluster.stdout
    again = start("colorrt.integrations.ray", tmp_path / "zoo", tmp_path / "ray", "--workers", 2, *common)
    assert again.stdout.startswith("0 colored")
