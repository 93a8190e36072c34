"""Photos to measure on, one after another from a folder, a tar archive or a folder of such archives."""

from __future__ import annotations

import io
import stat
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from colorrt.errors import PictureError, UsageError
from colorrt.photos.finding import SHARD_ENDINGS, TAR_FAILURES
from colorrt.runtime.pictures.formats import PICTURE_SUFFIXES, formats_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

# TGA has no mark at its beginning: its reader would take damaged files of other formats for pictures.
PHOTO_SUFFIXES = PICTURE_SUFFIXES - {".tga"}
"""Files with other suffixes are passed over in silence: they do not claim to be photos."""

_FORMATS = formats_of(PHOTO_SUFFIXES)


@dataclass(frozen=True)
class _Place:
    """A folder or an archive with the names of its pictures; `prefix` tells them from those of other archives."""

    path: Path
    names: list[str]
    prefix: str = ""


def photo_names(source: Path) -> list[str]:
    """Return the names of all pictures of a folder (with its subfolders) or a tar archive, sorted.

    Names are relative, with forward slashes; a folder and the archive made of it give the same list. Hidden
    files, and files without a suffix of `PHOTO_SUFFIXES`, are left out. Nothing is decoded.
    Of a folder without pictures, those in its tar shards (files that end as `SHARD_ENDINGS` says, at any depth) are
    taken in their place, each under the name of its shard and its own: `a.tar/b.jpg`.

    Raises UsageError if `source` is missing, is neither a folder nor a tar archive, or holds no picture, or if one of
    the shards is no tar archive; PictureError if an archive is damaged.
    """
    return _names_in(_places(source))


def read_rgb_photos(
    source: Path, on_skip: Callable[[str, str], None] | None = None
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Iterate over the photos of a folder, an archive or shards as (name, picture), in the order of `photo_names`.

    picture: (H, W, 3) uint8 sRGB as `decode_rgb` gives it. One picture is in memory at a time.
    `on_skip` is told the name of each entry that cannot be read or decoded, and the reason; the others go on.

    Raises, at the call, what `photo_names` raises; while iterating, PictureError if not one picture can be
    read.
    """
    return _decoded(source, _places(source), on_skip)


def decode_rgb(encoded: bytes) -> NDArray[np.uint8]:
    """Decode a picture file to RGB, turned upright as its EXIF orientation says.

    Returns (H, W, 3) uint8, C-contiguous and writable. Gray becomes three equal channels, 16-bit gray its
    high byte; alpha is dropped, color profiles are ignored, and of an animation the first picture is taken.

    Raises PictureError with the decoder's reason.
    """
    try:
        with Image.open(io.BytesIO(encoded), formats=_FORMATS) as opened:
            picture = ImageOps.exif_transpose(opened)
            if picture.mode.startswith("I"):
                # Pillow would clip everything above 255 to white.
                high_byte = np.asarray(picture.convert("I")) >> 8
                return np.repeat(high_byte.clip(0, 255).astype(np.uint8)[..., np.newaxis], 3, axis=2)
            if picture.mode == "P" and "transparency" in picture.info:
                # Pillow warns when it has to drop a palette's transparency.
                picture = picture.convert("RGBA")
            return np.array(picture.convert("RGB"))
    except Exception as error:
        # Pillow's decoders raise almost anything on damaged bytes; whatever it is, only this picture is lost.
        raise PictureError(_reason(error)) from error


def _places(source: Path) -> list[_Place]:
    """Find where the pictures of a source lie, in the order of their names; none of the places is without any."""
    if source.is_dir():
        places = [_Place(source, sorted(_files_of(source, _is_picture_name)))]
        if not places[0].names:
            # Names of shards end in a slash here: so sorted, prefix and name together are sorted too.
            shards = sorted(f"{name}/" for name in _files_of(source, _is_shard_name))
            places = [_in_archive(source / shard, shard) for shard in shards]
    elif source.exists():
        places = [_in_archive(source)]
    else:
        raise UsageError(f"{source} does not exist; name a folder of photos or a tar archive of them")
    places = [place for place in places if place.names]
    if not places:
        raise UsageError(
            f"{source} holds no pictures ({', '.join(sorted(PHOTO_SUFFIXES))}); "
            "name a folder of photos or of tar archives of them, or one such archive"
        )
    return places


def _in_archive(path: Path, prefix: str = "") -> _Place:
    with _opened(path) as archive:
        return _Place(path, sorted(_members_of(archive, path)), prefix)


def _names_in(places: list[_Place]) -> list[str]:
    return [place.prefix + name for place in places for name in place.names]


def _decoded(
    source: Path, places: list[_Place], on_skip: Callable[[str, str], None] | None
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    found = False
    reason = ""
    for place in places:
        with _reader(place.path) as read:
            for name in place.names:
                try:
                    picture = decode_rgb(read(name))
                except (PictureError, *TAR_FAILURES) as error:
                    reason = _reason(error)
                    if on_skip is not None:
                        on_skip(place.prefix + name, reason)
                    continue
                found = True
                yield place.prefix + name, picture
    if not found:
        raise PictureError(
            f"{source}: none of its {len(_names_in(places))} pictures can be read (the last one: {reason}); "
            "check that they open in a viewer"
        )


@contextmanager
def _reader(source: Path) -> Iterator[Callable[[str], bytes]]:
    """Give a function that returns the bytes of a named picture of the source."""
    if source.is_dir():
        yield lambda name: (source / name).read_bytes()
        return
    with _opened(source) as archive:
        members = _members_of(archive, source)

        def read(name: str) -> bytes:
            stream = archive.extractfile(members[name])
            return b"" if stream is None else stream.read()

        yield read


@contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    try:
        if not stat.S_ISREG(source.stat().st_mode):
            raise UsageError(
                f"{source} is neither a folder nor a file; name a folder of photos or a tar archive of them"
            )
        archive = tarfile.open(source)  # noqa: SIM115 -- closed below, out of the reach of this except
    except TAR_FAILURES as error:
        raise UsageError(
            f"{source} is not a folder and cannot be read as a tar archive; "
            "pack it once more, or name a folder of photos or a tar archive of them"
        ) from error
    with archive:
        yield archive


def _files_of(folder: Path, wanted: Callable[[str], bool]) -> Iterator[str]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if wanted(name) and path.is_file():
            yield name


def _members_of(archive: tarfile.TarFile, source: Path) -> dict[str, tarfile.TarInfo]:
    try:
        members = archive.getmembers()
    except TAR_FAILURES as error:
        raise PictureError(
            f"{source} is cut off or damaged ({_reason(error)}); copy or pack the archive once more"
        ) from error
    named = ((PurePosixPath(member.name).as_posix(), member) for member in members if member.isfile())
    return {name: member for name, member in named if _is_picture_name(name)}


def _is_picture_name(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in PHOTO_SUFFIXES and not _is_hidden(name)


def _is_shard_name(name: str) -> bool:
    return name.lower().endswith(SHARD_ENDINGS) and not _is_hidden(name)


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


def _reason(error: BaseException) -> str:
    """Return the first line of the error's text, or its kind when it has none."""
    if isinstance(error, UnidentifiedImageError):
        # Its text names the address of a buffer in memory.
        return "not a picture in a known format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
