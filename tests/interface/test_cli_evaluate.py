"""`colorrt eval`: what it reads, what it says, and what it leaves behind when something fails."""

from __future__ import annotations

import json
import os
import sys
import tarfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from colorrt.errors import ColorrtError
from colorrt.evaluation import evaluation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from typer.testing import Result

    Command = Callable[..., Result]

DONE, PICTURES, USAGE, MODEL = 0, 1, 2, 3
OUTPUTS = ["--json", "figures.json", "--sheet", "sheet.png", "--curve", "curve.png", "--report", "page.html"]


@pytest.fixture
def evaluate(colorrt: Command, tiny_onnx: Path) -> Command:
    """Run `colorrt eval` with a small network."""
    options = ["--engine", tiny_onnx, "--render-factor", 1, "--device", "cpu", "--threads", 1]
    return lambda *arguments: colorrt("eval", *options, *arguments)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for index in range(2):
        save_photo(tmp_path / f"photos/{index}.png", index)
    return tmp_path / "photos"


def save_photo(path: Path, seed: int = 0, size: tuple[int, int] = (48, 36)) -> None:
    path.parent.mkdir(exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(small).resize(size).save(path)


def error(result: Result, code: int) -> str:
    assert result.exit_code == code, result.output
    (line,) = result.stderr.splitlines()
    return line


def test_pictures_of_a_sheet_are_kept_at_its_size(
    evaluate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index, size in enumerate([(900, 600), (600, 900), (1200, 300)]):
        save_photo(tmp_path / f"photos/{index}.png", index, size)
    kept: list[tuple[int, ...]] = []
    write = evaluation.write_sheet

    def spy(path: Path, rows: Sequence[Sequence[NDArray[np.uint8]]], titles: Sequence[str]) -> None:
        kept.extend(picture.shape for row in rows for picture in row)
        write(path, rows, titles)

    monkeypatch.setattr(evaluation, "write_sheet", spy)
    assert evaluate("photos", "--sheet", "sheet.png").exit_code == DONE
    assert kept == [(160, 240, 3)] * 3 + [(160, 107, 3)] * 3 + [(60, 240, 3)] * 3
    assert (tmp_path / "sheet.png").exists()


def test_page_does_without_a_sheet_when_none_of_its_photographs_can_be_read(
    evaluate: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "even_choice", lambda count: [count - 1])
    (photos / "z.png").write_bytes(b"Dear all,")
    (tmp_path / "sheet.png").write_bytes(b"of yesterday")
    result = evaluate(photos, *OUTPUTS)
    assert error(result, DONE).startswith("skipped z.png: ")
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count("data:image/png;base64,") == 1


def test_name_that_is_no_utf8_is_escaped_on_the_page(evaluate: Command, photos: Path, tmp_path: Path) -> None:
    try:
        (photos / "0.png").rename(photos / os.fsdecode(b"caf\xe9.png"))
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such names")
    result = evaluate(photos, *OUTPUTS)
    assert result.exit_code == DONE, result.output
    assert "<td>caf\\udce9.png</td>" in (tmp_path / "page.html").read_text(encoding="utf-8")
    names = [row["name"] for row in json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["per_picture"]]
    assert os.fsdecode(b"caf\xe9.png") in names


@pytest.mark.parametrize(
    ("failing", "has_curve"),
    [
        ("colorrt.evaluation.evaluation.write_sheet", False),
        ("colorrt.evaluation.evaluation.saturation_curve", False),
        ("colorrt.evaluation.evaluation.write_curves", True),
        ("colorrt.evaluation.report.write_report", True),
    ],
)
def test_figures_are_kept_when_another_output_fails(
    evaluate: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, has_curve: bool
) -> None:
    def fail(*_: object) -> None:
        raise ColorrtError("it went wrong")

    monkeypatch.setattr(failing, fail)
    assert error(evaluate(photos, *OUTPUTS), PICTURES) == "error: it went wrong"
    table = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert table["pictures"] == 2
    assert ("curve" in table) is has_curve
    assert not (tmp_path / "page.html").exists()


class FeatureExtractor:
    """Features as the classifier gives them, without it."""

    def features(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
        """Mean colors."""
        return np.array([picture.mean(axis=(0, 1)) for picture in pictures])


def test_frechet_distance_of_one_photograph_says_what_it_needs(
    evaluate: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("colorrt.evaluation.frechet.FeatureExtractor", FeatureExtractor)
    both = evaluate(photos, "--frechet")
    assert both.stderr == ""
    assert "Frechet " in both.stdout
    (photos / "1.png").unlink()
    one = evaluate(photos, "--frechet", "--json", "figures.json")
    assert error(one, DONE) == (f"{photos}: no Frechet distance: it compares sets, and needs at least two photographs")
    assert json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["frechet"] is None
    assert evaluate(photos).stderr == ""


@pytest.mark.parametrize("option", ["--curve", "--report"])
def test_missing_matplotlib_is_told_before_anything_is_measured(
    evaluate: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert evaluate(photos).exit_code == DONE
    result = evaluate(photos, option, "asked", "--json", "figures.json")
    message = error(result, MODEL)
    assert message.startswith("error: the plot needs matplotlib, ")
    assert message.endswith("install it: pip install 'colorrt[eval]'")
    assert "PSNR" not in result.stdout
    assert not (tmp_path / "figures.json").exists()


def test_folder_of_shards_is_measured_as_its_photographs_are(evaluate: Command, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "shards/deep").mkdir(parents=True)
    for photo, shard in (("0.png", "a.tar"), ("1.png", "deep/b.tar.gz")):
        with tarfile.open(tmp_path / "shards" / shard, "w:gz" if shard.endswith("gz") else "w") as archive:
            archive.add(photos / photo, photo)
    found = []
    for source in (photos, tmp_path / "shards"):
        result = evaluate(source, *OUTPUTS)
        assert result.exit_code == DONE, result.output
        assert result.stderr == ""
        table = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
        found.append((result.stdout, table["psnr_db"], (tmp_path / "sheet.png").read_bytes()))
    assert found[0] == found[1]
    assert [row["name"] for row in table["per_picture"]] == ["a.tar/0.png", "deep/b.tar.gz/1.png"]


def test_folder_without_pictures_and_shards_says_what_to_name(evaluate: Command, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_text("Dear all,", encoding="utf-8")
    message = error(evaluate("texts"), 2)
    assert message.startswith("error: texts holds no pictures (")
    assert message.endswith("; name a folder of photographs or of tar shards of them, or one such shard")


def test_choice_writes_its_page_and_measures_nothing(
    evaluate: Command, colorrt: Command, photos: Path, tiny_onnx: Path, tmp_path: Path
) -> None:
    options = ["--render-factor", 1, "--device", "cpu"]
    result = colorrt("eval", "photos", "--choose", tiny_onnx, tiny_onnx, *options)
    assert result.exit_code == DONE, result.output
    assert "choose.html: 2 pairs" in result.output
    assert result.output.count("\n") == 1
    page = (tmp_path / "choose.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    named = colorrt("eval", "photos", "--choose", tiny_onnx, tiny_onnx, "--report", "p.html", "--pairs", 1, *options)
    assert "p.html: 1 pairs" in named.output
    line = error(colorrt("eval", "photos", "--choose", tiny_onnx, tiny_onnx, "--json", "a.json", "--stability"), USAGE)
    assert "leave out --stability, --json" in line
    assert "choose.html" in error(
        colorrt("eval", "photos", "--choose", tiny_onnx, tiny_onnx, "--report", "no/choose.html"), USAGE
    )
    assert not (tmp_path / "a.json").exists()


def test_boxes_on_skin_are_measured_where_their_photographs_are(
    evaluate: Command, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "skin.json").write_text(json.dumps({"1.png": [[0.2, 0.2, 0.5, 0.5]]}))
    result = evaluate("photos", "--skin", "skin.json", "--json", "figures.json")
    assert "chroma on skin, 1 pictures" in result.output
    colors = json.loads((tmp_path / "figures.json").read_text())["colors"]
    assert colors["skin_pictures"] == 1
    assert colors["skin_chroma_original"] > 0
    (tmp_path / "skin.json").write_text(json.dumps({"other.png": [[0.2, 0.2, 0.5, 0.5]]}))
    assert "skin.json: none of its names" in evaluate("photos", "--skin", "skin.json").stderr
    assert "1.png: this is not JSON" in error(evaluate("photos", "--skin", "photos/1.png"), USAGE)


def test_page_of_the_human_test_is_written_and_measures_nothing(
    evaluate: Command, photos: Path, tmp_path: Path
) -> None:
    result = evaluate(photos, "--turing", "page.html", "--pairs", 2)
    assert result.exit_code == DONE
    assert "page.html: 2 pictures, 1 of them real" in result.stdout
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")
    line = error(evaluate(photos, "--turing", "page.html", "--json", "a.json", "--report", "b.html"), USAGE)
    assert line == "error: --turing measures nothing; leave out --report, --json"


def test_figures_hold_the_papers_measures(evaluate: Command, photos: Path, tmp_path: Path) -> None:
    result = evaluate(photos, "--json", "figures.json")
    assert "MAE of normalized ab" in result.stdout
    area = json.loads((tmp_path / "figures.json").read_text())["colors"]["area"]
    assert set(area) == {"raw", "gray_raw", "rebalanced", "gray_rebalanced"}
    assert all(0 < value < 1 for value in area.values())
