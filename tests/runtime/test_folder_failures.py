"""Many pictures: each failure stays with its own, and what is written is whole, even where the run ends early."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from colored_files import DONE, FAILED, color, files, outcomes
from PIL import Image

from colorrt.errors import ModelError, PictureError
from colorrt.runtime import stills as stills_module
from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.folder import Settings, color_jobs, make_folder
from colorrt.runtime.jobs import plan_jobs

if TYPE_CHECKING:
    from collections.abc import Callable


def test_failure_stays_with_its_picture(colorizer: Colorizer, photos: Path, tmp_path: Path) -> None:
    whole = (photos / "1.jpg").read_bytes()
    (photos / "1.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "2.png").write_text("Dear all,", encoding="utf-8")
    (photos / "3.tif").write_bytes(b"")
    results = color(colorizer, photos, tmp_path / "out")
    assert outcomes(results) == [FAILED] * 3 + [DONE] * 3
    for result in results[:3]:
        assert result.reason is not None
        assert result.reason.startswith(f"{result.job.source}: ")
        assert "\n" not in result.reason
    assert files(tmp_path / "out") == ["4.bmp", "sub/5.webp", "sub/6.jpg"]


def test_problem_of_a_job_is_its_failure(colorizer: Colorizer, photos: Path, tmp_path: Path) -> None:
    jobs = plan_jobs([str(tmp_path / "nothing"), str(photos / "1.jpg")], tmp_path / "out")
    results = list(color_jobs(colorizer, jobs, Settings()))
    assert outcomes(results) == [FAILED, DONE]
    assert results[0].reason == f"{tmp_path / 'nothing'}: no such file or folder; check the path"


def test_picture_above_the_limit_of_pixels_fails_alone(
    colorizer: Colorizer, save_gray: Callable[..., Path], photos: Path, tmp_path: Path
) -> None:
    save_gray(photos / "1.jpg", size=(40, 40))
    results = color(colorizer, photos, tmp_path / "out", max_pixels=1000)
    assert outcomes(results) == [FAILED] + [DONE] * 5
    assert "--max-pixels" in str(results[0].reason)


def test_output_below_a_file_fails_and_says_why(colorizer: Colorizer, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/sub").write_bytes(b"a file")
    results = color(colorizer, photos, tmp_path / "out")
    assert outcomes(results) == [DONE] * 4 + [FAILED] * 2
    assert results[5].reason == (
        f"{tmp_path / 'out/sub'}: cannot be made a folder because a file has that name; name another with -o"
    )


def test_folder_in_the_place_of_an_output_fails_alone(colorizer: Colorizer, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out/1.jpg").mkdir(parents=True)
    results = color(colorizer, photos, tmp_path / "out", overwrite=True)
    assert outcomes(results) == [FAILED] + [DONE] * 5
    assert "it is a folder" in str(results[0].reason)


def test_name_that_is_too_long_fails_alone(
    colorizer: Colorizer, save_gray: Callable[..., Path], tmp_path: Path
) -> None:
    long = save_gray(tmp_path / ("x" * 248 + ".png"))
    short = save_gray(tmp_path / "short.png")
    results = list(color_jobs(colorizer, plan_jobs([str(long), str(short)], None), Settings()))
    assert outcomes(results) == [FAILED, DONE]
    assert "name is too long" in str(results[0].reason)


def test_folder_that_cannot_be_made_is_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(PictureError, match=r"out: this folder cannot be made \(Permission denied\); name another"):
        make_folder(tmp_path / "out")


def test_full_disk_fails_the_picture_and_leaves_nothing(
    colorizer: Colorizer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if ".2.png" in self.name:
            real(self, data[:10])
            raise OSError(28, "No space left on device")
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    results = color(colorizer, photos, tmp_path / "out")
    assert outcomes(results) == [DONE, FAILED, DONE, DONE, DONE, DONE]
    assert "the disk is full" in str(results[1].reason)
    assert files(tmp_path / "out") == ["1.jpg", "3.tif", "4.bmp", "sub/5.webp", "sub/6.jpg"]


@pytest.mark.parametrize("stage", ["open_pages", "see", "paint", "write_picture"])
def test_want_of_memory_fails_the_picture_alone(
    colorizer: Colorizer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    place: Any = stills_module if stage in ("open_pages", "write_picture") else colorizer
    real = getattr(place, stage)
    calls = iter(range(99))

    def full(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == 0:
            raise MemoryError
        return real(*args, **kwargs)

    monkeypatch.setattr(place, stage, full)
    results = color(colorizer, photos, tmp_path / "out")
    assert sorted(outcomes(results), key=str) == [DONE] * 5 + [FAILED]
    (failed,) = [result for result in results if result.outcome is FAILED]
    assert failed.reason is not None
    assert failed.reason.startswith(f"{failed.job.source}: there is not enough memory")


def test_network_without_a_finite_number_fails_each_picture_by_name(
    make_onnx: Callable[..., Path], photos: Path, tmp_path: Path
) -> None:
    nan = float("nan")
    with Colorizer(make_onnx(tmp_path / "nan.onnx", offset=(nan, nan)), render_factor=1) as colorizer:
        results = color(colorizer, photos, tmp_path / "out")
    assert outcomes(results) == [FAILED] * 6
    assert str(results[0].reason).startswith(f"{photos / '1.jpg'}: the network answered with no finite number")


def test_failing_network_ends_the_run_and_keeps_what_is_done(
    colorizer: Colorizer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = colorizer.guess, iter(range(99))

    def fails(squares: Any) -> Any:
        if next(calls) == 3:
            raise ModelError("tiny: the network failed")
        return real(squares)

    monkeypatch.setattr(colorizer, "guess", fails)
    with pytest.raises(ModelError, match="tiny: the network failed"):
        color(colorizer, photos, tmp_path / "out")
    assert_whole(tmp_path / "out")


def test_interrupt_leaves_whole_files_only(
    colorizer: Colorizer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of the formats there, PNG is written by Path.write_bytes.
    (photos / "1.jpg").unlink()
    writing, interrupted = threading.Event(), threading.Event()
    real_write, real_guess, calls = Path.write_bytes, colorizer.guess, iter(range(99))

    def slow(self: Path, data: bytes) -> int:
        real_write(self, data[: len(data) // 2])
        writing.set()
        interrupted.wait(30)
        return real_write(self, data)

    def guess(squares: Any) -> Any:
        if next(calls) == 1:
            assert writing.wait(30)
            interrupted.set()
            raise KeyboardInterrupt
        return real_guess(squares)

    monkeypatch.setattr(Path, "write_bytes", slow)
    monkeypatch.setattr(colorizer, "guess", guess)
    with pytest.raises(KeyboardInterrupt):
        color(colorizer, photos, tmp_path / "out")
    assert files(tmp_path / "out") == ["2.png"]
    assert_whole(tmp_path / "out")


def assert_whole(folder: Path) -> None:
    """No file of this folder is hidden or cut off."""
    for name in files(folder):
        assert not Path(name).name.startswith(".")
        with Image.open(folder / name) as image:
            image.load()
