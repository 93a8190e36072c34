"""Many pictures: the folder is mirrored, inputs stay, nothing is overwritten unasked, settings hold."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from colored_files import DONE, FAILED, SKIPPED, color, files, outcomes
from PIL import Image

from colorrt import kernels
from colorrt.errors import UsageError
from colorrt.runtime.folder import Settings, color_jobs
from colorrt.runtime.jobs import Job, plan_jobs
from colorrt.runtime.pictures.reading import read_picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from colorrt.runtime.colorizer import Colorizer


def digest(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files(folder)}


def test_folder_is_mirrored_in_color_and_itself_unchanged(colorizer: Colorizer, photos: Path, tmp_path: Path) -> None:
    before = digest(photos)
    results = color(colorizer, photos, tmp_path / "out")
    assert outcomes(results) == [DONE] * 6
    assert digest(photos) == before
    assert files(tmp_path / "out") == sorted(before)
    for name in before:
        with Image.open(tmp_path / "out" / name) as colored:
            assert (colored.mode, colored.size) == ("RGB", (12, 8))
            red, _, blue = np.moveaxis(np.asarray(colored).astype(int), -1, 0)
            assert (red - blue).mean() > 10


def test_results_come_in_the_order_of_the_jobs(
    colorizer: Colorizer, save_gray: Callable[..., Path], tmp_path: Path
) -> None:
    # Large and small, sound and broken take their own time each.
    names = [f"{number:02}.png" for number in range(12)]
    for number, name in enumerate(names):
        save_gray(tmp_path / "photos" / name, size=(400, 400) if number % 3 == 0 else (4, 4))
    (tmp_path / "photos" / names[1]).write_bytes(b"")
    results = color(colorizer, tmp_path / "photos", tmp_path / "out")
    assert [result.job.source.name for result in results] == names
    assert outcomes(results) == [DONE, FAILED] + [DONE] * 10


def test_what_exists_is_skipped_unless_overwritten(colorizer: Colorizer, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    (out / "2.png").write_bytes(b"mine")
    first = color(colorizer, photos, out)
    assert outcomes(first) == [DONE, SKIPPED, DONE, DONE, DONE, DONE]
    assert first[1].reason == f"{out / '2.png'} exists"
    assert (out / "2.png").read_bytes() == b"mine"
    assert outcomes(color(colorizer, photos, out)) == [SKIPPED] * 6
    assert outcomes(color(colorizer, photos, out, overwrite=True)) == [DONE] * 6
    with Image.open(out / "2.png") as colored:
        assert colored.mode == "RGB"


def test_failed_picture_is_tried_again_by_the_next_run(
    colorizer: Colorizer, save_gray: Callable[..., Path], photos: Path, tmp_path: Path
) -> None:
    (photos / "1.jpg").write_bytes(b"")
    assert outcomes(color(colorizer, photos, tmp_path / "out"))[0] is FAILED
    save_gray(photos / "1.jpg")
    assert outcomes(color(colorizer, photos, tmp_path / "out")) == [DONE] + [SKIPPED] * 5


def test_formats_that_hold_no_color_become_png(
    colorizer: Colorizer, save_gray: Callable[..., Path], tmp_path: Path
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    save_gray(photos / "a.gif")
    save_gray(photos / "b.pgm")
    save_gray(photos / "c.png", mode="LA")
    Image.fromarray(np.arange(96, dtype=np.uint16).reshape(8, 12) * 600).save(photos / "d.png")
    Image.new("LA", (5, 4), (120, 40)).save(photos / "e.png")
    (photos / "e.png").rename(photos / "e.jpg")
    results = color(colorizer, photos, out)
    assert outcomes(results) == [DONE] * 5
    assert [result.job.target.name for result in results] == ["a.png", "b.png", "c.png", "d.png", "e.png"]
    assert files(out) == ["a.png", "b.png", "c.png", "d.png", "e.png"]
    with Image.open(out / "e.png") as colored:
        assert colored.mode == "RGBA"
        assert colored.getchannel("A").getextrema() == (40, 40)
    assert outcomes(color(colorizer, photos, out)) == [SKIPPED] * 5


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_stay_sixteen_and_luma_exact(colorizer: Colorizer, tmp_path: Path, name: str) -> None:
    gray = np.random.default_rng(0).integers(0, 65536, (90, 70)).astype(np.uint16)
    (tmp_path / "photos").mkdir()
    Image.fromarray(gray).save(tmp_path / "photos" / name)
    assert outcomes(color(colorizer, tmp_path / "photos", tmp_path / "out")) == [DONE]
    pixels = read_picture(tmp_path / "out" / name).pixels
    assert pixels.dtype == np.uint16
    assert np.abs(kernels.luma(pixels).astype(int) - gray).max() <= 1
    assert (pixels[..., 0].astype(int) - pixels[..., 2]).mean() > 1000


def test_sixteen_bits_are_colored_as_eight_are(colorizer: Colorizer, tmp_path: Path) -> None:
    gray = np.linspace(0, 255, 96).astype(np.uint8).reshape(8, 12)
    (tmp_path / "photos").mkdir()
    Image.fromarray(gray).save(tmp_path / "photos" / "8.png")
    Image.fromarray(gray.astype(np.uint16) * 257).save(tmp_path / "photos" / "16.png")
    assert outcomes(color(colorizer, tmp_path / "photos", tmp_path / "out")) == [DONE] * 2
    eight, sixteen = (read_picture(tmp_path / "out" / name).pixels for name in ("8.png", "16.png"))
    assert np.abs(eight * 257.0 - sixteen).max() <= 257


def test_no_two_pictures_become_one_file(colorizer: Colorizer, save_gray: Callable[..., Path], tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for name in ("a.gif", "a.pgm", "a.png", "b.gif", "b.pgm"):
        save_gray(photos / name)
    for _ in range(2):
        results = color(colorizer, photos, tmp_path / "out", overwrite=True)
        assert outcomes(results) == [FAILED, FAILED, DONE, DONE, FAILED]
        assert results[4].reason == (
            f"{photos / 'b.pgm'}: its output {tmp_path / 'out/b.png'} is already that of {photos / 'b.gif'}; "
            "color one of them in a run with another -o"
        )


def test_png_in_place_of_a_suffix_never_overwrites_an_input(
    colorizer: Colorizer, save_gray: Callable[..., Path], tmp_path: Path
) -> None:
    gif, png = save_gray(tmp_path / "x/a.gif"), save_gray(tmp_path / "y/a.png")
    before = png.read_bytes()
    jobs = plan_jobs([str(gif), str(png)], tmp_path / "y", overwrite=True)
    results = list(color_jobs(colorizer, jobs, Settings(overwrite=True)))
    assert outcomes(results) == [FAILED, FAILED]
    assert png.read_bytes() == before
    (alone,) = color_jobs(colorizer, [Job(png, tmp_path / "y/a.gif")], Settings(overwrite=True))
    assert alone.reason == f"{png}: its output would overwrite it; name another folder with -o"
    assert png.read_bytes() == before


def test_saturation_and_quality_are_those_of_the_settings(
    colorizer: Colorizer, save_gray: Callable[..., Path], tmp_path: Path
) -> None:
    save_gray(tmp_path / "photos/a.jpg", size=(200, 200))
    runs: dict[str, dict[str, Any]] = {"gray": {"saturation": 0.0}, "fine": {"quality": 98}, "coarse": {"quality": 20}}
    for name, settings in runs.items():
        assert outcomes(color(colorizer, tmp_path / "photos", tmp_path / name, **settings)) == [DONE]
    with Image.open(tmp_path / "gray/a.jpg") as gray:
        levels = np.asarray(gray).astype(int)
    assert np.abs(levels - levels[..., :1]).max() <= 1
    assert (tmp_path / "fine/a.jpg").stat().st_size > (tmp_path / "coarse/a.jpg").stat().st_size


@pytest.mark.parametrize("saturation", [-1.0, float("nan"), 11.0])
def test_impossible_saturation_is_refused_before_the_first_picture(
    colorizer: Colorizer, photos: Path, tmp_path: Path, saturation: float
) -> None:
    with pytest.raises(UsageError, match=r"is outside 0\.\.10"):
        color(colorizer, photos, tmp_path / "out", saturation=saturation)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("quality", [0, 101])
def test_impossible_quality_is_refused_at_once(quality: int) -> None:
    with pytest.raises(UsageError, match=f"quality {quality} is outside 1..100"):
        Settings(quality=quality)


def test_no_jobs_are_no_results(colorizer: Colorizer) -> None:
    assert list(color_jobs(colorizer, [], Settings())) == []
