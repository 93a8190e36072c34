"""`python -m colorrt.training`: exit codes, and what is said on which stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from colorrt.models.registry import load_network
from colorrt.training.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["training", *(str(argument) for argument in arguments)])
    return main()


def test_missing_recipe_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "none.toml"
    assert run(monkeypatch, recipe, "--data", tmp_path, "--out", tmp_path / "out") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"error: {recipe}: no recipe can be read here")
    assert len(said.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_missing_encoder_is_one_line_and_exit_code_3(
    recipe_toml: Path, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data", album, "--out", tmp_path / "out", "--encoder", tmp_path / "none.pth"]
    assert run(monkeypatch, recipe_toml, *options) == 3
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert len(said.err.splitlines()) == 1


def test_training_ends_with_the_path_of_the_weights(
    recipe_toml: Path,
    album: Path,
    encoder_pth: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert run(monkeypatch, recipe_toml, "--data", album, "--out", out, "--encoder", encoder_pth) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == str(out / "weights.safetensors")
    assert said.err == ""
    assert load_network(out / "weights.safetensors").model == "lite"


def test_command_without_data_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, "recipe.toml")
    assert caught.value.code == 2
    assert "--data" in capsys.readouterr().err
