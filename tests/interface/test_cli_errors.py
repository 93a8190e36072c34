"""Wrong input: one line that says what, where, why and what to do, the right exit code, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import onnxruntime
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    Command = Callable[..., Result]
    Save = Callable[..., Path]

DONE, PICTURES, USAGE, MODEL = 0, 1, 2, 3
HAS_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def error(result: Result, code: int) -> str:
    """The one error that a command ended with, after its header."""
    assert result.exit_code == code, result.output
    (line,) = [line for line in result.stderr.splitlines() if not line.startswith("tiny at render factor")]
    return line


@pytest.fixture
def photo(save_gray: Save, tmp_path: Path) -> Path:
    return save_gray(tmp_path / "good.jpg")


def test_missing_file(run: Command) -> None:
    assert error(run("nothing.jpg"), PICTURES) == "failed: nothing.jpg: no such file or folder; check the path"


def test_folder_without_pictures(run: Command, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_text("Dear all,", encoding="utf-8")
    message = error(run("texts"), PICTURES)
    assert message.startswith("failed: texts: no pictures in this folder or below it (looked for ")
    assert " jpg " in message


def test_pattern_without_pictures(run: Command) -> None:
    assert error(run("*.jpg"), PICTURES).startswith("failed: *.jpg: no such file, and no picture matches it")


@pytest.mark.parametrize("batch", [False, True], ids=["alone", "among good ones"])
def test_broken_pictures_are_named_and_good_ones_done(
    run: Command, save_gray: Save, photo: Path, tmp_path: Path, batch: bool
) -> None:
    whole = save_gray(tmp_path / "whole.jpg", size=(64, 64)).read_bytes()
    (tmp_path / "whole.jpg").unlink()
    broken = {"text.jpg": b"Dear all,\n", "cut.jpg": whole[: len(whole) * 2 // 3], "empty.jpg": b""}
    broken |= {"page.png": b"<!DOCTYPE html>", "noise.tif": bytes(range(256))}
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
        result = run(name, *(["good.jpg", name] if batch else []), "-o", "out", "--overwrite")
        message = error(result, PICTURES)
        assert message.startswith(f"failed: {name}: ")
        assert message.count(name) == 1
        assert "; " in message
        assert result.stdout == ("1 colored: out/good.jpg; 1 failed\n" if batch else "0 colored; 1 failed\n")
    assert (tmp_path / "out/good.jpg").exists() is batch
    assert [path for path in (tmp_path / "out").iterdir() if path.name not in ("good.jpg", ".colorrt")] == []


def test_output_folder_below_a_file(run: Command, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    message = error(run("good.jpg", "good.jpg", "-o", "file/out"), USAGE)
    assert message.startswith("error: file/out: cannot be made a folder because a file has that name")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
def test_output_folder_that_cannot_be_made(run: Command, photo: Path) -> None:
    message = error(run("good.jpg", "-o", "/proc/nope"), USAGE)
    assert message.startswith("error: /proc/nope: this folder cannot be created (")
    assert message.endswith("name another with -o")


def test_output_folder_that_cannot_be_written_to(
    run: Command, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The user of a test may be one that may write everywhere.
    monkeypatch.setattr("colorrt.cli.places.os.access", lambda _, mode: not mode & os.W_OK)
    (tmp_path / "out").mkdir()
    assert error(run("good.jpg", "-o", "out"), USAGE) == (
        "error: out: no permission to write here; choose another folder with -o"
    )


@pytest.mark.parametrize("output", ["notes.txt", "new.png"])
def test_output_that_is_a_file(run: Command, save_gray: Save, photo: Path, tmp_path: Path, output: str) -> None:
    save_gray(tmp_path / "other.jpg")
    (tmp_path / "notes.txt").write_bytes(b"")
    message = error(run("good.jpg", "other.jpg", "-o", output), USAGE)
    assert message == f"error: {output}: this is a file name, but the results need a folder; name one with -o"


@pytest.mark.parametrize("output", ["x" * 300, "x" * 300 + ".png"])
def test_output_with_an_impossible_name(run: Command, photo: Path, output: str) -> None:
    result = run("good.jpg", "-o", output)
    assert result.exit_code in (PICTURES, USAGE)
    assert "too long" in result.stderr


def test_output_that_would_overwrite_its_input(run: Command, photo: Path) -> None:
    before = photo.read_bytes()
    for output in (".", "good.jpg", photo):
        message = error(run("good.jpg", "-o", output, "--overwrite"), PICTURES)
        assert message == "failed: good.jpg: its output would overwrite it; name another folder with -o"
    assert photo.read_bytes() == before


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--render-factor", "0", "error: render factor 0 is outside 1..64; it is the side of the network's square"),
        ("--render-factor", "-3", "error: render factor -3 is outside 1..64"),
        ("--render-factor", "65", "error: render factor 65 is outside 1..64"),
        ("--render-factor", "abc", "error: --render-factor 'abc' is not a whole number from 1 to 64"),
        ("--render-factor", "1.5", "error: --render-factor '1.5' is not a whole number from 1 to 64"),
        ("--saturation", "nan", "error: saturation nan is outside 0..10; 0 is gray, 1 is the network's guess"),
        ("--saturation", "-1", "error: saturation -1.0 is outside 0..10"),
        ("--saturation", "inf", "error: saturation inf is outside 0..10"),
        ("--saturation", "lots", "Error: Invalid value for '--saturation': "),
        ("--quality", "0", "Error: Invalid value for '--quality': "),
        ("--max-pixels", "0", "Error: Invalid value for '--max-pixels': "),
        ("--threads", "0", "error: 0 threads cannot run a network; use 1 or more"),
        ("--device", "tpu", "'tpu' is not one of 'auto', 'cpu', 'openvino', 'cuda'."),
        ("--upsample", "cubic", "'cubic' is not one of 'guided', 'bilinear'."),
        ("--report", "nowhere/report.json", "error: nowhere/report.json: cannot be written: there is no folder"),
        ("--report", ".", "error: .: cannot be written: it is a folder; name a file in it"),
        ("--report", "good.jpg", "error: good.jpg: cannot be written: it is one of the inputs; name another file"),
        ("--report", "x" * 300, "error: " + "x" * 300 + ": cannot be written: File name too long"),
    ],
)
def test_impossible_setting_is_wrong_usage(
    run: Command, photo: Path, tmp_path: Path, option: str, value: str, says: str
) -> None:
    before = photo.read_bytes()
    result = run("good.jpg", "-o", "out", option, value)
    assert result.exit_code == USAGE
    assert result.stdout == ""
    assert says in result.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()
    assert photo.read_bytes() == before


def test_missing_arguments_and_unknown_commands_are_wrong_usage(colorrt: Command) -> None:
    for arguments in (["run"], ["info"], ["paint"], ["run", "--colour", "a.jpg"], []):
        assert colorrt(*arguments).exit_code == USAGE


def test_empty_name_is_wrong_usage(run: Command, photo: Path) -> None:
    assert error(run(""), USAGE).startswith("error: one of the pictures has an empty name")


def test_engine_that_cannot_be_used(
    run: Command, colorrt: Command, make_onnx: Callable[..., Path], tiny_onnx: Path, photo: Path, tmp_path: Path
) -> None:
    whole = tiny_onnx.read_bytes()
    make_onnx(tmp_path / "other.onnx", contract=None)
    engines = {
        "other.onnx": (None, "this ONNX carries no colorrt contract"),
        "weights.pth": (b"PK\x03\x04" + whole, "these are weights"),
        "text.onnx": (b"Dear all,", "neither an ONNX file nor a TensorRT engine"),
        "cut.onnx": (whole[: len(whole) // 2], "the file is damaged or incomplete"),
        "empty.onnx": (b"", "the file is empty"),
        "foreign.plan": (b"ftrt" + bytes(99), "this TensorRT engine carries no colorrt contract"),
        ".": (None, "this is a folder"),
        "nothing.onnx": (None, "no such file"),
    }
    for name, (data, says) in engines.items():
        if data is not None:
            (tmp_path / name).write_bytes(data)
        for result in (run("good.jpg", "--engine", name), colorrt("info", name)):
            message = error(result, MODEL)
            assert message.startswith(f"error: {name}: {says}")
            assert ";" in message
    assert not (tmp_path / "good-color.jpg").exists()


def test_engine_that_tells_about_itself_but_cannot_run(
    run: Command, colorrt: Command, tiny_onnx: Path, photo: Path, tmp_path: Path
) -> None:
    whole = tiny_onnx.read_bytes()
    (tmp_path / "tiny.plan").write_bytes(b"ftrt" + whole)
    (tmp_path / "damaged.onnx").write_bytes(whole.replace(b"Conv", b"Cnov"))
    for name, says in (("tiny.plan", "this is a TensorRT engine"), ("damaged.onnx", "ONNX Runtime ")):
        assert colorrt("info", name).exit_code == DONE
        message = error(run("good.jpg", "--engine", name), MODEL)
        assert message.startswith(f"error: {name}: {says}")
        assert message.count(name) == 1


def test_render_factor_that_the_engine_was_not_made_for(
    run: Command, make_onnx: Callable[..., Path], photo: Path, tmp_path: Path
) -> None:
    make_onnx(tmp_path / "two.onnx", render_factor=2)
    message = error(run("good.jpg", "--engine", "two.onnx", "--render-factor", "3"), USAGE)
    assert message.startswith("error: this artifact was made for render factor 2, not 3; leave --render-factor out")


def test_network_that_fails(
    run: Command, make_onnx: Callable[..., Path], photo: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_onnx(tmp_path / "fails.onnx", fails=True)
    message = error(run("good.jpg", "--engine", "fails.onnx"), MODEL)
    assert message.startswith("error: tiny: the network failed at 16 x 16 (")
    # ONNX Runtime writes past Python's streams.
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(HAS_CUDA, reason="this machine has the GPU package")
def test_cuda_without_the_gpu_package(run: Command, photo: Path) -> None:
    message = error(run("good.jpg", "--device", "cuda"), MODEL)
    assert "CUDAExecutionProvider" in message
    assert message.endswith("or use --device cpu")


def test_want_of_memory_is_an_error_and_no_traceback(
    run: Command, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from colorrt.runtime.colorizer import Colorizer

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Colorizer, "guess", full)
    assert error(run("good.jpg"), PICTURES).startswith("error: there is not enough memory")


def test_missing_package_names_its_extra(tmp_path: Path) -> None:
    program = "import sys; sys.modules['torch'] = None; from colorrt.cli import main; main()"
    answer = subprocess.run(
        [sys.executable, "-c", program, "export", "a.pth"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == MODEL
    assert answer.stdout == ""
    assert answer.stderr == (
        "error: torch is not installed, and this command needs it: pip install 'colorrt[export]'\n"
    )


def test_reader_of_a_pipe_may_leave(tiny_onnx: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, "-c", "from colorrt.cli import main; main()", "info", str(tiny_onnx)]
        answer = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writer)
    assert answer.stderr == ""
    assert answer.returncode == DONE


def test_terminal_that_lacks_letters_gets_escapes(save_gray: Save, tiny_onnx: Path, tmp_path: Path) -> None:
    try:
        save_gray(tmp_path / "łódź.jpg")
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such names")
    answer = subprocess.run(
        [sys.executable, "-c", "from colorrt.cli import main; main()", "run", "łódź.jpg", "--engine", tiny_onnx],
        cwd=tmp_path,
        env={"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="latin-1",
        check=False,
    )
    assert answer.returncode == DONE, answer.stderr
    assert answer.stdout == "1 colored: \\u0142ód\\u017a-color.jpg\n"
