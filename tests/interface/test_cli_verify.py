"""`colorrt verify`: figures, exit codes, the difference picture."""

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
    Make = Callable[..., Path]

STEP = 0.02
MEAN = 255 * STEP / 2


@pytest.fixture
def pair(make_onnx: Make, tmp_path: Path) -> tuple[Path, Path]:
    make_onnx(tmp_path / "a.onnx", offset=(-0.1, 0.1))
    make_onnx(tmp_path / "b.onnx", offset=(-0.1 + STEP, 0.1))
    return tmp_path / "a.onnx", tmp_path / "b.onnx"


@pytest.fixture
def photos(save_gray: Make, tmp_path: Path) -> Path:
    for index in range(2):
        save_gray(tmp_path / f"photos/{index}.png", size=(48, 32))
    return tmp_path / "photos"


def error(result: Result, code: int) -> str:
    assert result.exit_code == code, result.output
    (line,) = result.stderr.splitlines()
    return line


def test_differences_are_printed_written_and_drawn(
    colorrt: Command, pair: tuple[Path, Path], photos: Path, tmp_path: Path
) -> None:
    files = ["--json", "found.json", "--difference", "found.png"]
    result = colorrt("verify", *pair, photos, "--render-factor", 1, "--threads", 1, *files)
    assert result.exit_code == 0, result.output
    assert "all together" in result.stdout
    assert "found.png: A, B and their difference, amplified 8 times" in result.stdout
    table = json.loads((tmp_path / "found.json").read_text())
    assert table["mean"] == pytest.approx(MEAN, rel=1e-4)
    assert [row["name"] for row in table["per_photo"]] == ["0.png", "1.png"]
    assert table["skipped"] == []
    with Image.open(tmp_path / "found.png") as image:
        assert image.format == "PNG"
        assert image.height > 2 * 240


@pytest.mark.parametrize(("bound", "code"), [(MEAN + 0.01, 0), (MEAN - 0.01, 1), (0, 1)])
def test_bound_decides_the_exit_code(
    colorrt: Command, pair: tuple[Path, Path], photos: Path, bound: float, code: int
) -> None:
    result = colorrt("verify", *pair, photos, "--render-factor", 1, "--bound", bound)
    assert result.exit_code == code, result.output
    assert ("above the bound: the mean chroma error is 2.5500" in result.stderr) is bool(code)
    assert "all together" in result.stdout


def test_equal_artifacts_are_within_bound_zero(colorrt: Command, pair: tuple[Path, Path], photos: Path) -> None:
    assert colorrt("verify", pair[0], pair[0], photos, "--render-factor", 1, "--bound", 0).exit_code == 0


def test_photograph_that_cannot_be_read_is_told_and_the_others_compared(
    colorrt: Command, pair: tuple[Path, Path], photos: Path
) -> None:
    (photos / "bad.jpg").write_bytes(b"Dear all,")
    result = colorrt("verify", *pair, photos, "--render-factor", 1)
    assert error(result, 1).startswith("failed: bad.jpg: ")
    assert "1.png" in result.stdout


def test_wrong_arguments_are_one_sentence(
    colorrt: Command, pair: tuple[Path, Path], photos: Path, make_onnx: Make, tmp_path: Path
) -> None:
    a, b = pair
    (tmp_path / "empty").mkdir()
    fixed = [make_onnx(tmp_path / f"rf{factor}.onnx", render_factor=factor) for factor in (2, 3)]
    (tmp_path / "weights.pth").write_bytes(b"\x80\x02")
    broken = make_onnx(tmp_path / "broken.onnx", weight=(float("nan"), 0.0))
    for arguments, code, message in (
        (["nothing.onnx", b], 3, "error: nothing.onnx: no such file"),
        ([a, "weights.pth"], 3, "weights.pth: these are weights"),
        ([a, b, "empty"], 2, "empty holds no pictures"),
        ([a, b, "nowhere"], 2, "nowhere does not exist"),
        ([a, b, "--bound", "-1"], 2, "--bound -1.0 is not an error in levels of 255; use 0 or more"),
        ([a, b, "--bound", "nan"], 2, "--bound nan is not an error in levels of 255; use 0 or more"),
        ([a, b, "--difference", "no/f.png"], 2, "no/f.png: cannot be written: there is no folder no"),
        ([a, b, "--json", a], 2, "it is one of the inputs"),
        ([*fixed], 2, "was made for render factor 2 and"),
        ([a, b, photos, "--render-factor", 0], 2, "render factor 0 is outside 1..64"),
        (
            [a, broken, photos, "--render-factor", 1],
            3,
            "broken.onnx: returns values that are not finite on 0.png",
        ),
    ):
        assert message in error(colorrt("verify", *arguments), code)
