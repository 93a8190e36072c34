"""TIFF files in color, 8 or 16 bits, of any number of pages, written strip by strip."""

from __future__ import annotations

import struct
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin

from colorrt.runtime.pictures.colored import Colored, bands_of, with_alpha

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from colorrt.runtime.pictures.picture import Picture

# A classic TIFF points to its parts by 32 bits. Tags and profiles take their share of it.
_LARGEST_CLASSIC = (1 << 32) - (1 << 26)

# Readers decode at least a strip at a time.
_STRIP = 1 << 20

# Level 6 takes thrice the time of 1 for 3% less of a scan's grain.
_LEVEL = 1
_THREADS = 2

_XMP, _IPTC = 700, 33723
_FOLDERS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)

# tifffile leaves out tags that point to folders. They are written under the number before theirs, which no TIFF uses
# in its first folder and which keeps their order, and renamed.
_STAND_IN = {folder: int(folder) - 1 for folder in _FOLDERS}


class TiffPages:
    """A TIFF file to which pages are added. A context manager; what is at `path` before is lost.

    `size`: how many bytes the pages will have at most, before compression: beyond 4 GB the file becomes a BigTIFF.
    """

    def __init__(self, path: Path, size: int) -> None:
        from tifffile import TiffWriter

        self._path = path
        self._folders = False
        self._big = size > _LARGEST_CLASSIC
        self._writer = TiffWriter(path, bigtiff=self._big, byteorder="<")

    def __enter__(self) -> TiffPages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        if kind is None and self._folders:
            self._rename_stand_ins()

    def add(self, rgb: NDArray[Any] | Colored, picture: Picture, page: tuple[int, int] | None = None) -> None:
        """Write a page with what its source carried.

        `rgb`: (H, W, 3) uint8 or uint16. `picture`: the source; its alpha, exif, dpi, icc_profile, xmp and iptc are
        written, and lossless deflate is used if it was compressed. `page`: its number (from 0), and of how many.
        """
        height, width = rgb.shape[:2]
        channels = 3 if picture.alpha is None else 4
        rows = max(1, min(height, _STRIP // (width * channels * rgb.dtype.itemsize)))
        strips = _strips(rgb, picture.alpha, rows)
        self._writer.write(
            _deflated(strips) if picture.compressed else (strip.tobytes() for strip in strips),
            shape=(height, width, channels),
            dtype=rgb.dtype,
            photometric="rgb",
            planarconfig="contig",
            extrasamples=None if picture.alpha is None else ["unassalpha"],
            rowsperstrip=rows,
            compression="adobe_deflate" if picture.compressed else None,
            predictor=picture.compressed,
            iccprofile=picture.icc_profile,
            resolution=picture.dpi,
            resolutionunit=None if picture.dpi is None else "inch",
            subfiletype=0 if page is None else 2,
            software=False,
            metadata=None,
            extratags=self._tags(picture, page),
        )

    def _tags(self, picture: Picture, page: tuple[int, int] | None) -> list[tuple[int, Any, int, Any, bool]]:
        tags: list[tuple[int, Any, int, Any, bool]] = []
        if page is not None:
            tags.append((297, "H", 2, page, True))
        for number, block in ((_XMP, picture.xmp), (_IPTC, picture.iptc)):
            if block is not None:
                tags.append((number, "B", len(block), block, True))
        if picture.exif is not None:
            # Tags that Pillow can read but nobody can write must not cost the picture.
            with suppress(Exception):
                exif = Image.Exif()
                exif.load(picture.exif)
                tags += _plain_tags(exif)
                for folder in _FOLDERS:
                    entries = exif.get_ifd(folder)
                    if entries:
                        place = self._append(entries, folder)
                        tags.append((_STAND_IN[folder], "Q" if self._big else "I", 1, place, True))
                        self._folders = True
        return tags

    def _append(self, entries: dict[int, Any], folder: int) -> int:
        """Write a folder of tags behind what there is, for tifffile writes none. Returns its place in the file."""
        beginning = b"II+\0\x08\0\0\0" + bytes(8) if self._big else b"II*\0" + bytes(4)
        directory = TiffImagePlugin.ImageFileDirectory_v2(beginning, group=folder)
        for tag, value in entries.items():
            directory[tag] = value
        file = self._writer.filehandle
        place = file.tell()
        place += place % 2
        block = directory.tobytes(place)
        # The number of entries tells whether this Pillow knows folders of BigTIFF.
        if struct.unpack_from("<Q" if self._big else "<H", block)[0] != len(entries):
            raise ValueError("this Pillow writes another kind of folder")
        file.write(bytes(place - file.tell()) + block)
        return place

    def _rename_stand_ins(self) -> None:
        from tifffile import TiffFile

        with self._path.open("r+b") as stream, TiffFile(stream) as file:
            found = [
                (tag.offset, folder)
                for page in file.pages
                for folder, stand_in in _STAND_IN.items()
                if (tag := page.aspage().tags.get(stand_in)) is not None
            ]
            for offset, folder in found:
                stream.seek(offset)
                stream.write(struct.pack("<H", int(folder)))


def _plain_tags(exif: Image.Exif) -> Iterator[tuple[int, Any, int, Any, bool]]:
    for tag, value in exif.items():
        if tag in _FOLDERS:
            continue
        if isinstance(value, str):
            # The bytes that Pillow read as these letters.
            text = value.encode("latin-1") + b"\0"
            yield tag, 2, len(text), text, True
        elif isinstance(value, bytes) and value:
            yield tag, "B", len(value), value, True
        elif isinstance(value, int) and 0 <= value < 1 << 16:
            yield tag, "H", 1, value, True


def _strips(rgb: NDArray[Any] | Colored, alpha: NDArray[Any] | None, rows: int) -> Iterator[NDArray[Any]]:
    for top, band in bands_of(rgb, rows):
        levels = with_alpha(band, alpha, top)
        levels = levels.astype(levels.dtype.newbyteorder("<"), copy=False)
        for first in range(0, len(levels), rows):
            yield levels[first : first + rows]


def _deflated(strips: Iterator[NDArray[Any]]) -> Iterator[bytes]:
    with ThreadPoolExecutor(_THREADS, "deflate") as threads:
        ahead: deque[Future[bytes]] = deque()
        for strip in strips:
            ahead.append(threads.submit(_deflate, strip))
            if len(ahead) > 2 * _THREADS:
                yield ahead.popleft().result()
        for future in ahead:
            yield future.result()


def _deflate(strip: NDArray[Any]) -> bytes:
    differences = strip.copy()
    # Horizontal differencing, which TIFF calls predictor 2; numbers wrap.
    np.subtract(strip[:, 1:], strip[:, :-1], out=differences[:, 1:])
    return zlib.compress(differences.data, _LEVEL)
