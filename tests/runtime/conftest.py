"""Small artifacts for the runtime."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def tiny32(make_onnx: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact of render factor 2 alone."""
    return make_onnx(tmp_path_factory.mktemp("tiny32") / "tiny32.onnx", render_factor=2)


@pytest.fixture(scope="session")
def standin() -> Any:
    """The module of the stand-in for a machine with a GPU."""
    spec = importlib.util.spec_from_file_location("gpu_standin", Path(__file__).with_name("gpu_standin.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_standin"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def make_machine(standin: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Put a machine with a GPU and one TensorRT in the place of this one; arguments are those of `Machine`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def make(**settings: Any) -> Any:
        machine = standin.Machine(**settings)
        for flavor in ("tensorrt", "tensorrt_rtx"):
            # None in this place makes the import fail as if nothing were installed.
            monkeypatch.setitem(sys.modules, flavor, machine.module if flavor == machine.flavor else None)
        for room in ("gpu", "cuda"):
            monkeypatch.setattr(f"colorrt.runtime.{room}.load_driver", lambda: machine.driver)
        monkeypatch.setattr("colorrt.runtime.gpu.DRIVER_FILE", tmp_path / "no driver file")
        return machine

    return make


@pytest.fixture
def make_plan(tmp_path: Path) -> Callable[..., Path]:
    """Write an engine that the stand-in loads; arguments change its contract and what that says of the engine."""
    from dataclasses import fields, replace

    from colorrt.contract import NOT_YET_RUN, Contract, Engine

    def make(name: str = "fp16.plan", **changes: Any) -> Path:
        engine = Engine("tensorrt", "10.13.3.9", ("8.9",), "NVIDIA Stand-in", NOT_YET_RUN, 2)
        names = {field.name for field in fields(Engine)}
        engine = replace(engine, **{key: value for key, value in changes.items() if key in names})
        contract = Contract("tiny", 2, "fp16", "shared-qk", (1, 2), 1.0, "0" * 64, 18, "tests", engine=engine)
        contract = replace(contract, **{key: value for key, value in changes.items() if key not in names})
        tag = b"vtrt" if engine.flavor == "tensorrt_rtx" else b"ftrt"
        path = tmp_path / name
        path.write_bytes(tag + bytes(99) + contract.to_json().encode() + bytes(99))
        return path

    return make
