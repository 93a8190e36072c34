"""The exported networks against what the original classes answered with the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from colorrt.contract import HIGHEST_RENDER_FACTOR, UNIT
from colorrt.export.graph import export_module, trace
from colorrt.models.color import IMAGENET_MEAN, IMAGENET_STD, ChromaOfRgb
from colorrt.models.registry import load_network

# Artistic holds the bound that PyTorch holds. Wide at render factor 5: the original lies up to 1.9e-4 from its own
# answer in float64 and ONNX Runtime 1.4e-4, on other sides of it; all of it is rounding in ResNet-101.
TOLERANCE = {"artistic": 2e-4, "wide": 2.5e-4}
# In the units of chroma (0..1), which is what artifacts answer in.
CHROMA_TOLERANCE = 1e-4


def cases(reference: Path, name: str) -> dict[str, dict[str, np.ndarray]]:
    return {path.stem: dict(np.load(path)) for path in sorted((reference / "raw").glob(f"{name}_*.npz"))}


def chroma(output: np.ndarray) -> np.ndarray:
    """U and V of a normalized RGB guess, from the definition in float64."""
    scale, shift = (np.array(values).reshape(1, 3, 1, 1) for values in (IMAGENET_STD, IMAGENET_MEAN))
    red, green, blue = np.moveaxis((output * scale + shift).clip(0, 1), 1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.stack([0.492 * (blue - luma), 0.877 * (red - luma)])


@pytest.fixture(scope="module", params=["artistic", "wide"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def framed(name: str, request: pytest.FixtureRequest) -> ChromaOfRgb:
    network = load_network(request.getfixturevalue(f"{name}_pth")).module
    assert isinstance(network, ChromaOfRgb)
    return network


def open_session(model: onnx.ModelProto) -> ort.InferenceSession:
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_exported_network_equals_the_original(name: str, framed: ChromaOfRgb, reference: Path) -> None:
    units = torch.export.Dim("units", min=1, max=HIGHEST_RENDER_FACTOR)
    # The network without the frame around it, since the original's answers are normalized RGB.
    session = open_session(
        export_module(framed.network, torch.rand(1, 3, 64, 64), ({2: UNIT * units, 3: UNIT * units},))
    )
    found = cases(reference, name)
    assert {case[len(name) + 1 :][:4] for case in found} == {"rf04", "rf05"}
    errors = {
        case: float(np.abs(session.run(None, {"luma": arrays["net_input"]})[0] - arrays["net_output"]).max())
        for case, arrays in found.items()
    }
    assert max(errors.values()) <= TOLERANCE[name], errors


def test_artifact_answers_with_the_chroma_of_the_original(name: str, framed: ChromaOfRgb, reference: Path) -> None:
    session = open_session(trace(framed, None))
    errors = {}
    for case, arrays in cases(reference, name).items():
        luma = arrays["net_input"][:, :1] * np.float32(IMAGENET_STD[0]) + np.float32(IMAGENET_MEAN[0])
        answer = session.run(["chroma"], {"luma": luma})[0]
        errors[case] = float(np.abs(answer[0] - chroma(arrays["net_output"])[:, 0]).max())
    assert max(errors.values()) <= CHROMA_TOLERANCE, errors
