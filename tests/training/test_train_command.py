"""`colorrt train`: what it prints, where weights go, and how it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from typer.testing import CliRunner

from colorrt.cli import load_commands

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(load_commands(), ["train", *map(str, arguments)])
    return result.exit_code, result.output


@pytest.fixture
def recipe(recipe_toml: Path) -> Path:
    return recipe_toml


def test_trial_writes_weights_and_says_where(recipe: Path, album: Path, tmp_path: Path) -> None:
    code, said = run(recipe, "--data", album, "--out", tmp_path / "out", "--steps", 1, "--device", "cpu")
    assert code == 0, said
    assert said.splitlines()[-1] == str(tmp_path / "out" / "weights.safetensors")
    assert (tmp_path / "out" / "weights.safetensors").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--data", "nowhere"), "nowhere: no such folder; give --data"),
        (("--data", ".", "--steps", "0"), "--steps and --threads take 1 or more"),
        (("--data", ".", "--scale", "0"), "--scale more than 0"),
    ],
)
def test_wrong_usage_is_one_line(arguments: tuple[str, ...], said: str, recipe: Path, tmp_path: Path) -> None:
    code, output = run(recipe, *arguments, "--out", tmp_path / "out")
    assert code == 2
    assert said in output
    assert len(output.strip().splitlines()) == 1


def test_more_threads_than_cores_are_not_started(album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    monkeypatch.setattr("colorrt.runtime.sessions.session.count_cores", lambda: 4)
    for threads in (3, 2000):
        run("none", "--data", album, "--out", tmp_path / "out", "--threads", threads)
    assert asked == [3, 4]


def test_unknown_recipe_is_one_line(album: Path, tmp_path: Path) -> None:
    code, output = run("none", "--data", album, "--out", tmp_path / "out")
    assert code == 2
    assert "no recipe can be read here" in output
    assert len(output.strip().splitlines()) == 1
