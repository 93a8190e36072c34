"""What is planned for pictures of each kind is what they take."""

from __future__ import annotations

from pathlib import Path

import pytest

from colorrt.errors import UsageError
from studies.memory import KINDS, MemoryRow, measure_kinds, memory_lines

# Small ones too: of these, rows that are rendered at a time are much.
SIDES = ((1200, 900), (2400, 1800))
# The heaviest of each group that `colorrt.runtime.pictures.memory` knows.
MEASURED = (
    "JPEG RGB", "JPEG CMYK", "PNG L", "PNG RGBA", "PNG LA16", "TIFF RGB16", "PNG RGBA16", "TIFF F", "WEBP RGBA",
    "JPEG2000 RGB",
)  # fmt: skip

needs_peaks = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="only where the peak of a stretch of work is told"
)


@needs_peaks
@pytest.mark.parametrize("sides", SIDES, ids=str)
@pytest.mark.parametrize("kind", MEASURED)
def test_peak_is_what_was_planned(kind: str, sides: tuple[int, int]) -> None:
    assert kind in KINDS
    rows = list(measure_kinds([kind], *sides, print))
    for row in rows:
        assert row.peak <= 1.15 * row.planned, row
        assert row.planned > 0
    if rows == []:
        pytest.skip("this build does not read it")


def test_table_shows_peak_beside_plan() -> None:
    assert memory_lines([MemoryRow("PNG RGB", 10.0, 9.0)])[1].split() == ["PNG", "RGB", "10.0", "9.0", "90%"]


def test_system_that_tells_no_peaks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda self: False)
    with pytest.raises(UsageError, match="does not tell the peak memory"):
        list(measure_kinds(["PNG L"], 8, 8, print))
