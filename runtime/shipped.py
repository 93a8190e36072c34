"""The model that ships in the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from colorrt.contract import Precision
from colorrt.errors import ArtifactError, UsageError

SHIPPED_RENDER_FACTOR = 16
SHIPPED_PRECISION = Precision.FP32
"""What is taken if no precision is asked for (docs/engines.md tells why)."""
FILES: dict[str, str] = {Precision.FP32: "lite.onnx", Precision.INT8: "lite-int8.onnx"}


def shipped_artifact(precision: str = SHIPPED_PRECISION) -> Path:
    """Path of the shipped ONNX file of a precision, "fp32" or "int8"; each takes any render factor.

    Raises UsageError for another precision, ArtifactError when the file is missing.
    """
    if precision not in FILES:
        raise UsageError(
            f"no {precision.upper()} model ships; choose {' or '.join(FILES)}, or make one with 'colorrt export "
            f"--precision {precision}' and give it with --engine"
        )
    return _shipped(FILES[precision])


def shipped_weights() -> Path:
    """Path of the shipped weights (.safetensors). Raises ArtifactError when they are missing."""
    return _shipped("lite.safetensors")


def shipped_card() -> Path:
    """Path of the model card: data, rights, training, figures, failures. Raises ArtifactError when it is missing."""
    return _shipped("MODEL.md")


def _shipped(name: str) -> Path:
    path = Path(str(resources.files("colorrt.runtime"))) / "weights" / name
    if not path.is_file():
        raise ArtifactError(
            f"{path}: the model that ships with colorrt is missing; install colorrt again, or give --engine FILE"
        )
    return path
