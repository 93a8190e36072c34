"""Color photographs from folders and tar shards, and batches of squares of them."""

from __future__ import annotations

import io
import queue
import tarfile
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorrt.errors import UsageError

PICTURE_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
# Mean of |U| + |V| (units of luma, 0..1) under which a photograph teaches nothing but gray.
GRAY_LIMIT = 0.015
Photo = NDArray[np.uint8]


@dataclass(frozen=True)
class Photos:
    """Decoded photographs (each H x W x 3 uint8) and what was left out on the way."""

    pictures: Sequence[Photo]
    gray: int
    corrupt: int


def read_photos(sources: Sequence[Path], short_side: int) -> Photos:
    """Read every picture in `sources` (folders, searched recursively, and .tar shards) into memory.

    Pictures are reduced to `short_side` pixels where they are larger. Gray and near-gray pictures and corrupt
    files are counted and left out. Raises FileNotFoundError when a source does not exist, UsageError when a file
    is no tar shard or a damaged one.
    """
    pictures: list[Photo] = []
    gray = corrupt = 0
    for source in sources:
        for data in _read_files(source):
            try:
                picture = _decode(data, short_side)
            # Pillow lets damage inside of PNG through as SyntaxError and ValueError.
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
                corrupt += 1
                continue
            if _colorfulness(picture) < GRAY_LIMIT:
                gray += 1
            else:
                pictures.append(picture)
    return Photos(pictures, gray, corrupt)


def _read_files(source: Path) -> Iterator[bytes]:
    if not source.exists():
        raise FileNotFoundError(source)
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file():
                yield path.read_bytes()
        return
    try:
        with tarfile.open(source) as shard:
            for member in shard:
                stream = shard.extractfile(member)
                if stream is not None and Path(member.name).suffix.lower() in PICTURE_SUFFIXES:
                    yield stream.read()
    # KeyError: a link to a member that is not there.
    except (tarfile.TarError, EOFError, KeyError) as error:
        # tarfile tells of each compression that it tried in a line of its own.
        reason = str(error).partition("\n")[0].rstrip(":")
        raise UsageError(
            f"{source}: no tar shard, or a damaged one ({reason}); give a folder of photographs or pack it again"
        ) from error


def _decode(data: bytes, short_side: int) -> Photo:
    with Image.open(io.BytesIO(data)) as image:
        image.draft("RGB", (short_side, short_side))
        picture = image.convert("RGB")
    scale = short_side / min(picture.size)
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(picture)


def _colorfulness(picture: Photo) -> float:
    small = picture[::4, ::4].astype(np.float32) / 255
    luma = small @ np.array([0.299, 0.587, 0.114], np.float32)
    return float(np.mean(np.abs(0.492 * (small[..., 2] - luma)) + np.abs(0.877 * (small[..., 0] - luma))))


def square(picture: Photo, size: int, smallest: float, generator: np.random.Generator) -> Photo:
    """Cut a random part of `picture` (at least `smallest` of each side), squeeze it to a square, maybe flip.

    The squeeze is what the runtime does with a whole picture. Returns size x size x 3 uint8.
    """
    height, width = picture.shape[:2]
    part_h, part_w = (side * generator.uniform(smallest, 1.0) for side in (height, width))
    top, left = generator.uniform(0, height - part_h), generator.uniform(0, width - part_w)
    box = (left, top, left + part_w, top + part_h)
    part = Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC, box=box)
    if generator.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(part)


def squares(
    photos: Sequence[Photo], size: int, batch: int, smallest: float, seed: int
) -> Generator[NDArray[np.uint8], None, None]:
    """Yield batches (batch x size x size x 3 uint8) without end, each photograph once an epoch.

    A thread prepares the next batches while the current one is used. The sequence depends on `seed` alone.
    Raises what went wrong in the thread, and UsageError when there are no photographs.
    """
    if not photos:
        raise UsageError("no photographs to cut squares of; give a folder or shard with color photographs")
    ready: queue.Queue[NDArray[np.uint8] | Exception] = queue.Queue(maxsize=4)
    stop = threading.Event()

    def fill() -> None:
        generator = np.random.default_rng(seed)
        waiting: list[Photo] = []
        while not stop.is_set():
            for index in generator.permutation(len(photos)):
                waiting.append(square(photos[index], size, smallest, generator))
                if len(waiting) == batch:
                    _put(ready, np.stack(waiting), stop)
                    waiting.clear()
                if stop.is_set():
                    return

    def fill_or_tell() -> None:
        try:
            fill()
        except Exception as error:  # Unsaid, it would leave the training waiting forever.
            _put(ready, error, stop)

    thread = threading.Thread(target=fill_or_tell, daemon=True)
    thread.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()


def _put(
    ready: queue.Queue[NDArray[np.uint8] | Exception], item: NDArray[np.uint8] | Exception, stop: threading.Event
) -> None:
    while not stop.is_set():
        try:
            ready.put(item, timeout=0.2)
        except queue.Full:
            continue
        return
