"""`colorrt build` at the terminal: engines without a GPU, and one line for everything that is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from colorrt.export.engine import request as engine_request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Command = Callable[..., Result]

pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX, which builds engines without a GPU, is absent")
DONE, USAGE, MODEL, INTERRUPTED = 0, 2, 3, 130
FP32 = ("--backend", "tensorrt_rtx", "--precision", "fp32", "--render-factors", "1")


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds are those of a machine without a GPU, wherever the tests run."""
    monkeypatch.setattr(engine_request, "find_gpu", lambda: None)


def test_engine_is_built_and_info_reads_its_contract(colorrt: Command, tiny_onnx: Path, tmp_path: Path) -> None:
    result = colorrt("build", tiny_onnx, *FP32, "--batch", "1:2:4", "-o", "tiny.plan", "--capability", "8.6")
    assert result.exit_code == DONE, result.output
    assert result.stdout.startswith("tiny.plan: tiny, FP32; not yet run, ")
    assert "for 4 pictures of 16 x 16 the engine takes about" in result.stderr
    told = colorrt("info", "tiny.plan").stdout
    rows = dict(line.split("  ", 1) for line in told.splitlines())
    rows = {name: value.strip() for name, value in rows.items()}
    assert rows["file"].startswith("tiny.plan, TensorRT engine")
    assert rows["runs on"] == "compute capability 8.6"
    assert rows["proof"] == "not yet run"
    assert (rows["batch size"], rows["tuned for"], rows["render factor"]) == ("1 to 4", "batch size 2", "1")
    again = colorrt("build", tiny_onnx, *FP32, "-o", "tiny.plan")
    assert again.exit_code == USAGE
    assert again.stderr == "error: tiny.plan: already exists; add --overwrite, or name another file with -o\n"
    assert colorrt("build", tiny_onnx, *FP32, "-o", "tiny.plan", "--overwrite").exit_code == DONE


@pytest.mark.parametrize(
    ("option", "choices"), [("--precision", "'fp32', 'fp16', 'int8'"), ("--backend", "'tensorrt', 'tensorrt_rtx'")]
)
def test_wrong_choice_is_told_the_right_ones(colorrt: Command, tiny_onnx: Path, option: str, choices: str) -> None:
    result = colorrt("build", tiny_onnx, option, "fp8")
    assert result.exit_code == USAGE
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"Error: Invalid value for '{option}': ")
    assert last.endswith(f"'fp8' is not one of {choices}.")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--batch", "4:1:8"], USAGE, "--batch 4:1:8 does not rise from the smallest to the largest"),
        (["--batch", "many"], USAGE, "--batch 'many' is not a range; give one number, or three, as in --batch 1:4:8"),
        (["--render-factors", "8:16:65"], USAGE, "--render-factors 8:16:65 is outside 1..64"),
        (["--capability", "9.9"], USAGE, "--capability 9.9: TensorRT for RTX "),
        (["--capability", "turing"], USAGE, "--capability turing: TensorRT for RTX "),
        (["--optimization-level", "6"], USAGE, "optimization level 6 is outside 0..5"),
        (["--workspace", "0"], USAGE, "a workspace of 0 MB holds nothing"),
        (["--photos", "."], USAGE, ".: 0 photographs here; parity takes at least 4"),
        (["-o", "."], USAGE, ".: this is a folder; name a file, such as fp16.plan"),
        (["-o", "x.onnx"], USAGE, "x.onnx: an engine is a plan; end the name in .plan"),
        (["-o", "file/x.plan"], USAGE, "file: cannot be written to ("),
        (["--timing-cache", "."], USAGE, ".: this is a folder; name a file for the timing cache"),
    ],
)
def test_wrong_option_is_one_line(
    colorrt: Command, tiny_onnx: Path, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    (tmp_path / "file").touch()
    backend = [] if "--backend" in arguments else ["--backend", "tensorrt_rtx"]
    result = colorrt("build", tiny_onnx, *backend, *arguments)
    assert result.exit_code == code
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {says}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_wrong_source_is_one_line(
    colorrt: Command, make_onnx: Callable[..., Path], tiny_onnx: Path, tmp_path: Path
) -> None:
    make_onnx(tmp_path / "foreign.onnx", contract=None)
    make_onnx(tmp_path / "one.onnx", render_factor=1)
    (tmp_path / "weights.pth").write_bytes(b"PK\x03\x04")
    (tmp_path / "cut.onnx").write_bytes(tiny_onnx.read_bytes()[:99])
    (tmp_path / "empty.onnx").touch()
    for name, options, code, says in (
        ("foreign.onnx", (), MODEL, "this ONNX carries no colorrt contract"),
        ("weights.pth", (), MODEL, "these are weights, not an ONNX file"),
        ("cut.onnx", (), MODEL, "the file is damaged or incomplete"),
        ("empty.onnx", (), MODEL, "the file is empty"),
        ("nothing.onnx", (), MODEL, "no such file"),
        (".", (), MODEL, "this is a folder"),
        ("one.onnx", ("--render-factors", "2"), USAGE, "the graph was exported for render factor 1 alone, not 2"),
    ):
        result = colorrt("build", name, "--backend", "tensorrt_rtx", *options)
        assert result.exit_code == code
        (line,) = result.stderr.splitlines()
        assert says in line
        assert line.startswith("error: ")
    assert list(tmp_path.glob("*.plan")) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to a single process")
def test_interrupt_ends_with_130_and_no_file(tmp_path: Path) -> None:
    # The signal comes from within, once the builder is at work: its thread goes on while this one is interrupted.
    program = (
        "import os, signal\n"
        "from colorrt.cli import build, main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "build._Bar.advance = lambda *_: os.kill(os.getpid(), signal.SIGINT)\n"
        "main()\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, "build", "--backend", "tensorrt_rtx", "--precision", "fp32", "-o", "x.plan"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == INTERRUPTED, answer.stderr
    assert answer.stderr.splitlines()[-1] == "interrupted: finished results are kept, nothing is half-written"
    assert list(tmp_path.iterdir()) == []


def test_build_needs_no_torch(tiny_onnx: Path, tmp_path: Path) -> None:
    program = "import sys; sys.modules['torch'] = None; from colorrt.cli import main; main()"
    answer = subprocess.run(
        [sys.executable, "-c", program, "build", str(tiny_onnx), *FP32, "-o", "x.plan"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == DONE, answer.stderr
    assert (tmp_path / "x.plan").exists()
