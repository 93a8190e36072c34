"""colorrt: colorize gray pictures with DeOldify-style networks, exported once and run anywhere.

>>> from colorrt import Colorizer
>>> color = Colorizer().colorize("old.jpg")
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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
    from colorrt.export.exporting import export_network
    from colorrt.runtime.api import Colorizer
    from colorrt.runtime.artifact import read_artifact

    __version__: str

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

# Loaded when first asked for: `import colorrt` stays quick and never pulls in numba, onnxruntime or torch. Nothing at
# all is imported here, not even of Python's own: until the command line catches signals, Ctrl-C ends in a traceback.
_LAZY = {
    **dict.fromkeys(("Contract", "Parity"), "colorrt.contract"),
    **dict.fromkeys(
        (
            "ArtifactError",
            "BackendError",
            "ColorrtError",
            "ExportError",
            "ModelError",
            "PictureError",
            "UsageError",
            "WeightsError",
        ),
        "colorrt.errors",
    ),
    "Colorizer": "colorrt.runtime.api",
    "export_network": "colorrt.export.exporting",
    "read_artifact": "colorrt.runtime.artifact",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "__version__":
        from importlib.metadata import version

        return version("colorrt")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'colorrt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
