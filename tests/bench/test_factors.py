"""A row per render factor, its table and its plot; and the plot of stages."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from PIL import Image

from colorrt.bench import factors
from colorrt.bench.factors import FactorPlan, FactorReport, FactorRow, choose_backend, measure_factors, read_weights
from colorrt.bench.plots import plot_factors
from colorrt.bench.tables import factor_lines
from colorrt.bench.timing import Times
from colorrt.errors import BackendError, UsageError
from colorrt.models.lite import Lite, LiteShape
from colorrt.runtime.sessions.gpu import find_gpu
from colorrt.training.train import save_weights

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = {"processor": "AMD EPYC", "cores": 2}


def row(factor: int, ms: float) -> FactorRow:
    times = Times(ms, 1.2 * ms, 1.5 * ms, 10)
    return FactorRow(
        factor, 16 * factor, 3.0, 15_000_000, times, None, replace(times, p50_ms=2 * ms), 2.0, times, 2**28
    )


def report(*rows: FactorRow) -> FactorReport:
    return FactorReport("lite", "fp32", "0" * 64, "ONNX Runtime on CPU", 2, 10, "1920 x 1080", rows, MACHINE)


def test_each_factor_is_built_and_measured(tiny_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(5)
    weights = tmp_path / "small.safetensors"
    save_weights(Lite(LiteShape((16, 12, 8, 8), 8)), weights)
    monkeypatch.setattr(factors, "PICTURE", (64, 48))
    built: list[int] = []

    def build(weights: Path | None, factor: int, *_: object, **__: object) -> Path:
        built.append(factor)
        return tiny_onnx

    # Exporting has its own tests.
    monkeypatch.setattr(factors, "build_artifact", build)
    threads = torch.get_num_threads()
    said: list[str] = []
    found = measure_factors(FactorPlan(weights, (1, 2), "onnx", threads=1, rounds=3), said.append)
    torch.set_num_threads(threads)
    json.dumps(found.as_json())
    assert [(one.render_factor, one.size) for one in found.rows] == [(1, 16), (2, 32)]
    for one in found.rows:
        assert one.failure is None
        assert one.host is not None
        assert one.host.rounds == 3
        assert one.ratio is not None
        assert one.device is None
        assert one.file_bytes == tiny_onnx.stat().st_size
    assert (found.model, found.precision) == ("tiny", "fp32")
    assert built == [1, 2]
    assert "render factor 2" in said


def test_factor_that_fails_is_a_row_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Path:
        raise UsageError("no room; make some")

    monkeypatch.setattr(factors, "build_artifact", fail)
    with pytest.raises(BackendError, match=r"no render factor could be measured.*no room; make some"):
        measure_factors(FactorPlan(None, (1, 2), "onnx", threads=1, rounds=1))


def test_table_holds_figures_and_failures() -> None:
    lines = factor_lines(report(row(8, 4.0), FactorRow(35, 560, failure="too large; take less")))
    assert any("4.00 / 4.80 / 6.00" in line and "268 MB" in line and "2.00" in line for line in lines)
    assert lines[-1].endswith("- (too large; take less)")


def test_plot_shows_every_report(tmp_path: Path) -> None:
    failed = FactorRow(35, 560, failure="too large")
    plot_factors(tmp_path / "one.png", [report(row(8, 4.0), row(16, 15.0), failed)])
    plot_factors(tmp_path / "two.png", [report(row(8, 4.0)), replace(report(row(8, 200.0)), model="artistic")])
    for name in ("one.png", "two.png"):
        with Image.open(tmp_path / name) as image:
            assert (image.size, image.format) == ((1200, 800), "PNG")
            assert len(image.convert("RGB").getcolors(1 << 20) or ()) > 50
    with pytest.raises(ValueError, match="no figures to draw"):
        plot_factors(tmp_path / "none.png", [report(failed)])


def test_backends_that_cannot_run_are_refused() -> None:
    with pytest.raises(UsageError, match="no backend 'openvino'"):
        choose_backend("openvino")
    assert choose_backend("onnx") == "onnx"
    if find_gpu() is None:
        assert choose_backend("auto") == "onnx"
        with pytest.raises(BackendError):
            choose_backend("tensorrt_rtx")


def test_shipped_weights_have_a_name(tmp_path: Path) -> None:
    assert read_weights(None) is read_weights("shipped") is None
    assert read_weights(str(tmp_path)) == tmp_path
