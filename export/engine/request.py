"""What an engine is to be, from the words of an order to the contract that it will carry."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from colorrt.contract import NOT_YET_RUN, Contract, Engine, Precision, Target
from colorrt.errors import ArtifactError, ExportError, UsageError
from colorrt.export.engine.builder import Tuning
from colorrt.export.engine.target import (
    MOST_PICTURES,
    Range,
    Shape,
    find_capabilities,
    has_target,
    parse_factors,
    parse_range,
    square_shapes,
)
from colorrt.export.precision.fp16 import check_precision
from colorrt.runtime.artifact import Artifact, Kind, read_artifact
from colorrt.runtime.sessions.fitting import LEAST_RTX_CAPABILITY
from colorrt.runtime.sessions.flavors import Flavor, find_flavor, parse_version
from colorrt.runtime.sessions.gpu import Gpu, find_gpu
from colorrt.runtime.shipped import shipped_artifact

SUFFIXES = (".plan", ".engine", ".trt")
MEGABYTE = 1e6


@dataclass(frozen=True)
class BuildRequest:
    """What is to be built."""

    precision: str | None = None
    """A `Precision`; None: "int8" of a graph that is INT8 already, else "fp16"."""
    backend: str | None = None
    """Flavor of TensorRT: "tensorrt" or "tensorrt_rtx"; None takes the first of them that is installed."""
    batch: str = "1"
    """Pictures at a time: "4", or "1:4:8" for the least, the tuned and the largest number."""
    render_factors: str | None = None
    """The same of render factors, for graphs of any size; None: 8:16:24."""
    capabilities: tuple[str, ...] = ()
    """Compute capabilities to build for ("8.6", or "all"), TensorRT for RTX only; empty: the builder's default."""
    tuning: Tuning = field(default_factory=Tuning)


@dataclass(frozen=True)
class BuildTask:
    """An order, with all that had to be found out for it."""

    source: Artifact
    request: BuildRequest
    flavor: Flavor
    gpu: Gpu | None
    batch: Range
    factors: Range
    capabilities: tuple[str, ...]

    @property
    def precision(self) -> str:
        """What was ordered, or what follows from the graph."""
        return choose_precision(self.request.precision, self.source)

    @property
    def shapes(self) -> tuple[Shape, Shape, Shape]:
        """The least, the tuned and the largest shape of luma."""
        return square_shapes(self.batch, self.factors)

    @property
    def runs_here(self) -> bool:
        """Whether the engine is for the GPU in this machine."""
        if self.gpu is None:
            return False
        if self.capabilities:
            return self.gpu.capability in self.capabilities
        if not has_target(self.flavor.module, self.gpu.capability):
            return False
        return parse_version(self.gpu.capability) >= parse_version(LEAST_RTX_CAPABILITY)


def prepare(source: Path | None, request: BuildRequest) -> BuildTask:
    """Find out what an order comes to on this machine.

    `source`: None takes the artifact that ships. Raises UsageError, ArtifactError or BackendError when it is not
    possible.
    """
    if request.precision is not None:
        check_precision(request.precision)
    artifact = read_artifact(source or shipped_artifact())
    precision = choose_precision(request.precision, artifact)
    _check_source(artifact, precision)
    batch = parse_range(request.batch, "--batch", MOST_PICTURES)
    factors = parse_factors(request.render_factors, artifact.contract)
    flavor = find_flavor(request.backend)
    gpu = find_gpu()
    capabilities = find_capabilities(request.capabilities, flavor, gpu, precision)
    return BuildTask(artifact, request, flavor, gpu, batch, factors, capabilities)


def choose_precision(asked: str | None, source: Artifact) -> str:
    """Return the precision that is asked for; else INT8 for a graph that is INT8, and FP16 for any other."""
    return asked or (Precision.INT8 if source.contract.precision == Precision.INT8 else Precision.FP16)


def _check_source(artifact: Artifact, precision: str) -> None:
    path, own = artifact.path, artifact.contract.precision
    if artifact.kind is Kind.ENGINE:
        raise ArtifactError(f"{path}: this is an engine already; give the ONNX file that it was built from")
    if precision == Precision.INT8:
        calibration = artifact.contract.calibration
        if calibration is None:
            raise UsageError(
                f"{path}: this graph is {own.upper()}, and INT8 engines are built from INT8 graphs; make one with "
                "'colorrt export --precision int8 --target tensorrt'"
            )
        if calibration.target != Target.TENSORRT:
            raise UsageError(
                f"{path}: this graph is INT8 for the CPU, with zero points, which TensorRT does not take; make another "
                "with 'colorrt export --precision int8 --target tensorrt'"
            )
    if own not in (Precision.FP32, precision):
        raise UsageError(
            f"{path}: this graph is {own.upper()}, and {precision.upper()} is made from the FP32 one; "
            f"give that, or --precision {own}"
        )


def default_name(source: Artifact, precision: str) -> str:
    """Name the file of an engine: NAME-PRECISION.plan."""
    stem = source.path.stem
    return f"{stem}.plan" if stem.endswith(f"-{precision}") else f"{stem}-{precision}.plan"


def check_output(path: Path, tuning: Tuning, *, overwrite: bool) -> None:
    """Raise UsageError for what cannot or must not be written: before minutes of work, not after."""
    if path.is_dir():
        raise UsageError(f"{path}: this is a folder; name a file, such as {path / 'fp16.plan'}")
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: an engine is a plan; end the name in {' or '.join(SUFFIXES)}")
    if path.exists() and not overwrite:
        raise UsageError(f"{path}: already exists; add --overwrite, or name another file with -o")
    cache = tuning.cache
    if cache is not None and cache.is_dir():
        raise UsageError(
            f"{cache}: this is a folder; name a file for the timing cache, such as {cache / 'timing.cache'}"
        )
    for folder, option in ((path.parent, "-o"), *([] if cache is None else [(cache.parent, "--timing-cache")])):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise UsageError(
                f"{folder}: cannot be written to ({error.strerror}); name another folder with {option}"
            ) from error


def check_space(path: Path, size: int) -> None:
    """Raise ExportError when the disk of `path` has fewer than `size` bytes free."""
    free = shutil.disk_usage(path.parent).free
    if free < size:
        raise ExportError(
            f"{path}: the engine takes {size / MEGABYTE:.0f} MB and the disk has {free / MEGABYTE:.0f} MB free; "
            "free some space, or name another place with -o"
        )


def describe(task: BuildTask) -> Contract:
    """Write the contract of the engine, as it is before it has run."""
    sizes = None if task.factors.fixed else (task.factors.least, task.factors.tuned, task.factors.largest)
    return replace(
        task.source.contract,
        precision=task.precision,
        render_factor=task.factors.least if task.factors.fixed else None,
        batch=(task.batch.least, task.batch.largest),
        producer=f"colorrt {version('colorrt')}",
        engine=Engine(
            flavor=task.flavor.name,
            version=task.flavor.version,
            capabilities=task.capabilities,
            gpu=None if task.gpu is None else task.gpu.name,
            proof=NOT_YET_RUN,
            optimum=task.batch.tuned,
            render_factors=sizes,
        ),
    )
