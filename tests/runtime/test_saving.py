from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from colorrt.errors import ArtifactError, ColorrtError, PictureError, UsageError
from colorrt.runtime.atomic import atomic_path, shown
from colorrt.runtime.pictures import PICTURE_SUFFIXES, Picture, read_picture
from colorrt.runtime.saving import output_suffix, write_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

GENERATOR = np.random.default_rng(0)
RGB = GENERATOR.integers(0, 256, (24, 40, 3), np.uint8)
ALPHA = GENERATOR.integers(0, 256, (24, 40), np.uint8)
SMOOTH = np.stack(np.broadcast_arrays(np.arange(40) * 6, np.arange(24)[:, None] * 10, 99), -1).astype(np.uint8)

OPAQUE = Picture(np.zeros((24, 40), np.uint8))
TRANSPARENT = Picture(np.zeros((24, 40), np.uint8), alpha=ALPHA)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_sentence(error: BaseException, path: Path) -> None:
    message = str(error)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    assert "; " in message


def write_half(path: Path, error: BaseException, failure: type[ColorrtError] = ColorrtError) -> None:
    with atomic_path(path, failure) as part:
        part.write_text("half of it")
        raise error


# atomic_path


def test_file_appears_under_its_name_once_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "report.json"

    with atomic_path(path) as part:
        part.write_text("{}")
        assert part.parent == tmp_path
        assert part.name.startswith(".report.json.")
        assert part.suffix == ".part"
        assert not path.exists()

    assert path.read_text() == "{}"
    assert names_in(tmp_path) == ["report.json"]


@pytest.mark.parametrize("error", [ValueError("half"), KeyboardInterrupt(), SystemExit(1)])
@pytest.mark.parametrize("existing", [None, "old"])
def test_failing_block_leaves_all_as_it_was(tmp_path: Path, error: BaseException, existing: str | None) -> None:
    path = tmp_path / "a.txt"
    if existing is not None:
        path.write_text(existing)

    with pytest.raises(type(error)) as caught:
        write_half(path, error)

    assert caught.value is error
    assert names_in(tmp_path) == ([] if existing is None else ["a.txt"])
    assert existing is None or path.read_text() == existing


@pytest.mark.parametrize("failure", [ColorrtError, PictureError, ArtifactError])
def test_full_disk_becomes_a_sentence_and_leaves_nothing(tmp_path: Path, failure: type[ColorrtError]) -> None:
    path = tmp_path / "a.txt"

    with pytest.raises(failure, match="the disk is full") as caught:
        write_half(path, OSError(errno.ENOSPC, "No space left on device"), failure)

    assert type(caught.value) is failure
    assert_sentence(caught.value, path)
    assert names_in(tmp_path) == []


def test_error_without_number_becomes_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"

    with pytest.raises(ColorrtError, match="encoder error -2; ") as caught, atomic_path(path):
        raise OSError("encoder\nerror -2")

    assert_sentence(caught.value, path)


def test_missing_folder_and_folder_as_name_are_refused_before_the_block(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, words in (
        (tmp_path / "missing" / "a.png", "folder does not exist"),
        (tmp_path / "file" / "a.png", "is a file"),
        (tmp_path, "it is a folder"),
        (tmp_path / ("n" * 300), "too long"),
    ):
        entered = False
        with pytest.raises(ColorrtError, match=words) as caught, atomic_path(path):
            entered = True

        # A name that is too long shows when the file is moved to it.
        assert not entered or words == "too long"
        assert_sentence(caught.value, path)
    assert names_in(tmp_path) == ["file"]


def test_unwritable_folder_becomes_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # chmod does not keep root out.
    def denied(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(ColorrtError, match="no permission to write") as caught, atomic_path(tmp_path / "a"):
        pass

    assert_sentence(caught.value, tmp_path / "a")


def test_device_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    with pytest.raises(ColorrtError, match="not a regular file") as caught, atomic_path(path):
        pass

    assert_sentence(caught.value, path)
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert names_in(tmp_path) == ["pipe"]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "a") as part:
            part.write_text("a")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_symbolic_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "real" / "a.txt")

    with atomic_path(link) as part:
        part.write_text("a")

    assert link.is_symlink()
    assert (tmp_path / "real" / "a.txt").read_text() == "a"
    assert names_in(tmp_path / "real") == ["a.txt"]


def test_long_name_in_any_script_can_be_saved(tmp_path: Path) -> None:
    path = tmp_path / ("写" * 83 + ".txt")

    with atomic_path(path) as part:
        part.write_text("a")

    assert path.read_text() == "a"


def test_two_writers_of_one_name_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "a"

    with atomic_path(path) as first, atomic_path(path) as second:
        first.write_text("first")
        second.write_text("second")
        assert first != second

    assert path.read_text() == "first"
    assert names_in(tmp_path) == ["a"]


def test_shown_path_is_one_printable_line() -> None:
    assert shown(Path("фото 1.png")) == "фото 1.png"
    assert shown("a\nb\tc") == "a\\nb\\tc"
    assert shown(os.fsdecode(b"a\xff")) == "a\\udcff"


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


@pytest.mark.parametrize("quality", [0, 101, -1])
def test_senseless_quality_is_refused(tmp_path: Path, quality: int) -> None:
    with pytest.raises(UsageError, match="1 to 100") as caught:
        write_picture(tmp_path / "a.jpg", RGB, OPAQUE, quality=quality)

    assert_sentence(caught.value, tmp_path / "a.jpg")
    assert names_in(tmp_path) == []


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


@pytest.mark.parametrize("name", ["a.gif", "a.pgm", "a.xyz", "a"])
def test_suffix_without_color_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PictureError, match=r"names no format.*\.png") as caught:
        write_picture(tmp_path / name, RGB, OPAQUE)

    assert_sentence(caught.value, tmp_path / name)
    assert names_in(tmp_path) == []


def test_side_too_long_for_the_format_is_refused(tmp_path: Path) -> None:
    rgb = np.zeros((1, 65501, 3), np.uint8)

    with pytest.raises(PictureError, match="65501 x 1 pixels are too many for JPEG") as caught:
        write_picture(tmp_path / "a.jpg", rgb, Picture(rgb[..., 0]))

    assert_sentence(caught.value, tmp_path / "a.jpg")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError("no\nway"), MemoryError(), KeyboardInterrupt()])
def test_failing_encoder_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def half(self: object, stream: Any, **_: object) -> None:
        stream.write(b"half of it")
        raise error

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises((PictureError, KeyboardInterrupt)) as caught:
        write_picture(path, RGB, OPAQUE)

    if not isinstance(error, KeyboardInterrupt):
        assert_sentence(caught.value, path)
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.png"]


def test_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as stream:
            stream.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PictureError, match="the disk is full") as caught:
        write_picture(path, RGB, OPAQUE)

    assert_sentence(caught.value, path)
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.png"]


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="folder does not exist") as caught:
        write_picture(tmp_path / "missing" / "a.png", RGB, OPAQUE)

    assert_sentence(caught.value, tmp_path / "missing" / "a.png")


def test_arrays_that_are_no_picture_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(ValueError, match="H, W, 3"):
        write_picture(path, RGB[..., 0], OPAQUE)
    with pytest.raises(TypeError, match="uint8 or uint16"):
        write_picture(path, RGB / 255, OPAQUE)
    with pytest.raises(ValueError, match="as large as"):
        write_picture(path, RGB[:10], TRANSPARENT)
    assert names_in(tmp_path) == []
