"""Proof sheets of what went in and what came out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorrt.errors import PictureError
from colorrt.evaluation.proof_sheet import write_proof


def make_pair(folder: Path, index: int) -> tuple[Path, Path]:
    before, after = folder / f"{index}.png", folder / f"{index}-color.png"
    Image.new("L", (90, 60), 128).save(before)
    Image.new("RGB", (90, 60), (200, 40, 40)).save(after)
    return before, after


@pytest.mark.parametrize("count", [1, 3, 30])
def test_proof_shows_pairs_side_by_side(tmp_path: Path, count: int) -> None:
    sheet = tmp_path / "proof.png"
    write_proof(sheet, [make_pair(tmp_path, index) for index in range(count)])
    pixels = np.asarray(Image.open(sheet).convert("RGB"))
    assert (pixels == (200, 40, 40)).all(-1).any()
    assert (pixels == 128).all(-1).any()
    assert [path for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_16_bit_pictures_are_shown_too(tmp_path: Path) -> None:
    before = tmp_path / "deep.png"
    Image.fromarray(np.full((60, 90), 40000, np.uint16)).save(before)
    write_proof(tmp_path / "proof.png", [(before, make_pair(tmp_path, 0)[1])])
    pixels = np.asarray(Image.open(tmp_path / "proof.png").convert("RGB"))
    assert (pixels == 40000 >> 8).all(-1).any()


def test_vanished_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"gone\.png"):
        write_proof(tmp_path / "proof.png", [(tmp_path / "gone.png", tmp_path / "gone.png")])
