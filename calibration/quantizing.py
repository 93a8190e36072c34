"""An FP32 graph in, an INT8 graph within its budget out, or an error: `colorrt export --precision int8`.

Needs onnx and onnxruntime, not PyTorch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from colorrt.calibration.budget import Verdict, check_budget, describe_verdict
from colorrt.calibration.correction import find_shifts
from colorrt.calibration.observing import Observed, observe, shapes_of
from colorrt.calibration.pairs import quantize
from colorrt.calibration.photographs import Square, check_squares, choose_photographs, read_squares
from colorrt.calibration.placement import Placement, place
from colorrt.calibration.preparing import prepare
from colorrt.calibration.ranges import PERCENTILE, Method, Range, find_range
from colorrt.calibration.rounding import MOST_SQUARES, round_layers
from colorrt.calibration.sensitivity import Layer, give_back, measure_sensitivity
from colorrt.calibration.values import Values, find_layers
from colorrt.contract import OUTPUT, Calibration, Parity, SizeParity, Target
from colorrt.errors import ExportError
from colorrt.export.precision.fp16 import check_single
from colorrt.export.precision.graph_surgery import find_tail
from colorrt.export.precision.parity import Comparison, check_finite, open_graph, run_graph

SEED = 0
MOST_GIVEN_BACK = 0.5
"""Share of the products that may stay FP32: a graph with more is hardly an INT8 graph."""
JUDGING = 3
"""Squares that single layers are judged on."""
METHODS = (Method.MSE, Method.PERCENTILE, Method.MINMAX)
"""Tried in this order. Color is an outlier: percentiles below 99.999 cut it off (docs/engines.md)."""
KEPT_KEY = "colorrt_kept"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Quantized:
    """An INT8 graph: float32 luma in, float32 chroma out, its convolutions in integers."""

    model: onnx.ModelProto
    parity: Parity
    """Against the FP32 graph."""
    calibration: Calibration


def to_int8(
    model: onnx.ModelProto,
    sizes: Sequence[int],
    *,
    target: str = Target.CPU,
    folder: Path | None = None,
    check_with: Path | None = None,
    finish: Callable[[onnx.ModelProto], object] = lambda _: None,
    say: Say = lambda _: None,
) -> Quantized:
    """Make an INT8 graph of an FP32 one, calibrated on the photographs in `folder`, and compare the two.

    `sizes`: sides of the squares that it is calibrated and checked with. `target`: what it is to run on. `folder`: None
    takes the photographs that ship, aged. `check_with`: a folder to check with instead of the shipped photographs.
    `finish` changes a graph in place once it is rounded: what is compared is what is written.
    The first and the last convolution stay FP32, and so do those that the budget asks for. `model` is not changed; the
    same inputs give the same bytes.

    Raises ExportError when `model` is not FP32 or does not run, or when no graph holds the budget; UsageError for
    photographs that cannot be used.
    """
    check_single(model)
    photographs = choose_photographs(folder, say)
    prepared = prepare(model)
    layers = [node.name for node in find_layers(prepared.graph)]
    ends = find_ends(prepared.graph, target)
    if not set(layers) - set(ends):
        raise ExportError("this network has no convolutions but the first and the last; use --precision fp32")
    sources = place(prepared.graph, target, ()).sources
    names = sorted({*sources, *sources.values()} | {node.input[0] for node in find_layers(prepared.graph)})
    say(f"measuring ranges on {len(photographs.calibrating) * (1 + photographs.agings)} squares of luma")
    squares = read_squares(photographs, sizes, SEED, say)
    observed = observe(prepared, names, [node.input[0] for node in find_layers(prepared.graph)], squares)
    say(f"rounding weights on {min(observed.photos, MOST_SQUARES)} of them")
    rounded = round_layers(prepared, read_squares(photographs, sizes, SEED), SEED)
    shifts = find_shifts(prepared, observed, rounded)
    checks = [square for size in sizes for square in check_squares(photographs, size, check_with)]

    def write(placement: Placement, ranges: Mapping[str, Range]) -> onnx.ModelProto:
        graph = quantize(prepared, placement, ranges, target, shifts, rounded)
        finish(graph)
        return graph

    judge = _Judge(prepared, write, target, checks)
    say(f"comparing INT8 with FP32 on {len(checks)} squares of {len({square.name for square in checks})} photographs")
    method, verdict = _choose_method(judge, observed, ends, say)
    kept = tuple(ends)
    if not verdict.excess <= 1:
        say("looking for the layers that cost most color")
        found = _search(prepared, judge, ends, say)
        if found is not None:
            kept, verdict = found
    check_budget(verdict)
    graph = judge.make(kept)
    _check_graph(graph)
    names_kept = tuple(name for name in layers if name in kept)
    onnx.helper.set_model_props(
        graph, {entry.key: entry.value for entry in model.metadata_props} | {KEPT_KEY: json.dumps(names_kept)}
    )
    return Quantized(
        graph,
        verdict.parity,
        Calibration(
            target=str(target),
            ranges=name_method(method),
            photos=observed.photos,
            source=photographs.source,
            layers=len(layers) - len(names_kept),
            kept=names_kept,
            worst_photo=verdict.worst_photo,
            sizes=verdict.sizes,
        ),
    )


def find_ends(graph: onnx.GraphProto, target: str) -> list[str]:
    """Names of the first convolution and of the last, with those that follow it: they stay FP32.

    For TensorRT, so do convolutions over one axis (those of attention): its parser puts a reshape between them and
    their Q/DQ pairs.
    """
    values = Values(graph)
    layers = list(find_layers(graph))
    tail = find_tail(graph)
    return [
        node.name
        for node in layers
        if node.name in tail
        or node.name == layers[0].name
        or (target == Target.TENSORRT and len(values.constants[node.input[1]].dims) != 4)
    ]


def count_products(graph: onnx.GraphProto, shapes: Mapping[str, tuple[int, ...]]) -> list[Layer]:
    """Count the products of each convolution, from the shapes of what they make."""
    values = Values(graph)
    found = []
    for node in find_layers(graph):
        weights = values.constants[node.input[1]]
        found.append(Layer(node.name, math.prod(weights.dims[1:]) * math.prod(shapes[node.output[0]])))
    return found


def _choose_method(judge: _Judge, observed: Observed, ends: Collection[str], say: Say) -> tuple[Method, Verdict]:
    """Take the first method whose graph holds the budget, else the one that comes nearest, and set its ranges."""
    best: tuple[Method, Verdict] | None = None
    for method in METHODS:
        judge.ranges = {name: find_range(histogram, method) for name, histogram in observed.histograms.items()}
        verdict = judge(ends)
        say(f"ranges by {name_method(method)}: {describe_verdict(verdict)}")
        if best is None or verdict.excess < best[1].excess:
            best = method, verdict
        if verdict.excess <= 1:
            break
    assert best is not None
    judge.ranges = {name: find_range(histogram, best[0]) for name, histogram in observed.histograms.items()}
    return best


def name_method(method: str) -> str:
    """Name a method with its number: "percentile 99.999"."""
    return f"{method} {PERCENTILE}" if method == Method.PERCENTILE else str(method)


class _Judge:
    """Makes graphs with `ranges` and compares them with the FP32 one; its answers are taken once."""

    def __init__(
        self,
        prepared: onnx.ModelProto,
        write: Callable[[Placement, Mapping[str, Range]], onnx.ModelProto],
        target: str,
        squares: Sequence[Square],
    ) -> None:
        self.prepared, self._write, self._target = prepared, write, target
        self.ranges: Mapping[str, Range] = {}
        self.squares = list(squares)
        session = open_graph(prepared, "FP32 graph")
        self._wanted = [run_graph(session, square.luma[None, None], [OUTPUT])[0] for square in self.squares]

    def make(self, kept: Collection[str]) -> onnx.ModelProto:
        """Make the graph in which the layers `kept` are FP32."""
        return self._write(place(self.prepared.graph, self._target, kept), self.ranges)

    def __call__(self, kept: Collection[str], count: int | None = None) -> Verdict:
        """Judge that graph on all squares, or on `count` of them, of all sizes if there are as many."""
        session = open_graph(self.make(kept), "INT8 graph")
        together = Comparison()
        alone: dict[int, Comparison] = {}
        means: dict[str, float] = {}
        total = len(self.squares)
        for index in range(total) if count is None else (turn * total // count for turn in range(count)):
            square, wanted = self.squares[index], np.asarray(self._wanted[index], np.float32)
            (found,) = run_graph(session, square.luma[None, None], [OUTPUT], "INT8 graph")
            for comparison in (together, alone.setdefault(square.luma.shape[1], Comparison())):
                mean = comparison.add(np.asarray(found, np.float32), wanted)
            means[square.name] = max(mean, means.get(square.name, 0.0))
        parity = together.parity()
        check_finite(parity, "INT8 graph")
        worst = max(means, key=lambda name: means[name])
        sizes = tuple(SizeParity(size, comparison.parity()) for size, comparison in alone.items())
        return Verdict(parity, sizes, worst, means[worst])


def _search(
    prepared: onnx.ModelProto, judge: _Judge, ends: Sequence[str], say: Say
) -> tuple[tuple[str, ...], Verdict] | None:
    """Give layers back to FP32 until the budget holds; None when it does not."""
    layers = [layer for layer in layer_products(prepared, judge.squares[0].luma) if layer.name not in ends]
    ranked = measure_sensitivity(layers, lambda kept: judge({*kept, *ends}, JUDGING))
    for one in ranked[:3]:
        say(f"{one.layer.name}: alone in INT8, chroma differs by {describe_verdict(one.verdict)}")
    found = give_back(ranked, judge, ends, MOST_GIVEN_BACK * sum(layer.products for layer in layers))
    if found is not None:
        given = len(found[0]) - len(ends)
        say(f"{given} layer{'s stay' if given != 1 else ' stays'} FP32 beside the first and the last")
    return found


def layer_products(prepared: onnx.ModelProto, luma: NDArray[np.float32]) -> list[Layer]:
    """Count the products of each convolution at the size of `luma`."""
    made = [node.output[0] for node in find_layers(prepared.graph)]
    return count_products(prepared.graph, shapes_of(prepared, made, luma[None, None]))


def _check_graph(graph: onnx.ModelProto) -> None:
    try:
        onnx.checker.check_model(graph, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ExportError(f"the INT8 graph is not valid ONNX ({reason}); use --precision fp32") from error
