"""`colorrt bench`: it measures, prints, writes; how fast anything is is not a test's business."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Command = Callable[..., Result]

SMALL = ("--sizes", "64x48", "--rounds", 2, "--batches", 1, "--threads", 1, "--render-factor", 1)


def error(result: Result, code: int) -> str:
    assert result.exit_code == code, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith(("error", "Error"))]
    assert len(lines) == 1
    return lines[0]


def test_stages_cold_start_and_network_are_reported(
    colorrt: Command, make_onnx: Callable[..., Path], tiny_onnx: Path, tmp_path: Path
) -> None:
    other = make_onnx(tmp_path / "other.onnx")
    options = ["--engine", tiny_onnx, "--against", other, "--sizes", "64x48,32x32", "--batches", "1,2", "--cold", 1]
    files = ["--json", "bench.json", "--plot", "bench.png"]
    result = colorrt("bench", *SMALL, *options, *files)
    assert result.exit_code == 0, result.output
    for word in ("decode", "encode", "whole call", "host clock", "peak memory", "ratio", "64 x 48", "other.onnx"):
        assert word in result.stdout
    table = json.loads((tmp_path / "bench.json").read_text())
    assert [(size["width"], size["height"]) for size in table["sizes"]] == [(64, 48), (32, 32)]
    for size in table["sizes"]:
        assert set(size["stages"]) == {"decode", "resize", "network", "render", "encode"}
        assert size["whole"]["rounds"] == 2
        # The stages are the whole call, picture by picture.
        assert size["whole"]["p50_ms"] == pytest.approx(sum(s["p50_ms"] for s in size["stages"].values()), rel=1e-6)
    assert [(row["batch"], row["name"][:5]) for row in table["network"]] == [
        (1, "other"), (1, "tiny."), (2, "other"), (2, "tiny."),
    ]  # fmt: skip
    assert table["cold"][0]["peak_rss"] > 30e6
    assert table["machine"]["cores"] >= 1
    assert table["device_memory"] is table["consumption"] is None
    with Image.open(tmp_path / "bench.png") as image:
        assert image.format == "PNG"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--engine", "nothing.onnx"], 3, "error: nothing.onnx: no such file; make one with 'colorrt export'"),
        (["--sizes", "640"], 2, "'640' is not a picture size; give WIDTHxHEIGHT"),
        (["--batches", "0"], 2, "--batches: '0' is not a whole number from 1 to 64"),
        (["--json", "no/folder.json"], 2, "no/folder.json: cannot be written: there is no folder no"),
        (["--plot", "latency.jpg"], 2, "latency.jpg: the plot is a PNG file; end its name in .png"),
        (["--render-factor", 99], 2, "render factor 99 is outside 1..64"),
        (["--device", "tpu"], 2, "'tpu' is not one of 'auto', 'cpu', 'openvino', 'cuda'"),
        (["--weights", "nothing.pth"], 3, "nothing.pth"),
        (["--against", "nothing.onnx"], 3, "nothing.onnx: no such file"),
        (["factors", "8,x"], 2, "RENDER_FACTORS: 'x' is not a whole number from 1 to 64"),
        (["factors", "8", "--engine", "a.onnx"], 2, "No such option: --engine"),
        (["factors", "8", "--backend", "openvino"], 2, "'openvino' is not one of 'auto', 'onnx', 'tensorrt'"),
        (["factors", "8", "--precision", "int4"], 2, "'int4' is not one of 'fp32', 'fp16', 'int8'"),
        (["factors", "8", "--plot", "latency.jpg"], 2, "latency.jpg: the plot is a PNG file; end its name in .png"),
        (["factors", "8", "--weights", "nothing.pth"], 3, "nothing.pth"),
        (["nothing"], 2, "No such command 'nothing'"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_wrong_arguments_are_one_sentence(colorrt: Command, arguments: list[object], code: int, message: str) -> None:
    if {"--weights", "openvino"} & set(arguments):
        pytest.importorskip("torch")
    assert message in error(colorrt("bench", *arguments), code)


def test_factors_print_a_row_each_and_write_json(
    colorrt: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from colorrt.bench import factors
    from colorrt.bench.machine import describe_machine

    asked = []

    def measure(plan: factors.FactorPlan, say: Callable[[str], None]) -> factors.FactorReport:
        say("measuring")
        asked.append(plan)
        rows = tuple(factors.FactorRow(factor, 16 * factor, failure="not tried") for factor in plan.factors)
        return factors.FactorReport(
            "lite", plan.precision, "00", "none", plan.threads, plan.rounds, "1 x 1", rows, describe_machine()
        )

    monkeypatch.setattr(factors, "measure_factors", measure)
    options = ["--backend", "onnx", "--rounds", 3, "--threads", 1, "--json", "factors.json"]
    result = colorrt("bench", "factors", "1,2", *options)
    assert result.exit_code == 0, result.output
    assert asked == [factors.FactorPlan(None, (1, 2), "onnx", "fp16", "auto", 1, 3)]
    assert [row["render_factor"] for row in json.loads((tmp_path / "factors.json").read_text())["rows"]] == [1, 2]


def test_bench_without_a_command_measures_latency(colorrt: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from colorrt import UsageError
    from colorrt.bench import latency

    asked = []

    def measure(plan: latency.Plan, say: Callable[[str], None]) -> None:
        asked.append(plan)
        raise UsageError("enough")

    monkeypatch.setattr(latency, "measure_latency", measure)
    for arguments in ([], ["latency"], ["--rounds", 7], ["latency", "--rounds", 7]):
        assert error(colorrt("bench", *arguments), 2) == "error: enough"
    assert [plan.rounds for plan in asked] == [20, 20, 7, 7]


def test_artifacts_of_other_render_factors_are_refused_before_measuring(
    colorrt: Command, make_onnx: Callable[..., Path], tiny_onnx: Path, tmp_path: Path
) -> None:
    other = make_onnx(tmp_path / "rf3.onnx", render_factor=3)
    result = colorrt("bench", *SMALL, "--engine", tiny_onnx, "--against", other)
    assert "rf3.onnx: this artifact was made for render factor 3, not 1" in error(result, 2)
    assert "coloring pictures" not in result.stderr


def test_network_that_fails_ends_with_its_reason(
    colorrt: Command, make_onnx: Callable[..., Path], tmp_path: Path
) -> None:
    broken = make_onnx(tmp_path / "broken.onnx", fails=True)
    assert "tiny: the network failed at 16 x 16" in error(colorrt("bench", *SMALL, "--engine", broken), 3)


def test_bench_measures_each_stage_of_a_folder(colorrt: Command, tmp_path: Path, tiny_onnx: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for number, name in enumerate(("a.jpg", "b.png", "c.jpg", "d.tif")):
        Image.new("L", (64, 48), 40 * number).save(folder / name)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    options = ["--engine", tiny_onnx, "--render-factor", 1]
    result = colorrt("bench", "folder", "scans", *options, "--json", "f.json")
    assert result.exit_code == 0, result.output
    for stage in ("digest", "read", "network", "write", "journal", "sum", "run"):
        assert f"\n{stage} " in result.stdout
    for word in ("times its slowest stage (", "times the sum of the stages", "MiB at the end"):
        assert word in result.stdout
    report = json.loads((tmp_path / "f.json").read_text())
    assert (report["pictures"], report["megapixels"]) == (4, pytest.approx(4 * 64 * 48 / 1e6))
    assert all(spent["wall"] > 0 for spent in (*report["stages"].values(), report["whole"]))
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted([*before, "f.json"])


def test_bench_makes_a_folder_of_its_own(colorrt: Command, tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from colorrt.bench import folder

    monkeypatch.setattr(folder, "MIXED", ((40, 30), (32, 18)))
    result = colorrt("bench", "folder", "--pictures", 5, "--engine", tiny_onnx, "--render-factor", 1)
    assert result.exit_code == 0, result.output
    assert "5 pictures, 0 megapixels" in result.stdout


@pytest.mark.parametrize(("name", "message"), [("none", "none: no such file or folder"), ("empty", "no pictures in")])
def test_bench_of_no_pictures_is_one_line(
    colorrt: Command, tiny_onnx: Path, tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    assert message in error(colorrt("bench", "folder", name, "--engine", tiny_onnx, "--render-factor", 1), 1)


def test_bench_names_the_picture_that_cannot_be_colored(colorrt: Command, tiny_onnx: Path, tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert "bad.png" in error(colorrt("bench", "folder", "scans", "--engine", tiny_onnx, "--render-factor", 1), 1)
