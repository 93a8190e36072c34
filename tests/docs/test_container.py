"""The docker file of `docs/serving.md`, as far as it can be checked where no container engine answers."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer.main
from examples import blocks

from colorrt.cli import load_commands
from colorrt.runtime.colorizer import Colorizer

tomllib = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """Instructions and what they are given, in order."""
    (code,) = (one.code for one in blocks(ROOT / "docs" / "serving.md") if one.code.startswith("FROM "))
    lines = code.replace("\\\n", " ").splitlines()
    found = [(words[0], words[1].strip()) for words in (line.split(" ", 1) for line in lines)]
    assert {name for name, _ in found} <= {"FROM", "RUN", "COPY", "USER", "ENV", "EXPOSE", "HEALTHCHECK", "CMD"}
    return found


def given(steps: list[tuple[str, str]], name: str) -> list[str]:
    return [words for step, words in steps if step == name]


def test_the_service_runs_as_a_user_that_was_made_and_is_not_root(steps: list[tuple[str, str]]) -> None:
    names = [name for name, _ in steps]
    user = given(steps, "USER")[-1]
    assert user.split(":")[0] not in {"root", "0"}
    made = next(words for words in given(steps, "RUN") if words.startswith("useradd "))
    assert shlex.split(made)[-1] == user
    assert names.index("USER") < names.index("CMD")
    for words in given(steps, "ENV"):
        # What is written while it runs lies in that user's home.
        assert words.split("=", 1)[1].startswith(f"/home/{user}/")


def test_the_image_has_a_python_that_the_package_takes(steps: list[tuple[str, str]]) -> None:
    (image,) = given(steps, "FROM")
    match = re.fullmatch(r"python:3\.(\d+)-slim", image)
    assert match is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"Programming Language :: Python :: 3.{match[1]}" in project["classifiers"]


def test_extras_that_are_installed_are_ours(steps: list[tuple[str, str]]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (install,) = (words for words in given(steps, "RUN") if words.startswith("pip install"))
    (asked,) = re.findall(r"(/\w+)\[([\w,]+)\]", install)
    assert given(steps, "COPY") == [f". {asked[0]}"]
    assert set(asked[1].split(",")) <= set(project["optional-dependencies"])
    assert "serve" in asked[1].split(",")


def test_commands_parse_and_what_python_runs_imports(steps: list[tuple[str, str]]) -> None:
    program, *words = json.loads(given(steps, "CMD")[-1])
    assert program == "colorrt"
    command = typer.main.get_command(load_commands())
    arguments: Any = words
    while hasattr(command, "commands"):
        name, *arguments = arguments
        command = command.commands[name]
    context = command.make_context(words[0], list(arguments))
    assert context.params["host"] == "0.0.0.0"
    port = str(context.params["port"])
    assert given(steps, "EXPOSE") == [port]
    assert urlsplit(checked_address(steps)).port == int(port)
    for code in re.findall(r'python -c "([^"]*)"', "\n".join(given(steps, "RUN"))):
        compile(code, "docker file", "exec")
        # Its imports alone: the rest takes a minute in a cold cache.
        exec(code.split(";")[0], {})


def checked_address(steps: list[tuple[str, str]]) -> str:
    (check,) = given(steps, "HEALTHCHECK")
    (address,) = re.findall(r"http://[^'\"\s]+", check)
    return str(address)


def test_the_health_check_tells_a_service_that_runs_from_one_that_does_not(
    steps: list[tuple[str, str]], tiny_onnx: Path
) -> None:
    pytest.importorskip("uvicorn", reason="no uvicorn: pip install 'colorrt[serve]'")
    from colorrt.service.app import make_app, make_service
    from colorrt.service.running import listen, make_server
    from colorrt.service.settings import ServiceSettings

    (check,) = given(steps, "HEALTHCHECK")
    address = urlsplit(checked_address(steps))
    with Colorizer(tiny_onnx, render_factor=2) as colorizer, listen("127.0.0.1", 0) as bound:
        service = make_service([colorizer], ServiceSettings())
        server = make_server(service, make_app(service))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        here = check.removeprefix("CMD ").replace(address.netloc, f"127.0.0.1:{bound.getsockname()[1]}")
        program, *words = shlex.split(here)
        assert program == "python"
        assert subprocess.run([sys.executable, *words], check=False, timeout=30).returncode == 0
        missing = [word.replace(address.path, "/no-such-path") for word in words]
        assert subprocess.run([sys.executable, *missing], check=False, capture_output=True, timeout=30).returncode == 1
        server.should_exit = True
        thread.join(20)
        service.desk.close()
