"""Making the artifacts that are measured: a graph, or an engine of it, for one render factor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from colorrt.contract import AttentionForm, EngineFlavor, Precision, StrEnum, Target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Backend(StrEnum):
    """What runs the artifacts that are built to be measured. AUTO: TensorRT where it and a GPU are present."""

    AUTO = "auto"
    ONNX = "onnx"
    TENSORRT = EngineFlavor.TENSORRT.value
    TENSORRT_RTX = EngineFlavor.TENSORRT_RTX.value


ONNX = Backend.ONNX


def build_artifact(
    weights: Path | None,
    render_factor: int,
    folder: Path,
    *,
    backend: str = ONNX,
    precision: str = Precision.FP32,
    batch: str = "1",
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Make an artifact in `folder` and return its path.

    `weights`: None takes those that ship. `backend`: "onnx" or a flavor of TensorRT, whose engine takes `batch` ("4",
    or "1:4:8" for the least, tuned and largest number of pictures). A graph that `folder` has already is built upon.

    Raises what `export_network` and `build_engine` raise.
    """
    from colorrt.export.exporting import export_network

    if backend == ONNX:
        graph = folder / f"rf{render_factor}-{precision}.onnx"
        # FP16 is for the GPU, whose ONNX Runtime gains nothing by tiles.
        form = AttentionForm.PLAIN if precision == Precision.FP16 else None
        made = export_network(
            weights, render_factor, graph, precision=precision, attention=form, overwrite=True, say=say
        )
        return made.path
    from colorrt.export.engine.build import build_engine
    from colorrt.export.engine.request import BuildRequest

    # INT8 is made when the graph is exported, FP16 when the engine is built.
    own = Precision.INT8 if precision == Precision.INT8 else Precision.FP32
    graph = folder / f"rf{render_factor}-{own}-for-engines.onnx"
    if not graph.exists():
        export_network(weights, render_factor, graph, precision=own, target=Target.TENSORRT, say=say)
    request = BuildRequest(precision=precision, backend=backend, batch=batch)
    plan = folder / f"rf{render_factor}-{backend}-{precision}.plan"
    return build_engine(graph, plan, request, overwrite=True, say=say).path
