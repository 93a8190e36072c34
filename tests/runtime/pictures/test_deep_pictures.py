"""All 16 bits of color and alpha are read, from any TIFF or PNG that has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from picture_files import png_bytes

from colorrt.errors import PictureError
from colorrt.runtime.pictures.reading import read_picture

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LEVELS = np.random.default_rng(0).integers(0, 65536, (37, 53, 4)).astype(np.uint16)
RGB, ALPHA, GRAY = LEVELS[..., :3], LEVELS[..., 3], LEVELS[..., 0]


def write_png(path: Path, levels: NDArray[np.uint16], key: bytes = b"") -> Path:
    """A PNG of 16 bits and 1 to 4 channels, by definition and without our writer."""
    _, width, channels = levels.shape
    rows = [row.astype(">u2").tobytes() for row in levels]
    path.write_bytes(png_bytes(width, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], rows, key))
    return path


def write_tiff(path: Path, levels: NDArray[Any], **options: Any) -> Path:
    if levels.shape[-1] == 1:
        levels = levels[..., 0]
    elif levels.shape[-1] < 5:
        options = {"planarconfig": "contig"} | options
    options = {"photometric": "rgb" if levels.shape[-1] in (3, 4) else "minisblack"} | options
    tifffile.imwrite(path, levels, metadata=None, **options)
    return path


def assert_read(path: Path, pixels: NDArray[Any], alpha: NDArray[Any] | None = None) -> None:
    picture = read_picture(path)
    assert picture.pixels.dtype == pixels.dtype
    assert picture.pixels.dtype.isnative
    assert picture.pixels.flags.c_contiguous
    assert np.array_equal(picture.pixels, pixels)
    assert (picture.alpha is None) == (alpha is None)
    if alpha is not None:
        assert picture.alpha is not None
        assert picture.alpha.dtype == alpha.dtype
        assert np.array_equal(picture.alpha, alpha)


def test_png_of_16_bits_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    assert_read(write_png(path, LEVELS[..., :1]), GRAY)
    assert_read(write_png(path, np.dstack([GRAY, ALPHA])), GRAY, ALPHA)
    assert_read(write_png(path, RGB), RGB)
    assert_read(write_png(path, LEVELS), RGB, ALPHA)


def test_transparent_color_of_png_is_told_by_all_its_bits(tmp_path: Path) -> None:
    rgb = RGB.copy()
    rgb[0, 0] = (0x1234, 0x5678, 0x9ABC)
    rgb[0, 1] = (0x1234, 0x5678, 0x9ABD)
    expected = np.full(GRAY.shape, 65535, np.uint16)
    expected[0, 0] = 0
    assert_read(write_png(tmp_path / "a.png", rgb, b"\x12\x34\x56\x78\x9a\xbc"), rgb, expected)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize(
    ("compression", "predictor"), [(None, False), ("adobe_deflate", False), ("adobe_deflate", True)]
)
def test_tiff_of_16_bits_is_exact(
    tmp_path: Path, order: str, tile: tuple[int, int] | None, compression: str | None, predictor: bool
) -> None:
    path = tmp_path / "a.tif"
    options: dict[str, Any] = {"byteorder": order, "tile": tile, "compression": compression, "predictor": predictor}
    assert_read(write_tiff(path, GRAY[..., None], **options), GRAY)
    assert_read(write_tiff(path, RGB, **options), RGB)
    assert_read(write_tiff(path, LEVELS, extrasamples=["unassalpha"], **options), RGB, ALPHA)
    assert_read(write_tiff(path, LEVELS, extrasamples=["unspecified"], **options), RGB)
    gray_alpha = np.dstack([GRAY, ALPHA])
    assert_read(write_tiff(path, gray_alpha, extrasamples=["unassalpha"], **options), GRAY, ALPHA)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("compression", [None, "adobe_deflate"])
def test_tiff_with_planes_apart_is_exact(tmp_path: Path, big: bool, compression: str | None) -> None:
    path = tmp_path / "a.tif"
    planes = np.moveaxis(LEVELS, -1, 0)
    options: dict[str, Any] = {
        "planarconfig": "separate",
        "photometric": "rgb",
        "bigtiff": big,
        "compression": compression,
    }
    assert_read(write_tiff(path, planes[:3], **options), RGB)
    assert_read(write_tiff(path, planes, extrasamples=["unassalpha"], **options), RGB, ALPHA)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_big_tiff_is_exact(tmp_path: Path, dtype: type[np.generic]) -> None:
    rgb = RGB.astype(dtype)
    assert_read(write_tiff(tmp_path / "a.tif", rgb, bigtiff=True), rgb)
    assert_read(write_tiff(tmp_path / "a.tif", rgb[..., :1], bigtiff=True), rgb[..., 0])


def test_premultiplied_alpha_is_divided_out(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    alpha = np.array([[0, 1, 1000, 40000, 65535]], np.uint16)
    straight = np.array([[0, 65535, 30000, 12345, 777]], np.uint16)
    multiplied = ((straight.astype(np.int64) * alpha + 32767) // 65535).astype(np.uint16)
    rgba = np.dstack([multiplied] * 3 + [alpha])
    for levels in (rgba, rgba[..., 2:]):
        picture = read_picture(write_tiff(path, levels, extrasamples=["assocalpha"]))
        assert picture.alpha is not None
        assert np.array_equal(picture.alpha, alpha)
        gray = picture.pixels if picture.pixels.ndim == 2 else picture.pixels[..., 1]
        # What alpha has rounded away cannot come back: 65535 / (2 alpha) levels at most.
        assert (np.abs(gray[0, 1:].astype(int) - straight[0, 1:]) <= np.ceil(32768 / alpha[0, 1:])).all()


def test_negative_with_alpha_is_no_negative(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", np.dstack([~GRAY, ALPHA]), photometric="miniswhite", extrasamples=[2])
    assert_read(path, GRAY, ALPHA)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_deep_tiff_is_turned_upright_once(tmp_path: Path, orientation: int) -> None:
    expected = {3: LEVELS[::-1, ::-1], 6: np.rot90(LEVELS, -1), 8: np.rot90(LEVELS)}[orientation]
    tag = [(274, "H", 1, orientation, True)]
    path = tmp_path / "a.tif"
    assert_read(write_tiff(path, RGB, extratags=tag), expected[..., :3])
    odd = write_tiff(path, np.dstack([GRAY, ALPHA]), extrasamples=["unassalpha"], extratags=tag)
    assert_read(odd, expected[..., 0], expected[..., 3])


def test_page_that_only_tifffile_reads_keeps_its_metadata(tmp_path: Path) -> None:
    path = write_tiff(
        tmp_path / "a.tif",
        np.dstack([GRAY, ALPHA]),
        extrasamples=["unassalpha"],
        resolution=(300, 600),
        resolutionunit="inch",
        extratags=[(271, 2, 6, b"Maker\0", True), (700, "B", 26, b"<x:xmpmeta></x:xmpmeta>   ", True)],
    )
    picture = read_picture(path)
    assert picture.dpi == (300, 600)
    assert picture.exif is not None
    assert b"Maker" in picture.exif
    assert picture.xmp is not None


def test_limit_of_pixels_holds_for_pages_that_only_tifffile_reads(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", np.dstack([GRAY, ALPHA]), extrasamples=["unassalpha"])
    with pytest.raises(PictureError, match="53 x 37 = 1,961 pixels are more than the limit of 1,960"):
        read_picture(path, 1960)


@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
@pytest.mark.parametrize("compression", [None, "adobe_deflate"])
def test_deep_tiff_that_is_cut_off_is_refused(tmp_path: Path, share: float, compression: str | None) -> None:
    path = tmp_path / "a.tif"
    for levels in (RGB, np.dstack([GRAY, ALPHA])):
        kinds = {} if levels is RGB else {"extrasamples": ["unassalpha"]}
        whole = write_tiff(path, levels, compression=compression, **kinds).read_bytes()
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(PictureError) as caught:
            read_picture(path)
        assert "\n" not in str(caught.value)
