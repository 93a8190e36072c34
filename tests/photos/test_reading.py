from __future__ import annotations

import io
import shutil
import tarfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from colorrt.errors import PictureError, UsageError
from colorrt.photos.reading import decode_rgb, photo_names, read_rgb_photos

if TYPE_CHECKING:
    from pathlib import Path


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def photo(seed: int, height: int = 12, width: int = 17) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "b.png": encoded(photo(1)),
        "a/deep/er.jpg": encoded(photo(2), "JPEG"),
        "a/C.WEBP": encoded(photo(3), "WEBP"),
        "a-z.png": encoded(photo(4)),
        "notes.txt": b"no picture",
        ".hidden.png": encoded(photo(5)),
        ".cache/thumb.png": encoded(photo(6)),
    }
    root = tmp_path / "photos"
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def packed(folder: Path, kind: str = "w") -> Path:
    """Pack the folder in an order that is not sorted, with the leading ./ that `tar c .` writes."""
    path = folder.with_suffix(".tar")
    with tarfile.open(path, kind) as archive:
        for file in sorted(folder.rglob("*"), reverse=True):
            archive.add(file, f"./{file.relative_to(folder).as_posix()}", recursive=False)
    return path


@pytest.mark.parametrize("kind", ["w", "w:gz"])
def test_tar_gives_what_its_folder_gives(folder: Path, kind: str) -> None:
    from_folder = list(read_rgb_photos(folder))
    from_tar = list(read_rgb_photos(packed(folder, kind)))
    assert [name for name, _ in from_folder] == ["a-z.png", "a/C.WEBP", "a/deep/er.jpg", "b.png"]
    assert [name for name, _ in from_tar] == [name for name, _ in from_folder]
    for (_, left), (_, right) in zip(from_folder, from_tar, strict=True):
        assert left.dtype == np.uint8
        assert np.array_equal(left, right)
    assert np.array_equal(from_folder[3][1], np.asarray(photo(1)))


def test_names_are_those_that_are_read(folder: Path) -> None:
    assert photo_names(folder) == [name for name, _ in read_rgb_photos(folder)]


@pytest.mark.parametrize("as_tar", [False, True])
def test_corrupt_pictures_are_skipped_and_named(folder: Path, as_tar: bool) -> None:
    (folder / "a" / "empty.png").write_bytes(b"")
    (folder / "cut.png").write_bytes(encoded(photo(7))[:200])
    (folder / "cut.jpg").write_bytes(encoded(photo(8, 200, 200), "JPEG")[:2000])
    (folder / "words.jpg").write_bytes(b"this is no picture")
    skipped: dict[str, str] = {}
    source = packed(folder) if as_tar else folder
    names = [name for name, _ in read_rgb_photos(source, skipped.__setitem__)]
    assert names == ["a-z.png", "a/C.WEBP", "a/deep/er.jpg", "b.png"]
    assert sorted(skipped) == ["a/empty.png", "cut.jpg", "cut.png", "words.jpg"]
    assert skipped["words.jpg"] == "not a picture in a known format"
    for reason in skipped.values():
        assert reason
        assert "\n" not in reason


def test_corrupt_pictures_are_skipped_without_anyone_listening(folder: Path) -> None:
    (folder / "words.jpg").write_bytes(b"this is no picture")
    assert len(list(read_rgb_photos(folder))) == 4


def test_source_without_one_readable_picture_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "words.jpg").write_bytes(b"this is no picture")
    skipped: list[str] = []
    with pytest.raises(PictureError, match="none of its 1 pictures"):
        list(read_rgb_photos(tmp_path, lambda name, _: skipped.append(name)))
    assert skipped == ["words.jpg"]


# These are raised by the call itself, before the first picture is asked for.


def test_missing_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_rgb_photos(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"no archive at all " * 100])
def test_file_that_is_no_tar_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photos.tar"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"photos\.tar"):
        read_rgb_photos(path)


def test_source_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(UsageError, match="holds no pictures"):
        read_rgb_photos(tmp_path)


@pytest.mark.parametrize("kind", ["w", "w:gz"])
def test_tar_that_is_cut_off_says_so(folder: Path, kind: str) -> None:
    path = packed(folder, kind)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(PictureError, match="cut off or damaged"):
        read_rgb_photos(path)


def test_tar_that_is_damaged_inside_says_so(folder: Path) -> None:
    (folder / "big.png").write_bytes(np.random.default_rng(0).bytes(100_000))
    path = packed(folder, "w:xz")
    whole = bytearray(path.read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 64] = bytes(64)
    path.write_bytes(whole)
    with pytest.raises(PictureError, match="cut off or damaged"):
        read_rgb_photos(path)


@pytest.fixture
def shards(folder: Path, tmp_path: Path) -> Path:
    """A folder without pictures, with shards of every kind that hold the same ones."""
    root = tmp_path / "shards"
    (root / "deep").mkdir(parents=True)
    for name, kind in {
        "b.tar": "w",
        "b.tar.gz": "w:gz",
        "a.TGZ": "w:gz",
        "c.tar.bz2": "w:bz2",
        "deep/a.tar.xz": "w:xz",
    }.items():
        shutil.move(packed(folder, kind), root / name)
    shutil.copy(root / "b.tar", root / ".hidden.tar")
    (root / "notes.txt").write_text("no picture")
    return root


def test_folder_of_shards_gives_what_its_shards_give(folder: Path, shards: Path) -> None:
    within = photo_names(folder)
    found = list(read_rgb_photos(shards))
    names = ["a.TGZ", "b.tar.gz", "b.tar", "c.tar.bz2", "deep/a.tar.xz"]
    assert [name for name, _ in found] == [f"{shard}/{name}" for shard in names for name in within]
    assert [name for name, _ in found] == sorted(photo_names(shards)) == photo_names(shards)
    expected = [picture for _, picture in read_rgb_photos(folder)] * len(names)
    assert all(np.array_equal(picture, one) for (_, picture), one in zip(found, expected, strict=True))


def test_shards_beside_pictures_are_taken_too(folder: Path, shards: Path) -> None:
    (shards / "deep/one.png").write_bytes(encoded(photo(1)))
    names = photo_names(shards)
    assert len(names) == 5 * len(photo_names(folder)) + 1
    assert names[-1] == "deep/one.png"
    assert [name for name, _ in read_rgb_photos(shards)] == names


def test_corrupt_picture_of_a_shard_is_named_with_its_shard(folder: Path, shards: Path) -> None:
    (folder / "words.jpg").write_bytes(b"this is no picture")
    shutil.move(packed(folder), shards / "b.tar")
    skipped: list[str] = []
    assert len(list(read_rgb_photos(shards, lambda name, _: skipped.append(name)))) == 5 * 4
    assert skipped == ["b.tar/words.jpg"]


@pytest.mark.parametrize("name", ["b.tar", "a.TGZ", "deep/a.tar.xz"])
def test_shard_that_is_cut_off_is_named_before_anything_is_read(shards: Path, name: str) -> None:
    whole = (shards / name).read_bytes()
    (shards / name).write_bytes(whole[: len(whole) // 3])
    with pytest.raises(PictureError, match=f"{name} is cut off or damaged"):
        read_rgb_photos(shards)


def test_shards_without_pictures_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    with pytest.raises(UsageError, match="holds no pictures"):
        photo_names(tmp_path)


def test_links_in_a_tar_are_not_followed(tmp_path: Path) -> None:
    content = encoded(photo(1))
    path = tmp_path / "photos.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("real.png")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("link.png")
        link.type = tarfile.SYMTYPE
        link.linkname = "/etc/hostname"
        archive.addfile(link)
    assert photo_names(path) == ["real.png"]


def test_picture_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # The camera was held so that the picture has to be turned by 90 degrees clockwise.
    upright = decode_rgb(encoded(photo(1, 12, 17), exif=exif))
    assert np.array_equal(upright, np.rot90(np.asarray(photo(1, 12, 17)), -1))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    kind = "TIFF" if mode == "CMYK" else "PNG"
    rgb = decode_rgb(encoded(photo(1).convert(mode), kind))
    assert rgb.shape == (12, 17, 3)
    assert rgb.dtype == np.uint8
    assert rgb.flags.c_contiguous
    assert rgb.flags.writeable


def test_sixteen_bit_gray_keeps_its_brightness() -> None:
    levels = (np.arange(0, 256, dtype=np.uint16) * 257).reshape(16, 16)
    rgb = decode_rgb(encoded(Image.fromarray(levels)))
    assert np.array_equal(rgb, np.repeat((levels >> 8).astype(np.uint8)[..., np.newaxis], 3, axis=2))


def test_palette_with_transparency_keeps_its_colors() -> None:
    palette = photo(1).quantize(8)
    expected = np.asarray(palette.convert("RGB"))
    assert np.array_equal(decode_rgb(encoded(palette, transparency=bytes([0, 128, 255]))), expected)


def test_formats_that_start_programs_are_not_decoded() -> None:
    with pytest.raises(PictureError, match="not a picture in a known format"):
        decode_rgb(encoded(photo(1), "EPS"))
