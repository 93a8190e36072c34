"""Memory does not grow with the number of pictures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

FEW, MANY = 300, 1500
MOST = 10 << 20
WATCHED = """
import json, sys
from pathlib import Path
from colorrt.cli.outcome import Report
at, found, real = json.loads(sys.argv.pop()), {}, Report.note
def note(self, result, more):
    real(self, result, more)
    if len(self.results) in at:
        lines = Path("/proc/self/status").read_text().splitlines()
        found[len(self.results)] = next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
        Path("memory.json").write_text(json.dumps(found))
Report.note = note
from colorrt.cli import main
main()
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only where a process can see its memory")
def test_memory_is_flat_over_many_pictures(save_gray: Callable[..., Path], tiny_onnx: Path, tmp_path: Path) -> None:
    # COLORRT_PICTURES: for a longer run by hand, such as 5000.
    many = int(os.environ.get("COLORRT_PICTURES", MANY))
    one = save_gray(tmp_path / "photos/0.jpg", size=(64, 48))
    for number in range(1, many):
        (tmp_path / f"photos/{number}.jpg").write_bytes(one.read_bytes())
    command = [
        sys.executable, "-c", WATCHED, "run", "photos", "-o", "out", "--engine", str(tiny_onnx), "--render-factor", "1",
        "--threads", "1", "--report", "report.json", json.dumps([FEW, many]),
    ]  # fmt: skip
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    found = {int(count): size for count, size in json.loads((tmp_path / "memory.json").read_text()).items()}
    print(f"{FEW}: {found[FEW] / 2**20:.1f} MiB, {many}: {found[many] / 2**20:.1f} MiB")
    assert found[many] - found[FEW] < MOST
