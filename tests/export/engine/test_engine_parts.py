"""The parts of a build: what is ordered, what TensorRT says, how far it has come, what it will take."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from colorrt.contract import Contract
from colorrt.errors import BackendError, UsageError
from colorrt.export.engine import memory as engine_memory
from colorrt.export.engine.builder import Tuning
from colorrt.export.engine.memory import Need, estimate_need, warn_of_memory
from colorrt.export.engine.messages import Messages, Progress, tidy
from colorrt.export.engine.target import (
    Range,
    find_capabilities,
    known_capabilities,
    parse_factors,
    parse_range,
    square_shapes,
)
from colorrt.runtime.sessions.flavors import Flavor
from colorrt.runtime.sessions.gpu import Gpu

if TYPE_CHECKING:
    from types import ModuleType

CONTRACT = Contract("tiny", None, "fp32", "plain", (1, None), 1.0, "0" * 64, 18, "tests")
ADA = Gpu("NVIDIA Ada", "8.9", 24 << 30, 20 << 30, "580")


def module(**names: Any) -> ModuleType:
    return SimpleNamespace(**names)  # type: ignore[return-value]  # as much of a module as is read


RTX = Flavor(
    "tensorrt_rtx",
    "1.7.1",
    module(ComputeCapability=SimpleNamespace(__members__=dict.fromkeys(("NONE", "CURRENT", "SM120", "SM75", "SM86")))),
)
CLASSIC = Flavor("tensorrt", "10.3.0", module())


def test_range_is_one_number_or_three_rising_ones() -> None:
    assert parse_range("4", "--batch", 8) == Range(4, 4, 4)
    assert parse_range("1:4:8", "--batch", 8) == Range(1, 4, 8)
    assert parse_range("4", "--batch", 8).fixed
    assert not parse_range("1:4:8", "--batch", 8).fixed


@pytest.mark.parametrize(
    "text", ["", "x", "1:2", "1:2:3:4", "4:1:8", "1:8:4", "0", "0:1:2", "9", "-1", "1.5", "1: 2:3"]
)
def test_impossible_range_names_its_option_and_shows_a_right_one(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--batch .*; give one number, or three, as in --batch 1:4:8"):
        parse_range(text, "--batch", 8)


def test_render_factors_are_those_of_the_graph_where_it_has_one() -> None:
    fixed = Contract("tiny", 16, "fp32", "plain", (1, None), 1.0, "0" * 64, 18, "tests")
    assert parse_factors(None, fixed) == parse_factors("16", fixed) == Range(16, 16, 16)
    with pytest.raises(UsageError, match="exported for render factor 16 alone, not 8:16:24"):
        parse_factors("8:16:24", fixed)
    assert parse_factors(None, CONTRACT) == Range(8, 16, 24)
    assert parse_factors("2:3:64", CONTRACT) == Range(2, 3, 64)
    with pytest.raises(UsageError, match=r"outside 1\.\.64"):
        parse_factors("2:3:65", CONTRACT)


def test_shapes_go_from_the_least_of_both_to_the_largest_of_both() -> None:
    assert square_shapes(Range(1, 2, 4), Range(8, 16, 24)) == ((1, 1, 128, 128), (2, 1, 256, 256), (4, 1, 384, 384))


def test_capabilities_come_once_and_in_rising_order() -> None:
    assert known_capabilities(RTX.module) == ("7.5", "8.6", "12.0")
    assert find_capabilities(("12.0", "8.6", "12.0"), RTX, None, "fp16") == ("8.6", "12.0")
    assert find_capabilities((), RTX, ADA, "fp16") == ()
    assert find_capabilities(("all",), RTX, None, "fp16") == ("7.5", "8.6", "12.0")


def test_all_capabilities_leave_out_turing_where_it_cannot_be_built() -> None:
    assert find_capabilities(("all",), RTX, None, "fp32") == ("8.6", "12.0")
    assert find_capabilities(("7.5",), RTX, None, "fp32") == ("7.5",)


def test_hopper_is_refused_by_name_where_rtx_has_no_target() -> None:
    with pytest.raises(UsageError, match=r"--capability 9\.0, Hopper: .* use --backend tensorrt on the machine"):
        find_capabilities(("9.0",), RTX, None, "int8")
    hopper = replace(ADA, name="NVIDIA H100", capability="9.0")
    with pytest.raises(BackendError, match=r"no target for the NVIDIA H100 here \(9\.0, Hopper\).*--backend tensorrt,"):
        find_capabilities((), RTX, hopper, "int8")


def test_unknown_capability_names_the_known_ones() -> None:
    with pytest.raises(
        UsageError, match=r"--capability 8\.7: .* builds for 7\.5, 8\.6, 12\.0; name some of them, or all"
    ):
        find_capabilities(("8.6", "8.7"), RTX, None, "fp16")


def test_tensorrt_builds_for_the_gpu_in_the_machine_alone() -> None:
    for wanted in ((), ("all",), ("8.9",)):
        assert find_capabilities(wanted, CLASSIC, ADA, "fp16") == ("8.9",)
    with pytest.raises(UsageError, match=r"builds only for the GPU in the machine \(NVIDIA Ada, 8\.9\)"):
        find_capabilities(("8.6",), CLASSIC, ADA, "fp16")
    with pytest.raises(BackendError, match=r"no GPU was found here .* --backend tensorrt_rtx, which needs none"):
        find_capabilities((), CLASSIC, None, "fp16")


@pytest.mark.parametrize(
    ("arguments", "says"), [({"level": 6}, r"outside 0\.\.5"), ({"level": -1}, "outside"), ({"workspace": 0}, "0 MB")]
)
def test_impossible_tuning_is_refused(arguments: dict[str, int], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Tuning(**arguments)  # type: ignore[arg-type]  # options of several types


@pytest.mark.parametrize(
    ("message", "short"),
    [
        (
            "IBuilder::buildSerializedNetwork: Error Code 7: BuildCanceled (Build canceled by user In next at "
            "/_src/optimizer/common/scopedProgressReporter.cpp:92)",
            "BuildCanceled (Build canceled by user)",
        ),
        (
            "IBuilder::buildSerializedNetwork: Error Code 1: Myelin ([pass.cpp:337: check_turing_op_compatibility] "
            "Cannot compile operation 'bmm' for Turing (SM75): FP32 GEMM is not supported. "
            "In compileGraph at /_src/a.cpp:2012)",
            "Myelin (Cannot compile operation 'bmm' for Turing (SM75): FP32 GEMM is not supported)",
        ),
        (
            "[a.cpp::b::132] Error Code 2: OutOfMemory (Requested\nsize was 16 bytes.)",
            "OutOfMemory (Requested size was 16 bytes.)",
        ),
        ("plain words", "plain words"),
    ],
)
def test_messages_lose_their_codes_and_places_and_keep_their_reason(message: str, short: str) -> None:
    assert tidy(message) == short


def test_very_long_messages_are_cut() -> None:
    assert len(tidy("word " * 200)) <= 240


def test_log_keeps_errors_warnings_and_memory() -> None:
    messages = Messages()
    for severity, text in (
        ("VERBOSE", "Total Activation Memory: 1 bytes"),
        ("INFO", "Total Activation Memory: 26820608 bytes"),
        ("INFO", "Opset version: 18"),
        ("WARNING", "careful"),
        ("ERROR", "wrong"),
        ("INTERNAL_ERROR", "very wrong"),
    ):
        messages.hear(severity, text)
    assert (messages.errors, messages.warnings) == (["wrong", "very wrong"], ["careful"])
    assert messages.memory == {"Activation": 26820608}
    messages.clear()
    assert (messages.errors, messages.warnings, messages.memory) == ([], [], {})


def test_progress_counts_phases_within_phases() -> None:
    progress = Progress()
    assert progress.state == (0.0, "")
    progress.phase_start("whole", None, 4)
    assert progress.step_complete("whole", 0)
    assert progress.state == (0.25, "whole")
    progress.phase_start("part", "whole", 2)
    progress.step_complete("part", 0)
    assert progress.state == (0.375, "part")
    progress.phase_start("within", "part", 2)
    progress.step_complete("within", 0)
    assert progress.state == (0.4375, "within")
    progress.phase_finish("within")
    progress.phase_finish("part")
    assert progress.state == (0.4375, "whole")
    progress.phase_finish("whole")
    assert progress.state == (1.0, "")


def test_progress_never_falls_and_takes_unknown_phases() -> None:
    progress = Progress()
    progress.phase_start("whole", None, 2)
    progress.step_complete("whole", 1)
    assert progress.state[0] == 1.0
    progress.phase_start("late", "whole", 0)
    progress.step_complete("late", 7)
    progress.step_complete("never started", 3)
    progress.phase_finish("never started")
    assert progress.state[0] == 1.0


def test_canceled_progress_asks_tensorrt_to_stop() -> None:
    progress = Progress()
    progress.phase_start("whole", None, 2)
    assert progress.step_complete("whole", 0)
    progress.cancel()
    assert not progress.step_complete("whole", 1)


class Tensor:
    def __init__(self, name: str, shape: tuple[int, ...], kind: str = "FLOAT") -> None:
        self.name, self.shape, self.dtype = name, shape, SimpleNamespace(name=kind)


class Layer:
    def __init__(self, kind: str, inputs: list[Tensor | None], outputs: list[Tensor]) -> None:
        self.name, self.type = f"make {outputs[0].name}", SimpleNamespace(name=kind)
        self._inputs, self._outputs = inputs, outputs
        self.num_inputs, self.num_outputs = len(inputs), len(outputs)

    def get_input(self, place: int) -> Tensor | None:
        return self._inputs[place]

    def get_output(self, place: int) -> Tensor:
        return self._outputs[place]


class Network:
    """luma (4 bytes a pixel) -> 100 pixels -> relu in place -> half of 50 numbers -> 2 chroma numbers."""

    def __init__(self) -> None:
        self.luma = Tensor("luma", (-1, 1, -1, -1))
        wide, relu = Tensor("wide", (1, 100)), Tensor("relu", (1, 100))
        weights, half = Tensor("weights", (1000,)), Tensor("half", (1, 50), "HALF")
        self.layers = [
            Layer("CONSTANT", [], [weights]),
            Layer("CONVOLUTION", [self.luma, None], [wide]),
            Layer("ACTIVATION", [wide], [relu]),
            Layer("CONVOLUTION", [relu, weights], [half]),
            Layer("SHAPE", [half], [Tensor("unknown", (-1,), "INT64")]),
            Layer("CONVOLUTION", [half], [Tensor("chroma", (1, 2))]),
        ]
        self.num_layers = len(self.layers)

    def get_input(self, _: int) -> Tensor:
        return self.luma

    def get_layer(self, index: int) -> Layer:
        return self.layers[index]


def test_estimate_is_what_lives_at_once_and_leaves_the_network_as_it_was() -> None:
    network = Network()
    need = estimate_need(network, (1, 1, 16, 16), 1_000_000)
    peak = 4 * 100 + 2 * 50
    assert need.activations == int(engine_memory.SPREAD * peak) + engine_memory.LEAST
    assert (need.weights, need.largest) == (1_000_000, "make wide")
    assert need.building > 1_000_000
    assert network.luma.shape == (-1, 1, -1, -1)


@pytest.mark.parametrize(("kind", "peak"), [("HALF", 2 * 8 * 4), ("FLOAT", 4 * 1000 * 2)])
def test_scores_of_fp16_attention_are_never_written(kind: str, peak: int) -> None:
    """Scores of 1000 numbers from queries of 8, their softmax in FP32, and 8 numbers out of it."""
    network = Network()
    names = ("scores", "wide", "soft", "narrow")
    kinds = (kind, "FLOAT", "FLOAT", kind)
    scores, wide, soft, narrow = (Tensor(name, (1000,), each) for name, each in zip(names, kinds, strict=True))
    query, answer = Tensor("query", (8,), "FLOAT"), Tensor("answer", (8,), "FLOAT")
    network.layers = [
        Layer("CONVOLUTION", [network.luma], [query]),
        Layer("MATRIX_MULTIPLY", [query, query], [scores]),
        Layer("CAST", [scores], [wide]),
        Layer("SOFTMAX", [wide], [soft]),
        Layer("CAST", [soft], [narrow]),
        Layer("MATRIX_MULTIPLY", [narrow, query], [answer]),
    ]
    network.num_layers = len(network.layers)
    need = estimate_need(network, (1, 1, 16, 16), 1)
    extra = 0 if kind == "HALF" else 4 * 8
    assert need.activations == int(engine_memory.SPREAD * (peak + extra)) + engine_memory.LEAST


def test_want_of_memory_is_said_and_enough_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    need = Need(weights=1 << 30, activations=25 << 30, largest="bmm", building=10 << 30)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=64 << 30))
    assert warn_of_memory(need, None) == []
    (sentence,) = warn_of_memory(need, ADA)
    assert "27.9 GB on the GPU, most of it in bmm, and NVIDIA Ada has 21.5 GB free" in sentence
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1 << 30))
    (sentence,) = warn_of_memory(need, None)
    assert "the build takes about 10.7 GB of memory, and 1.1 GB are free" in sentence
