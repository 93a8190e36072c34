"""What shows that an engine is what it says: the types of its layers, and its answers on real photographs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorrt.contract import INPUT, Contract, Parity
from colorrt.errors import ExportError
from colorrt.export.engine.messages import forget, logger, reason
from colorrt.export.engine.target import Shape
from colorrt.export.precision.fp16 import MEAN_BOUND
from colorrt.export.precision.parity import Answer, Comparison, check_finite
from colorrt.runtime.sessions.flavors import Flavor

ROOM = 256
"""Spaces behind the contract in a plan, which give way to the proof once the engine has run."""
CONVOLUTIONS = {"CONVOLUTION", "DECONVOLUTION"}
# Names of convolutions among the layers of engines, in lower case: CaskConvolution, CaskJitConv, CaskDeconvolutionV2,
# and "correlation" where the graph compiler made them.
ENGINE_CONVOLUTIONS = ("conv", "correlation")
# Words for types in the inspector's answers: "Half", "Row major linear FP16 format". TensorRT 11 has a field for it.
HALF = re.compile(r"\b(k?half|fp16|float16)\b", re.IGNORECASE)
SINGLE = re.compile(r"\b(k?float|fp32|float32)\b", re.IGNORECASE)
TYPE_FIELDS = ("DataType", "Datatype", "Format/Datatype", "Format/DataType", "Format")


@dataclass(frozen=True)
class Layers:
    """Convolutions by the type that they compute in."""

    half: tuple[str, ...]
    single: tuple[str, ...]
    other: int = 0
    """Of another type, or of one that is not told."""
    int8: tuple[str, ...] = ()
    """Of a parsed network: those whose input and weights come straight from INT8; they are in no other list."""


def network_layers(network: Any) -> Layers:
    """Sort the convolutions of a parsed TensorRT network by type: in strongly typed ones it is that of the engine.

    One that reads INT8 through a dequantization is an INT8 convolution: TensorRT takes the two together.
    """
    found: dict[str, list[str]] = {"HALF": [], "FLOAT": [], "INT8": []}
    other = 0
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    widened = {
        layer.get_output(0).name
        for layer in layers
        if layer.type.name == "DEQUANTIZE" and layer.get_input(0).dtype.name == "INT8"
    }
    for layer in layers:
        if layer.type.name in CONVOLUTIONS:
            kind = layer.get_input(0).dtype.name
            inputs = (layer.get_input(place) for place in range(2))
            if widened and all(one is not None and one.name in widened for one in inputs):
                found["INT8"].append(layer.name)
            elif kind in found:
                found[kind].append(layer.name)
            else:
                other += 1
    return Layers(tuple(found["HALF"]), tuple(found["FLOAT"]), other, tuple(found["INT8"]))


def inspect_plan(flavor: Flavor, plan: bytes, shape: Shape) -> Layers | None:
    """Load a plan on this machine's GPU and sort its convolutions by type; None when the engine does not tell them.

    `shape`: of luma; engines of several shapes tell the types of their tensors for one at a time. Raises ExportError
    when the plan does not load.
    """
    forget(flavor.module)
    runtime = flavor.module.Runtime(logger(flavor.module)[0])
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise ExportError(f"{flavor.title} does not load what it built: {reason(flavor.module)}; nothing was written")
    inspector = engine.create_engine_inspector()
    context = engine.create_execution_context()
    if context is not None and context.set_input_shape(INPUT, shape):
        inspector.execution_context = context
    layers = read_inspection(inspector.get_engine_information(flavor.module.LayerInformationFormat.JSON))
    # Each holds memory of the GPU, and the later ones need the earlier.
    del inspector, context, engine, runtime
    return layers


def read_inspection(text: str) -> Layers | None:
    """Read the convolutions from what an engine's inspector answers in JSON; None when it names none with a type.

    https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/engine-tools.html
    """
    try:
        table = json.loads(text)
    except ValueError:
        return None
    half, single, other = [], [], 0
    for layer in _layers(table):
        kind = _type_of(layer)
        name = str(layer.get("Name", "without a name"))
        if kind == "half":
            half.append(name)
        elif kind == "single":
            single.append(name)
        else:
            other += 1
    return Layers(tuple(half), tuple(single), other) if half or single else None


def check_layers(found: Layers, fp32_convolutions: int, where: str) -> None:
    """Raise ExportError unless `found` is what an FP16 engine may hold: at most so many FP32 convolutions.

    `where`: what was looked into, for the message.
    """
    if len(found.single) > fp32_convolutions:
        raise ExportError(
            f"the {where} holds {len(found.single)} FP32 convolutions where {fp32_convolutions} were "
            f"expected ({', '.join(found.single[:3])}...), so it is not an FP16 engine; nothing was written, build it "
            "again from the FP32 ONNX file with --precision fp16"
        )
    if not found.half:
        raise ExportError(
            f"the {where} holds no FP16 convolution, so it is not an FP16 engine; nothing was written, build it again "
            "from the FP32 ONNX file with --precision fp16"
        )


def check_int8_layers(found: Layers, wanted: int) -> None:
    """Raise ExportError unless a parsed network has as many INT8 convolutions as its contract says."""
    if len(found.int8) != wanted:
        raise ExportError(
            f"the network holds {len(found.int8)} INT8 convolutions and its contract says {wanted}, so TensorRT would "
            "not build what the file claims to be; nothing was written, export it again with --precision int8 "
            "--target tensorrt"
        )


def compare_engine(engine: Answer, truth: Answer, lumas: Sequence[NDArray[np.float32]], most: int) -> Parity:
    """Run an engine and its ONNX graph on `lumas` (S x S float32, 0..1), one by one and, up to `most`, together.

    Those that go together are the ones of the first's size. Raises ExportError when the engine answers with numbers
    that are not finite, or differs by more than 0.5 levels of 255 on average.
    """
    together = [luma for luma in lumas if luma.shape == lumas[0].shape][:most]
    batch = engine(np.stack(together)[:, None])
    comparison = Comparison()
    for luma in lumas:
        square = luma[None, None]
        wanted = truth(square)
        answers = [engine(square)]
        place = next((index for index, other in enumerate(together) if other is luma), None)
        if place is not None:
            answers.append(batch[place : place + 1])
        for answer in answers:
            comparison.add(answer, wanted)
    parity = replace(comparison.parity(), photos=len(lumas))
    check_finite(parity, "engine")
    if parity.mean > MEAN_BOUND:
        raise ExportError(
            f"the engine differs from its ONNX file by {parity.mean:.2f} levels of 255 on average and "
            f"{parity.worst:.1f} at most (allowed: {MEAN_BOUND} on average); nothing was written, try "
            "--precision fp32 or another TensorRT"
        )
    return parity


def pad_contract(contract: Contract, length: int | None = None) -> bytes:
    """Return the contract as the name of a network: JSON with spaces behind it, ROOM of them or up to `length`."""
    text = contract.to_json().encode()
    length = len(text) + ROOM if length is None else length
    if len(text) > length:
        raise ExportError(f"the contract takes {len(text)} bytes and the plan has room for {length}; build it again")
    return text.ljust(length)


def restamp(plan: bytes, old: Contract, new: Contract) -> bytes:
    """Put `new` in the place of `old` in a plan that was built with `pad_contract(old)` as its name, length for length.

    The contract goes into a plan before it is built, and what a run shows is known only after. Raises ExportError
    when the plan does not hold it.
    """
    name = pad_contract(old)
    if plan.count(name) < 1:
        raise ExportError("the plan does not hold its contract, so it could not be read back; try another TensorRT")
    return plan.replace(name, pad_contract(new, len(name)))


def _layers(table: Any) -> Iterator[dict[str, Any]]:
    """Yield the convolutions; engines built without details have names alone, which say nothing."""
    rows = table.get("Layers", []) if isinstance(table, dict) else table
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, dict):
            continue
        kinds = f"{row.get('LayerType', '')} {row.get('ParameterType', '')}".lower()
        if any(word in kinds for word in ENGINE_CONVOLUTIONS):
            yield row


def _type_of(layer: dict[str, Any]) -> str | None:
    """Return "half" or "single": by the weights where they are told, else by the first input."""
    weights = layer.get("Weights")
    if isinstance(weights, dict) and (kind := _kind(str(weights.get("Type", "")))) is not None:
        return kind
    inputs = layer.get("Inputs")
    first = inputs[0] if isinstance(inputs, list) and inputs and isinstance(inputs[0], dict) else {}
    return next((kind for field in TYPE_FIELDS if (kind := _kind(str(first.get(field, "")))) is not None), None)


def _kind(text: str) -> str | None:
    if HALF.search(text):
        return "half"
    return "single" if SINGLE.search(text) else None
