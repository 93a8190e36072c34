"""A scan of any kind becomes a copy in color of its depth, size and alpha, and what is wrong fails alone."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from colored_files import DEEP, GRAY, assert_luma
from PIL import Image, ImageCms, features

from colorrt import kernels
from colorrt.runtime.folder import Outcome, Result, Settings, color_jobs
from colorrt.runtime.jobs import Job
from colorrt.runtime.pictures.reading import read_picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from colorrt.runtime.colorizer import Colorizer


@pytest.mark.parametrize("levels", [GRAY, DEEP], ids=["8", "16"])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_gray_tiff_becomes_color_of_its_depth(
    color: Callable[..., Result], tmp_path: Path, levels: NDArray[Any], compression: str
) -> None:
    Image.fromarray(levels).save(tmp_path / "a.tif", compression=compression)
    assert color(tmp_path / "a.tif").outcome is Outcome.DONE
    assert_luma(tmp_path / "out/a.tif", levels)
    with tifffile.TiffFile(tmp_path / "out/a.tif") as file:
        assert (file.pages[0].compression == 1) == (compression == "raw")


@pytest.mark.parametrize("levels", [GRAY, DEEP], ids=["8", "16"])
@pytest.mark.parametrize("options", [{"tile": (16, 16)}, {"bigtiff": True}, {"photometric": "miniswhite"}], ids=str)
def test_tiles_big_tiff_and_negatives_are_colored(
    color: Callable[..., Result], tmp_path: Path, levels: NDArray[Any], options: dict[str, Any]
) -> None:
    negative = options.get("photometric") == "miniswhite"
    tifffile.imwrite(tmp_path / "a.tif", ~levels if negative else levels, metadata=None, **options)
    assert color(tmp_path / "a.tif").outcome is Outcome.DONE
    assert_luma(tmp_path / "out/a.tif", levels)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt", "raw"])
def test_bilevel_fax_tiff_is_colored(color: Callable[..., Result], tmp_path: Path, compression: str) -> None:
    bits = GRAY > 100
    Image.fromarray(bits).save(tmp_path / "a.tif", compression=compression)
    assert color(tmp_path / "a.tif").outcome is Outcome.DONE
    assert np.array_equal(kernels.luma(read_picture(tmp_path / "out/a.tif").pixels), bits * np.uint8(255))


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "P", "LAB", "YCbCr"])
def test_color_scan_gives_its_luma(color: Callable[..., Result], tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(np.dstack([GRAY // 2 + 60, GRAY // 2 + 40, GRAY // 2 + 20]))
    image = image.quantize(64) if mode == "P" else image.convert(mode) if mode != "LAB" else as_lab(image)
    image.save(tmp_path / "a.tif", compression="tiff_lzw")
    expected = kernels.luma(read_picture(tmp_path / "a.tif").pixels)
    assert color(tmp_path / "a.tif").outcome is Outcome.DONE
    assert_luma(tmp_path / "out/a.tif", expected)


def as_lab(image: Image.Image) -> Image.Image:
    lab = ImageCms.profileToProfile(
        image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    return lab


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
@pytest.mark.parametrize("levels", [GRAY, DEEP], ids=["8", "16"])
def test_alpha_keeps_its_depth(color: Callable[..., Result], tmp_path: Path, name: str, levels: NDArray[Any]) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.dstack([levels, levels[::-1]]),
        planarconfig="contig",
        photometric="minisblack",
        extrasamples=["unassalpha"],
        metadata=None,
    )
    assert color(tmp_path / "a.tif", name).outcome is Outcome.DONE
    assert_luma(tmp_path / "out" / name, levels)
    assert np.array_equal(read_picture(tmp_path / "out" / name).alpha, levels[::-1])


@pytest.mark.skipif(not features.check("webp"), reason="this Pillow has no WebP")
def test_webp_is_read_and_written(color: Callable[..., Result], tmp_path: Path) -> None:
    Image.fromarray(np.tile(np.arange(0, 240, 6, dtype=np.uint8), (24, 1))).save(tmp_path / "a.webp", lossless=True)
    assert color(tmp_path / "a.webp").outcome is Outcome.DONE
    again = read_picture(tmp_path / "out/a.webp")
    assert again.format == "WEBP"
    assert (again.pixels[..., 0].astype(int) - again.pixels[..., 2]).mean() > 10


@pytest.mark.parametrize("size", [(1, 1), (65535, 1), (1, 65535), (7, 3)])
@pytest.mark.parametrize("name", ["a.tif", "a.png"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_sides_of_any_length_are_colored(
    color: Callable[..., Result], tmp_path: Path, size: tuple[int, int], name: str, dtype: type[np.generic]
) -> None:
    gray = np.full(size[::-1], np.iinfo(dtype).max // 2, dtype)
    Image.fromarray(gray).save(tmp_path / name)
    assert color(tmp_path / name).outcome is Outcome.DONE
    assert_luma(tmp_path / "out" / name, gray)


def test_wrong_inputs_fail_alone_in_one_line(colorizer: Colorizer, tmp_path: Path) -> None:
    whole = io.BytesIO()
    Image.fromarray(DEEP).save(whole, "TIFF", compression="tiff_lzw")
    contents = {
        "empty.tif": b"",
        "cut.tif": whole.getvalue()[: len(whole.getvalue()) // 2],
        "text.tif": b"Dear all,\n",
        "loop.tif": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
        "good.tif": whole.getvalue(),
        "named.jpg": whole.getvalue(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    jobs = [Job(tmp_path / name, tmp_path / "out" / name) for name in contents]
    results = list(color_jobs(colorizer, jobs, Settings()))
    assert [result.outcome for result in results] == [Outcome.FAILED] * 4 + [Outcome.DONE] * 2
    for result in results[:4]:
        assert str(result.reason).startswith(f"{result.job.source}: ")
        assert "\n" not in str(result.reason)
    assert_luma(tmp_path / "out/good.tif", DEEP)
