"""The OpenVINO session: the answers of ONNX Runtime, its refusals in one line, and nothing said to its maker."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from colorrt.contract import Contract
from colorrt.errors import ArtifactError, BackendError, ModelError, UsageError
from colorrt.photos.shipped import parity_lumas
from colorrt.runtime import diagnosis
from colorrt.runtime.artifact import read_artifact
from colorrt.runtime.sessions import openvino as room
from colorrt.runtime.sessions.opening import open_session
from colorrt.runtime.sessions.session import SessionOptions
from colorrt.runtime.shipped import shipped_artifact

NEEDED = "OpenVINO is absent (pip install 'colorrt[openvino]')"
HERE = SessionOptions("openvino")


@pytest.fixture
def installed() -> Any:
    """OpenVINO itself; the tests that take it are skipped where it is not installed."""
    pytest.importorskip("openvino", reason=NEEDED)
    return room.import_openvino()


def squares(count: int = 1, side: int = 32) -> np.ndarray:
    return np.random.default_rng(count).random((count, 1, side, side), np.float32)


# Each size is compiled, and INT8 takes longest.
@pytest.mark.parametrize(
    ("precision", "bound", "shapes"), [("fp32", 1e-3, ((64, 1), (48, 2), (64, 1))), ("int8", 0.5, ((64, 1),))]
)
def test_answers_are_those_of_onnx_runtime(
    installed: Any, precision: str, bound: float, shapes: tuple[tuple[int, int], ...]
) -> None:
    artifact = read_artifact(shipped_artifact(precision))
    own, other = open_session(artifact, SessionOptions("openvino", exact=True)), open_session(artifact)
    assert own.backend.startswith(f"OpenVINO {installed.__version__.partition('-')[0]} on CPU")
    assert own.precision == precision
    for side, count in shapes:
        luma = np.stack(parity_lumas(side)[:count])[:, None]
        found = own.run(luma)
        assert found.shape == (count, 2, side, side)
        assert 255 * np.abs(found - other.run(luma)).mean() < bound
    own.close()


def test_answers_stay_when_the_next_come(installed: Any, make_onnx: Callable[..., Path], tmp_path: Path) -> None:
    session = open_session(read_artifact(make_onnx(tmp_path / "a.onnx", weight=(1.0, -1.0))), HERE)
    first = session.run(np.zeros((1, 1, 16, 16), np.float32))
    before = first.copy()
    session.run(np.ones((1, 1, 16, 16), np.float32))
    np.testing.assert_array_equal(first, before)


def test_threads_take_turns(installed: Any, make_onnx: Callable[..., Path], tmp_path: Path) -> None:
    session = open_session(read_artifact(make_onnx(tmp_path / "a.onnx", weight=(1.0, -1.0))), HERE)
    found: list[bool] = []

    def ask(level: float) -> None:
        for _ in range(20):
            answer = session.run(np.full((1, 1, 16, 16), level, np.float32))
            found.append(bool(np.allclose(answer[0, 0], level - 0.1, atol=1e-2)))

    threads = [threading.Thread(target=ask, args=(level,)) for level in (0.0, 0.5, 1.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 60


def test_few_sizes_are_kept(installed: Any, tiny_onnx: Path) -> None:
    session: Any = open_session(read_artifact(tiny_onnx), HERE)
    for side in range(16, 16 * (room.KEPT + 3), 16):
        session.run(squares(1, side))
    assert [side for _, side in session._requests] == [48, 64, 80, 96]


@pytest.mark.parametrize(
    ("capabilities", "exact", "precision", "wanted", "hint", "making"),
    [
        (["FP32", "BF16", "INT8"], False, "fp32", "bf16", "bf16", "bf16"),
        (["FP32", "BF16", "INT8"], True, "fp32", "fp32", "f32", ""),
        (["FP32", "INT8"], False, "fp32", "fp32", "f32", ""),
        (["FP32", "BF16", "INT8"], False, "int8", "int8", "f32", "openvino"),
        (["FP32", "BF16", "FP16"], False, "fp16", "fp16", "f32", ""),
    ],
)
def test_numbers_are_those_of_the_cpu_unless_exact(
    make_onnx: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capabilities: list[str],
    exact: bool,
    precision: str,
    wanted: str,
    hint: str,
    making: str,
) -> None:
    asked: list[dict[str, Any]] = []
    standin = make_standin(capabilities, asked)
    monkeypatch.setitem(sys.modules, "openvino", standin)
    monkeypatch.setattr("colorrt.runtime.sessions.openvino.count_cores", lambda: 4)
    contract = Contract("tiny", None, precision, None, (1, None), 1.0, "0" * 64, 18, "tests")
    artifact = read_artifact(make_onnx(tmp_path / "a.onnx", contract=contract))
    session = open_session(artifact, SessionOptions("openvino", 9, exact))
    session.run(squares())
    assert (session.precision, session.making) == (wanted, making)
    assert asked[0]["INFERENCE_PRECISION_HINT"] == hint
    assert asked[0]["INFERENCE_NUM_THREADS"] == 4


def make_standin(capabilities: list[str], asked: list[dict[str, Any]]) -> Any:
    """A package that takes and answers what ours does."""

    def port(name: str) -> Any:
        kind = SimpleNamespace(get_type_name=lambda: "f32")
        return SimpleNamespace(any_name=name, element_type=kind, partial_shape=[])

    class Request:
        def infer(self, luma: dict[str, np.ndarray], **_: Any) -> dict[str, np.ndarray]:
            return {"chroma": np.repeat(luma["luma"], 2, axis=1)}

    class Core:
        def get_property(self, *_: str) -> list[str]:
            return capabilities

        def read_model(self, _: str) -> Any:
            return SimpleNamespace(inputs=[port("luma")], outputs=[port("chroma")], reshape=lambda _: None)

        def compile_model(self, model: Any, device: str, settings: dict[str, Any]) -> Any:
            asked.append(settings)
            return SimpleNamespace(create_infer_request=Request)

    return SimpleNamespace(Core=Core, __version__="2026.0.0-1-abc")


def test_missing_package_is_named(tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "openvino")
    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(BackendError, match=r"^\S+tiny.onnx: device 'openvino' needs .*'colorrt\[openvino\]'") as caught:
        open_session(read_artifact(tiny_onnx), HERE)
    assert "\n" not in str(caught.value)
    assert room.TELEMETRY not in sys.modules or sys.modules[room.TELEMETRY] is not None


def missing(name: str) -> Any:
    raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_package_that_does_not_load_is_told(tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        raise ImportError("libopenvino.so: cannot open shared object file\nmore")

    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "openvino")
    monkeypatch.setattr("importlib.import_module", broken)
    with pytest.raises(BackendError, match=r"does not load \(libopenvino.so: cannot open shared object file\)"):
        open_session(read_artifact(tiny_onnx), HERE)


def test_nothing_is_said_to_its_maker(installed: Any, tmp_path: Path) -> None:
    # Its telemetry writes an identity below HOME before it sends anything.
    code = (
        "import sys\n"
        "from colorrt.runtime.sessions.openvino import import_openvino\n"
        "import_openvino().Core()\n"
        "print([name for name in sys.modules if name.startswith('openvino_telemetry')])\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert (answer.stdout.strip(), answer.stderr) == ("[]", "")
    assert list(tmp_path.iterdir()) == []


def test_damaged_graph_is_an_artifact_error_and_prints_nothing(
    installed: Any, tiny_onnx: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(tiny_onnx.read_bytes().replace(b"Conv", b"Cnov"))
    with pytest.raises(ArtifactError, match=r"OpenVINO \S+ cannot load it \(\w.*\); export it again") as caught:
        open_session(read_artifact(path), HERE)
    assert "\n" not in str(caught.value)
    assert "Exception from" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("changes", "kind"), [({"input_name": "gray"}, ArtifactError), ({"channels": 3}, ModelError)])
def test_graph_that_breaks_its_contract_is_an_error(
    installed: Any, make_onnx: Callable[..., Path], tmp_path: Path, changes: dict[str, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind, match="export it again"):
        open_session(read_artifact(make_onnx(tmp_path / "other.onnx", **changes)), HERE).run(squares())


def test_failing_network_is_a_model_error(
    installed: Any, make_onnx: Callable[..., Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    session = open_session(read_artifact(make_onnx(tmp_path / "fails.onnx", fails=True)), HERE)
    with pytest.raises(ModelError, match=r"tiny: the network failed at 32 x 32 \(\w.*\); use --device cpu") as caught:
        session.run(squares())
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_wrong_luma_and_closed_sessions_are_refused(installed: Any, tiny_onnx: Path) -> None:
    session = open_session(read_artifact(tiny_onnx), HERE)
    with pytest.raises(UsageError, match="a multiple of 16"):
        session.run(squares(1, 24))
    session.close()
    session.close()
    with pytest.raises(ModelError, match="the session is closed"):
        session.run(squares())


def test_doctor_knows_it(installed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = diagnosis.diagnose()
    assert diagnosis.say_openvino(found).startswith(f"OpenVINO {installed.__version__.partition('-')[0]} (fp32")
    monkeypatch.setattr("colorrt.runtime.diagnosis.find_spec", lambda _: None)
    assert diagnosis.say_openvino(diagnosis.diagnose()) == "nothing: OpenVINO is not installed"
