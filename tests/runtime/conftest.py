"""Small artifacts and sessions for the runtime."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.folder import Result, Settings, color_jobs
from colorrt.runtime.jobs import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from colorrt.runtime.sessions.tensorrt import TensorRtSession

    Make = Callable[..., Any]


@pytest.fixture(scope="session")
def tiny32(make_onnx: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact of render factor 2 alone."""
    return make_onnx(tmp_path_factory.mktemp("tiny32") / "tiny32.onnx", render_factor=2)


@pytest.fixture(scope="session")
def standin() -> Any:
    """All names of the stand-in for a machine with a GPU."""
    import cuda_kinds
    import cuda_standin
    import gpu_standin
    import tensorrt_standin

    return SimpleNamespace(**(vars(cuda_kinds) | vars(cuda_standin) | vars(tensorrt_standin) | vars(gpu_standin)))


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
            monkeypatch.setattr(f"colorrt.runtime.sessions.{room}.load_driver", lambda: machine.driver)
        monkeypatch.setattr("colorrt.runtime.sessions.gpu.DRIVER_FILE", tmp_path / "no driver file")
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


@pytest.fixture(params=["tensorrt", "rtx"])
def flavor(request: pytest.FixtureRequest) -> Any:
    """What a machine and a plan have to be told for each TensorRT."""
    from engine_plans import RTX

    return RTX if request.param == "rtx" else {}


@pytest.fixture
def young_heap() -> Iterator[None]:
    """Let collections look only at what comes after: what a whole test run has left takes them a second each."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def opened(
    make_machine: Make, make_plan: Make, young_heap: None
) -> Iterator[Callable[..., tuple[Any, TensorRtSession]]]:
    """Open an engine of two pictures of 32 x 32, or as told; what is not freed in the end fails the test."""
    from engine_plans import open_plan

    made: list[tuple[Any, TensorRtSession]] = []

    def make(flavor: dict[str, str] | None = None, *, plan: dict[str, Any] | None = None, **settings: Any) -> Any:
        machine = make_machine(**(flavor or {}), **settings)
        made.append((machine, open_plan(make_plan(**(flavor or {}), **(plan or {})))))
        return made[-1]

    yield make
    for machine, session in made:
        session.close()
        gc.collect()
        assert machine.leaks == []
        assert all(current for _, current in machine.freed), "TensorRT freed something without CUDA's context"


@pytest.fixture(scope="module")
def colorizer(tiny_onnx: Path) -> Iterator[Colorizer]:
    """A colorizer that paints everything orange."""
    with Colorizer(tiny_onnx, render_factor=1) as colorizer:
        yield colorizer


@pytest.fixture
def color(colorizer: Colorizer, tmp_path: Path) -> Callable[..., Result]:
    """Color one file into the folder out, under its own name or another."""

    def run(source: Path, name: str | None = None, **settings: Any) -> Result:
        job = Job(source, tmp_path / "out" / (name or source.name))
        (result,) = color_jobs(colorizer, [job], Settings(overwrite=True, **settings))
        return result

    return run


@pytest.fixture
def photos(save_gray: Callable[..., Path], tmp_path: Path) -> Path:
    """A folder of six sound pictures, two of them below it."""
    for name in ("1.jpg", "2.png", "3.tif", "4.bmp", "sub/5.webp", "sub/6.jpg"):
        save_gray(tmp_path / "photos" / name)
    return tmp_path / "photos"
