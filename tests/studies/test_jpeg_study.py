"""The JPEG comparison: both chains write the picture, and the figures say what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studies import __main__ as command

cv2 = pytest.importorskip("cv2", reason="OpenCV, which the original chain needs, is not installed")


def test_original_chain_keeps_luma_and_takes_the_answers_colors(tmp_path: Path) -> None:
    from studies.jpeg import color_originally

    levels = np.tile(np.linspace(80, 170, 64).astype(np.uint8), (48, 1))
    Image.fromarray(levels).save(tmp_path / "in.jpg", quality=100)
    color_originally(cv2, tmp_path / "in.jpg", tmp_path / "out.jpg", Image.new("RGB", (16, 16), (150, 110, 100)))
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.size == (64, 48)
        luma = np.asarray(image.convert("L")).astype(int)
        red, _, blue = np.asarray(image).astype(int).transpose(2, 0, 1)
    assert np.abs(luma - levels).max() <= 3
    assert (red - blue).mean() == pytest.approx(50, abs=3)


def test_command_prints_and_writes_all_ways_of_each_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "figures.json"
    arguments = ["jpeg", "--sizes", "96x64,64x64", "--rounds", "2", "--threads", "1", "--json", str(path)]
    monkeypatch.setattr("sys.argv", ["bench", *arguments])
    assert command.main() == 0
    report = json.loads(path.read_text())
    ways = ["original chain", "coded luma kept", "--quality 95"]
    assert [(row["width"], row["way"]) for row in report["rows"]] == [(w, way) for w in (96, 64) for way in ways]
    assert all(row["times"]["rounds"] == 2 and row["ratio"] > 0 for row in report["rows"])
    assert [row["ratio"] for row in report["rows"] if row["way"] == "original chain"] == [1, 1]
    assert {"opencv-python-headless", "simplejpeg"} <= set(report["packages"])
    printed = capsys.readouterr().out
    assert "96 x 64" in printed
    assert "coded luma kept" in printed


@pytest.mark.parametrize("wrong", [["--grain", "-1"], ["--sizes", "0x5"], ["--rounds", "0"]])
def test_impossible_settings_are_usage_errors(
    wrong: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "jpeg", *wrong])
    assert command.main() == 2
    assert capsys.readouterr().err.startswith("error: ")
