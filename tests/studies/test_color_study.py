"""The study of pictures in color: it counts what is taken for color, and its grays are gray to an archivist."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from picture_files import in_many_colors
from PIL import Image

from colorrt.errors import UsageError
from colorrt.photos.shipped import shipped_photos
from studies.color import color_lines, study_color

if TYPE_CHECKING:
    from pathlib import Path


def test_study_tells_color_from_what_is_made_of_it(tmp_path: Path) -> None:
    with Image.open(shipped_photos() / "nipomo-1936.jpg") as image:
        gray = np.asarray(image.convert("L"))
    Image.fromarray(in_many_colors(gray)).save(tmp_path / "a.png")
    Image.fromarray(np.repeat(gray[..., None], 3, -1)).save(tmp_path / "scan.png")
    (tmp_path / "photos").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "photos/a.png")
    report = study_color([tmp_path / "photos"], [tmp_path / "scan.png"], 5)
    assert [row.called_color for row in report.color] == [1, 1]
    called = {row.kind: row.called_color for row in report.gray}
    assert called["sepia 0.3"] == called["cast of a scanner"] == called["real scans"] == 0
    assert len(color_lines(report)) == 1 + 2 * 2 + len(report.color) + len(report.gray)


def test_study_without_photographs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are no photographs"):
        study_color([tmp_path], [], 5)
