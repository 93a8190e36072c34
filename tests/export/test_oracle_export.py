"""The exported networks against what the original classes answered with the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from colorrt.contract import HIGHEST_RENDER_FACTOR, UNIT
from colorrt.export.graph import export_module
from colorrt.models.color import IMAGENET_MEAN, IMAGENET_STD, ChromaOfRgb
from colorrt.models.registry import load_network

# Artistic holds the bound that PyTorch holds. Wide at render factor 5: the original lies up to 1.9e-4 from its own
# answer in float64 and ONNX Runtime 1.4e-4, on other sides of it; all of it is rounding in ResNet-101.
TOLERANCE = {"artistic": 2e-4, "wide": 2.5e-4}
# In the units of chroma (0..1), which is what artifacts answer in.
CHROMA_TOLERANCE = 5e-5


def cases(reference: Path, name: str) -> dict[str, dict[str, np.ndarray]]:
    return {path.stem: dict(np.load(path)) for path in sorted((reference / "raw").glob(f"{name}_*.npz"))}


def chroma(output: np.ndarray) -> np.ndarray:
    """U and V of a normalized RGB guess, from the definition in float64."""
    scale, shift = (np.array(values).reshape(1, 3, 1, 1) for values in (IMAGENET_STD, IMAGENET_MEAN))
    red, green, blue = np.moveaxis((output * scale + shift).clip(0, 1), 1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.stack([0.492 * (blue - luma), 0.877 * (red - luma)])


@pytest.mark.parametrize("name", ["artistic", "wide"])
def test_exported_network_equals_the_original(
    name: str, reference: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    network = load_network(request.getfixturevalue(f"{name}_pth")).module
    assert isinstance(network, ChromaOfRgb)
    units = torch.export.Dim("units", min=1, max=HIGHEST_RENDER_FACTOR)
    # The network without the frame around it, since the original's answers are normalized RGB.
    shapes = ({2: UNIT * units, 3: UNIT * units},)
    model = export_module(network.network, torch.rand(1, 3, 64, 64), shapes)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    del model
    found = cases(reference, name)
    assert {case[len(name) + 1 :][:4] for case in found} == {"rf04", "rf05"}
    errors, chroma_errors = {}, {}
    for case, arrays in found.items():
        output = session.run(None, {"luma": arrays["net_input"]})[0]
        errors[case] = float(np.abs(output - arrays["net_output"]).max())
        chroma_errors[case] = float(np.abs(chroma(output) - chroma(arrays["net_output"])).max())
    assert max(errors.values()) <= TOLERANCE[name], errors
    assert max(chroma_errors.values()) <= CHROMA_TOLERANCE, chroma_errors
