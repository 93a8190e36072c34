"""The plumbing around the original DeOldify: a tiny checkout with the same API stands in for it here.

It says nothing about DeOldify itself, which was not run in these tests.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from colorrt.errors import BackendError, UsageError
from studies.__main__ import main
from studies.peers import PeerPlan, compare_with_deoldify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEVICE = """
from enum import Enum
class DeviceId(Enum):
    GPU0 = 0
    CPU = 99
"""
VISUALIZE = """
import sys
from pathlib import Path
from PIL import Image
from . import device
assert Path("models/ColorizeArtistic_gen.pth").exists(), "not in its own folder"
print("noise on standard output")
class Visualizer:
    def __init__(self, render_factor, artistic):
        self.asked = (render_factor, artistic, device.chosen.name)
    def get_transformed_image(self, path, render_factor=None, post_process=True, watermarked=True):
        assert self.asked == (1, True, "CPU"), self.asked
        assert render_factor == 1 and post_process and not watermarked
        if FAILS:
            raise RuntimeError("out of\\nmemory")
        return Image.open(path).convert("RGB")
def get_image_colorizer(root_folder=Path("./"), render_factor=35, artistic=True):
    return Visualizer(render_factor, artistic)
"""
INIT = """
import sys
assert "torch" not in sys.modules, "the device is set before torch is imported"
class Device:
    def set(self, device):
        self.chosen = device
device = Device()
"""


@pytest.fixture
def make_checkout(tmp_path: Path) -> Callable[..., Path]:
    def make(*, fails: bool = False) -> Path:
        folder = tmp_path / "DeOldify"
        (folder / "deoldify").mkdir(parents=True)
        (folder / "models").mkdir()
        (folder / "models/ColorizeArtistic_gen.pth").write_bytes(b"stands in for weights")
        texts = {"__init__": INIT, "device_id": DEVICE, "visualize": f"FAILS = {fails}\n{VISUALIZE}"}
        for name, text in texts.items():
            (folder / f"deoldify/{name}.py").write_text(text, encoding="utf-8")
        return folder

    return make


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["bench", "peers", *map(str, arguments)])
    return main()


def test_both_color_the_same_pictures_and_are_compared(
    make_checkout: Callable[..., Path],
    tiny_onnx: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--engine", tiny_onnx, "--render-factor", 1, "--size", "64x48", "--rounds", 2, "--threads", 1]
    files = ["--json", "peers.json", "--sheet", "peers.png"]
    assert run(monkeypatch, "--deoldify", make_checkout(), *options, *files) == 0
    shown = capsys.readouterr().out
    assert "DeOldify, PyTorch" in shown
    assert "dE2000" in shown
    table = json.loads((tmp_path / "peers.json").read_text())
    assert (table["size"], table["theirs"]["rounds"], table["ours"]["rounds"]) == ([64, 48], 2, 2)
    # The stand-in leaves pictures gray, and ours colors them.
    assert table["de2000"] > 3
    with Image.open(tmp_path / "peers.png") as sheet:
        assert sheet.height > 3 * 320


def test_failure_of_deoldify_is_one_sentence(make_checkout: Callable[..., Path], tiny_onnx: Path) -> None:
    plan = PeerPlan(make_checkout(fails=True), engine=tiny_onnx, render_factor=1, size=(32, 24), threads=1)
    with pytest.raises(BackendError, match=r"DeOldify fails as it colors .*RuntimeError: out of memory") as caught:
        compare_with_deoldify(plan)
    assert "\n" not in str(caught.value)


def test_missing_packages_of_deoldify_are_named(make_checkout: Callable[..., Path], tiny_onnx: Path) -> None:
    checkout = make_checkout()
    (checkout / "deoldify/__init__.py").write_text("from fastai_of_2019.core import *\n", encoding="utf-8")
    with pytest.raises(BackendError, match=r"fails as it starts \(ModuleNotFoundError: .*fastai_of_2019.*--python"):
        compare_with_deoldify(PeerPlan(checkout, engine=tiny_onnx, render_factor=1))


def test_process_that_dies_is_told_by_its_last_words(make_checkout: Callable[..., Path], tiny_onnx: Path) -> None:
    checkout = make_checkout()
    (checkout / "deoldify/__init__.py").write_text("import sys\nsys.exit('no CUDA')\n", encoding="utf-8")
    with pytest.raises(BackendError, match="no CUDA"):
        compare_with_deoldify(PeerPlan(checkout, engine=tiny_onnx, render_factor=1))


def test_wrong_checkouts_say_what_they_lack(make_checkout: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such folder"):
        compare_with_deoldify(PeerPlan(tmp_path / "nothing"))
    with pytest.raises(UsageError, match=r"no checkout of DeOldify, for it lacks deoldify/__init__\.py"):
        compare_with_deoldify(PeerPlan(tmp_path))
    checkout = make_checkout()
    with pytest.raises(UsageError, match="no image model 'sepia'; choose one of artistic, stable"):
        compare_with_deoldify(PeerPlan(checkout, model="sepia"))
    with pytest.raises(BackendError, match=r"ColorizeStable_gen\.pth: the weights are missing"):
        compare_with_deoldify(PeerPlan(checkout, model="stable"))
    with pytest.raises(UsageError, match="--python takes the Python"):
        compare_with_deoldify(PeerPlan(checkout, python=tmp_path / "python"))


def test_wrong_arguments_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--deoldify", tmp_path, "--size", "wide") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
