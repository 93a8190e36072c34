"""colorrt: colorize gray pictures with DeOldify-style networks, exported once and run anywhere.

>>> from colorrt import Colorizer
>>> color = Colorizer().colorize("old.jpg")
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from colorrt.contract import Contract, Parity
from colorrt.errors import (
    ArtifactError,
    BackendError,
    ColorrtError,
    ExportError,
    ModelError,
    PictureError,
    UsageError,
    WeightsError,
)

if TYPE_CHECKING:
    from colorrt.export.exporting import export_network
    from colorrt.runtime.artifact import read_artifact
    from colorrt.runtime.colorizer import Colorizer

__version__ = version("colorrt")
__all__ = [
    "ArtifactError",
    "BackendError",
    "Colorizer",
    "ColorrtError",
    "Contract",
    "ExportError",
    "ModelError",
    "Parity",
    "PictureError",
    "UsageError",
    "WeightsError",
    "__version__",
    "export_network",
    "read_artifact",
]

# Loaded when first asked for: `import colorrt` stays quick and never pulls in numba, onnxruntime or torch.
_LAZY = {
    "Colorizer": "colorrt.runtime.colorizer",
    "export_network": "colorrt.export.exporting",
    "read_artifact": "colorrt.runtime.artifact",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'colorrt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
