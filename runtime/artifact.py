"""Reading the contract of an artifact from its bytes, without loading the network.

A 250 MB file answers in milliseconds, and an engine answers on a machine without a GPU.
"""

from __future__ import annotations

import enum
import io
import json
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from colorrt.contract import MARK, METADATA_KEY, Contract
from colorrt.errors import ArtifactError

# Field numbers of onnx.proto3: ModelProto.ir_version, .graph, .metadata_props; StringStringEntryProto.key, .value.
IR_VERSION, GRAPH, METADATA_PROPS = 1, 7, 14
KEY, VALUE = 1, 2
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# A serialized engine begins with the tag of its flavor: TensorRT's, and TensorRT for RTX's (read in plans of 1.7).
ENGINE_TAGS = (b"ftrt", b"vtrt")
WEIGHT_SUFFIXES = {".ckpt", ".pt", ".pth", ".safetensors"}


class Kind(enum.Enum):
    """What an artifact is."""

    ONNX = "ONNX"
    ENGINE = "TensorRT engine"


@dataclass(frozen=True)
class Artifact:
    """A file that a session can be opened on."""

    path: Path
    kind: Kind
    contract: Contract


def read_artifact(path: str | Path) -> Artifact:
    """Tell what `path` is and read its contract.

    Raises ArtifactError when the file is missing, is damaged, is neither ONNX nor an engine, or has no contract.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            # Opening a pipe would wait for ever.
            raise ArtifactError(f"{path}: this is not a regular file; give an .onnx or .plan file")
        with path.open("rb") as stream:
            start = stream.read(64)
            kind = _kind(path, start)
            stream.seek(0)
            text = _onnx_contract(stream) if kind is Kind.ONNX else _engine_contract(stream)
    except IsADirectoryError as error:
        raise ArtifactError(f"{path}: this is a folder; give an .onnx or .plan file") from error
    except FileNotFoundError as error:
        raise ArtifactError(f"{path}: no such file; make one with 'colorrt export'") from error
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error.strerror or error}); check the file") from error
    except (EOFError, RecursionError, ValueError) as error:
        raise ArtifactError(f"{path}: the file is damaged or incomplete ({error}); copy or export it again") from error
    if text is None:
        raise ArtifactError(
            f"{path}: this {kind.value} carries no colorrt contract, so colorrt does not know its inputs; "
            "make one that does from the network's weights with 'colorrt export WEIGHTS --render-factor N'"
        )
    try:
        return Artifact(path, kind, Contract.from_json(text))
    except ValueError as error:
        raise ArtifactError(f"{path}: {error}") from error


def _kind(path: Path, start: bytes) -> Kind:
    if not start:
        raise ArtifactError(f"{path}: the file is empty; copy or export it again")
    if start.startswith(ENGINE_TAGS) or path.suffix.lower() in {".plan", ".engine", ".trt"}:
        return Kind.ENGINE
    if start[0] == IR_VERSION << 3 | VARINT and path.suffix.lower() not in WEIGHT_SUFFIXES:
        return Kind.ONNX
    if path.suffix.lower() in WEIGHT_SUFFIXES:
        raise ArtifactError(f"{path}: these are weights, not an ONNX file; export them with 'colorrt export'")
    raise ArtifactError(f"{path}: neither an ONNX file nor a TensorRT engine; give a file from 'colorrt export'")


def _onnx_contract(stream: BinaryIO) -> str | None:
    found = None
    graph = False
    for field, data in _fields(stream, {METADATA_PROPS}):
        graph = graph or field == GRAPH
        if field == METADATA_PROPS:
            entry = dict(_entry(data))
            if entry.get(KEY) == METADATA_KEY.encode():
                found = entry.get(VALUE, b"").decode()
    if not graph:
        raise EOFError("it holds no graph")
    return found


def _fields(stream: BinaryIO, wanted: set[int]) -> Iterator[tuple[int, bytes]]:
    """Walk the top-level fields of a protobuf message; the contents only of those `wanted` are read."""
    end = stream.seek(0, 2)
    stream.seek(0)
    while stream.tell() < end:
        key = _varint(stream)
        field, wire = key >> 3, key & 7
        data = b""
        if wire == VARINT:
            _varint(stream)
        elif wire in (FIXED64, FIXED32):
            stream.seek(8 if wire == FIXED64 else 4, 1)
        elif wire == BYTES:
            length = _varint(stream)
            if stream.tell() + length > end:
                raise EOFError("it is truncated")
            if field in wanted:
                data = stream.read(length)
            else:
                stream.seek(length, 1)
        else:
            raise EOFError(f"unexpected byte at {stream.tell()}")
        if stream.tell() > end:
            raise EOFError("it is truncated")
        yield field, data


def _varint(stream: BinaryIO) -> int:
    value = shift = 0
    while True:
        byte = stream.read(1)
        if not byte or shift > 63:
            raise EOFError("it is truncated")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
        shift += 7


def _entry(data: bytes) -> Iterator[tuple[int, bytes]]:
    return _fields(io.BytesIO(data), {KEY, VALUE})


def _engine_contract(stream: BinaryIO) -> str | None:
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as plan:
        start = plan.find(MARK.encode())
        if start < 0:
            return None
        text = plan[start : start + 65536].decode("utf-8", errors="ignore")
    _, length = json.JSONDecoder().raw_decode(text)
    return text[:length]
