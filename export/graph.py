"""From a network in PyTorch to an ONNX graph: luma in, chroma out, for one size or for all."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn

from colorrt.contract import HIGHEST_RENDER_FACTOR, HINT, INPUT, MASK, METADATA_KEY, OUTPUT, UNIT, Contract

# 18 is the lowest opset that torch.onnx.export writes without converting, and every ONNX Runtime and TensorRT
# that colorrt supports (1.20 and later, 10.3 to 11) reads it.
OPSET = 18
BATCH, SIDE = "batch", "side"


def trace(network: nn.Module, render_factor: int | None, *, hints: bool = False) -> onnx.ModelProto:
    """Export a luma-to-chroma module as an ONNX model with a free batch.

    `hints`: the module takes hints (N x 2 x S x S) and their mask (N x 1 x S x S) beside luma, as inputs of their own.

    `render_factor`: the size of the square is fixed to 16 x render factor pixels; None leaves it free (any
    multiple of 16). Batch norms that follow a convolution are folded into it. Fixed graphs hold no `Shape`.
    """
    if render_factor is None:
        units = torch.export.Dim("units", min=1, max=HIGHEST_RENDER_FACTOR)
        side = UNIT * units
        free = {0: torch.export.Dim("batch", min=1), 2: side, 3: side}
        examples = _examples(2, 4 * UNIT, hints=hints)
        model = export_module(network, examples, (free,) * len(examples))
        _rename_sides(model)
        return model
    size = UNIT * render_factor
    model = export_module(network, _examples(1, size, hints=hints), None)
    _free_batch(model)
    return model


def _examples(count: int, size: int, *, hints: bool) -> tuple[torch.Tensor, ...]:
    return tuple(torch.rand(count, channels, size, size) for channels in ((1, 2, 1) if hints else (1,)))


def stamp(model: onnx.ModelProto, contract: Contract) -> None:
    """Write `contract` into the metadata of `model`, replacing what is there."""
    kept = [entry for entry in model.metadata_props if entry.key != METADATA_KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    model.metadata_props.add(key=METADATA_KEY, value=contract.to_json())
    model.producer_name, model.producer_version = "colorrt", contract.producer.removeprefix("colorrt ")


def export_module(
    module: nn.Module, example: torch.Tensor | tuple[torch.Tensor, ...], shapes: tuple[Any, ...] | None
) -> onnx.ModelProto:
    """Export any module of one output, as it is; the tensors are named as the contract has them.

    The one rewrite is `merge_blurs`, which is exact. `example`: an input to trace with, or luma, hints and mask.
    `shapes`: torch.export's dynamic shapes, None for a graph of the example's.
    """
    examples = example if isinstance(example, tuple) else (example,)
    with torch.inference_mode(), _quiet():
        program = torch.onnx.export(
            module,
            examples,
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT, HINT, MASK][: len(examples)],
            output_names=[OUTPUT],
            dynamic_shapes=shapes,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    merge_blurs(model)
    # The exporter writes the torch graph's names and stack into every node: for people who debug it, not for
    # those who ship it.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        del value.metadata_props[:]
    return model


def merge_blurs(model: onnx.ModelProto) -> None:
    """Make one `AveragePool` of each repeated edge and the 2 x 2 mean behind it (`colorrt.models.layers.blur`).

    With the top row (and the left column) repeated, the means along that edge hold each real pixel equally often: they
    are the means of the real pixels alone, which a pool that does not count its padding takes, at every size.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for pad in [node for node in model.graph.node if node.op_type == "Pad"]:
        behind = readers.get(pad.output[0], [])
        if not (_repeats_first_edges(pad, constants) and len(behind) == 1 and _averages_2x2(behind[0])):
            continue
        pool = behind[0]
        pool.input[0] = pad.input[0]
        kept = [attribute for attribute in pool.attribute if attribute.name not in ("pads", "count_include_pad")]
        del pool.attribute[:]
        pool.attribute.extend(kept)
        pool.attribute.extend(
            [helper.make_attribute("pads", [1, 1, 0, 0]), helper.make_attribute("count_include_pad", 0)]
        )
        model.graph.node.remove(pad)
        # The value in between is gone.
        for value in [value for value in model.graph.value_info if value.name == pad.output[0]]:
            model.graph.value_info.remove(value)
    _drop_unused(model)


def _repeats_first_edges(pad: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> bool:
    mode = {attribute.name: attribute for attribute in pad.attribute}.get("mode")
    widths = constants.get(pad.input[1])
    if mode is None or mode.s != b"edge" or widths is None or len(pad.input) > 3:
        return False
    return bool(numpy_helper.to_array(widths).tolist() == [0, 0, 1, 1, 0, 0, 0, 0])


def _averages_2x2(node: onnx.NodeProto) -> bool:
    if node.op_type != "AveragePool":
        return False
    found = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    ones = all(step == 1 for name in ("strides", "dilations") for step in found.get(name, []))
    bare = not any(found.get("pads", [])) and found.get("auto_pad", b"NOTSET") == b"NOTSET"
    return bool(ones and bare and found["kernel_shape"] == [2, 2] and not found.get("ceil_mode", 0))


def _drop_unused(model: onnx.ModelProto) -> None:
    """Remove the constants that no node reads."""
    used = {name for node in model.graph.node for name in node.input}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in used]:
        model.graph.initializer.remove(tensor)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, which reports its stages and the deprecations of its own parts."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)


def _rename_sides(model: onnx.ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output):
        for axis in (2, 3):
            value.type.tensor_type.shape.dim[axis].dim_param = SIDE


def _free_batch(model: onnx.ModelProto) -> None:
    """Let a graph that was traced for one picture take any number of them.

    Tracing with a free batch would compute shapes at run time (`Shape`, `Concat`, ...), for nothing: every
    operator but `Reshape` carries the batch through. A target size of 0 copies the input's.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "Reshape":
            continue
        tensor = constants[node.input[1]]
        target = numpy_helper.to_array(tensor).copy()
        target[0] = 0
        del node.attribute[:]
        name = f"{node.name or node.output[0]}_target"
        model.graph.initializer.append(numpy_helper.from_array(target, name))
        node.input[1] = name
    _drop_unused(model)
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
