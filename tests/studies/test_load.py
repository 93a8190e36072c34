from __future__ import annotations

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from studies.load import Load, LoadReport, fuzz_lines, load_lines, study_fuzz


def test_tables_say_how_near_the_service_comes_to_run() -> None:
    load = Load(16, 60.0, {200: 540, 503: 12}, (200.0, 210.0), 1.5, 3.0)
    lines = load_lines(LoadReport(load, 10.0, {}))
    assert "9.00 pictures/s (0.90 of colorrt run)" in "\n".join(lines)
    assert "200: 540, 503: 12" in fuzz_lines(load)[1]


def test_random_files_are_answered_and_the_service_stays() -> None:
    load = study_fuzz(24)
    assert sum(load.statuses.values()) == 24
    assert set(load.statuses) <= {200, 422}
