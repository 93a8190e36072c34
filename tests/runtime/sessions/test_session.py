"""Sessions on ONNX Runtime: what was asked for runs, what does not fit is refused before it runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest

from colorrt.contract import Contract
from colorrt.errors import ArtifactError, BackendError, ModelError, UsageError
from colorrt.runtime.artifact import read_artifact
from colorrt.runtime.sessions.opening import open_session
from colorrt.runtime.sessions.ort import sums_overflow
from colorrt.runtime.sessions.session import Session, SessionOptions, check_luma
from colorrt.runtime.shipped import shipped_artifact

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HAS_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def squares(count: int = 1, side: int = 32) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.linspace(0, 1, count * side * side, dtype=np.float32).reshape(count, 1, side, side)


@pytest.fixture
def session(tiny_onnx: Path) -> Session:
    return open_session(read_artifact(tiny_onnx))


def test_chroma_is_what_the_network_says(make_onnx: Callable[..., Path], tmp_path: Path) -> None:
    path = make_onnx(tmp_path / "linear.onnx", weight=(0.5, -0.25), offset=(0.0, 0.125))
    luma = squares(2)
    chroma = open_session(read_artifact(path)).run(luma)
    assert chroma.dtype == np.float32
    np.testing.assert_allclose(chroma[:, :1], 0.5 * luma, atol=1e-6)
    np.testing.assert_allclose(chroma[:, 1:], 0.125 - 0.25 * luma, atol=1e-6)


@pytest.mark.parametrize(("count", "side"), [(1, 16), (3, 48), (2, 1024)])
def test_graph_of_any_size_takes_any_multiple_of_16(session: Session, count: int, side: int) -> None:
    assert session.run(squares(count, side)).shape == (count, 2, side, side)


@pytest.mark.parametrize(
    "luma",
    [
        squares(side=32)[0],
        squares(side=32)[:, 0],
        squares(side=32)[..., :16],
        squares(side=40),
        squares(side=32)[:, :, :0, :0],
        np.repeat(squares(), 3, axis=1),
        squares().astype(np.float64),
        squares().astype(np.float16),
        (255 * squares()).astype(np.uint8),
    ],
    ids=lambda luma: f"{luma.dtype} {'x'.join(map(str, luma.shape))}",
)
def test_other_shapes_and_dtypes_are_refused_with_what_it_takes(session: Session, luma: Any) -> None:
    with pytest.raises(UsageError, match=r"tiny takes luma of N x 1 x S x S with S a multiple of 16 float32, got "):
        session.run(luma)


def test_graph_of_one_size_takes_only_that(tiny32: Path) -> None:
    session = open_session(read_artifact(tiny32))
    assert session.run(squares(side=32)).shape == (1, 2, 32, 32)
    with pytest.raises(UsageError, match="takes luma of N x 1 x 32 x 32 float32, got 1 x 1 x 48 x 48 float32"):
        session.run(squares(side=48))


@pytest.mark.parametrize(
    ("batch", "bad", "bounds"), [((2, 4), 1, "2 to 4"), ((2, 4), 5, "2 to 4"), ((2, None), 1, "2 or more")]
)
def test_batches_outside_the_contract_are_refused(
    tiny_onnx: Path, batch: tuple[int, int | None], bad: int, bounds: str
) -> None:
    contract = replace(read_artifact(tiny_onnx).contract, batch=batch)
    check_luma(contract, squares(3))
    with pytest.raises(UsageError, match=f"takes {bounds} pictures at a time, got {bad}"):
        check_luma(contract, squares(bad))


def test_provider_asked_for_is_the_provider_used(tiny_onnx: Path) -> None:
    for device in ("auto", "cpu"):
        session = open_session(read_artifact(tiny_onnx), SessionOptions(device))
        assert session.backend == f"ONNX Runtime {onnxruntime.__version__} on CPU"


@pytest.mark.skipif(HAS_CUDA, reason="this machine has the GPU package")
def test_cuda_without_the_gpu_package_names_it(tiny_onnx: Path) -> None:
    with pytest.raises(BackendError, match=r"'cuda' needs .*CUDAExecutionProvider.*pip install 'colorrt\[gpu\]'"):
        open_session(read_artifact(tiny_onnx), SessionOptions("cuda"))


def test_provider_that_silently_falls_back_is_an_error(tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As the GPU package behaves where the driver or cuDNN is missing.
    real = onnxruntime.InferenceSession

    def falls_back(path: str, options: Any, providers: list[str]) -> Any:
        assert providers == ["CUDAExecutionProvider"]
        return real(path, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr("colorrt.runtime.sessions.ort.ort.get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr("colorrt.runtime.sessions.ort.ort.InferenceSession", falls_back)
    with pytest.raises(BackendError, match="is installed but does not load on this machine"):
        open_session(read_artifact(tiny_onnx), SessionOptions("cuda"))


def test_threads_are_those_asked_for_as_far_as_there_are_cores(
    tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = onnxruntime.InferenceSession

    def spy(path: str, options: Any, providers: list[str]) -> Any:
        seen.append(options.intra_op_num_threads)
        return real(path, options, providers=providers)

    monkeypatch.setattr("colorrt.runtime.sessions.ort.ort.InferenceSession", spy)
    monkeypatch.setattr("colorrt.runtime.sessions.ort.count_cores", lambda: 4)
    for threads in (1, 3, 2000, None):
        open_session(read_artifact(tiny_onnx), SessionOptions(threads=threads)).run(squares())
    assert seen == [1, 3, 4, 0]


def test_threads_of_a_network_do_not_wait_in_loops(tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str]] = []
    real = onnxruntime.SessionOptions

    class Spy(real):  # type: ignore[misc, valid-type]  # the class of a compiled module
        def add_session_config_entry(self, key: str, value: str) -> None:
            seen.append((key, value))
            super().add_session_config_entry(key, value)

    monkeypatch.setattr("colorrt.runtime.sessions.ort.ort.SessionOptions", Spy)
    open_session(read_artifact(tiny_onnx), SessionOptions()).run(squares())
    assert seen == [("session.intra_op.allow_spinning", "0")]


@pytest.mark.parametrize("overflow", [False, True])
def test_int8_takes_slower_instructions_only_where_sums_overflow(
    monkeypatch: pytest.MonkeyPatch, overflow: bool
) -> None:
    seen: list[str] = []
    real = onnxruntime.SessionOptions

    class Spy(real):  # type: ignore[misc, valid-type]  # the class of a compiled module
        def add_session_config_entry(self, key: str, value: str) -> None:
            seen.append(key)
            super().add_session_config_entry(key, value)

    monkeypatch.setattr("colorrt.runtime.sessions.ort.ort.SessionOptions", Spy)
    monkeypatch.setattr("colorrt.runtime.sessions.ort.sums_overflow", lambda: overflow)
    for precision in ("int8", "fp32"):
        open_session(read_artifact(shipped_artifact(precision)), SessionOptions(threads=1))
    assert seen.count("session.x64quantprecision") == overflow


@pytest.mark.parametrize("large", [False, True])
def test_memory_of_large_networks_is_not_planned(tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    seen: list[bool] = []
    real = onnxruntime.InferenceSession

    def spy(path: str, options: Any, providers: list[str]) -> Any:
        seen.append(options.enable_mem_pattern)
        return real(path, options, providers=providers)

    monkeypatch.setattr("colorrt.runtime.sessions.ort.ort.InferenceSession", spy)
    if large:
        monkeypatch.setattr("colorrt.runtime.sessions.ort.LARGE", 100)
    open_session(read_artifact(tiny_onnx))
    assert seen == [not large]


def test_overflow_is_found_by_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sums_overflow.__wrapped__() in (False, True)

    class Saturates:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def run(self, _: None, asked: dict[str, np.ndarray]) -> list[np.ndarray]:
            pairs = (asked["a"].astype(np.int64)[:, :, None] * asked["b"]).reshape(16, 32, 2, 16).sum(axis=2)
            return [pairs.clip(-32768, 32767).sum(axis=1)]

    monkeypatch.setattr("colorrt.runtime.sessions.ort.ort.InferenceSession", Saturates)
    assert sums_overflow.__wrapped__()


@pytest.mark.parametrize("threads", [0, -2])
def test_impossible_thread_counts_are_refused(threads: int) -> None:
    with pytest.raises(UsageError, match=f"{threads} threads cannot run a network; use 1 or more"):
        SessionOptions(threads=threads)


def test_unknown_device_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="device 'tpu' is unknown; choose one of auto, cpu, openvino, cuda"):
        SessionOptions("tpu")


def test_closed_session_says_so(session: Session) -> None:
    session.close()
    session.close()
    with pytest.raises(ModelError, match="the session is closed"):
        session.run(squares())


def test_damaged_graph_with_a_sound_contract_is_an_artifact_error(
    tiny_onnx: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(tiny_onnx.read_bytes().replace(b"Conv", b"Cnov"))
    with pytest.raises(ArtifactError) as caught:
        open_session(read_artifact(path))
    message = str(caught.value)
    assert message.startswith(f"{path}: ONNX Runtime {onnxruntime.__version__} cannot load it (")
    assert message.count(str(path)) == 1
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("changes", [{"input_name": "gray"}, {"channels": 3}], ids=str)
def test_graph_that_breaks_its_contract_is_an_error(
    make_onnx: Callable[..., Path], tmp_path: Path, changes: dict[str, Any]
) -> None:
    path = make_onnx(tmp_path / "other.onnx", **changes)
    with pytest.raises(ModelError, match="export it again"):
        open_session(read_artifact(path)).run(squares())


def test_graph_of_another_size_than_its_contract_is_an_artifact_error(
    make_onnx: Callable[..., Path], tmp_path: Path
) -> None:
    contract = Contract("tiny", 3, "fp32", "plain", (1, None), 1.0, "0" * 64, 18, "tests")
    path = make_onnx(tmp_path / "other.onnx", render_factor=2, contract=contract.to_json())
    with pytest.raises(ArtifactError, match=r"it takes luma N x 1 x 32 x 32 and returns chroma\); export it again"):
        open_session(read_artifact(path))


def test_failing_network_is_a_model_error_and_prints_nothing(
    make_onnx: Callable[..., Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    session = open_session(read_artifact(make_onnx(tmp_path / "fails.onnx", fails=True)))
    with pytest.raises(ModelError, match=r"tiny: the network failed at 32 x 32 \(.*Reshape") as caught:
        session.run(squares())
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_want_of_memory_advises_a_smaller_render_factor(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def run(self, *_: object) -> None:
            raise RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory\nin some arena")

    monkeypatch.setattr(session, "_session", Full())
    with pytest.raises(ModelError, match=r"\(Failed to allocate memory\); a smaller --render-factor needs less memory"):
        session.run(squares())


def test_engine_is_opened_by_tensorrt(
    make_machine: Callable[..., Any], make_plan: Callable[..., Path], standin: Any
) -> None:
    make_machine()
    session = open_session(read_artifact(make_plan()))
    np.testing.assert_array_equal(session.run(squares(3)), standin.network(squares(3)))
    session.close()


def test_cuda_libraries_from_packages_are_loaded_before_the_session(
    tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    order: list[str] = []

    def preload() -> None:
        order.append("libraries")
        print("Failed to load libcudnn.so.9")

    def session(path: str, options: Any, providers: list[str]) -> Any:
        order.append("session")
        raise RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : CUDA failure 35: driver is insufficient\nat x")

    monkeypatch.setattr("colorrt.runtime.sessions.ort.ort.get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr("colorrt.runtime.sessions.ort.ort.preload_dlls", preload, raising=False)
    monkeypatch.setattr("colorrt.runtime.sessions.ort.ort.InferenceSession", session)
    with pytest.raises(BackendError) as caught:
        open_session(read_artifact(tiny_onnx), SessionOptions("cuda"))
    assert "does not start on this machine (CUDA failure 35: driver is insufficient); 'colorrt doctor'" in str(
        caught.value
    )
    assert order == ["libraries", "session"]
    assert capsys.readouterr() == ("", "")


def test_run_that_fails_on_its_provider_is_not_repeated_on_another(tiny_onnx: Path) -> None:
    session: Any = open_session(read_artifact(tiny_onnx))
    assert session._session._enable_fallback is False
