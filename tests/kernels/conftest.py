from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    # Test modules of import mode importlib cannot import their neighbors by name.
    spec = importlib.util.spec_from_file_location("kernels_reference", Path(__file__).with_name("reference.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def shared() -> Path:
    folder = Path(__file__).resolve().parents[2].parent / "shared"
    if not (folder / "reference" / "inputs").is_dir():
        pytest.skip("the shared reference pictures lie not beside this checkout")
    return folder
