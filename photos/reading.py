"""Photographs to measure on, one after another: from a folder, a tar shard, or a folder with shards."""

from __future__ import annotations

import io
from contextlib import ExitStack
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from colorrt.errors import PictureError, UsageError
from colorrt.photos.finding import PHOTO_SUFFIXES, DamagedShardError, Entry, find_entries, read_entry
from colorrt.photos.shards import Shard, open_shard, read_member
from colorrt.runtime.pictures.formats import formats_to_try, mark_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def photo_names(source: Path) -> list[str]:
    """Return the names of all photographs of a folder or a tar shard, sorted, as `find_entries` gives them.

    A folder and the shard made of it give the same list. Nothing is decoded.

    Raises what `list_photos` raises, and UsageError if there is no photograph.
    """
    return [entry.name for entry in _some_photos(source)]


def read_rgb_photos(
    source: Path, on_skip: Callable[[str, str], None] | None = None
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Iterate over the photographs of a source as (name, picture), in the order of `photo_names`.

    picture: (H, W, 3) uint8 sRGB as `decode_rgb` gives it. One picture is in memory at a time.
    `on_skip` is told the name of each entry that cannot be read or decoded, and the reason; the others go on.

    Raises, at the call, what `photo_names` raises; while iterating, PictureError if not one picture can be
    read.
    """
    return _decoded(source, _some_photos(source), on_skip)


def list_photos(source: Path) -> list[Entry]:
    """List the photographs of a folder or a tar shard, none of them held in memory; none at all are no error.

    Raises UsageError if `source` is missing or is neither, or if one of its shards is no tar archive; PictureError if a
    shard is cut off or damaged.
    """
    try:
        return find_entries([source], hold=False)
    except FileNotFoundError as error:
        raise UsageError(f"{source} does not exist; name a folder of photographs or a tar shard of them") from error
    except DamagedShardError as error:
        raise PictureError(
            f"{error.shard} is cut off or damaged ({error.reason}); copy or pack the archive once more"
        ) from error


def decode_photos(entries: Sequence[Entry]) -> Iterator[tuple[Entry, NDArray[np.uint8] | PictureError]]:
    """Decode photographs that `list_photos` gave as `decode_rgb` does, one after another.

    In the place of one that cannot be read or decoded comes a PictureError with the reason.
    """
    for file, group in groupby(entries, key=lambda entry: None if entry.member is None else entry.file):
        with ExitStack() as stack:
            shard = None if file is None else stack.enter_context(open_shard(file))
            for entry in group:
                try:
                    encoded = read_entry(entry) if shard is None else _read_member(shard, entry)
                    yield entry, decode_rgb(encoded)
                except PictureError as error:
                    yield entry, error
                except Exception as error:
                    # Of a shard that is damaged, tarfile and decompressors raise nearly anything.
                    yield entry, PictureError(_reason(error))


def load_photos(entries: Sequence[Entry]) -> Iterator[tuple[str, bytes]]:
    """Read photographs that `list_photos` gave as they are, (name, encoded), one after another, in this order.

    Raises PictureError when one is gone or changed since.
    """
    with ExitStack() as stack:
        shards: dict[Path, Shard] = {}
        for entry in entries:
            try:
                if entry.member is None:
                    encoded = read_entry(entry)
                else:
                    if entry.file not in shards:
                        shards[entry.file] = stack.enter_context(open_shard(entry.file))
                    encoded = _read_member(shards[entry.file], entry)
            # Of a shard that is damaged, tarfile and decompressors raise nearly anything.
            except Exception as error:
                raise PictureError(f"{entry.name} cannot be read any more ({_reason(error)}); begin again") from error
            yield entry.name, encoded


def open_photo(encoded: bytes) -> Image.Image:
    """Open an encoded picture with the decoders of the formats that colorrt reads, TGA excepted, and no others.

    Raises whatever Pillow raises for damaged ones.
    """
    stream = io.BytesIO(encoded)
    return Image.open(stream, formats=formats_to_try("", mark_of(stream)))


def decode_rgb(encoded: bytes) -> NDArray[np.uint8]:
    """Decode a picture file to RGB, turned upright as its EXIF orientation says.

    Returns (H, W, 3) uint8, C-contiguous and writable. Gray becomes three equal channels, 16-bit gray its
    high byte; alpha is dropped, color profiles are ignored, and of an animation the first picture is taken.

    Raises PictureError with the decoder's reason.
    """
    try:
        with open_photo(encoded) as opened:
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


def _some_photos(source: Path) -> list[Entry]:
    entries = list_photos(source)
    if not entries:
        raise UsageError(
            f"{source} holds no pictures ({', '.join(sorted(PHOTO_SUFFIXES))}); "
            "name a folder of photographs or of tar shards of them, or one such shard"
        )
    return entries


def _decoded(
    source: Path, entries: Sequence[Entry], on_skip: Callable[[str, str], None] | None
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    found = False
    reason = ""
    for entry, picture in decode_photos(entries):
        if isinstance(picture, PictureError):
            reason = str(picture)
            if on_skip is not None:
                on_skip(entry.name, reason)
            continue
        found = True
        yield entry.name, picture
    if not found:
        raise PictureError(
            f"{source}: none of its {len(entries)} pictures can be read (the last one: {reason}); "
            "check that they open in a viewer"
        )


def _read_member(shard: Shard, entry: Entry) -> bytes:
    assert entry.member is not None
    try:
        member = shard.archive.getmember(entry.member)
    except KeyError as error:
        raise PictureError("it is gone from its shard") from error
    return read_member(shard, member)


def _reason(error: Exception) -> str:
    """Return the first line of the error's text, or its kind when it has none."""
    if isinstance(error, UnidentifiedImageError):
        # Its text names the address of a buffer in memory.
        return "not a picture in a known format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
