"""Small artifacts for the runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def tiny32(make_onnx: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact of render factor 2 alone."""
    return make_onnx(tmp_path_factory.mktemp("tiny32") / "tiny32.onnx", render_factor=2)
