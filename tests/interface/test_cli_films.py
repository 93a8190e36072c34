"""Films at the command line: what is written, printed and returned."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from colorrt.cli.films import parse_time, show_time
from colorrt.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    Command = Callable[..., Result]
    Save = Callable[..., Path]

av = pytest.importorskip("av")


def make_film(path: Path, frames: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            levels = np.add.outer(np.arange(48), 2 * np.arange(64) + 4 * number) % 200 + 20
            frame = av.VideoFrame(64, 48, "yuv420p")
            for index, plane in enumerate(frame.planes):
                lines = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)
                lines[:] = 128
                if index == 0:
                    lines[:, :64] = levels
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_film_in_color(path: Path) -> Path:
    rows, columns = np.mgrid[:48, :64]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(10):
            fields = np.where((rows // 16 + columns // 16)[..., None] % 2, [45, -15, -30], [-35, 20, 10])
            rgb = (60 + 2 * columns + number)[..., None] + fields
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb.clip(0, 255).astype(np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    return path


def frames_of(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_film_becomes_a_film_in_color(run: Command, tmp_path: Path) -> None:
    make_film(tmp_path / "film.mp4")
    result = run("film.mp4", "-o", "out.mp4")
    assert (result.exit_code, result.stdout) == (0, "1 colored: out.mp4\n")
    frames = frames_of(tmp_path / "out.mp4")
    assert len(frames) == 10
    assert frames[5][..., 0].mean() - frames[5][..., 2].mean() > 10
    assert "steadiness" in result.stderr
    assert "--lossless" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".mp4") == ["film.mp4", "out.mp4"]


def test_films_among_pictures_go_along(run: Command, save_gray: Save, tmp_path: Path) -> None:
    save_gray(tmp_path / "old" / "a.jpg")
    make_film(tmp_path / "old" / "sub" / "b.mov")
    make_film(tmp_path / "old" / "c.avi")
    result = run("old", "--report", "report.json")
    assert (result.exit_code, result.stdout) == (0, "3 colored, in old-color\n")
    made = sorted(
        str(path.relative_to(tmp_path))
        for path in (tmp_path / "old-color").rglob("[!.]*.*")
        if path.name != "journal.jsonl"
    )
    assert made == ["old-color/a.jpg", "old-color/c.mkv", "old-color/sub/b.mov"]
    rows = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    films = [row for row in rows if "frames" in row]
    assert [row["frames"] for row in films] == [10, 10]
    assert set(films[0]["scores"]) == {"raw", "steadied"}
    assert run("old").stdout.startswith("0 colored; 3 skipped: done before")


def test_film_in_color_is_left_as_it_is_and_counted(run: Command, save_gray: Save, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    make_film(tmp_path / "old" / "gray.mp4")
    make_film_in_color(tmp_path / "old" / "color.mp4")
    said = "1 film is in color already: left as it is (--recolor colors it)"
    result = run("old", "-o", "out", "--report", "report.json")
    assert (result.exit_code, result.stdout.splitlines()) == (0, ["1 colored: out/gray.mp4", said])
    rows = {Path(row["source"]).name: row for row in json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))}
    assert rows["color.mp4"]["outcome"] == "skipped"
    assert rows["color.mp4"]["reason"] == ("old/color.mp4: it is in color already: left as it is; --recolor colors it")
    again = run("old", "-o", "out")
    assert again.stdout.splitlines() == ["0 colored; 1 skipped: done before", said]
    anew = run("old", "-o", "out", "--recolor")
    assert anew.stdout.splitlines() == ["1 colored: out/color.mp4; 1 skipped: done before"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".colorrt", "color.mp4", "gray.mp4"]


def test_codec_chooses_the_container(run: Command, tmp_path: Path) -> None:
    make_film(tmp_path / "film.mp4")
    assert run("film.mp4", "--codec", "ffv1", "-q").stdout == ""
    assert (tmp_path / "film-color.mkv").exists()
    result = run("film.mp4", "-o", "x.mp4", "--codec", "ffv1")
    assert result.exit_code == 1
    assert "ffv1 goes into .mkv" in result.stderr


def test_bad_film_fails_alone_in_one_line(run: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no film")
    make_film(tmp_path / "good.mp4")
    result = run("bad.mp4", "good.mp4", "-o", "out")
    assert result.exit_code == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".colorrt", "good.mp4"]
    assert "failed: bad.mp4: this is no film" in result.stderr


def test_film_without_the_extra_says_what_to_install(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_film(tmp_path / "film.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    result = run("film.mp4")
    assert result.exit_code == 1
    assert "pip install 'colorrt[video]'" in result.stderr


def test_part_and_preview(run: Command, tmp_path: Path) -> None:
    make_film(tmp_path / "film.mp4", frames=50)
    assert run("film.mp4", "-o", "part.mp4", "--from", "0:00.4", "--to", "1").exit_code == 0
    assert len(frames_of(tmp_path / "part.mp4")) == 15
    result = run("film.mp4", "--preview", "sheet.png")
    assert (result.exit_code, result.stdout) == (0, "1 shot: sheet.png\n")
    assert result.stderr == ""
    assert not (tmp_path / "film-color.mp4").exists()


def test_preview_of_a_film_in_color_says_so(run: Command, tmp_path: Path) -> None:
    make_film_in_color(tmp_path / "film.mp4")
    result = run("film.mp4", "--preview", "sheet.png")
    assert result.exit_code == 0
    said = "are in color already; the sheet shows them colored anew, and the film is not colored without --recolor"
    assert said in result.stderr


@pytest.mark.parametrize(("text", "seconds"), [("90", 90.0), ("1:30", 90.0), ("0:01:30.5", 90.5), ("2:00:00", 7200.0)])
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "a", "1:2:3:4", "-1", "nan", "inf"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        parse_time(text)


def test_times_are_shown() -> None:
    assert show_time(3723.9) == "1:02:03"


def test_bench_measures_each_stage_of_a_film(colorrt: Command, tmp_path: Path, tiny_onnx: Path) -> None:
    make_film(tmp_path / "film.mp4", frames=30)
    result = colorrt(
        "bench", "film", "film.mp4", "--engine", tiny_onnx, "--render-factor", 1, "--rounds", 20, "--json", "f.json"
    )
    assert result.exit_code == 0
    for stage in ("decode", "see", "network", "steady", "score", "render", "encode"):
        assert f"\n{stage} " in result.stdout
    figures = json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))
    assert figures["pictures"] == 20
    assert figures["stages"]["steady"]["rounds"] == 20
