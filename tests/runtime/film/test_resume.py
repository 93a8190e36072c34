"""A film goes on where it was stopped, and is the same film."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from film_files import assert_same_film, color, make_film, see

from colorrt.errors import PictureError
from colorrt.runtime.film import pieces
from colorrt.runtime.film.codecs import FilmCoding
from colorrt.runtime.film.coloring import FilmStep

if TYPE_CHECKING:
    from colorrt.runtime.colorizer import Colorizer

FRAMES = 100

# What the command does, with short pieces, and slow enough to be killed in the middle.
SCRIPT = """
import sys, time
from pathlib import Path
from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.film import pieces
from colorrt.runtime.film.coloring import color_film
from colorrt.runtime.film.plan import FilmSettings, plan_film
pieces.PIECE_SECONDS, pieces.CUT_SECONDS = 0.5, 0.2
source, target, model = map(Path, sys.argv[1:4])
settings = FilmSettings()
with Colorizer(model, render_factor=2, threads=1) as colorizer:
    plan = plan_film(colorizer, source, target, settings)
    print(plan.state.progress.frames, flush=True)
    color_film(colorizer, plan, settings, lambda step: time.sleep(0.005))
"""


class StopError(Exception):
    """Stands for whatever ends a run."""


@pytest.fixture(autouse=True)
def _short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE_SECONDS", 0.5)
    monkeypatch.setattr(pieces, "CUT_SECONDS", 0.2)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    options = {"g": "15", "bf": "2"}
    return make_film(
        folder / "film.mp4", frames=FRAMES, codec="libx264", cuts=(30, 34, 61), audio=True, options=options
    )


def stop_at(frames: int) -> Any:
    def report(step: FilmStep) -> None:
        if step.frames >= frames:
            raise StopError

    return report


@pytest.mark.parametrize(
    "coding", [FilmCoding(), FilmCoding("ffv1"), FilmCoding("x265")], ids=lambda coding: coding.codec
)
@pytest.mark.parametrize("steady", ["on", "causal", "off"])
def test_film_that_was_stopped_becomes_the_same_film(
    colorizer: Colorizer, source: Path, tmp_path: Path, coding: FilmCoding, steady: str
) -> None:
    suffix = ".mkv" if coding.codec == "ffv1" else ".mp4"
    whole = color(colorizer, source, tmp_path / f"whole{suffix}", coding=coding, steady=steady)
    target = tmp_path / f"color{suffix}"
    for frames in (20, 33, 48, 49, 80, FRAMES):
        with pytest.raises(PictureError, match="which colorrt did not foresee"):
            color(colorizer, source, target, stop_at(frames), coding=coding, steady=steady)
        assert not target.exists()
        assert (tmp_path / f"{target.name}.colorrt").is_dir()
    result = color(colorizer, source, target, coding=coding, steady=steady)
    assert 0 < result.resumed < FRAMES
    assert result.frames == whole.frames == FRAMES
    assert (result.raw, result.steadied, result.shots) == (whole.raw, whole.steadied, whole.shots)
    assert_same_film(tmp_path / f"whole{suffix}", target)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"whole{suffix}", target.name])


def test_twenty_kills_change_nothing(source: Path, film_onnx: Path, tmp_path: Path) -> None:
    script = tmp_path / "color.py"
    script.write_text(SCRIPT, encoding="utf-8")

    def start(target: Path) -> subprocess.Popen[str]:
        command = [sys.executable, str(script), str(source), str(target), str(film_onnx)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    whole, target = tmp_path / "whole.mp4", tmp_path / "color.mp4"

    def finish(target: Path) -> None:
        with start(target) as process:
            _, errors = process.communicate()
        assert process.returncode == 0, errors

    finish(whole)
    chance = random.Random(0)
    kills, done = 0, []
    while kills < 20:
        with start(target) as process:
            assert process.stdout is not None
            done.append(int(process.stdout.readline()))
            time.sleep(chance.uniform(0.0, 2.0))
            process.kill()
            process.communicate()
        if target.exists():
            # It was quicker than the kill.
            assert_same_film(whole, target)
            target.unlink()
            continue
        kills += 1
    finish(target)
    assert max(done) > 0
    assert_same_film(whole, target)
    assert not (tmp_path / f"{target.name}.colorrt").exists()


def test_other_settings_and_another_film_start_anew(colorizer: Colorizer, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "color.mp4"
    with pytest.raises(PictureError):
        color(colorizer, source, target, stop_at(60))
    again = color(colorizer, source, target, coding=FilmCoding(crf=20))
    assert again.resumed == 0
    copy = Path(shutil.copy(source, tmp_path / "copy.mp4"))
    with pytest.raises(PictureError):
        color(colorizer, copy, target, stop_at(60))
    copy.write_bytes(copy.read_bytes() + b"\0")
    assert color(colorizer, copy, target).resumed == 0


@pytest.mark.parametrize("damage", ["manifest", "memory", "piece"])
def test_what_was_damaged_is_done_anew(colorizer: Colorizer, source: Path, tmp_path: Path, damage: str) -> None:
    color(colorizer, source, tmp_path / "whole.mp4")
    target = tmp_path / "color.mp4"
    with pytest.raises(PictureError):
        color(colorizer, source, target, stop_at(60))
    folder = tmp_path / f"{target.name}.colorrt"
    if damage == "manifest":
        (folder / "state.json").write_text("{", encoding="utf-8")
    elif damage == "memory":
        next(folder.glob("memory-*")).unlink()
    else:
        next(folder.glob("piece-*")).unlink()
    assert color(colorizer, source, target).resumed == 0
    assert_same_film(tmp_path / "whole.mp4", target)


def test_full_disk_is_said_and_the_film_goes_on_later(
    colorizer: Colorizer, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0
    original = pieces.write_packets

    def fill_up(path: Path, packets: Any) -> None:
        nonlocal written
        written += 1
        if written == 3:
            raise PictureError(f"{path}: cannot be written: the disk is full; free some space or choose another disk")
        original(path, packets)

    target = tmp_path / "color.mp4"
    with monkeypatch.context() as patch:
        patch.setattr(pieces, "write_packets", fill_up)
        with pytest.raises(PictureError, match=r"the disk is full.*pictures are done, and the same command goes on"):
            color(colorizer, source, target)
    assert color(colorizer, source, target).resumed > 0
    assert len(see(target).planes) == FRAMES


def test_pieces_of_large_pictures_are_shorter(
    colorizer: Colorizer, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE_PIXELS", 5 * 48 * 64)
    color(colorizer, source, tmp_path / "whole.mp4")
    target = tmp_path / "color.mp4"
    with pytest.raises(PictureError, match="40 pictures are done"):
        color(colorizer, source, target, stop_at(43))
    assert len(list((tmp_path / f"{target.name}.colorrt").glob("piece-*"))) >= 8
    assert color(colorizer, source, target).resumed == 40
    assert_same_film(tmp_path / "whole.mp4", target)


def test_parts_of_a_film_begin_and_end_where_they_were_asked_to(
    colorizer: Colorizer, source: Path, tmp_path: Path
) -> None:
    result = color(colorizer, source, tmp_path / "part.mp4", begin=1.0, end=2.0)
    before, after = see(source), see(tmp_path / "part.mp4")
    assert result.frames == 25
    assert [time + 1 for time in after.times] == before.times[25:50]
    sound = [(time + 1, data) for time, data in after.packets["audio"]]
    wanted = [(time, data) for time, data in before.packets["audio"] if 1 <= time < 2]
    assert [data for _, data in sound] == [data for _, data in wanted]
    assert max(abs(one - other) for (one, _), (other, _) in zip(sound, wanted, strict=True)) < 0.001
