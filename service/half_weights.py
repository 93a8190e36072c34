"""An ONNX file with its weights in half as many bytes: stored in FP16, computed with in FP32 as before.

A browser's ONNX Runtime computes in FP32 either way, and makes FP32 of the weights once, as it loads them. Written by
hand, for the package onnx is no part of the default install. Source: onnx.proto3 of IR version 10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

# Field numbers: ModelProto.graph; GraphProto.node, .initializer; TensorProto.data_type, .name, .raw_data;
# NodeProto.input, .output, .name, .op_type, .attribute; AttributeProto.name, .i, .type.
_GRAPH = 7
_NODE, _INITIALIZER = 1, 5
_DATA_TYPE, _NAME, _RAW = 2, 8, 9
_INPUT, _OUTPUT, _NODE_NAME, _OP_TYPE, _ATTRIBUTE = 1, 2, 3, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_INT, _ATTRIBUTE_TYPE = 1, 3, 20
_FLOAT, _FLOAT16 = 1, 10
_INT = 2

_LEAST_BYTES = 1024
"""What is smaller stays as it is: scales, thresholds, single numbers."""
_SUFFIX = "_half"

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def halve_weights(model: bytes) -> bytes:
    """Return an ONNX model with its large FP32 weights stored in FP16, each through a Cast to FP32.

    Weights that FP16 cannot hold (65,504 or more, or not finite) stay in FP32; all else is kept byte for byte.
    Raises ValueError when `model` is cut off, or no ONNX model.
    """
    return b"".join(
        _field(_GRAPH, _halved_graph(content)) if number == _GRAPH and content is not None else raw
        for number, content, raw in _fields(model)
    )


def _halved_graph(graph: bytes) -> bytes:
    casts, parts = [], []
    for number, content, raw in _fields(graph):
        halved = _halved_tensor(content) if number == _INITIALIZER and content is not None else None
        if halved is None:
            parts.append(raw)
            continue
        name, tensor = halved
        parts.append(_field(_INITIALIZER, tensor))
        casts.append(_field(_NODE, _cast(name)))
    # Nodes stand in the order in which they are computed.
    return b"".join(casts + parts)


def _halved_tensor(tensor: bytes) -> tuple[str, bytes] | None:
    fields = list(_fields(tensor))
    kinds = [raw for number, _, raw in fields if number == _DATA_TYPE]
    names = [content for number, content, _ in fields if number == _NAME]
    weights = [content for number, content, _ in fields if number == _RAW]
    if kinds != [_number(_DATA_TYPE, _FLOAT)] or len(names) != 1 or len(weights) != 1:
        return None
    (name,), (data,) = names, weights
    if name is None or data is None or len(data) < _LEAST_BYTES:
        return None
    values = np.frombuffer(data, "<f4")
    with np.errstate(over="ignore"):
        halves = values.astype("<f2")
    if not np.isfinite(halves).all():
        return None
    changed = {
        _DATA_TYPE: _number(_DATA_TYPE, _FLOAT16),
        _NAME: _field(_NAME, name + _SUFFIX.encode()),
        _RAW: _field(_RAW, halves.tobytes()),
    }
    return name.decode(), b"".join(changed.get(number, raw) for number, _, raw in fields)


def _cast(name: str) -> bytes:
    attribute = (
        _field(_ATTRIBUTE_NAME, b"to") + _number(_ATTRIBUTE_INT, _FLOAT) + _number(_ATTRIBUTE_TYPE, _INT)
    )  # fmt: skip
    texts = ((_INPUT, name + _SUFFIX), (_OUTPUT, name), (_NODE_NAME, name + _SUFFIX), (_OP_TYPE, "Cast"))
    return b"".join(_field(number, text.encode()) for number, text in texts) + _field(_ATTRIBUTE, attribute)


def _fields(message: bytes) -> Iterator[tuple[int, bytes | None, bytes]]:
    """Walk the fields of a message: number, content of those that have bytes, and all bytes of the field itself."""
    at = 0
    while at < len(message):
        begin = at
        key, at = _varint(message, at)
        wire, content = key & 7, None
        if wire == _VARINT:
            _, at = _varint(message, at)
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        elif wire == _BYTES:
            size, at = _varint(message, at)
            content = message[at : at + size]
            at += size
        else:
            raise ValueError(f"unexpected byte at {begin}")
        if at > len(message):
            raise ValueError("it is cut off")
        yield key >> 3, content, message[begin:at]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("it is cut off")


def _number(field: int, value: int) -> bytes:
    return _encoded(field << 3 | _VARINT) + _encoded(value)


def _field(field: int, content: bytes) -> bytes:
    return _encoded(field << 3 | _BYTES) + _encoded(len(content)) + content


def _encoded(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)
