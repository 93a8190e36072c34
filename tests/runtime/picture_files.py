"""Small pictures of every kind as files, and what must hold of those that are read, written and refused."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from colorrt.errors import PictureError
from colorrt.runtime.pictures.reading import read_picture

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image

GRAY = np.array([[0, 10, 200, 255], [1, 77, 128, 254], [3, 4, 5, 6]], np.uint8)
DEEP = np.array([[0, 1, 255, 256], [257, 32767, 32768, 65534], [65535, 4095, 9, 1000]], np.uint16)
COLOR = np.stack([GRAY, GRAY[::-1], GRAY[:, ::-1]], axis=-1)
ALPHA = np.array([[0, 1, 2, 3], [128, 127, 9, 8], [255, 254, 253, 0]], np.uint8)


def saved(folder: Path, name: str, image: Image.Image, **options: Any) -> Path:
    path = folder / name
    image.save(path, **options)
    return path


def assert_sound(levels: NDArray[Any], dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    assert levels.dtype == dtype
    assert levels.dtype.isnative
    assert levels.shape == shape
    assert levels.flags.c_contiguous


def in_many_colors(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A gray picture (H, W) with things of different colors on it, as a photograph in color has them."""
    from PIL import Image

    patches = np.random.default_rng(1).integers(-45, 46, (6, 6, 3))
    size = gray.shape[::-1]
    shifts = [np.asarray(Image.fromarray(patches[..., band].astype(np.float32)).resize(size)) for band in range(3)]
    return (gray[..., None] + np.stack(shifts, -1)).clip(0, 255).astype(np.uint8)


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_bytes(width: int, depth: int, color: int, rows: list[bytes], key: bytes = b"") -> bytes:
    """A PNG of kinds that Pillow does not write: 16 bits with alpha, few bits with a transparent level."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, color, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + (png_chunk(b"tRNS", key) if key else b"")
        + png_chunk(b"IDAT", packed)
        + png_chunk(b"IEND", b"")
    )


def tiff_bytes(data: bytes, size: tuple[int, int], **tags: int) -> bytes:
    """A one-strip TIFF of one channel whose tags stand before its pixels."""
    numbers = {"bits": 258, "compression": 259, "photometric": 262, "samples": 339}
    entries = {256: size[0], 257: size[1], 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: size[1], 279: len(data)}
    entries |= {numbers[name]: value for name, value in tags.items()}
    entries[273] = 8 + 2 + 12 * len(entries) + 4
    folder = struct.pack("<H", len(entries))
    for tag in sorted(entries):
        folder += struct.pack("<HHII", tag, 4 if tag in (256, 257, 273, 278, 279) else 3, 1, entries[tag])
    return b"II*\0" + struct.pack("<I", 8) + folder + struct.pack("<I", 0) + data


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_sentence(error: BaseException, path: Path) -> None:
    message = str(error)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    # What is wrong, then what to do.
    assert "; " in message


def refusal(path: Path, **options: Any) -> str:
    """What the refusal to read a file says."""
    with pytest.raises(PictureError) as caught:
        read_picture(path, **options)
    assert_sentence(caught.value, path)
    return str(caught.value)
