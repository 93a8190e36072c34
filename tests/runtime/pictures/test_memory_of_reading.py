"""Reading takes no more bytes a pixel than is planned for: the peak of a process that reads one picture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIDE = 2000
SCRIPT = """
import sys
from pathlib import Path
from colorrt.runtime.pictures.reading import read_picture

def status(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

read_picture(Path(sys.argv[1]))
open("/proc/self/clear_refs", "w").write("5")
before = status("VmRSS")
picture = read_picture(Path(sys.argv[2]))
print((status("VmHWM") - before) * 1024 / (picture.pixels.shape[0] * picture.pixels.shape[1]))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of memory")
@pytest.mark.parametrize(
    ("mode", "name", "most"), [("F", "a.tif", 15), ("I", "a.tif", 15), ("L", "a.png", 6), ("RGB", "a.png", 12)]
)
def test_reading_takes_few_bytes_a_pixel(tmp_path: Path, mode: str, name: str, most: float) -> None:
    for folder, side in (("small", 30), ("large", SIDE)):
        (tmp_path / folder).mkdir()
        levels = (np.add.outer(np.arange(side), np.arange(side)) % 251).astype(np.uint8)
        Image.fromarray(levels).convert(mode).save(tmp_path / folder / name)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "small" / name), str(tmp_path / "large" / name)]

    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert float(answer) < most
