"""`build_engine`: engines that are really built with TensorRT for RTX, and every way in which none is."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import onnx
import pytest
from onnx import TensorProto, helper

from colorrt.contract import METADATA_KEY, NOT_YET_RUN, Contract, Engine
from colorrt.errors import ArtifactError, BackendError, ExportError, UsageError
from colorrt.export.engine import builder as engine_builder
from colorrt.export.engine import request as engine_request
from colorrt.export.engine.build import BuildRequest, Tuning, build_engine
from colorrt.export.precision.fp16 import to_half
from colorrt.photos.shipped import parity_lumas
from colorrt.runtime.artifact import Kind, read_artifact
from colorrt.runtime.sessions.flavors import Flavor
from colorrt.runtime.shipped import shipped_artifact

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX, which builds engines without a GPU, is absent")

EVERY = ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")
RTX = BuildRequest(backend="tensorrt_rtx")
TINY = BuildRequest(backend="tensorrt_rtx", precision="fp32", render_factors="1")


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds are those of a machine without a GPU, wherever the tests run."""
    monkeypatch.setattr(engine_request, "find_gpu", lambda: None)


@pytest.fixture(scope="module")
def artistic(artistic_pth: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graph of DeOldify artistic for render factor 4, as 'colorrt export' stamps it."""
    pytest.importorskip("torch")
    from colorrt.export.graph import stamp, trace
    from colorrt.models.registry import load_network

    network = load_network(artistic_pth)
    model = trace(network.module, 4)
    stamp(model, Contract(network.model, 4, "fp32", "plain", (1, None), 1.0, network.sha256, 18, "colorrt 0"))
    path = tmp_path_factory.mktemp("artistic") / "artistic-rf4.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a graph of one node between luma and chroma, for render factor 1."""
    folder = tmp_path_factory.mktemp("graphs")

    def make(*nodes: onnx.NodeProto, precision: str = "fp32", weights: int = TensorProto.FLOAT) -> Path:
        kernel = helper.make_tensor("kernel", weights, [2, 1, 1, 1], [0.5, 0.25])
        shape: list[Any] = ["N", 1, 16, 16]
        body = helper.make_graph(
            list(nodes),
            "tiny",
            [helper.make_tensor_value_info("luma", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("chroma", TensorProto.FLOAT, ["N", 2, 16, 16])],
            [kernel],
        )
        operators = [helper.make_opsetid("", 18), helper.make_opsetid("com.example", 1)]
        model = helper.make_model(body, opset_imports=operators, ir_version=9)
        contract = Contract("tiny", 1, precision, "plain", (1, None), 1.0, "0" * 64, 18, "tests")
        helper.set_model_props(model, {METADATA_KEY: contract.to_json()})
        path = folder / f"{len(list(folder.iterdir()))}.onnx"
        onnx.save(model, str(path))
        return path

    return make


def node(operator: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), outputs.split(), name=f"the {operator}", **attributes)


def test_lite_of_any_size_becomes_an_fp16_engine_for_a_range_of_sizes(tmp_path: Path) -> None:
    said: list[str] = []
    fractions: list[float] = []
    request = BuildRequest(backend="tensorrt_rtx", batch="1:2:4", render_factors="4:8:12")
    built = build_engine(
        None, tmp_path / "lite.plan", request, say=said.append, advance=lambda done, _: fractions.append(done)
    )
    artifact = read_artifact(built.path)
    assert artifact.kind is Kind.ENGINE
    source = read_artifact(shipped_artifact()).contract
    contract = artifact.contract
    assert contract == built.contract
    assert (contract.precision, contract.batch, contract.render_factor) == ("fp16", (1, 4), None)
    assert (contract.weights_sha256, contract.parity, contract.saturation) == (
        source.weights_sha256,
        source.parity,
        source.saturation,
    )
    assert contract.precision_parity is not None
    assert 0 < contract.precision_parity.mean < 0.5
    assert contract.engine == Engine("tensorrt_rtx", trt.__version__, (), None, NOT_YET_RUN, 2, (4, 8, 12))
    assert built.activations is not None
    assert built.activations > 1_000_000
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert "not yet run" in said[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["lite.plan"]


def test_lite_for_one_render_factor(tmp_path: Path) -> None:
    built = build_engine(None, tmp_path / "lite.plan", replace(RTX, render_factors="16"))
    contract = read_artifact(built.path).contract
    assert (contract.render_factor, contract.size, contract.batch) == (16, 256, (1, 1))
    assert contract.engine is not None
    assert contract.engine.render_factors is None
    # The weights of 3.9 million parameters, in halves.
    assert 7_000_000 < built.path.stat().st_size < 15_000_000


@pytest.mark.parametrize(("precision", "capabilities"), [("fp16", EVERY), ("fp32", EVERY[1:])])
def test_artistic_for_every_capability(
    artistic: Path, tmp_path: Path, precision: str, capabilities: tuple[str, ...]
) -> None:
    request = BuildRequest(precision, "tensorrt_rtx", capabilities=("all",))
    built = build_engine(artistic, tmp_path / "artistic.plan", request)
    contract = read_artifact(built.path).contract
    assert contract.engine is not None
    assert (contract.precision, contract.engine.capabilities) == (precision, capabilities)
    size = artistic.stat().st_size * (0.5 if precision == "fp16" else 1)
    assert built.path.stat().st_size == pytest.approx(size, rel=0.1)


def test_default_name_tells_the_precision(tiny_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert build_engine(tiny_onnx, None, TINY).path.name == "tiny-fp32.plan"


def test_fp16_graph_is_taken_as_it_is_and_no_fp32_engine_made_of_it(tmp_path: Path) -> None:
    single = onnx.load(shipped_artifact())
    half = to_half(single, parity_lumas(32))
    contract = replace(read_artifact(shipped_artifact()).contract, precision="fp16", precision_parity=half.parity)
    properties = {entry.key: entry.value for entry in half.model.metadata_props}
    helper.set_model_props(half.model, properties | {METADATA_KEY: contract.to_json()})
    source = tmp_path / "half.onnx"
    onnx.save(half.model, str(source))
    said: list[str] = []
    built = build_engine(source, tmp_path / "half.plan", replace(RTX, render_factors="2"), say=said.append)
    assert built.contract.precision_parity == half.parity
    assert not any("looking for" in line for line in said)
    with pytest.raises(UsageError, match=r"this graph is FP16, and FP32 is made from the FP32 one; .*--precision fp16"):
        build_engine(source, tmp_path / "x.plan", TINY)


def test_graph_that_only_says_it_is_fp16_is_refused(graph: Callable[..., Path], tmp_path: Path) -> None:
    liar = graph(node("Conv", "luma kernel", "chroma"), precision="fp16")
    with pytest.raises(ExportError, match="claims to be FP16, but none of its layers is"):
        build_engine(liar, tmp_path / "x.plan", RTX)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("operator", "domain", "why"),
    [
        ("Bernoulli", "", "TensorRT has no such operator"),
        ("Dream", "com.example", "it is neither an ONNX operator that TensorRT has nor a plugin that is installed"),
    ],
)
def test_unsupported_operator_is_named_with_its_node(
    graph: Callable[..., Path], tmp_path: Path, operator: str, domain: str, why: str
) -> None:
    odd = graph(node(operator, "luma", "a", domain=domain), node("Conv", "a kernel", "chroma"))
    with pytest.raises(ExportError) as failure:
        build_engine(odd, tmp_path / "x.plan", replace(TINY, render_factors=None))
    message = str(failure.value)
    assert message.startswith(f"{odd}: TensorRT refuses node 'the {operator}' ({operator}): {why}; ")
    assert message.count("\n") == 0
    assert message.endswith("colorrt export --target tensorrt', or upgrade TensorRT")
    assert list(tmp_path.iterdir()) == []


def test_further_unsupported_operators_are_counted(graph: Callable[..., Path], tmp_path: Path) -> None:
    odd = graph(node("Bernoulli", "luma", "a"), node("Multinomial", "a", "b"), node("Conv", "luma kernel", "chroma"))
    with pytest.raises(ExportError, match=r"1 more node is refused"):
        build_engine(odd, tmp_path / "x.plan", replace(TINY, render_factors=None))


@pytest.mark.parametrize(
    ("impossible", "says"),
    [
        (replace(TINY, batch="4:1:8"), "--batch 4:1:8 does not rise"),
        (replace(TINY, render_factors="0"), r"--render-factors 0 is outside 1\.\.64"),
        (replace(TINY, capabilities=("8.7",)), r"--capability 8\.7"),
        (replace(TINY, precision="int4"), "precision 'int4' is unknown"),
    ],
)
def test_impossible_order_is_refused_before_any_work(
    tiny_onnx: Path, tmp_path: Path, impossible: BuildRequest, says: str
) -> None:
    said: list[str] = []
    with pytest.raises(UsageError, match=says):
        build_engine(tiny_onnx, tmp_path / "x.plan", impossible, say=said.append)
    assert said == []


def test_missing_and_unknown_backends_say_what_to_install(tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str | None) -> Flavor:
        raise BackendError(f"{name} is not installed; pip install 'colorrt[trt]'")

    monkeypatch.setattr(engine_request, "find_flavor", absent)
    with pytest.raises(BackendError, match=r"pip install 'colorrt\[trt\]'"):
        build_engine(tiny_onnx, None, replace(TINY, backend="tensorrt"))


def test_sources_that_are_no_graphs_of_ours_are_refused(make_onnx: Callable[..., Path], tmp_path: Path) -> None:
    make_onnx(tmp_path / "foreign.onnx", contract=None)
    (tmp_path / "weights.pth").write_bytes(b"PK\x03\x04")
    (tmp_path / "engine.plan").write_bytes(
        b"ftrt" + Contract("x", 1, "fp16", "plain", (1, 1), 1.0, "0", 18, "t").to_json().encode()
    )
    for name, says in (
        ("foreign.onnx", "carries no colorrt contract"),
        ("weights.pth", "these are weights"),
        ("engine.plan", "this is an engine already; give the ONNX file"),
        ("nothing.onnx", "no such file"),
    ):
        with pytest.raises(ArtifactError, match=says):
            build_engine(tmp_path / name, tmp_path / "x.plan", RTX)
    assert not (tmp_path / "x.plan").exists()


def test_outputs_that_cannot_or_must_not_be_written_are_refused(tiny_onnx: Path, tmp_path: Path) -> None:
    (tmp_path / "old.plan").write_bytes(b"precious")
    for output, says in (
        (tmp_path, "this is a folder"),
        (tmp_path / "x.onnx", r"end the name in \.plan"),
        (tmp_path / "old.plan", "already exists; add --overwrite"),
        (tmp_path / "old.plan" / "x.plan", "cannot be written to"),
    ):
        with pytest.raises(UsageError, match=says):
            build_engine(tiny_onnx, output, TINY)
    with pytest.raises(UsageError, match="name a file for the timing cache"):
        build_engine(tiny_onnx, tmp_path / "x.plan", replace(TINY, tuning=Tuning(cache=tmp_path)))
    assert (tmp_path / "old.plan").read_bytes() == b"precious"
    assert read_artifact(build_engine(tiny_onnx, tmp_path / "old.plan", TINY, overwrite=True).path).contract.engine


def test_full_disk_is_told_before_the_build(tiny_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_request.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(ExportError, match="the disk has 0 MB free"):
        build_engine(tiny_onnx, tmp_path / "x.plan", TINY)


def test_want_of_workspace_tells_how_much_is_needed(tmp_path: Path) -> None:
    request = BuildRequest("fp32", "tensorrt_rtx", render_factors="16", tuning=Tuning(level=0, workspace=1))
    with pytest.raises(ExportError, match=r"OutOfMemory .*; give --workspace \d+ or more, or leave it out"):
        build_engine(None, tmp_path / "x.plan", request)
    assert list(tmp_path.iterdir()) == []


def test_fp32_products_for_turing_are_refused_with_a_way_out(tmp_path: Path) -> None:
    request = BuildRequest("fp32", "tensorrt_rtx", render_factors="2", capabilities=("7.5", "8.6"))
    said: list[str] = []
    with pytest.raises(ExportError, match=r"Turing.*; leave out --capability 7\.5, or use --precision fp16"):
        build_engine(None, tmp_path / "x.plan", request, say=said.append)
    assert any("Turing" in line and "build one of its own" in line for line in said)


def test_interrupt_stops_the_build_and_leaves_no_file(tmp_path: Path) -> None:
    def interrupt(done: float, _: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_engine(None, tmp_path / "x.plan", replace(RTX, precision="fp32"), advance=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_canceled_builder_stops_early(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Canceled(engine_builder.Progress):
        def __init__(self) -> None:
            super().__init__()
            self.cancel()

    monkeypatch.setattr(engine_builder, "Progress", Canceled)
    with pytest.raises(ExportError, match=r"BuildCanceled \(Build canceled by user\)"):
        build_engine(None, tmp_path / "x.plan", replace(RTX, precision="fp32"))


def test_timing_cache_is_left_alone_where_nothing_is_timed(tiny_onnx: Path, tmp_path: Path) -> None:
    said: list[str] = []
    cache = tmp_path / "timing.cache"
    build_engine(tiny_onnx, tmp_path / "x.plan", replace(TINY, tuning=Tuning(cache=cache)), say=said.append)
    assert any("neither read nor written" in line for line in said)
    assert not cache.exists()
