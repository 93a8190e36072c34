"""Color photographs, decoded as they are needed, and batches of squares of them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from colorrt.contract import LUMA_OF_RGB, U_SCALE, V_SCALE
from colorrt.errors import UsageError
from colorrt.photos.finding import Entry, read_entry
from colorrt.photos.reading import open_photo

# Mean of |U| + |V| (units of luma, 0..1) under which a photograph teaches nothing but gray.
GRAY_LIMIT = 0.015
GIGABYTE = 1 << 30
Photo = NDArray[np.uint8]


@dataclass
class Dataset:
    """Photographs by number, decoded when asked for, kept as long as the cache has room.

    `short_side`: larger ones are reduced to it, in pixels. `cache_bytes`: decoded pictures are kept up to here; what
    does not fit is decoded again in each epoch. `gray_limit`: mean chroma under which they are gray. `gray`, `corrupt`:
    numbers of those found unfit so far.
    """

    entries: Sequence[Entry]
    short_side: int
    cache_bytes: int = 2 * GIGABYTE
    gray_limit: float = GRAY_LIMIT
    gray: set[int] = field(default_factory=set)
    corrupt: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[int, Photo] = {}
        self._kept_bytes = 0

    def __len__(self) -> int:
        return len(self.entries)

    def photo(self, index: int) -> Photo | None:
        """Return photograph `index` as H x W x 3 uint8; None when it is gray or corrupt, which is counted once."""
        if index in self.gray or index in self.corrupt:
            return None
        kept = self._kept.get(index)
        if kept is not None:
            return kept
        try:
            picture = decode(read_entry(self.entries[index]), self.short_side)
        except MemoryError:
            raise
        # Damage is whatever a decoder makes of it: OSError, SyntaxError, ValueError, RuntimeError and others.
        except Exception:
            self.corrupt.add(index)
            return None
        if mean_chroma(picture) < self.gray_limit:
            self.gray.add(index)
            return None
        with self._lock:
            if self._kept_bytes + picture.nbytes <= self.cache_bytes:
                self._kept[index] = picture
                self._kept_bytes += picture.nbytes
        return picture

    def describe(self) -> str:
        """Say how many were found unfit so far."""
        return f"{len(self)} photographs, left out so far: {len(self.gray)} gray, {len(self.corrupt)} corrupt"


@dataclass(frozen=True)
class Batch:
    """Squares (N x S x S x 3 uint8), where the next batch begins, and the numbers of their photographs."""

    squares: NDArray[np.uint8]
    cursor: int
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """How squares are cut: `smallest` is the least part of each side of a photograph that a square shows."""

    size: int
    batch: int
    smallest: float
    seed: int
    weights: tuple[float, ...] = ()
    """How often each entry is taken in an epoch, on average; empty: each once."""
    mirrored: bool = True
    """Left and right are exchanged by chance."""


def decode(data: bytes, short_side: int) -> Photo:
    """Decode an encoded picture to H x W x 3 uint8 RGB, upright, reduced to `short_side` pixels where it is larger.

    Raises whatever the decoder raises for damaged ones.
    """
    with open_photo(data) as image:
        image.draft("RGB", (short_side, short_side))
        picture = ImageOps.exif_transpose(image).convert("RGB")
    scale = short_side / min(picture.size)
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(picture)


def mean_chroma(picture: Photo) -> float:
    """Mean of |U| + |V| of a picture (H x W x 3 uint8), in the units of luma, 0..1."""
    small = picture[::4, ::4].astype(np.float32) / 255
    luma = small @ np.array(LUMA_OF_RGB, np.float32)
    return float(np.mean(np.abs(U_SCALE * (small[..., 2] - luma)) + np.abs(V_SCALE * (small[..., 0] - luma))))


def square(
    picture: Photo, size: int, smallest: float, generator: np.random.Generator, *, mirrored: bool = True
) -> Photo:
    """Cut a random part of `picture` (at least `smallest` of each side), squeeze it to a square, maybe flip.

    The squeeze is what the runtime does with a whole picture. Returns size x size x 3 uint8.
    """
    height, width = picture.shape[:2]
    part_h, part_w = (side * generator.uniform(smallest, 1.0) for side in (height, width))
    top, left = generator.uniform(0, height - part_h), generator.uniform(0, width - part_w)
    box = (left, top, left + part_w, top + part_h)
    part = Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC, box=box)
    if mirrored and generator.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(part)


def order_of(epoch: int, count: int, plan: Plan) -> NDArray[np.int64]:
    """Numbers of the photographs in the order of one epoch: a shuffle, or draws by `plan.weights`."""
    generator = np.random.default_rng([plan.seed, epoch])
    if not plan.weights:
        return generator.permutation(count)
    shares = np.asarray(plan.weights) / np.sum(plan.weights)
    return generator.choice(count, size=count, p=shares)


def cut_batches(dataset: Dataset, plan: Plan, cursor: int = 0, workers: int = 1) -> Generator[Batch, None, None]:
    """Yield batches without end, each photograph once an epoch unless `plan.weights` say otherwise.

    `cursor` counts the photographs gone by, the dropped ones too. The squares depend on the plan and the cursor alone:
    whoever begins at the cursor of a batch gets what comes after it. `workers`: threads that decode; they change
    nothing else. Raises UsageError when a whole epoch brings no color photograph.
    """
    count, barren = len(dataset), 0
    if not count:
        raise _no_color(dataset)
    orders: dict[int, NDArray[np.int64]] = {}

    def cut(place: int) -> tuple[Photo, int] | None:
        number = int(orders[place // count][place % count])
        picture = dataset.photo(number)
        if picture is None:
            return None
        generator = np.random.default_rng([plan.seed, 1, place])
        return square(picture, plan.size, plan.smallest, generator, mirrored=plan.mirrored), number

    waiting: list[tuple[Photo, int]] = []
    with ThreadPoolExecutor(workers) as pool:
        while True:
            places = range(cursor, cursor + plan.batch)
            epochs = {place // count for place in places}
            orders = {one: orders[one] if one in orders else order_of(one, count, plan) for one in epochs}
            for place, piece in zip(places, pool.map(cut, places), strict=True):
                cursor = place + 1
                barren = barren + 1 if piece is None else 0
                if barren > count:
                    raise _no_color(dataset)
                if piece is not None:
                    waiting.append(piece)
                if len(waiting) == plan.batch:
                    pieces, numbers = zip(*waiting, strict=True)
                    yield Batch(np.stack(pieces), cursor, numbers)
                    waiting.clear()


def _no_color(dataset: Dataset) -> UsageError:
    return UsageError(
        f"no color photographs to cut squares from ({dataset.describe()}); give a folder or shard with some"
    )


def prefetch(batches: Generator[Batch, None, None], ahead: int = 4) -> Generator[Batch, None, None]:
    """Hand on `batches`, the next ones prepared by a thread while the current one is used.

    Raises what went wrong in the thread.
    """
    ready: queue.Queue[Batch | Exception] = queue.Queue(maxsize=ahead)
    stop = threading.Event()

    def put(item: Batch | Exception) -> None:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.2)
            except queue.Full:
                continue
            return

    def fill() -> None:
        try:
            for batch in batches:
                put(batch)
                if stop.is_set():
                    return
        except Exception as error:  # Unsaid, it would leave the training waiting forever.
            put(error)

    thread = threading.Thread(target=fill, daemon=True)
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
