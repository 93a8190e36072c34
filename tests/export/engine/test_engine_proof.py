"""What shows that an engine is what it says: its layers, its answers on photographs, and the note of it in the plan.

A GPU is played by stand-ins here: the inspector's answers have the layout that TensorRT documents.
"""

from __future__ import annotations

import json
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from colorrt.contract import NOT_YET_RUN, Contract, Engine
from colorrt.errors import ArtifactError, BackendError, ExportError
from colorrt.export.engine import trial as engine_trial
from colorrt.export.engine.proof import (
    Layers,
    check_layers,
    compare_engine,
    inspect_plan,
    network_layers,
    pad_contract,
    read_inspection,
    restamp,
)
from colorrt.export.engine.request import BuildRequest, BuildTask
from colorrt.export.engine.target import Range
from colorrt.export.engine.trial import try_plan
from colorrt.runtime.artifact import Artifact, Kind, read_artifact
from colorrt.runtime.sessions.flavors import Flavor
from colorrt.runtime.sessions.gpu import Gpu
from colorrt.runtime.sessions.ort import OrtSession
from colorrt.runtime.sessions.session import SessionOptions

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ENGINE = Engine("tensorrt", "10.3.0", ("8.9",), "NVIDIA Ada", NOT_YET_RUN, 1)
CONTRACT = Contract("tiny", 1, "fp16", "plain", (1, 2), 1.0, "0" * 64, 18, "tests", engine=ENGINE)
ADA = Gpu("NVIDIA Ada", "8.9", 24 << 30, 20 << 30, "580")


def layer(kind: str, inputs: str | None = None, field: str = "Format/Datatype", **more: Any) -> dict[str, Any]:
    tensor = {"Name": "x", "Location": "Device", "Dimensions": [1, 8, 16, 16]}
    if inputs is not None:
        tensor[field] = inputs
    return {"Name": f"a {kind}", "LayerType": kind, "Inputs": [tensor], "Outputs": [tensor], **more}


def inspected(*layers: Any) -> Layers | None:
    return read_inspection(json.dumps({"Layers": layers, "Bindings": ["luma", "chroma"]}))


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (layer("CaskConvolution", "Half"), ("half",)),
        (layer("CaskConvolution", "Channel major FP16 format where channel % 8 == 0"), ("half",)),
        (layer("CaskJitConv", "Row major linear FP16 format (kLINEAR)", "Format"), ("half",)),
        (layer("CaskDeconvolutionV2", "Half", "DataType"), ("half",)),
        (layer("correlation", "Half"), ("half",)),
        (layer("Engine layer", "Half", ParameterType="Convolution"), ("half",)),
        (layer("CaskConvolution", "Float"), ("single",)),
        (layer("CaskGemmConvolution", "Row major linear FP32"), ("single",)),
        # Weights decide: the cast of the input may be part of the layer.
        (layer("CaskConvolution", "Float", Weights={"Type": "Half", "Count": 64}), ("half",)),
        (layer("CaskConvolution", "Half", Weights={"Type": "Float", "Count": 64}), ("single",)),
    ],
)
def test_inspection_tells_the_type_of_a_convolution(row: dict[str, Any], found: tuple[str, ...]) -> None:
    layers = inspected(row)
    assert layers is not None
    assert ("half",) * len(layers.half) + ("single",) * len(layers.single) == found
    assert (layers.half + layers.single) == (row["Name"],)


def test_inspection_counts_convolutions_alone() -> None:
    found = inspected(
        layer("CaskConvolution", "Half"),
        layer("Reformat", "Float"),
        layer("kgen", "Float"),
        layer("CaskPooling", "Float"),
        layer("CaskConvolution", "Thirty-two wide channel vectorized row major Int8 format"),
        layer("CaskConvolution", "BFloat16"),
        "only a name",
    )
    assert found == Layers(("a CaskConvolution",), (), 2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "null",
        "[]",
        '{"Layers": null}',
        '{"Layers": ["conv1 + relu1", "conv2"]}',
        json.dumps({"Layers": [layer("CaskConvolution", "N/A due to dynamic shapes")]}),
        json.dumps({"Layers": [{"LayerType": "CaskConvolution", "Inputs": ["x"], "Weights": 7}]}),
    ],
)
def test_inspection_without_types_says_so(text: str) -> None:
    assert read_inspection(text) is None


def test_fp32_engine_that_should_be_fp16_is_refused_with_its_layers() -> None:
    check_layers(Layers(("a", "b"), ("last",)), 1, "engine")
    with pytest.raises(ExportError, match=r"the engine holds 2 FP32 convolutions where 1 were expected \(a, b"):
        check_layers(Layers(("c",), ("a", "b")), 1, "engine")
    with pytest.raises(ExportError, match="the network holds no FP16 convolution"):
        check_layers(Layers((), ("last",)), 1, "network")


def test_layers_of_a_network_go_by_the_type_of_their_input() -> None:
    def one(name: str, kind: str, dtype: str) -> Any:
        tensor = SimpleNamespace(dtype=SimpleNamespace(name=dtype))
        return SimpleNamespace(name=name, type=SimpleNamespace(name=kind), get_input=lambda _: tensor)

    layers = [
        one("a", "CONVOLUTION", "HALF"),
        one("b", "DECONVOLUTION", "FLOAT"),
        one("c", "CONVOLUTION", "BF16"),
        one("d", "ACTIVATION", "FLOAT"),
    ]
    network = SimpleNamespace(num_layers=len(layers), get_layer=layers.__getitem__)
    assert network_layers(network) == Layers(("a",), ("b",), 1)


def test_plan_is_inspected_at_its_tuned_shape() -> None:
    calls: list[Any] = []

    class Logger:
        pass

    class Context:
        def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
            calls.append((name, shape))
            return True

    class Inspector:
        execution_context: Any = None

        def get_engine_information(self, style: str) -> str:
            calls.append((style, type(self.execution_context)))
            return json.dumps({"Layers": [layer("CaskConvolution", "Half")]})

    engine = SimpleNamespace(create_engine_inspector=Inspector, create_execution_context=Context)
    module: Any = ModuleType("tensorrt")
    module.ILogger = Logger
    module.Runtime = lambda _: SimpleNamespace(deserialize_cuda_engine={b"plan": engine}.get)
    module.LayerInformationFormat = SimpleNamespace(JSON="JSON")
    flavor = Flavor("tensorrt", "10.3.0", module)
    assert inspect_plan(flavor, b"plan", (4, 1, 256, 256)) == Layers(("a CaskConvolution",), ())
    assert calls == [("luma", (4, 1, 256, 256)), ("JSON", Context)]
    with pytest.raises(ExportError, match=r"TensorRT 10\.3\.0 does not load what it built: TensorRT gives no reason"):
        inspect_plan(flavor, b"other", (4, 1, 256, 256))


def lumas(*sides: int) -> list[NDArray[np.float32]]:
    return [np.full((side, side), 0.1 * index, np.float32) for index, side in enumerate(sides)]


def double(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.repeat(luma * 2, 2, axis=1)


def test_engine_is_compared_one_by_one_and_together() -> None:
    sizes: list[tuple[int, ...]] = []

    def engine(luma: NDArray[np.float32]) -> NDArray[np.float32]:
        sizes.append(luma.shape)
        # Wrong by one level, in batches of three alone.
        return double(luma) + np.float32(len(luma) == 3) / 255

    parity = compare_engine(engine, double, lumas(16, 16, 16, 16, 32), 3)
    assert sizes == [(3, 1, 16, 16), *[(1, 1, 16, 16)] * 4, (1, 1, 32, 32)]
    assert parity.photos == 5
    assert parity.worst == pytest.approx(1, rel=1e-3)
    assert parity.mean == pytest.approx(3 / 8, rel=1e-3)


def test_engine_that_answers_otherwise_is_refused() -> None:
    with pytest.raises(ExportError, match=r"differs from its ONNX file by 0\.60 levels of 255 on average"):
        compare_engine(lambda luma: double(luma) + np.float32(0.6 / 255), double, lumas(16, 16), 1)
    with pytest.raises(ExportError, match="engine returns values that are not finite"):
        compare_engine(lambda luma: double(luma) * np.float32(np.nan), double, lumas(16, 16), 1)


def test_contract_in_a_plan_gives_way_to_another_of_any_length() -> None:
    name = pad_contract(CONTRACT)
    plan = b"ftrt\x00" + name + b"\x01weights"
    proven = replace(CONTRACT, engine=replace(ENGINE, proof="run on NVIDIA Ada " + "x" * 150))
    after = restamp(plan, CONTRACT, proven)
    assert len(after) == len(plan)
    assert (after[:5], after[-8:]) == (plan[:5], plan[-8:])
    assert Contract.from_json(after[5:-8].decode()) == proven
    assert restamp(plan, CONTRACT, CONTRACT) == plan
    with pytest.raises(ExportError, match="does not hold its contract"):
        restamp(b"ftrt", CONTRACT, proven)
    with pytest.raises(ExportError, match="has room for"):
        restamp(plan, CONTRACT, replace(CONTRACT, engine=replace(ENGINE, proof="x" * 300)))


class Trial:
    """`try_plan` on a machine with a GPU: the stand-in session answers as the ONNX file does, and `error` more."""

    def __init__(self, source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.artifact = read_artifact(source)
        self.part = folder / "engine.part"
        self.error = 0.0
        self.refusals: list[Exception | None] = []
        self.opened: list[Contract] = []
        self.closed = 0
        self.said: list[str] = []
        self.layers: Layers | None = Layers(("a",), ("last",))
        trial = self

        class Session:
            def __init__(self, artifact: Artifact, _: SessionOptions) -> None:
                refusal = trial.refusals.pop(0) if trial.refusals else None
                if refusal is not None:
                    raise refusal
                assert artifact.kind is Kind.ENGINE
                trial.opened.append(read_artifact(artifact.path).contract)
                self.truth = OrtSession(trial.artifact, SessionOptions(threads=1))

            def run(self, luma: NDArray[np.float32]) -> NDArray[np.float32]:
                return self.truth.run(luma) + np.float32(trial.error / 255)

            def close(self) -> None:
                trial.closed += 1

        monkeypatch.setattr(engine_trial, "TensorRtSession", Session)
        monkeypatch.setattr(engine_trial, "inspect_plan", lambda *_: self.layers)

    def __call__(self, flavor: str = "tensorrt", gpu: Gpu | None = ADA, factors: Range | None = None) -> Contract:
        capabilities = ("8.9",) if flavor == "tensorrt" else ()
        contract = replace(CONTRACT, engine=replace(ENGINE, flavor=flavor, capabilities=capabilities))
        plan = b"ftrt\x00" + pad_contract(contract) + b"\x01weights"
        module: Any = SimpleNamespace()
        factors = factors or Range(1, 1, 1)
        job = BuildTask(
            self.artifact, BuildRequest(), Flavor(flavor, "10.3.0", module), gpu, Range(1, 2, 2), factors, capabilities
        )
        return try_plan(job, contract, plan, self.part, lumas(16, 16, 16, 16), 1, self.said.append)

    @property
    def written(self) -> Contract:
        return read_artifact(self.part).contract


@pytest.fixture
def trial(tiny_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    return Trial(tiny_onnx, tmp_path, monkeypatch)


def test_engine_that_ran_says_on_what_and_how_well(trial: Trial) -> None:
    trial.error = 0.25
    contract = trial()
    assert contract.engine is not None
    assert contract.engine.proof == (
        "run on NVIDIA Ada against its ONNX file: 2.50e-01 mean, 2.50e-01 worst, levels of 255, 4 photos"
    )
    assert trial.written == contract
    assert [each.engine.proof for each in trial.opened if each.engine] == [NOT_YET_RUN, contract.engine.proof]
    assert trial.closed == 2


def test_engine_of_any_size_runs_at_its_least_and_largest_too(trial: Trial) -> None:
    contract = trial(factors=Range(1, 1, 3))
    assert contract.engine is not None
    assert contract.engine.proof.endswith("5 photos")


def test_engine_that_fails_its_trial_is_not_kept(trial: Trial) -> None:
    trial.error = 0.75
    with pytest.raises(ExportError, match=r"differs from its ONNX file by 0\.75"):
        trial()
    assert trial.closed == 1


def test_fp32_engine_fails_its_inspection_before_it_runs(trial: Trial) -> None:
    trial.layers = Layers(("a",), ("b", "c"))
    with pytest.raises(ExportError, match="the engine holds 2 FP32 convolutions where 1 were expected"):
        trial()
    assert trial.opened == []


def test_engine_that_does_not_tell_its_layers_is_run_all_the_same(trial: Trial) -> None:
    trial.layers = None
    assert trial().engine != ENGINE
    assert any("does not report the types of its layers" in line for line in trial.said)


@pytest.mark.parametrize("gpu", [None, replace(ADA, capability="7.5")], ids=["none", "another"])
def test_engine_that_cannot_run_here_says_that_it_has_not(trial: Trial, gpu: Gpu | None) -> None:
    contract = trial("tensorrt_rtx", gpu)
    assert contract.engine is not None
    assert contract.engine.proof == NOT_YET_RUN
    assert trial.written == contract
    assert trial.opened == []
    (sentence,) = trial.said
    assert sentence.endswith("the types of its layers were checked, and the engine is not yet run")


def test_gpu_that_tensorrt_for_rtx_does_not_take_leaves_the_engine_unrun(trial: Trial) -> None:
    trial.refusals = [BackendError("TensorRT for RTX refuses this GPU")]
    contract = trial("tensorrt_rtx")
    assert contract.engine is not None
    assert contract.engine.proof == NOT_YET_RUN
    assert trial.said[-1] == "warning: TensorRT for RTX refuses this GPU; the engine is not yet run"
    trial.refusals = [BackendError("TensorRT refuses this GPU")]
    with pytest.raises(BackendError, match="refuses this GPU"):
        trial("tensorrt")


def test_plan_that_takes_no_later_note_stays_as_it_was_built(trial: Trial) -> None:
    trial.refusals = [None, ArtifactError("damaged")]
    contract = trial()
    assert contract.engine is not None
    assert contract.engine.proof == NOT_YET_RUN
    assert trial.written == contract
    assert "rejects a plan whose contract was updated (damaged)" in trial.said[-1]
