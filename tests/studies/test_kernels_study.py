from __future__ import annotations

import json

import pytest


def test_kernels_are_timed_beside_the_original_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2", reason="the original chain needs OpenCV")
    from studies import kernels as timing
    from studies.kernels import compare_kernels, kernel_lines

    # One kernel instead of all: they take ten seconds.
    timed = timing._timed
    monkeypatch.setattr(timing, "_timed", lambda _, cache: timed("kernels.luma(np.zeros((9, 9, 3), np.uint8))", cache))

    report = compare_kernels(((90, 70),), (1, 2), 2, render_factor=1)
    ways = {row.way for row in report.rows}
    assert {"original chain", "copying the output", "bilinear to RGB", "guided to RGB", "gray to square"} <= ways
    for row in report.rows:
        assert 0 < row.least_ms <= row.times.p50_ms
        assert (row.ratio is None) == (row.way.startswith(("original", "copying", "Pillow")))
    assert min(report.compiling.first_use_cpu_s, report.compiling.everything_s, report.compiling.loading_s) > 0
    assert len(kernel_lines(report)) == 3 + len(report.rows) + 1
    assert json.loads(json.dumps(report.as_json()))["kind"] == "kernels"
