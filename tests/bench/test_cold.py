"""Fresh processes: what they tell, and what becomes of one that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from colorrt.bench.cold import measure_cold, peak_rss
from colorrt.bench.pictures import write_scaled
from colorrt.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path


def test_fresh_process_colors_its_first_picture(tiny_onnx: Path, tmp_path: Path) -> None:
    (photo,) = write_scaled(tmp_path, (32, 24), most=1)
    # What a started process is told of its peak may hold that of the process that started it.
    held = np.ones(700_000_000, np.uint8)
    cold = measure_cold(tiny_onnx, 1, photo, (32, 24), device="cpu", threads=1, processes=1)
    del held
    assert (cold.width, cold.height, cold.processes) == (32, 24, 1)
    assert 0 < cold.open_ms < cold.first_picture_ms
    assert (tmp_path / f"cold-{photo.name}").is_file()
    assert 30e6 < cold.peak_rss < 600e6
    # By the process's own account, after all that this one has held.
    assert peak_rss() > 700e6


def test_failing_process_is_one_sentence(tmp_path: Path) -> None:
    (photo,) = write_scaled(tmp_path, (32, 24), most=1)
    with pytest.raises(ModelError, match=r"a fresh process could not color a picture .*nothing\.onnx") as caught:
        measure_cold(tmp_path / "nothing.onnx", 1, photo, (32, 24), processes=1)
    assert "\n" not in str(caught.value)
