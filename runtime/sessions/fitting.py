"""Whether an engine and this machine fit, settled from the engine's contract before TensorRT sees a byte of it."""

from __future__ import annotations

import shlex
from types import ModuleType
from typing import Any

from colorrt.contract import Contract, Engine, Precision
from colorrt.errors import ArtifactError, BackendError
from colorrt.runtime.artifact import Artifact
from colorrt.runtime.sessions.flavors import TITLES, Flavor, find_flavor, installed_flavors, parse_version
from colorrt.runtime.sessions.gpu import Gpu, search_gpu

# What an engine of TensorRT for RTX runs on when it was built for no capability by name: "8.0 ... and later".
# https://docs.nvidia.com/deeplearning/tensorrt-rtx/latest/inference-library/cpu-engines.html
LEAST_RTX_CAPABILITY = "8.0"
# EngineInvalidityDiagnostics of TensorRT for RTX, and what each means here.
INVALID = {
    "MALFORMED_ENGINE": "its bytes are not those of an engine of this TensorRT",
    "VERSION_MISMATCH": "it was built by another version",
    "UNSUPPORTED_CC": "it was not built for this GPU's compute capability",
    "OLD_CUDA_DRIVER": "the NVIDIA driver is too old for it, and a newer driver helps",
    "OLD_CUDA_RUNTIME": "the CUDA runtime is too old for it, and a newer one helps",
    "INSUFFICIENT_GPU_MEMORY": "the GPU's memory is too small for it",
    "CUDA_ERROR": "CUDA is not installed properly",
}


def find_home(artifact: Artifact) -> tuple[Flavor, Gpu]:
    """Return the TensorRT and the GPU of this machine that run the engine `artifact`.

    Raises BackendError where its flavor or a GPU is not there, or its version or compute capability are others: in
    one sentence, what the engine was built for, what this machine is, and the command that builds it again.
    ArtifactError when the contract is not that of an engine.
    """
    engine = engine_of(artifact)
    try:
        flavor = find_flavor(engine.flavor)
    except BackendError as error:
        others = " and ".join(other.title for other in installed_flavors())
        instead = f"; for the {others} that is here, build it again: {rebuild(artifact)}" if others else ""
        raise BackendError(
            f"{artifact.path}: the engine was built for {_built(engine)}; here, {error}{instead}"
        ) from error
    search = search_gpu()
    if search.gpu is None:
        raise BackendError(
            f"{artifact.path}: the engine needs an NVIDIA GPU, and {search.reason}; "
            "the ONNX file that it was built from runs on any machine"
        )
    problem, target = _version_problem(engine, flavor), None
    if problem is None:
        problem, target = _gpu_problem(engine, search.gpu), search.gpu
    if problem is not None:
        raise BackendError(
            f"{artifact.path}: the engine was built for {_built(engine)}, and {problem}; "
            f"build it again here: {rebuild(artifact, flavor=flavor.name, gpu=target)}"
        )
    return flavor, search.gpu


def engine_of(artifact: Artifact) -> Engine:
    """Return what the contract says of the engine. Raises ArtifactError when it is that of an ONNX graph."""
    if artifact.contract.engine is None:
        raise ArtifactError(
            f"{artifact.path}: this is a TensorRT engine with the contract of an ONNX file, which does not say "
            "what it was built for; build it with 'colorrt build'"
        )
    return artifact.contract.engine


def check_validity(artifact: Artifact, flavor: Flavor, gpu: Gpu, answer: tuple[Any, Any]) -> None:
    """Judge what `get_engine_validity` of TensorRT for RTX answered: a validity and its reasons, as bits.

    Raises ArtifactError when the plan is damaged, BackendError when engine and machine do not fit.
    """
    validity, flags = answer
    if int(validity) != int(flavor.module.EngineValidity.INVALID):
        return
    names = _flag_names(flavor.module, int(flags))
    if "MALFORMED_ENGINE" in names:
        raise ArtifactError(
            f"{artifact.path}: {flavor.title} does not recognize this as an engine; copy it again, or build it again: "
            f"{rebuild(artifact, flavor=flavor.name)}"
        )
    reasons = " and ".join(INVALID[name] for name in names if name in INVALID) or "it does not say why"
    raise BackendError(
        f"{artifact.path}: the engine was built for {_built(engine_of(artifact))}, and {flavor.title} on {_said(gpu)} "
        f"refuses it: {reasons}; build it again here: {rebuild(artifact, flavor=flavor.name)}"
    )


def rebuild(artifact: Artifact, most: int | None = None, flavor: str | None = None, gpu: Gpu | None = None) -> str:
    """Return the command that builds the engine again.

    `most`: for so many pictures at a time. `flavor`: by that TensorRT. `gpu`: for that GPU, where the builder has to
    be told.
    """
    contract, engine = artifact.contract, artifact.contract.engine
    parts = ["colorrt", "build", _onnx_name(contract), "--precision", contract.precision]
    if flavor is not None and len(installed_flavors()) > 1:
        parts += ["--backend", flavor]
    fewest, highest = contract.batch
    highest = most or highest or 1
    if highest > 1:
        optimum = highest if engine is None else min(engine.optimum, highest)
        parts += ["--batch", f"{min(fewest, highest)}:{optimum}:{highest}"]
    if engine is not None and engine.render_factors is not None:
        parts += ["--render-factors", ":".join(map(str, engine.render_factors))]
    if gpu is not None and flavor == "tensorrt_rtx":
        parts += ["--capability", gpu.capability]
    return shlex.join([*parts, "-o", str(artifact.path), "--overwrite"])


def _onnx_name(contract: Contract) -> str:
    """Name the file as 'colorrt export' does."""
    factor = "" if contract.render_factor is None else f"-rf{contract.render_factor}"
    own = "-int8" if contract.precision == Precision.INT8 else ""
    return f"colorrt-{contract.model}{factor}{own}.onnx"


def _version_problem(engine: Engine, flavor: Flavor) -> str | None:
    """Plans are taken by the version that wrote them alone, down to the last number that both tell."""
    pairs = zip(parse_version(engine.version), parse_version(flavor.version), strict=False)
    return None if all(built == here for built, here in pairs) else f"this machine has {flavor.title}"


def _gpu_problem(engine: Engine, gpu: Gpu) -> str | None:
    fits = True
    if engine.capabilities:
        fits = gpu.capability in engine.capabilities
    elif engine.flavor == "tensorrt_rtx":
        fits = parse_version(gpu.capability) >= parse_version(LEAST_RTX_CAPABILITY)
    elif engine.gpu is not None:
        fits = gpu.name == engine.gpu
    return None if fits else f"this machine has an {_said(gpu)}"


def _built(engine: Engine) -> str:
    target = ""
    if engine.capabilities:
        target = f", compute capability {' or '.join(engine.capabilities)}"
    elif engine.flavor == "tensorrt_rtx":
        target = f", compute capability {LEAST_RTX_CAPABILITY} and later"
    gpu = "" if engine.gpu is None else f", on {engine.gpu}"
    return f"{TITLES[engine.flavor]} {engine.version}{gpu}{target}"


def _said(gpu: Gpu) -> str:
    return f"{gpu.name} of compute capability {gpu.capability}"


def _flag_names(module: ModuleType, flags: int) -> list[str]:
    members = module.EngineInvalidityDiagnostics.__members__
    return [name for name, value in members.items() if flags & int(value)]
