"""Engines and machines that do not fit: one sentence with what it was built for, what is here, and the way out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from engine_plans import RTX, refusal

from colorrt.errors import ArtifactError, BackendError, ColorrtError
from colorrt.runtime.artifact import read_artifact
from colorrt.runtime.sessions.opening import open_session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]


def test_flavor_that_is_not_here_is_named_with_both_ways_out(make_machine: Make, make_plan: Make) -> None:
    machine = make_machine(**RTX)
    path = make_plan()
    assert refusal(path) == (
        f"{path}: the engine was built for TensorRT 10.13.3.9, on NVIDIA Stand-in, compute capability 8.9; here, "
        "TensorRT is not installed; pip install 'colorrt[trt]', or on a Jetson use JetPack's; for the TensorRT "
        "for RTX 1.7.1.116 that is here, build it again: colorrt build colorrt-tiny-rf2.onnx --precision fp16 "
        f"--batch 1:2:2 -o {path} --overwrite"
    )
    assert machine.calls == []


def test_machine_without_any_tensorrt_says_what_to_install(make_machine: Make, make_plan: Make) -> None:
    make_machine(flavor="none")
    message = refusal(make_plan(**RTX))
    assert "built for TensorRT for RTX 1.7.1.116" in message
    assert message.endswith("TensorRT for RTX is not installed; pip install 'colorrt[rtx]'")


@pytest.mark.parametrize("here", ["10.13.3.10", "10.12.0.36", "11.0.0", "9.3"])
def test_other_version_is_refused_before_tensorrt_sees_the_plan(make_machine: Make, make_plan: Make, here: str) -> None:
    machine = make_machine(version=here)
    path = make_plan()
    assert refusal(path) == (
        f"{path}: the engine was built for TensorRT 10.13.3.9, on NVIDIA Stand-in, compute capability 8.9, and this "
        f"machine has TensorRT {here}; build it again here: colorrt build colorrt-tiny-rf2.onnx --precision fp16 "
        f"--batch 1:2:2 -o {path} --overwrite"
    )
    assert "Runtime" not in machine.calls


@pytest.mark.parametrize(("built", "here"), [("10.3.0", "10.3.0.26"), ("10.13.3.9", "10.13.3.9")])
def test_version_told_to_fewer_numbers_is_the_same(make_machine: Make, make_plan: Make, built: str, here: str) -> None:
    make_machine(version=here)
    open_session(read_artifact(make_plan(version=built))).close()


def test_other_capability_is_refused(make_machine: Make, make_plan: Make) -> None:
    machine = make_machine(gpu="NVIDIA Orin", capability=(8, 7))
    message = refusal(make_plan())
    assert "compute capability 8.9, and this machine has an NVIDIA Orin of compute capability 8.7; build it" in message
    assert "Runtime" not in machine.calls


def test_rtx_is_told_the_capability_to_build_for(make_machine: Make, make_plan: Make) -> None:
    make_machine(**RTX, capability=(7, 5))
    message = refusal(make_plan(**RTX, capabilities=("8.6", "8.9")))
    assert "compute capability 8.6 or 8.9, and this machine has an NVIDIA Stand-in of compute capability 7.5" in message
    assert "--capability 7.5 -o" in message


@pytest.mark.parametrize(("capability", "runs"), [((7, 5), False), ((8, 0), True), ((8, 9), True), ((12, 0), True)])
def test_rtx_engine_of_no_named_capability_runs_from_8_on(
    make_machine: Make, make_plan: Make, capability: tuple[int, int], runs: bool
) -> None:
    make_machine(**RTX, capability=capability)
    path = make_plan(**RTX, capabilities=(), gpu=None)
    if runs:
        open_session(read_artifact(path)).close()
    else:
        assert "compute capability 8.0 and later, and this machine has" in refusal(path)


def test_engine_of_no_named_capability_runs_on_its_own_gpu_alone(make_machine: Make, make_plan: Make) -> None:
    make_machine()
    open_session(read_artifact(make_plan(capabilities=()))).close()
    make_machine(gpu="NVIDIA Other")
    message = refusal(make_plan(capabilities=()))
    assert "TensorRT 10.13.3.9, on NVIDIA Stand-in, and this machine has an NVIDIA Other" in message


def test_machine_without_a_gpu_says_why(make_machine: Make, make_plan: Make) -> None:
    make_machine(fail={"cuInit": "CUDA_ERROR_NO_DEVICE"})
    path = make_plan()
    assert refusal(path) == (
        f"{path}: the engine needs an NVIDIA GPU, and the NVIDIA driver is installed but sees no GPU; the ONNX file "
        "that it was built from runs on any machine"
    )


def test_command_builds_what_the_contract_says(make_machine: Make, make_plan: Make) -> None:
    make_machine(version="11.0")
    path = make_plan("it's.plan", model="wide", render_factor=None, render_factors=(8, 16, 24), batch=(1, 8), optimum=4)
    message = refusal(path)
    assert "colorrt build colorrt-wide.onnx --precision fp16 --batch 1:4:8 --render-factors 8:16:24 -o '" in message


def test_command_names_the_flavor_where_there_are_two(
    make_machine: Make, make_plan: Make, monkeypatch: pytest.MonkeyPatch, standin: Any
) -> None:
    make_machine(**RTX)
    monkeypatch.setitem(sys.modules, "tensorrt", standin.Machine().module)
    assert "--backend tensorrt_rtx" in refusal(make_plan(flavor="tensorrt_rtx", version="1.6"))


@pytest.mark.parametrize(
    ("flags", "kind", "says"),
    [
        (32, ArtifactError, "does not recognize this as an engine; copy it again, or build it again: colorrt build"),
        (2, BackendError, "refuses it: it was not built for this GPU's compute capability; build it again here:"),
        (4, BackendError, "refuses it: the NVIDIA driver is too old for it, and a newer driver helps; build it"),
        (1 | 64, BackendError, "it was built by another version and CUDA is not installed properly; build it"),
        (1024, BackendError, "refuses it: it does not say why; build it again here:"),
    ],
)
def test_what_rtx_finds_invalid_is_said_in_words(
    make_machine: Make, make_plan: Make, standin: Any, flags: int, kind: type[ColorrtError], says: str
) -> None:
    machine = make_machine(**RTX, profile=standin.Profile(flags=flags))
    assert says in refusal(make_plan(**RTX), kind)
    assert "deserialize_cuda_engine" not in machine.calls
    assert machine.leaks == []


def test_engine_with_the_contract_of_a_graph_is_refused(make_machine: Make, make_plan: Make, tmp_path: Path) -> None:
    from dataclasses import replace

    make_machine()
    contract = replace(read_artifact(make_plan()).contract, engine=None)
    path = tmp_path / "stray.plan"
    path.write_bytes(b"ftrt" + bytes(9) + contract.to_json().encode())
    assert "this is a TensorRT engine with the contract of an ONNX file" in refusal(path, ArtifactError)
