"""The script for a lent GPU, as far as it goes without one: every failure is recorded, and nothing measured is lost."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from colorrt.errors import UsageError
from colorrt.models.deoldify import DeOldifyShape
from colorrt.models.encoders.resnet import ResNetShape
from colorrt.models.lite import Lite, LiteShape
from colorrt.models.registry import load_network
from colorrt.training.train import save_weights
from studies import gpu, gpu_steps
from studies.__main__ import main
from studies.gpu import GpuPlan, gpu_lines, measure_gpu, run_step
from studies.synthetic import SHAPES, write_synthetic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Job = dict[str, Any]
TIMES = {"p50_ms": 4.0, "p90_ms": 5.0, "p99_ms": 6.0, "rounds": 3}


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Job]]:
    """Record the steps that the script asks for; backends fail but ONNX Runtime, render factor 2 fails."""
    asked: list[tuple[str, Job]] = []

    def stand_in(step: str, job: Job, limit_s: float) -> Job:
        asked.append((step, job))
        if step == "backend" and job["backend"] != "onnx":
            return {"ok": False, "failure": "no GPU", "seconds": 1.0}
        if job.get("render_factor") == 2:
            return {"ok": False, "failure": f"stopped after {limit_s:.0f} s", "seconds": limit_s}
        result = {"runs": True, "backend": "ONNX Runtime on CUDA"} if step == "backend" else {}
        if step == "network":
            row = {"name": "a", "precision": "fp32", "batch": 2, "clock": "host clock", "graph": None}
            result = {"weights": "shipped", "failures": {"b": "out of memory"}, "parity": [{"name": "a", "mean": 0.25}]}
            result["times"] = [{**row, "times": TIMES, "ratio": 1.5, "failure": None}]
        return {"ok": True, "result": result, "seconds": 1.0}

    monkeypatch.setattr(gpu, "run_step", stand_in)
    return asked


def plan(tmp_path: Path, **options: Any) -> GpuPlan:
    return GpuPlan(tmp_path / "out", models=("lite",), factors=(1, 2, 3), **options)


def saved(tmp_path: Path) -> Job:
    return dict(json.loads((tmp_path / "out/gpu.json").read_text())["steps"])


def test_failing_steps_are_recorded_and_the_others_go_on(tmp_path: Path, steps: list[tuple[str, Job]]) -> None:
    found = measure_gpu(plan(tmp_path))
    assert saved(tmp_path) == found
    assert [name for name, step in found.items() if not step["ok"]] == [
        "tensorrt", "tensorrt_rtx", "lite at render factor 2",
    ]  # fmt: skip
    networks = [job for step, job in steps if step == "network"]
    assert [job["render_factor"] for job in networks] == [1, 2, 3]
    # Without an engine, ONNX Runtime's CUDA provider takes its place.
    assert all((job["engines"], job["onnx"], job["device"]) == ([], True, "cuda") for job in networks)
    lines = gpu_lines(found)
    assert "tensorrt: no GPU" in lines
    assert "  batch 2, host clock  a fp32: 2.000 ms a picture, ratio 1.50, off FP32 by 0.250 of 255" in lines
    assert "  b: out of memory" in lines


def test_started_again_it_does_only_what_has_no_result(tmp_path: Path, steps: list[tuple[str, Job]]) -> None:
    measure_gpu(plan(tmp_path))
    steps.clear()
    measure_gpu(plan(tmp_path))
    assert [(step, job.get("backend", job.get("render_factor"))) for step, job in steps] == [
        ("backend", "tensorrt"), ("backend", "tensorrt_rtx"), ("network", 2),
    ]  # fmt: skip


def test_results_are_written_after_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(step: str, job: Job, limit_s: float) -> Job:
        if step == "network":
            raise KeyboardInterrupt
        return {"ok": False, "failure": "nothing here", "seconds": limit_s}

    monkeypatch.setattr(gpu, "run_step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        measure_gpu(plan(tmp_path))
    assert set(saved(tmp_path)) == {"machine", "tensorrt", "tensorrt_rtx", "ONNX Runtime on cuda"}


def test_no_step_begins_when_the_time_is_over(tmp_path: Path, steps: list[tuple[str, Job]]) -> None:
    found = measure_gpu(plan(tmp_path, total_s=0.0))
    assert steps == []
    assert all("not begun" in step["failure"] for step in found.values())


def test_models_without_weights_get_made_up_ones(tmp_path: Path, steps: list[tuple[str, Job]]) -> None:
    own = tmp_path / "own.pth"
    own.touch()
    measure_gpu(GpuPlan(tmp_path / "out", models=("artistic", "wide"), factors=(1,), weights={"wide": own}))
    made = [job["model"] for step, job in steps if step == "synthetic"]
    assert made == ["artistic"]
    weights = [job["weights"] for step, job in steps if step == "network"]
    assert weights == [str(tmp_path / "out/synthetic-artistic.safetensors"), str(own)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "tpu"}, "take cuda, or cpu"),
        ({"weights": {"sepia": 1}}, "no model 'sepia'"),
    ],
)
def test_impossible_plans_are_refused(tmp_path: Path, options: Job, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        measure_gpu(plan(tmp_path, **options))


def test_results_of_another_kind_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/gpu.json").write_text("{}")
    with pytest.raises(UsageError, match="no results of this script"):
        measure_gpu(plan(tmp_path))
    assert (tmp_path / "out/gpu.json").read_text() == "{}"


def test_wrong_weights_argument_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "gpu", "--out", str(tmp_path), "--weights", "wide.pth"])
    assert main() == 2
    assert "write MODEL=FILE" in capsys.readouterr().err


def test_step_that_crashes_or_hangs_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nkill -SEGV $$\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    crashed = run_step("machine", {}, 30)
    assert (crashed["ok"], crashed["failure"]) == (False, "its process ended with -11 and no answer")
    program.write_text("#!/bin/sh\nexec sleep 30\n")
    assert run_step("machine", {}, 0.2)["failure"] == "stopped after 0 s"


def test_step_without_a_gpu_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = tmp_path / "answer.json"
    monkeypatch.setattr(sys, "argv", ["gpu_steps", "backend", '{"backend": "tensorrt", "device": "cpu"}', str(answer)])
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert gpu_steps.main() == 0
    found = json.loads(answer.read_text())
    assert found["ok"] is False
    assert found["failure"]


def test_network_step_times_and_compares_on_the_cpu(tmp_path: Path) -> None:
    torch.manual_seed(5)
    weights = tmp_path / "small.safetensors"
    save_weights(Lite(LiteShape((16, 12, 8, 8), 8)), weights)
    job = {
        "model": "lite",
        "weights": str(weights),
        "render_factor": 1,
        "device": "cpu",
        "batches": [1, 2],
        "rounds": 2,
    }
    found = gpu_steps.network({**job, "engines": [], "onnx": True})
    json.dumps(found)
    assert found["failures"] == {}
    assert [(row["batch"], row["ratio"] is not None) for row in found["times"]] == [(1, True)] * 2 + [(2, True)] * 2
    eager, exported = found["parity"]
    assert eager["mean"] == 0
    assert 0 <= exported["mean"] < 0.02
    assert exported["photos"] == 6
    (build,) = found["builds"]
    assert (build["backend"], build["contract"]["model"]) == ("onnx", "lite")


def test_network_step_records_what_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Path:
        raise RuntimeError("no\ndisk")

    monkeypatch.setattr(gpu_steps, "build_artifact", fail)
    job = {"model": "lite", "weights": None, "render_factor": 1, "device": "cpu", "batches": [1], "rounds": 1}
    found = gpu_steps.network({**job, "engines": ["tensorrt"], "onnx": False})
    assert found["failures"] == dict.fromkeys(["tensorrt fp32", "tensorrt fp16"], "RuntimeError: no disk")
    assert len(found["times"]) == 1


@pytest.mark.parametrize("bottleneck", [False, True], ids=["artistic", "wide"])
def test_made_up_weights_load_and_are_alive(tmp_path: Path, bottleneck: bool) -> None:
    shape = DeOldifyShape(ResNetShape(8, (8, 16, 16, 32), (1, 1, 2, 1), bottleneck), not bottleneck, 32)
    model = "wide" if bottleneck else "artistic"
    write_synthetic(tmp_path / "weights.safetensors", model, shape)
    network = load_network(tmp_path / "weights.safetensors")
    assert network.model == f"deoldify-{model}"
    lumas = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        chroma = network.module(lumas).numpy()
    assert np.isfinite(chroma).all()
    assert chroma.std() > 1e-3
    assert np.abs(chroma[0] - chroma[1]).mean() > 1e-4


def test_made_up_networks_have_the_published_shapes(
    published_shapes: Callable[[str], dict[str, tuple[int, ...]]],
) -> None:
    for model, shape in SHAPES.items():
        keys = published_shapes(model)
        first = "layers.4.conv1.0.weight_orig" if shape.deep else "layers.4.conv.0.weight_orig"
        assert keys[first][0] == shape.width
        blocks = {key.split(".")[3] for key in keys if key.startswith("layers.0.6.")}
        assert len(blocks) == shape.body.depths[2]


@pytest.fixture
def published_shapes(reference: Path) -> Callable[[str], dict[str, tuple[int, ...]]]:
    """Shapes of the published checkpoints by key."""

    def read(model: str) -> dict[str, tuple[int, ...]]:
        rows = (line.split("\t") for line in (reference / f"keys_{model}.tsv").read_text().splitlines())
        return {row[0]: tuple(int(side) for side in row[1].split(",") if side) for row in rows if len(row) > 1}

    return read
