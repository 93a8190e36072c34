"""A model repository for NVIDIA's Triton: the artifact under the name that Triton looks for, and its configuration.

Source: github.com/triton-inference-server (model_repository.md, model_configuration.md).
"""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

from colorrt.atomic import atomic_path, in_one_line
from colorrt.contract import INPUT, OUTPUT, EngineFlavor, Precision
from colorrt.errors import UsageError
from colorrt.runtime.artifact import read_artifact

if TYPE_CHECKING:
    from pathlib import Path

    from colorrt.contract import Contract

DEFAULT_BATCH = 8
"""Pictures at a time, of artifacts that take any number."""
GATHER_MICROSECONDS = 5000
"""How long Triton waits for a batch to fill."""


def write_repository(artifact: Path, folder: Path, name: str | None = None, *, overwrite: bool = False) -> Path:
    """Write `folder`/NAME/config.pbtxt and `folder`/NAME/1/model.onnx (or model.plan).

    `name`: of the model; None takes that of the contract, with its precision if that is not FP32. Returns the folder of
    the model, which Triton loads with `--model-repository` and `folder`.

    Raises ArtifactError when the artifact has no contract; UsageError for a name that Triton does not take, an engine
    of TensorRT for RTX, which Triton does not run, a folder that is there already, or one that cannot be written.
    """
    found = read_artifact(artifact)
    contract = found.contract
    engine = contract.engine
    if engine is not None and engine.flavor == EngineFlavor.TENSORRT_RTX:
        raise UsageError(
            f"{artifact}: Triton runs no engines of TensorRT for RTX; build one with TensorRT, or give the ONNX file"
        )
    name = name or name_of(contract)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise UsageError(f"{in_one_line(name)}: a model's name has letters, digits, dots, dashes and underscores")
    place = folder / name
    if place.exists() and not overwrite:
        raise UsageError(f"{place}: it is there already; --overwrite replaces it")
    try:
        (place / "1").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{place}: cannot be made ({error.strerror or error}); choose another folder") from error
    model = place / "1" / ("model.onnx" if engine is None else "model.plan")
    with atomic_path(model, UsageError) as part:
        shutil.copyfile(artifact, part)
    with atomic_path(place / "config.pbtxt", UsageError) as part:
        part.write_text(make_config(name, contract), encoding="utf-8")
    return place


def name_of(contract: Contract) -> str:
    """Return what a model is called by: its name, and its precision if that is not FP32."""
    return contract.model if contract.precision == Precision.FP32 else f"{contract.model}-{contract.precision}"


def make_config(name: str, contract: Contract) -> str:
    """Return the configuration of a model, in the text format of protocol buffers."""
    side = contract.size or -1
    most = contract.batch[1] or DEFAULT_BATCH
    is_engine = contract.engine is not None
    batching = f"dynamic_batching {{ max_queue_delay_microseconds: {GATHER_MICROSECONDS} }}\n" if most > 1 else ""
    return (
        f"name: {json.dumps(name)}\n"
        f"platform: {json.dumps('tensorrt_plan' if is_engine else 'onnxruntime_onnx')}\n"
        f"max_batch_size: {most}\n"
        f"input [ {{ name: {json.dumps(INPUT)} data_type: TYPE_FP32 dims: [ 1, {side}, {side} ] }} ]\n"
        f"output [ {{ name: {json.dumps(OUTPUT)} data_type: TYPE_FP32 dims: [ 2, {side}, {side} ] }} ]\n"
        f"{batching}"
        f"instance_group [ {{ count: 1 kind: {'KIND_GPU' if is_engine else 'KIND_AUTO'} }} ]\n"
        "version_policy: { latest { num_versions: 1 } }\n"
        f'parameters {{ key: "colorrt" value: {{ string_value: {json.dumps(contract.to_json())} }} }}\n'
    )
