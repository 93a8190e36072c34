"""DDColor tiny at full size against what the original classes answered with the same weights."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
import pytest
import torch

from colorrt.export.graph import trace
from colorrt.models.color import ChromaOfLab
from colorrt.models.registry import load_network

if TYPE_CHECKING:
    from pathlib import Path

# a and b in Lab units: the original lies 3e-4 from its own answer in float64, the smallest mistake makes 2e-3 or more.
AB = 1.5e-3
# Chroma in levels of 255.
IN_TORCH, IN_ONNX = 0.1, 0.5
PICTURES = ("landscape_rgb_480x320", "odd_rgb_333x517")


@pytest.fixture(scope="module")
def framed(zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> ChromaOfLab:
    path = tmp_path_factory.mktemp("ddcolor") / "tiny.pth"
    folder = zoo / "ddcolor"
    command = [sys.executable, str(folder / "make_ddcolor_checkpoint.py"), str(folder / "keys_ddcolor_tiny.tsv")]
    answer = subprocess.run([*command, str(path)], check=True, capture_output=True, text=True).stdout
    assert "content sha256 eb1e2496" in answer, "this machine makes other reference weights"
    loaded = load_network(path)
    path.unlink()
    assert loaded.model == "ddcolor-tiny"
    assert isinstance(loaded.module, ChromaOfLab)
    return loaded.module


@pytest.mark.parametrize("size", [256, 512])
def test_network_and_graph_answer_as_the_original(framed: ChromaOfLab, zoo: Path, size: int) -> None:
    session = ort.InferenceSession(trace(framed, size // 16).SerializeToString(), providers=["CPUExecutionProvider"])
    part = (..., slice(1, None, 4), slice(2, None, 4)) if size == 256 else (..., slice(3, None, 8), slice(5, None, 8))
    for picture in PICTURES:
        given = np.load(zoo / "ddcolor" / "raw" / f"input_s{size}_{picture}.npz")
        wanted = np.load(zoo / "ddcolor" / "raw" / f"tiny_s{size}_{picture}.npz")
        luma = (given["luma_u8"].astype(np.float32) / np.float32(255))[None, None]
        ab, whole = ("luma_net_output_4", "chroma") if size == 256 else ("luma_net_output_8", "chroma_8")
        with torch.inference_mode():
            if "net_input" in given:
                guess = framed.network(torch.from_numpy(given["net_input"])).numpy()
                assert np.abs(guess - wanted["net_output"]).max() < AB
            assert np.abs(framed.network(torch.from_numpy(luma)).numpy()[part] - wanted[ab]).max() < AB
            chroma = framed(torch.from_numpy(luma)).numpy()
        answer = session.run(["chroma"], {"luma": luma})[0]
        for name, one, bound in (("torch", chroma, IN_TORCH), ("onnx", answer, IN_ONNX)):
            error = float(np.abs((one if size == 256 else one[part]) - wanted[whole]).max()) * 255
            print(f"{picture} {size} {name}: {error:.1e} levels of 255")
            assert error <= bound, (picture, name)
