"""Everything that can go wrong, as sentences for the person at the terminal.

ColorrtError                exit code
├── UsageError              2  the command asks for something that does not make sense
├── PictureError            1  one picture cannot be read, colored or written; the others go on
└── ModelError              3  the model or the engine cannot be used
    ├── WeightsError        3  a checkpoint is not what it should be
    ├── ArtifactError       3  an ONNX file or an engine lacks its contract or is damaged
    ├── ExportError         3  an export failed its checks; no file was written
    └── BackendError        3  a package, provider or device that was asked for is missing

Every message is one line: what, where, why, and what to do next.
"""

from __future__ import annotations


class ColorrtError(Exception):
    """Base of all errors of colorrt.

    `exit_code` is what the command line returns for it.
    """

    exit_code: int = 1


class UsageError(ColorrtError):
    """The command or call asks for something that does not make sense."""

    exit_code = 2


class PictureError(ColorrtError):
    """One picture cannot be read, colored or written."""

    exit_code = 1


class ModelError(ColorrtError):
    """The model or the engine cannot be used."""

    exit_code = 3


class WeightsError(ModelError):
    """A checkpoint file is not what it should be."""


class ArtifactError(ModelError):
    """An ONNX file or an engine lacks its contract, is damaged, or is of another kind."""


class ExportError(ModelError):
    """An export failed one of its checks; no file was written."""


class BackendError(ModelError):
    """A package, execution provider or device that was asked for is not there."""
