"""The Open Inference Protocol, version 2: luma to chroma as KServe and Triton serve it, in JSON or binary.

Source: github.com/kserve/open-inference-protocol (REST), and Triton's binary tensor data extension.
"""

from __future__ import annotations

import json
import math
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from colorrt.atomic import in_one_line
from colorrt.contract import INPUT, OUTPUT, UNIT
from colorrt.errors import UsageError
from colorrt.service.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from colorrt.contract import Contract

LENGTH = "inference-header-content-length"
_VERSION = "1"
_MOST_VALUES = 64 * 1024 * 1024
_LARGEST_SIDE = 1024


def describe_server() -> dict[str, Any]:
    """Return what GET /v2 answers."""
    return {"name": "colorrt", "version": version("colorrt"), "extensions": ["binary_tensor_data"]}


def describe_model(name: str, contract: Contract) -> dict[str, Any]:
    """Return what GET /v2/models/NAME answers."""
    side = contract.size or -1
    return {
        "name": name,
        "versions": [_VERSION],
        "platform": "colorrt",
        "inputs": [{"name": INPUT, "datatype": "FP32", "shape": [-1, 1, side, side]}],
        "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1, 2, side, side]}],
    }


def check_version(asked: str | None) -> None:
    """Raise ProblemError (404) unless it is ours."""
    if asked not in (None, _VERSION):
        raise ProblemError(404, f"there is no such version of the model; there is {_VERSION}")


def infer(
    body: bytes, header_length: str | None, name: str, run: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> tuple[bytes, dict[str, str]]:
    """Answer an inference request. `header_length`: of the JSON at the beginning of a body with binary tensors.

    Returns the body of the answer and its headers. Raises ProblemError (400) for requests that are none, and what `run`
    raises.
    """
    cut = len(body)
    if header_length is not None:
        if not (header_length.isascii() and header_length.isdecimal()) or len(header_length) > 12:
            raise ProblemError(400, f"{LENGTH} is no number")
        cut = int(header_length)
        if cut > len(body):
            raise ProblemError(400, f"{LENGTH} is {cut}, and the body has {len(body)} bytes")
    request = _table(body[:cut])
    luma = _read_luma(request, body[cut:])
    wanted = _wanted_output(request)
    try:
        chroma = run(luma)
    except UsageError as error:
        raise ProblemError(400, str(error)) from error
    answer: dict[str, Any] = {"model_name": name, "model_version": _VERSION}
    if isinstance(request.get("id"), str):
        answer["id"] = request["id"]
    output: dict[str, Any] = {"name": OUTPUT, "datatype": "FP32", "shape": list(chroma.shape)}
    answer["outputs"] = [output]
    if not wanted:
        # A guess that is not finite has no place in JSON.
        output["data"] = np.nan_to_num(chroma).ravel().tolist()
        return json.dumps(answer).encode(), {"Content-Type": "application/json"}
    raw = np.ascontiguousarray(chroma, "<f4").tobytes()
    output["parameters"] = {"binary_data_size": len(raw)}
    head = json.dumps(answer).encode()
    return head + raw, {"Content-Type": "application/octet-stream", LENGTH: str(len(head))}


def _table(text: bytes) -> dict[str, Any]:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, f"the request is no JSON ({in_one_line(error)})") from error
    if not isinstance(table, dict):
        raise ProblemError(400, "the request is no JSON object")
    return table


def _parameter(table: dict[str, Any], name: str) -> Any:
    parameters = table.get("parameters")
    return parameters.get(name) if isinstance(parameters, dict) else None


def _read_luma(request: dict[str, Any], binary: bytes) -> NDArray[np.float32]:
    inputs = request.get("inputs")
    if not (isinstance(inputs, list) and len(inputs) == 1 and isinstance(inputs[0], dict)):
        raise ProblemError(400, f"inputs has to be a list of one tensor, {INPUT!r}")
    tensor = inputs[0]
    if tensor.get("name") != INPUT or tensor.get("datatype") != "FP32":
        raise ProblemError(400, f"the input is {INPUT!r} of datatype FP32")
    shape = tensor.get("shape")
    if not (isinstance(shape, list) and len(shape) == 4 and all(type(side) is int and side > 0 for side in shape)):
        raise ProblemError(400, "shape has to be [N, 1, S, S] of whole numbers")
    if shape[1] != 1 or shape[2] != shape[3] or shape[2] % UNIT or shape[2] > _LARGEST_SIDE:
        raise ProblemError(400, f"shape has to be [N, 1, S, S], S a multiple of {UNIT} up to {_LARGEST_SIDE}")
    count = math.prod(shape)
    if count > _MOST_VALUES:
        raise ProblemError(400, f"{count:,} values are too many at a time; send fewer pictures")
    size = _parameter(tensor, "binary_data_size")
    if size is not None:
        if size != 4 * count or len(binary) != size:
            raise ProblemError(400, f"binary_data_size has to be {4 * count}, and as many bytes have to follow")
        values = np.frombuffer(binary, "<f4").astype(np.float32)
    else:
        values = _values_of(tensor.get("data"), count)
    if not np.isfinite(values).all():
        raise ProblemError(400, "luma has to be finite, 0..1")
    return values.reshape(shape)


def _values_of(data: Any, count: int) -> NDArray[np.float32]:
    if not isinstance(data, list):
        raise ProblemError(400, "data has to be a list of numbers, flat or nested")
    try:
        # Values beyond float32 become infinite, and are told as such.
        with np.errstate(over="ignore"):
            values = np.asarray(data, np.float32).ravel()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ProblemError(400, f"data has to be a list of numbers, flat or nested ({in_one_line(error)})") from error
    if values.size != count:
        raise ProblemError(400, f"data has {values.size} values, and its shape {count}")
    return values


def _wanted_output(request: dict[str, Any]) -> bool:
    """Return whether the output is wanted in binary."""
    outputs = request.get("outputs")
    whole = _parameter(request, "binary_data_output") is True
    if outputs is None:
        return whole
    if not (isinstance(outputs, list) and len(outputs) == 1 and isinstance(outputs[0], dict)):
        raise ProblemError(400, f"outputs has to be a list of one tensor, {OUTPUT!r}")
    if outputs[0].get("name") != OUTPUT:
        raise ProblemError(400, f"the output is {OUTPUT!r}")
    own = _parameter(outputs[0], "binary_data")
    return whole if own is None else own is True
