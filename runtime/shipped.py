"""The model that ships in the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from colorrt.errors import ArtifactError

SHIPPED_RENDER_FACTOR = 16


def shipped_artifact() -> Path:
    """Path of the shipped ONNX file, which takes any render factor. Raises ArtifactError when it is missing."""
    return _shipped("lite.onnx")


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
