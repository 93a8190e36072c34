"""`colorrt serve` as a process: it starts, answers, is stopped, and says in one line what it cannot do."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    Command = Callable[..., Result]

PROGRAM = [sys.executable, "-c", "from colorrt.cli import main; main()", "serve"]


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(tiny_onnx: Path, number: int, warm_kernels: None) -> None:
    command = [*PROGRAM, "--port", "0", "--engine", str(tiny_onnx), "--render-factor", "1", "-v"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"(http://127\.0\.0\.1:\d+/) \(Ctrl-C stops\)\n", line)
        assert found, line
        with urllib.request.urlopen(f"{found[1]}readyz", timeout=30) as answer:
            assert answer.status == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "stopped: 0 pictures colored\n")
    assert "GET /readyz 200" in err
    assert "Traceback" not in err


def test_a_port_in_use_is_told_in_one_line(colorrt: Command, tiny_onnx: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = colorrt("serve", "--port", port, "--engine", tiny_onnx)
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: 127.0.0.1:{port}: cannot listen there: the port is in use by another program; choose another with "
        "--port\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--host", "no.such.host.invalid"), 2, "there is no such address"),
        (("--host", "192.0.2.1"), 2, "this machine has no such address"),
        (("--token", "short"), 2, "a token has 8 or more"),
        (("--cors", "example.org"), 2, "an origin is a scheme and a host"),
        (("--precision", "fp32", "--engine", "x.onnx"), 2, "leave it or --engine out"),
        (("--engine", "absent.onnx"), 3, "absent.onnx"),
    ],
)
def test_what_cannot_be_served_is_told_in_one_line(
    colorrt: Command, arguments: tuple[str, ...], code: int, words: str, warm_kernels: None
) -> None:
    result = colorrt("serve", "--port", 0, *arguments)
    assert (result.exit_code, len(result.stderr.splitlines())) == (code, 1), result.stderr
    assert words in result.stderr


def test_without_the_extra_it_says_what_to_install(colorrt: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("colorrt.service")]:
        monkeypatch.delitem(sys.modules, name)
    absent: Any = None
    monkeypatch.setitem(sys.modules, "starlette.applications", absent)
    result = colorrt("serve")
    assert result.exit_code == 3
    assert "pip install 'colorrt[serve]'" in result.stderr
