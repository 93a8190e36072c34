"""eccv16, siggraph17 and the half ResNet-18 at full size against what the original classes answered."""

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

    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[np.float32]]

CONTENT = {"eccv16": "cb49ae73", "siggraph17": "5364abf3", "hkust": "ad73ee7d"}
CASES = 7
# In the units of each network (a / 110 and b / 110): the originals differ by 2e-5 from themselves.
GUESS = {"eccv16": 4e-4, "siggraph17": 4e-4, "hkust": 2e-5}
# Chroma, in levels of 255. The smallest mistake that was tried makes more than 1.
IN_TORCH, IN_ONNX = 0.1, 0.5


@pytest.fixture(scope="module", params=CONTENT)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def cases(name: str, zoo: Path) -> dict[str, Arrays]:
    found = {path.stem: dict(np.load(path)) for path in sorted((zoo / "reference" / "raw").glob(f"{name}_*.npz"))}
    assert len(found) == CASES
    for stem, arrays in found.items():
        if "net_output" in arrays and "net_input" not in arrays:
            # The same as eccv16's, stored once.
            path = zoo / "reference" / "raw" / f"{stem.replace(name, 'eccv16')}.npz"
            arrays["net_input"] = np.load(path)["net_input"]
        if name == "hkust":
            # It sees gray itself.
            arrays.setdefault("luma", arrays.get("net_input", np.empty(0)))
        elif "chroma" in arrays and "luma" not in arrays:
            arrays["luma"] = luma_of(arrays["net_input"])
    return found


def luma_of(lightness: NDArray[np.float32]) -> NDArray[np.float32]:
    """The luma of the gray pixels of this lightness, from the definition."""
    root = (lightness.astype(np.float64) + 16) / 116
    linear = np.where(root > 0.2068966, root**3, (root - 16 / 116) / 7.787)
    coded = np.where(linear > 0.0031308, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055, 12.92 * linear)
    return coded.astype(np.float32)


@pytest.fixture(scope="module")
def framed(name: str, zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> ChromaOfLab:
    path = tmp_path_factory.mktemp(name) / "weights.pth"
    reference = zoo / "reference"
    command = [sys.executable, str(reference / "make_checkpoint.py"), str(reference / f"keys_{name}.tsv"), str(path)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert f"content sha256 {CONTENT[name]}" in answer, "this machine makes other reference weights"
    module = load_network(path).module
    path.unlink()
    assert isinstance(module, ChromaOfLab)
    return module


def test_network_guesses_what_the_original_did(name: str, framed: ChromaOfLab, cases: dict[str, Arrays]) -> None:
    scale = framed.scale
    errors = {}
    for stem, arrays in cases.items():
        if "net_output" not in arrays:
            continue
        x = torch.from_numpy((arrays["net_input"] - scale.center) / scale.spread)
        with torch.inference_mode():
            guess = framed.network(x).numpy()
        # Zhang's answers are stored as a and b, HKUST's as the network gives them.
        stored = arrays["net_output"]
        expected = stored if name == "hkust" else (stored - scale.offset) / scale.gain
        errors[stem] = float(np.abs(guess - expected).max())
    assert len(errors) == CASES - 1
    assert max(errors.values()) <= GUESS[name], errors


def test_luma_gives_the_chroma_of_the_original_in_torch_and_as_a_graph(
    framed: ChromaOfLab, cases: dict[str, Arrays]
) -> None:
    graph = trace(framed, None).SerializeToString()
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    errors = {}
    for stem, arrays in cases.items():
        if "chroma" not in arrays:
            continue
        with torch.inference_mode():
            chroma = framed(torch.from_numpy(arrays["luma"])).numpy()
        answer = session.run(["chroma"], {"luma": arrays["luma"]})[0]
        errors[stem] = tuple(float(np.abs(one - arrays["chroma"]).max()) * 255 for one in (chroma, answer))
    # Three at 64 pixels, one at 176 and one at the network's own size.
    assert len(errors) == 5
    assert max(first for first, _ in errors.values()) <= IN_TORCH, errors
    assert max(second for _, second in errors.values()) <= IN_ONNX, errors
