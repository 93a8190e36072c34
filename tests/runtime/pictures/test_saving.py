"""A colored copy is saved in a format that holds it, exactly where that is lossless, with what its source carried."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from picture_files import names_in
from pictures_to_save import ALPHA, OPAQUE, RGB, SMOOTH, TRANSPARENT
from PIL import Image, ImageCms, features

from colorrt.runtime.pictures.reading import PICTURE_SUFFIXES, Picture, read_picture
from colorrt.runtime.pictures.writing import output_suffix, write_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray


# output_suffix


@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".jpeg", ".png", ".tif", ".TIFF", ".bmp", ".ppm"])
def test_suffix_that_holds_color_is_kept(suffix: str) -> None:
    assert output_suffix(OPAQUE, suffix) == suffix


@pytest.mark.parametrize("suffix", [".gif", ".pgm", ".pbm", ".GIF", ".heic", ""])
def test_suffix_that_holds_no_color_becomes_png(suffix: str) -> None:
    assert output_suffix(OPAQUE, suffix) == ".png"


@pytest.mark.parametrize(
    ("suffix", "kept"),
    [(".jpg", ".png"), (".bmp", ".png"), (".ppm", ".png"), (".png", ".png"), (".tif", ".tif")],
)
def test_suffix_that_holds_no_alpha_becomes_png(suffix: str, kept: str) -> None:
    assert output_suffix(TRANSPARENT, suffix) == kept


@pytest.mark.parametrize(("suffix", "kept"), [(".jp2", ".png"), (".ppm", ".png"), (".TIF", ".TIF"), (".jpg", ".jpg")])
def test_lossless_suffix_that_holds_8_bits_becomes_png_for_16(suffix: str, kept: str) -> None:
    assert output_suffix(Picture(np.zeros((24, 40), np.uint16)), suffix) == kept


@pytest.mark.parametrize("suffix", sorted(PICTURE_SUFFIXES))
@pytest.mark.parametrize("picture", [OPAQUE, TRANSPARENT])
def test_every_readable_suffix_leads_to_a_file_that_keeps_the_alpha(
    tmp_path: Path, suffix: str, picture: Picture
) -> None:
    path = (tmp_path / "a").with_suffix(output_suffix(picture, suffix))

    write_picture(path, SMOOTH, picture)
    again = read_picture(path)

    assert again.pixels.shape == SMOOTH.shape
    assert np.abs(again.pixels.astype(int) - SMOOTH)[ALPHA > 250].mean() < 3
    assert (again.alpha is None) == (picture.alpha is None)


# write_picture


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.ppm", "a.tga", "A.PNG"])
def test_lossless_formats_are_exact(tmp_path: Path, name: str) -> None:
    write_picture(tmp_path / name, RGB, OPAQUE)

    again = read_picture(tmp_path / name)
    assert np.array_equal(again.pixels, RGB)
    assert again.alpha is None
    assert names_in(tmp_path) == [name]


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("deep", [False, True])
def test_alpha_is_kept(tmp_path: Path, name: str, deep: bool) -> None:
    alpha: NDArray[Any] = ALPHA * np.uint16(257) if deep else ALPHA

    write_picture(tmp_path / name, RGB, Picture(OPAQUE.pixels, alpha=alpha))

    again = read_picture(tmp_path / name)
    assert np.array_equal(again.pixels, RGB)
    assert np.array_equal(again.alpha, ALPHA)


@pytest.mark.skipif(not features.check("webp"), reason="this Pillow has no WebP")
def test_webp_keeps_alpha_exactly(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.webp", SMOOTH, TRANSPARENT)

    assert np.array_equal(read_picture(tmp_path / "a.webp").alpha, ALPHA)


def test_jpeg_asked_for_by_name_drops_alpha(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.jpg", SMOOTH, TRANSPARENT)

    again = read_picture(tmp_path / "a.jpg")
    assert again.alpha is None
    assert np.abs(again.pixels.astype(int) - SMOOTH).max() < 8


def test_sixteen_bits_are_rounded_and_not_cut(tmp_path: Path) -> None:
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    rgb = np.stack([levels, levels[::-1], levels.T], axis=-1)

    write_picture(tmp_path / "a.bmp", rgb, Picture(levels))

    expected = (rgb.astype(np.int64) * 255 + 32767) // 65535
    assert np.array_equal(read_picture(tmp_path / "a.bmp").pixels, expected)


def test_array_of_any_layout_is_saved_as_it_looks(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", RGB[:, ::-1], Picture(OPAQUE.pixels, alpha=ALPHA[:, ::-1]))

    again = read_picture(tmp_path / "a.png")
    assert np.array_equal(again.pixels, RGB[:, ::-1])
    assert np.array_equal(again.alpha, ALPHA[:, ::-1])


def stripes() -> NDArray[np.uint8]:
    rgb = np.empty((64, 96, 3), np.uint8)
    rgb[:] = (0, 0, 255)
    rgb[:, np.arange(96) // 3 % 2 == 0] = (255, 40, 0)
    return rgb


def luma_of(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    return rgb @ np.array([0.299, 0.587, 0.114])


def test_saturated_edges_keep_their_luma_in_a_good_jpeg(tmp_path: Path) -> None:
    rgb = stripes()

    write_picture(tmp_path / "a.jpg", rgb, Picture(rgb[..., 0]))

    again = read_picture(tmp_path / "a.jpg").pixels
    assert np.abs(luma_of(again) - luma_of(rgb)).max() < 1.5
    assert np.abs(again.astype(int) - rgb).mean() < 2


def test_quality_of_jpeg_is_that_asked_for(tmp_path: Path) -> None:
    sizes = []
    for quality in (20, 70, 95):
        write_picture(tmp_path / "a.jpg", RGB, OPAQUE, quality=quality)
        sizes.append((tmp_path / "a.jpg").stat().st_size)

    assert sizes == sorted(sizes)
    assert sizes[0] * 2 < sizes[2]


def tagged() -> Picture:
    tags = Image.Exif()
    tags[0x010F] = "Maker"
    tags[0x8769] = {0x9003: "1936:02:01 00:00:00"}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return Picture(OPAQUE.pixels, exif=tags.tobytes(), dpi=(600.0, 300.0), icc_profile=profile)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp", "a.avif"])
def test_what_the_source_carried_is_saved(tmp_path: Path, name: str) -> None:
    if Path(name).suffix not in PICTURE_SUFFIXES:
        pytest.skip(f"this Pillow has no {Path(name).suffix}")
    source = tagged()

    write_picture(tmp_path / name, SMOOTH, source)

    again = read_picture(tmp_path / name)
    assert again.exif is not None
    assert source.exif is not None
    carried, expected = Image.Exif(), Image.Exif()
    carried.load(again.exif)
    expected.load(source.exif)
    assert carried[0x010F] == "Maker"
    assert carried.get_ifd(0x8769) == expected.get_ifd(0x8769) == {0x9003: "1936:02:01 00:00:00"}
    assert again.icc_profile == source.icc_profile
    if Path(name).suffix in (".jpg", ".png", ".tif"):
        assert again.dpi == pytest.approx(source.dpi, abs=0.02)


@pytest.mark.parametrize("name", ["a.bmp", "a.ppm", "a.tga", "a.jp2"])
def test_formats_without_tags_take_the_picture_alone(tmp_path: Path, name: str) -> None:
    if Path(name).suffix not in PICTURE_SUFFIXES:
        pytest.skip(f"this Pillow has no {Path(name).suffix}")

    write_picture(tmp_path / name, RGB, tagged())

    assert np.array_equal(read_picture(tmp_path / name).pixels, RGB)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp"])
@pytest.mark.parametrize("block", [b"Exif\0\0nonsense", b"Exif\0\0" + bytes(70_000)])
def test_senseless_tags_do_not_cost_the_picture(tmp_path: Path, name: str, block: bytes) -> None:
    if Path(name).suffix not in PICTURE_SUFFIXES:
        pytest.skip(f"this Pillow has no {Path(name).suffix}")

    write_picture(tmp_path / name, SMOOTH, Picture(OPAQUE.pixels, exif=block))

    assert read_picture(tmp_path / name).pixels.shape == SMOOTH.shape
