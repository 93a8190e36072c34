"""Films made on the spot, and a small colorizer for them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from colorrt.runtime.colorizer import Colorizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Test modules of import mode importlib cannot import their neighbors by name.
sys.path += [str(Path(__file__).parent)]
pytest.register_assert_rewrite("film_files")
pytest.importorskip("av")


@pytest.fixture(scope="session")
def film_onnx(make_onnx: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact whose chroma is a slanted function of luma, so that frames differ in color."""
    return make_onnx(tmp_path_factory.mktemp("film") / "film.onnx", weight=(0.2, -0.3), offset=(-0.15, 0.2))


@pytest.fixture
def colorizer(film_onnx: Path) -> Iterator[Colorizer]:
    with Colorizer(film_onnx, render_factor=2, threads=1) as colorizer:
        yield colorizer
