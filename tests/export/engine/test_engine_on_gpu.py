"""`build_engine` where a GPU is: the engine is run against its ONNX file, and none is left that is not what it says."""

from __future__ import annotations

import json
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from colorrt.contract import NOT_YET_RUN, Contract
from colorrt.errors import BackendError, ExportError
from colorrt.export.engine import request as engine_request
from colorrt.export.engine import trial as engine_trial
from colorrt.export.engine.build import BuildRequest, Tuning, build_engine
from colorrt.export.engine.proof import Layers
from colorrt.runtime.artifact import Artifact, read_artifact
from colorrt.runtime.sessions.flavors import Flavor
from colorrt.runtime.sessions.gpu import Gpu
from colorrt.runtime.sessions.ort import OrtSession
from colorrt.runtime.sessions.session import SessionOptions
from colorrt.runtime.shipped import shipped_artifact

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX, which builds engines without a GPU, is absent")

ADA = Gpu("NVIDIA Ada", "8.9", 24 << 30, 20 << 30, "580")


@pytest.fixture
def classic(monkeypatch: pytest.MonkeyPatch) -> list[Contract]:
    """A machine with TensorRT and a GPU: the builder is that of TensorRT for RTX, the GPU answers as the ONNX file.

    Returns the contracts of the engines that sessions were opened on.
    """
    module: Any = ModuleType("tensorrt")
    for name in dir(trt):
        if name != "ComputeCapability":
            setattr(module, name, getattr(trt, name))
    flavor = Flavor("tensorrt", "10.3.0", module)
    monkeypatch.setattr(engine_request, "find_flavor", lambda _: flavor)
    monkeypatch.setattr(engine_request, "find_gpu", lambda: ADA)
    monkeypatch.setattr(engine_trial, "inspect_plan", lambda *_: Layers(("a",), ("last",)))
    opened: list[Contract] = []

    class Session:
        def __init__(self, artifact: Artifact, _: SessionOptions) -> None:
            opened.append(read_artifact(artifact.path).contract)
            self._truth = OrtSession(read_artifact(shipped_artifact()), SessionOptions(threads=2))

        def run(self, luma: NDArray[np.float32]) -> NDArray[np.float32]:
            return self._truth.run(luma)

        def close(self) -> None:
            pass

    monkeypatch.setattr(engine_trial, "TensorRtSession", Session)
    return opened


def test_engine_is_run_where_its_gpu_is_and_says_so(classic: list[Contract], tmp_path: Path) -> None:
    said: list[str] = []
    cache = tmp_path / "timing.cache"
    request = BuildRequest(batch="1:2:2", render_factors="2:4:6", tuning=Tuning(cache=cache))
    built = build_engine(None, tmp_path / "lite.plan", request, say=said.append)
    contract = read_artifact(built.path).contract
    assert contract == built.contract == classic[-1]
    engine = contract.engine
    assert engine is not None
    assert (engine.flavor, engine.capabilities, engine.gpu) == ("tensorrt", ("8.9",), "NVIDIA Ada")
    assert engine.proof.startswith("run on NVIDIA Ada against its ONNX file: ")
    # Six photographs at the tuned size, one at the least and one at the largest.
    assert engine.proof.endswith("8 photos")
    assert [each.engine.proof for each in classic if each.engine] == [NOT_YET_RUN, engine.proof]
    assert cache.stat().st_size > 0
    assert json.loads(contract.to_json())["engine"]["flavor"] == "tensorrt"


def test_fp32_in_the_engine_is_refused_and_no_file_left(
    classic: list[Contract], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_trial, "inspect_plan", lambda *_: Layers(("a",), ("b", "c", "d")))
    with pytest.raises(ExportError, match="the engine holds 3 FP32 convolutions where 1 were expected"):
        build_engine(None, tmp_path / "lite.plan", BuildRequest(render_factors="2"))
    assert list(tmp_path.iterdir()) == []


def test_tensorrt_needs_a_gpu_to_build(classic: list[Contract], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_request, "find_gpu", lambda: None)
    with pytest.raises(BackendError, match="builds on the GPU that runs the engine, and no GPU was found here"):
        build_engine(None, None, BuildRequest())
