"""INT8 graphs: where the pairs stand, what is refused, and what photographs may be calibrated on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from colorrt.calibration import quantizing
from colorrt.calibration.budget import Verdict, check_budget, excess
from colorrt.calibration.correction import find_shift
from colorrt.calibration.observing import observe
from colorrt.calibration.photographs import check_squares, choose_photographs, read_squares
from colorrt.calibration.placement import place
from colorrt.calibration.preparing import prepare
from colorrt.calibration.quantization import round_weights, widen
from colorrt.calibration.quantizing import to_int8
from colorrt.calibration.sensitivity import Layer, give_back, measure_sensitivity
from colorrt.calibration.values import find_layers
from colorrt.contract import Parity, SizeParity
from colorrt.errors import ExportError, UsageError
from colorrt.export.precision.parity import answer_of, compare
from colorrt.photos.shipped import parity_lumas

NODES = (
    ("Conv", "luma first", "a", {"pads": [1, 1, 1, 1]}),
    ("Relu", "a", "b", {}),
    ("Conv", "b second", "c", {"pads": [1, 1, 1, 1]}),
    ("Add", "c b", "d", {}),
    ("Conv", "d third thirdbias", "e", {"pads": [1, 1, 1, 1]}),
    ("Concat", "e b", "f", {"axis": 1}),
    ("Relu", "f", "g", {}),
    ("Conv", "g fourth", "h", {"pads": [1, 1, 1, 1]}),
    ("Clip", "h low high", "i", {}),
    ("Conv", "i last", "j", {}),
    ("Tanh", "j", "chroma", {}),
)


@pytest.fixture
def model() -> onnx.ModelProto:
    """Five convolutions with a residual, a concatenation in front of a ReLU, and a head."""
    random = np.random.default_rng(0)
    shapes = {"first": (8, 1, 3, 3), "second": (8, 8, 3, 3), "third": (8, 8, 3, 3), "fourth": (8, 16, 3, 3)}
    weights = {name: random.normal(0, 0.2, shape) for name, shape in shapes.items()}
    weights |= {"last": random.normal(0, 0.02, (2, 8, 1, 1)), "thirdbias": random.normal(0, 0.1, 8)}
    weights |= {"low": np.array(0.0), "high": np.array(6.0)}
    nodes = [
        helper.make_node(kind, inputs.split(), [output], f"the_{output}", **more)
        for kind, inputs, output, more in NODES
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("luma", TensorProto.FLOAT, ["batch", 1, "side", "side"])],
        [helper.make_tensor_value_info("chroma", TensorProto.FLOAT, ["batch", 2, "side", "side"])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_preparing_changes_no_bit(model: onnx.ModelProto) -> None:
    luma = parity_lumas(32)[0][None, None]
    prepared = prepare(model)
    np.testing.assert_array_equal(answer_of(prepared)(luma), answer_of(model)(luma))
    concat = next(node for node in prepared.graph.node if node.op_type == "Concat")
    # The piece that is never negative gets no ReLU of its own.
    assert list(concat.input) == ["g_0", "b"]


def test_values_are_observed_as_they_are(model: onnx.ModelProto) -> None:
    prepared = prepare(model)
    lumas = parity_lumas(32)[:3]
    seen = observe(prepared, ["b", "d"], ["b"], lumas)
    watched = onnx.ModelProto()
    watched.CopyFrom(prepared)
    watched.graph.output.append(helper.make_tensor_value_info("b", TensorProto.FLOAT, None))
    session = ort.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    values = np.concatenate([session.run(["b"], {"luma": luma[None, None]})[0] for luma in lumas])
    assert seen.histograms["b"].high == pytest.approx(values.max(), rel=1e-6)
    assert seen.histograms["b"].counts.sum() == values.size
    np.testing.assert_allclose(seen.means("b"), values.astype(np.float64).mean(axis=(0, 2, 3)), rtol=1e-5)


def test_cpu_graph_runs_all_but_its_ends_in_integers(model: onnx.ModelProto, tmp_path: Path) -> None:
    made = to_int8(model, [32])
    assert (made.calibration.layers, made.calibration.kept) == (3, ("the_a", "the_j"))
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 4
    ort.InferenceSession(made.model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert kinds.count("QLinearConv") == 3
    assert "QLinearAdd" in kinds
    assert excess(made.parity) <= 1


def test_tensorrt_graph_has_no_zero_points_and_no_rounded_biases(model: onnx.ModelProto) -> None:
    made = to_int8(model, [32], target="tensorrt")
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.model.graph.initializer}
    pairs = [node for node in made.model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert pairs
    for node in pairs:
        assert constants[node.input[2]].dtype == np.int8
        assert not constants[node.input[2]].any()
    producers = {node.output[0]: node for node in made.model.graph.node}
    add = next(node for node in made.model.graph.node if node.op_type == "Add")
    # The branch comes in INT8, the sum of the convolution as it is.
    assert [producers[name].op_type for name in add.input] == ["Conv", "DequantizeLinear"]
    third = next(node for node in made.model.graph.node if node.name == "the_e")
    assert constants[third.input[2]].dtype == np.float32


def test_tensorrt_reads_its_graph_and_sees_the_int8_layers(model: onnx.ModelProto) -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX, which parses without a GPU, is absent")
    from colorrt.export.engine.messages import logger
    from colorrt.export.engine.parsing import parse_network
    from colorrt.export.engine.proof import check_int8_layers, network_layers

    made = to_int8(model, [32], target="tensorrt")
    builder = trt.Builder(logger(trt)[0])
    layers = network_layers(parse_network(trt, builder, made.model.SerializeToString()))
    assert len(layers.int8) == 3
    assert len(layers.single) == 2
    check_int8_layers(layers, 3)
    with pytest.raises(ExportError, match="its contract says 5"):
        check_int8_layers(layers, 5)


def test_kept_layer_reads_what_was_never_rounded(model: onnx.ModelProto) -> None:
    prepared = prepare(model)
    placement = place(prepared.graph, "tensorrt", ("the_a", "the_c", "the_j"))
    assert placement.layers == ("the_e", "the_h")
    assert "b" not in placement.sources
    # On the CPU the sum is no integer any more either: the convolution in it is FP32.
    cpu = place(prepared.graph, "cpu", ("the_a", "the_c", "the_j"))
    assert "the_d" not in cpu.integers
    assert "the_c" not in {reader for readers in cpu.readers.values() for reader in readers}


def test_same_seed_same_bytes(model: onnx.ModelProto) -> None:
    assert to_int8(model, [32]).model.SerializeToString() == to_int8(model, [32]).model.SerializeToString()


def test_quantized_graph_is_refused(model: onnx.ModelProto) -> None:
    with pytest.raises(ExportError, match="is quantized"):
        to_int8(to_int8(model, [32]).model, [32])


@pytest.mark.parametrize(
    ("parity", "over"),
    [
        (Parity(4, 0.4, 9.0, 4.0, 0.995), False),
        (Parity(4, 0.6, 9.0, 4.0, 1.0), True),
        (Parity(4, 0.4, 9.0, 5.5, 1.0), True),
        (Parity(4, 0.4, 9.0, 4.0, 0.98), True),
        (Parity(4, 0.4, 9.0, 4.0, 1.02), True),
        (Parity(4, float("nan"), 9.0, 4.0, 1.0), True),
    ],
)
def test_budget_refuses_and_names_the_worst_photograph(parity: Parity, over: bool) -> None:
    assert (excess(parity) > 1) is over
    # What is well at all sizes together may be too much at one.
    well = Parity(4, 0.1, 1.0, 1.0, 1.0)
    verdict = Verdict(well, (SizeParity(256, well), SizeParity(384, parity)), "coffee.jpg", 0.9)
    if over:
        with pytest.raises(ExportError, match=r"at 384 x 384 .*most on coffee\.jpg .*nothing was written.*--calibrate"):
            check_budget(verdict)
    else:
        check_budget(verdict)


def test_each_size_is_judged_by_itself(model: onnx.ModelProto) -> None:
    made = to_int8(model, [32, 48])
    found = {one.size: one.parity for one in made.calibration.sizes}
    for size, parity in found.items():
        answer, truth = answer_of(made.model), answer_of(model)
        wanted = compare(answer, truth, [square.luma for square in check_squares(choose_photographs(None), size)])
        assert (parity.photos, parity.gain) == (wanted.photos, pytest.approx(wanted.gain, rel=1e-6))
        assert parity.mean == pytest.approx(wanted.mean, rel=1e-6)
    assert list(found) == [32, 48]
    assert made.parity.photos == sum(parity.photos for parity in found.values())


def test_network_beyond_the_budget_is_refused(model: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colorrt.calibration.budget.MEAN", 1e-9)
    said: list[str] = []
    with pytest.raises(ExportError, match="INT8 differs from FP32"):
        to_int8(model, [32], say=said.append)
    assert any("alone in INT8" in line for line in said)


def test_dearest_layers_are_given_back_and_no_more_than_needed() -> None:
    errors = {"a": 0.1, "b": 0.6, "c": 0.02, "d": 0.3}
    layers = [Layer(name, 100) for name in errors]

    def judge(kept: object) -> Verdict:
        assert isinstance(kept, (set, tuple))
        mean = sum(error for name, error in errors.items() if name not in kept)
        parity = Parity(1, mean, mean, mean, 1.0)
        return Verdict(parity, (SizeParity(16, parity),), "photo", mean)

    ranked = measure_sensitivity(layers, judge)
    assert [one.layer.name for one in ranked] == ["b", "d", "a", "c"]
    found = give_back(ranked, judge, (), 400)
    assert found is not None
    assert found[0] == ("b",)
    assert give_back(ranked, judge, (), 50) is None


@pytest.mark.parametrize("groups", [1, 2])
def test_bias_takes_back_what_rounding_adds_on_average(groups: int) -> None:
    random = np.random.default_rng(1)
    weights = random.normal(0, 1, (4, 6 // groups, 3, 3)).astype(np.float32)
    means = random.normal(1, 1, 6)
    lost = widen(*round_weights(weights)).astype(np.float64) - weights
    wanted = []
    for output in range(4):
        first = (output // (4 // groups)) * (6 // groups)
        wanted.append(-sum(lost[output, place].sum() * means[first + place] for place in range(6 // groups)))
    np.testing.assert_allclose(find_shift(weights, round_weights(weights), means), wanted, rtol=1e-4, atol=1e-6)


def photos(folder: Path, levels: Callable[[int], np.ndarray], count: int) -> Path:
    folder.mkdir()
    for index in range(count):
        Image.fromarray(levels(index)).save(folder / f"{index}.png")
    return folder


def noise(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, (40, 40), np.uint8)


def test_gray_photographs_calibrate_as_well(tmp_path: Path) -> None:
    chosen = choose_photographs(photos(tmp_path / "gray", noise, 6))
    assert len(list(read_squares(chosen, [32], 0))) == 2 * len(chosen.calibrating)


def test_squares_of_one_seed_are_the_same() -> None:
    chosen = choose_photographs(None)
    one, two, other = (np.stack(list(read_squares(chosen, [32], seed))) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).max() > 0


def test_folders_that_cannot_be_used_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no photographs here; calibration takes at least 4"):
        choose_photographs(tmp_path / "empty")
    flat = choose_photographs(photos(tmp_path / "flat", lambda _: np.full((40, 40), 128, np.uint8), 5))
    said: list[str] = []
    with pytest.raises(UsageError, match=r"0 of its \d photographs can be used"):
        list(read_squares(flat, [32], 0, said.append))
    assert all("one even gray" in line for line in said)
    damaged = photos(tmp_path / "damaged", noise, 5)
    for path in damaged.iterdir():
        path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(UsageError, match=r"0 of its \d photographs can be used"):
        list(read_squares(choose_photographs(damaged), [32], 0))


def test_products_are_counted(model: onnx.ModelProto) -> None:
    prepared = prepare(model)
    found = quantizing.layer_products(prepared, parity_lumas(32)[0])
    assert [layer.name for layer in found] == [node.name for node in find_layers(prepared.graph)]
    assert found[1].products == 8 * 8 * 9 * 32 * 32
