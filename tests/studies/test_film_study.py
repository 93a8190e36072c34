from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av")


def write_clip(path: Path, frames: int, width: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = width, 48, "yuv444p"
        for number in range(frames):
            rows, columns = np.mgrid[:48, :width]
            rgb = np.stack([(columns * 3) % 200, rows * 4, 255 - rows * 3], axis=-1).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_study_scores_each_guess_and_compares_with_truth(
    tmp_path: Path, tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studies import film
    from studies.film import study_films

    monkeypatch.setattr(film, "PAN_FRAMES", 4)
    clips = [write_clip(tmp_path / "a.mp4", 10, 64), write_clip(tmp_path / "b_gray_and_color.mp4", 20, 128)]
    lines: list[str] = []
    study = study_films(clips, tiny_onnx, None, lines.append)
    assert [(row.clip, row.guess, row.filter, row.every) for row in study.rows[:7]] == [
        ("a.mp4", "render factor 8", "on", "all"),
        ("a.mp4", "render factor 16", "on", "all"),
        ("a.mp4", "render factor 16", "on", "changed"),
        ("a.mp4", "render factor 16", "causal", "all"),
        ("a.mp4", "render factor 16", "causal", "changed"),
        ("a.mp4", "render factor 24", "on", "all"),
        ("a.mp4", "mean of three", "on", "all"),
    ]
    # Nothing moves in it.
    assert study.rows[1].asked == 1
    assert study.rows[2].asked == 0.7
    # One color everywhere does not flicker.
    assert study.rows[0].raw.flicker == pytest.approx(0, abs=1e-4)
    still = "b_gray_and_color.mp4, held still"
    assert len(study.truths) == 12
    assert [(one.filter, one.every) for one in study.truths if one.clip == still] == [
        ("on", "all"),
        ("on", "changed"),
        ("causal", "all"),
        ("causal", "changed"),
    ]
    assert 6 < study.truths[0].raw < 8
    assert study.truths[0].steadied < 0.5 * study.truths[0].raw
    assert len(lines) == len(study.rows) + len(study.truths)
