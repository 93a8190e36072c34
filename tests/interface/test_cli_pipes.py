"""One picture through standard input and output, and what does not go through them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from picture_files import in_many_colors
from PIL import Image
from typer.testing import CliRunner

from colorrt.cli import load_commands, pipes

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    Command = Callable[..., Result]

GRADIENT = np.linspace(0, 255, 96 * 128).astype(np.uint8).reshape(96, 128)


def encoded(pixels: np.ndarray, kind: str) -> bytes:  # type: ignore[type-arg]  # of any shape
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


@pytest.fixture
def pipe(tiny_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_kernels: None) -> Command:
    """Run `colorrt run` with something on standard input."""
    monkeypatch.chdir(tmp_path)

    def run(data: bytes, *arguments: object) -> Result:
        options = ["run", "--engine", str(tiny_onnx), "--render-factor", "1", *map(str, arguments)]
        result = CliRunner().invoke(load_commands(), options, input=data, catch_exceptions=False)
        assert "Traceback" not in result.stderr
        return result

    return run


@pytest.mark.parametrize(("kind", "becomes"), [
    ("JPEG", "JPEG"), ("PNG", "PNG"), ("TIFF", "TIFF"), ("WEBP", "WEBP"), ("BMP", "BMP"), ("GIF", "PNG"),
    ("PPM", "PNG"),
])  # fmt: skip
def test_picture_goes_from_pipe_to_pipe_in_its_format(pipe: Command, tmp_path: Path, kind: str, becomes: str) -> None:
    result = pipe(encoded(GRADIENT, kind), "-", "-o", "-")
    assert result.exit_code == 0
    with Image.open(io.BytesIO(result.stdout_bytes)) as image:
        assert (image.format, image.mode, image.size) == (becomes, "RGB", (128, 96))
    assert result.stderr.splitlines()[1] == "1 colored: standard output"
    assert list(tmp_path.glob("*.*")) == []


def test_pipe_goes_to_a_file_and_a_file_to_a_pipe(pipe: Command, tmp_path: Path) -> None:
    result = pipe(encoded(GRADIENT, "JPEG"), "-", "-o", "new.png")
    assert (result.exit_code, result.stdout) == (0, "1 colored: new.png\n")
    assert (tmp_path / "new.png").read_bytes().startswith(b"\x89PNG")
    again = pipe(encoded(GRADIENT, "JPEG"), "-", "-o", "new.png")
    assert again.stdout.startswith("0 colored; 1 skipped: there already")
    (tmp_path / "old.jpg").write_bytes(encoded(GRADIENT, "JPEG"))
    out = pipe(b"", "old.jpg", "-o", "-", "--quiet", "--report", "r.json")
    assert (out.exit_code, out.stderr) == (0, "")
    assert Image.open(io.BytesIO(out.stdout_bytes)).format == "JPEG"
    assert json.loads((tmp_path / "r.json").read_text())[0]["target"] == "standard output"


def test_picture_in_color_is_passed_on_as_it_is(pipe: Command) -> None:
    data = encoded(in_many_colors(GRADIENT), "PNG")
    result = pipe(data, "-", "-o", "-")
    assert (result.exit_code, result.stdout_bytes) == (0, data)
    assert "1 picture is in color already: left as it is (--recolor colors it)" in result.stderr
    assert pipe(data, "-", "-o", "-", "--recolor").stdout_bytes != data


@pytest.mark.parametrize(("data", "words"), [
    (b"", "standard input: it is empty (0 bytes)"),
    (b"no picture" * 9, "standard input: its content is none of"),
    (encoded(GRADIENT, "JPEG")[:900], "standard input: it is damaged or cut off"),
    (encoded(GRADIENT, "TIFF")[:200], "standard input: "),
    (b"%PDF-1.7" + bytes(99), "standard input: its content is none of"),
])  # fmt: skip
def test_what_is_no_picture_fails_in_words_and_writes_nothing(pipe: Command, data: bytes, words: str) -> None:
    result = pipe(data, "-", "-o", "-")
    assert (result.exit_code, result.stdout_bytes) == (1, b"")
    assert words in result.stderr
    assert "colorrt-" not in result.stderr


def test_more_than_a_picture_can_take_is_refused(pipe: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipes, "_BYTES_AT_LEAST", 10)
    result = pipe(encoded(GRADIENT, "BMP"), "-", "-o", "-", "--max-pixels", "100")
    assert (result.exit_code, result.stdout_bytes) == (1, b"")
    assert "more than the most pixels take" in result.stderr


@pytest.mark.parametrize(("arguments", "words"), [
    (("-", "old.jpg", "-o", "-"), "others are named beside it"),
    (("-",), "say where it goes"),
    (("-", "-o", "folder"), "name a file, such as -o new.png"),
    (("-", "-o", "new.mp4"), "name a file, such as -o new.png"),
    (("a.jpg", "b.jpg", "-o", "-"), "standard output takes one picture"),
    ((".", "-o", "-"), "standard output takes one picture"),
    (("*.jpg", "-o", "-"), "standard output takes one picture"),
    (("a.mp4", "-o", "-"), "a film cannot be piped"),
    (("-", "-o", "-", "--sheet", "s.png"), "--sheet is of files"),
    (("-", "-o", "-", "--shard", "1/2"), "--shard is of files"),
    (("-", "-o", "-", "--report", "-"), "--report -: it cannot be piped"),
    (("a.jpg", "--sheet", "-"), "--sheet -: it cannot be piped"),
])  # fmt: skip
def test_what_does_not_go_through_pipes_is_refused(
    pipe: Command, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(GRADIENT, "JPEG"))
    result = pipe(encoded(GRADIENT, "PNG"), *arguments)
    assert (result.exit_code, result.stdout_bytes) == (2, b"")
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
@pytest.mark.parametrize(("stream", "words"), [
    ("stdin", "standard input is a terminal"), ("stdout", "standard output is a terminal"),
])  # fmt: skip
def test_terminal_is_no_pipe(stream: str, words: str) -> None:
    leader, terminal = os.openpty()
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL} | {stream: terminal}
    command = [sys.executable, "-m", "colorrt", "run", "-", "-o", "-"]
    done = subprocess.run(command, **streams, stderr=subprocess.PIPE, text=True, check=False)  # type: ignore[call-overload]  # streams by name
    os.close(leader)
    os.close(terminal)
    assert (done.returncode, words in done.stderr) == (2, True)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
def test_pipe_that_nobody_reads_ends_in_one_line(tiny_onnx: Path, tmp_path: Path) -> None:
    (tmp_path / "old.bmp").write_bytes(encoded(np.tile(GRADIENT, (4, 4)), "BMP"))
    reader, writer = os.pipe()
    os.close(reader)
    words = "standard output: it was closed before the whole picture was written; check what reads it"
    assert_failed_in_one_line(tmp_path, tiny_onnx, writer, words)
    os.close(writer)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only where there is a device that is always full")
def test_output_without_room_ends_in_one_line(tiny_onnx: Path, tmp_path: Path) -> None:
    (tmp_path / "old.bmp").write_bytes(encoded(np.tile(GRADIENT, (4, 4)), "BMP"))
    with Path("/dev/full").open("wb") as full:
        words = (
            "standard output: it cannot be written (No space left on device); free some space, or name a file with -o"
        )
        assert_failed_in_one_line(tmp_path, tiny_onnx, full.fileno(), words)


def assert_failed_in_one_line(place: Path, engine: Path, output: int, words: str) -> None:
    """Color old.bmp to an output that takes nothing: it is said once, and reported."""
    done = subprocess.run(
        [sys.executable, "-m", "colorrt", "run", "old.bmp", "-o", "-", "-q", "--engine", engine, "--render-factor", "1",
         "--report", "report.json"],
        cwd=place, stdout=output, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, f"failed: {words}\n")
    (row,) = json.loads((place / "report.json").read_text())
    assert (row["outcome"], row["reason"]) == ("failed", words)


@pytest.mark.parametrize(("name", "content", "words"), [
    ("gone.jpg", None, "failed: gone.jpg: no such file or folder; check the path"),
    ("raw.cr2", b"II*\0" + bytes(99), "failed: raw.cr2: it is a file of the kind 'camera RAW'; develop it first"),
    ("notes.txt", b"no picture", "failed: notes.txt: its content is none of"),
])  # fmt: skip
def test_file_that_is_no_picture_is_told_by_its_own_name(
    pipe: Command, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = pipe(b"", name, "-o", "-", "-q")
    assert (result.exit_code, result.stdout_bytes) == (1, b"")
    assert result.stderr.startswith(words)
    assert "colorrt-" not in result.stderr


def test_picture_without_a_suffix_goes_to_a_pipe(pipe: Command, tmp_path: Path) -> None:
    (tmp_path / "scan").write_bytes(encoded(GRADIENT, "JPEG"))
    result = pipe(b"", "scan", "-o", "-", "-q")
    assert (result.exit_code, result.stderr) == (0, "")
    assert Image.open(io.BytesIO(result.stdout_bytes)).format == "JPEG"
