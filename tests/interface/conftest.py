"""The command line, run inside this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from colorrt.cli import load_commands

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result


@pytest.fixture
def colorrt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `colorrt` in the test's own folder; no exception may leave it."""
    monkeypatch.chdir(tmp_path)
    app = load_commands()

    def run(*arguments: object) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture(scope="session")
def warm_kernels() -> None:
    """Compile the kernels, so that no command has to say that it does."""
    from colorrt import kernels

    kernels.warm_up()


@pytest.fixture
def run(colorrt: Callable[..., Result], tiny_onnx: Path, warm_kernels: None) -> Callable[..., Result]:
    """Run `colorrt run` with a small network."""

    def run(*arguments: object) -> Result:
        engine = [] if "--engine" in arguments else ["--engine", tiny_onnx]
        factor = [] if "--render-factor" in arguments else ["--render-factor", 1]
        return colorrt("run", *engine, *factor, *arguments)

    return run
