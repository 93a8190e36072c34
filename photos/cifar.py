"""CIFAR-10 as its authors pack it (python batches) and as PNG in folders of classes, both as arrays.

Batches are pickles. Their few names are answered with stand-ins here, in Python's own unpickler, and every other name
is refused: nothing that a file names is imported or run.
Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009; the layout of `cifar-10-python.tar.gz`.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorrt.atomic import in_one_line, printable
from colorrt.errors import PictureError, UsageError
from colorrt.photos.finding import SHARD_ENDINGS
from colorrt.photos.reading import decode_photos, list_photos
from colorrt.photos.shards import open_shard, read_member

SIDE = 32
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PARTS = ("train", "test")
_VALUES = 3 * SIDE * SIDE
# The real ones have 31 MB.
_LARGEST_BATCH = 1 << 28


@dataclass(frozen=True)
class Tiles:
    """Pictures of one part. `names`: "CLASS/NAME.png"; `pixels`: (N, 32, 32, 3) uint8 sRGB, in the order of names."""

    names: tuple[str, ...]
    pixels: NDArray[np.uint8]


def read_cifar10(source: Path, on_skip: Callable[[str, str], None]) -> dict[str, Tiles]:
    """Read CIFAR-10: a folder or archive of python batches, or one of PNG files `train/CLASS/NAME.png`, `test/...`.

    `on_skip` is told the name of each picture that cannot be read, or is no 32 x 32 picture of a class, and why.
    Returns what is there of "train" and "test". Raises UsageError when that is nothing, or a batch is damaged.
    """
    batches = _find_batches(source)
    found = _of_batches(source, batches) if batches else _of_pictures(source, on_skip)
    if not found:
        raise UsageError(
            f"{printable(source)}: no CIFAR-10 here; give the folder or archive of its python batches (data_batch_1 to "
            "5, test_batch), or one of PNG files in folders train/CLASS and test/CLASS"
        )
    return found


def read_batch(data: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64], tuple[str, ...]]:
    """Return pixels (N, 32, 32, 3), labels (N) and file names of a python batch. Runs nothing that is in it.

    Raises ValueError that says what is wrong with it.
    """
    try:
        content = _Reader(io.BytesIO(data)).load()
    # A damaged pickle can raise any kind of exception out of the unpickler.
    except Exception as error:
        raise ValueError(f"not a python batch ({in_one_line(str(error) or type(error).__name__)})") from error
    if not isinstance(content, dict):
        raise ValueError("not a python batch: no dictionary in it")
    named = {_text(key): value for key, value in content.items()}
    raw, labels = named.get("data"), named.get("labels")
    if not isinstance(raw, _Array) or raw.shape[1:] != (_VALUES,) or len(raw.values) != raw.shape[0] * _VALUES:
        raise ValueError(f"its data are not rows of {_VALUES} bytes")
    count = raw.shape[0]
    if not isinstance(labels, list) or len(labels) != count or not all(label in range(10) for label in labels):
        raise ValueError(f"its labels are not {count} numbers from 0 to 9")
    names = [_text(name) for name in named.get("filenames", ())]
    if len(names) != count or len(set(names)) != count:
        names = [f"{index:05}" for index in range(count)]
    planes = np.frombuffer(raw.values, np.uint8).reshape(count, 3, SIDE, SIDE)
    stems = tuple(map(_stem, names))
    return planes.transpose(0, 2, 3, 1), np.array(labels, np.int64), stems


def _find_batches(source: Path) -> dict[str, bytes]:
    """Read the batches of a folder or archive by their names; none are no error."""
    wanted = {f"data_batch_{index}" for index in range(1, 6)} | {"test_batch"}
    if source.is_dir():
        folder = next(
            (place for place in (source, source / "cifar-10-batches-py") if (place / "test_batch").is_file()), None
        )
        files = {} if folder is None else {name: folder / name for name in sorted(wanted)}
        return {name: _read_file(path) for name, path in files.items() if path.is_file()}
    if not source.name.lower().endswith(SHARD_ENDINGS):
        return {}
    found = {}
    try:
        with open_shard(source) as shard:
            for member in shard.archive:
                name = PurePosixPath(member.name).name
                if member.isreg() and name in wanted:
                    found[name] = read_member(shard, member)
    except FileNotFoundError as error:
        raise UsageError(f"{printable(source)} does not exist; name the archive or folder of CIFAR-10") from error
    # Of an archive that is damaged, tarfile and decompressors raise nearly anything.
    except Exception as error:
        raise UsageError(
            f"{printable(source)}: cannot be read as an archive ({in_one_line(str(error))}); download it again"
        ) from error
    return dict(sorted(found.items()))


def _read_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_BATCH:
            raise UsageError(f"{printable(path)}: too large for a batch of CIFAR-10; download it again")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{printable(path)}: cannot be read ({error.strerror}); check its permissions") from error


def _of_batches(source: Path, batches: dict[str, bytes]) -> dict[str, Tiles]:
    names: dict[str, list[str]] = {part: [] for part in PARTS}
    pixels: dict[str, list[NDArray[np.uint8]]] = {part: [] for part in PARTS}
    for batch, data in batches.items():
        part = "test" if batch == "test_batch" else "train"
        try:
            squares, labels, stems = read_batch(data)
        except ValueError as error:
            raise UsageError(f"{printable(source)}: {batch} is {error}; download it again") from error
        names[part] += [f"{CLASSES[label]}/{stem}.png" for label, stem in zip(labels, stems, strict=True)]
        pixels[part].append(squares)
    for part in PARTS:
        if len(set(names[part])) != len(names[part]):
            # Of batches without file names.
            names[part] = [f"{name[:-4]}-{index:05}.png" for index, name in enumerate(names[part])]
    return {part: Tiles(tuple(names[part]), np.concatenate(pixels[part])) for part in PARTS if pixels[part]}


def _of_pictures(source: Path, on_skip: Callable[[str, str], None]) -> dict[str, Tiles]:
    entries = list_photos(source)
    names: dict[str, list[str]] = {part: [] for part in PARTS}
    pixels: dict[str, list[NDArray[np.uint8]]] = {part: [] for part in PARTS}
    for entry, picture in decode_photos(entries):
        # Shards within a folder and the folder that an archive holds stand before the part.
        *_, part, kind, leaf = ("", "", *PurePosixPath(entry.name).parts)
        if part not in PARTS or kind not in CLASSES:
            on_skip(entry.name, "it lies in no folder train/CLASS or test/CLASS")
        elif isinstance(picture, PictureError):
            on_skip(entry.name, str(picture))
        elif picture.shape != (SIDE, SIDE, 3):
            on_skip(entry.name, f"it has {picture.shape[1]} x {picture.shape[0]} pixels instead of {SIDE} x {SIDE}")
        else:
            names[part].append(f"{kind}/{PurePosixPath(leaf).stem}.png")
            pixels[part].append(picture)
    return {part: Tiles(tuple(names[part]), np.stack(pixels[part])) for part in PARTS if pixels[part]}


class _Array:
    """What numpy would make of a pickled array of bytes; keeps shape and bytes, makes nothing."""

    shape: tuple[int, ...] = ()
    values = b""

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) == 5:
            _, shape, _, fortran, values = state
            if isinstance(values, str):
                values = values.encode("latin-1")
            whole = isinstance(shape, tuple) and all(type(side) is int and side >= 0 for side in shape)
            if whole and isinstance(values, bytes) and not fortran and len(shape) == 2:
                self.shape, self.values = shape, values


class _Kind:
    """A pickled dtype, of which nothing is needed: what is no row of bytes is found by its length."""

    def __setstate__(self, state: object) -> None:
        pass


def _array(*_arguments: object) -> _Array:
    return _Array()


def _kind(*_arguments: object) -> _Kind:
    return _Kind()


def _bytes(text: object, *_coding: object) -> bytes:
    """Python 3 pickles bytes for Python 2 as text."""
    return text.encode("latin-1") if isinstance(text, str) else b""


# Functions and not classes: a pickle can set attributes of what it is given, and make nothing of a function.
_ANSWERS: dict[str, Callable[..., object]] = {
    **{f"numpy.{core}.multiarray._reconstruct": _array for core in ("core", "_core")},
    "numpy.ndarray": _array,
    "numpy.dtype": _kind,
    "_codecs.encode": _bytes,
}


# The one in Python and not the one in C: that one takes memory for whatever number of remembered objects a file claims.
class _Reader(pickle._Unpickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, encoding="latin-1")

    def find_class(self, module: str, name: str) -> Any:
        answer = _ANSWERS.get(f"{module}.{name}")
        if answer is None:
            raise pickle.UnpicklingError(f"it asks for `{module}.{name}`, which no batch needs")
        return answer

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError(f"it asks for an object outside of it ({type(pid).__name__})")


def _stem(name: str) -> str:
    """Names come from the file: they must not lead out of a folder, and any archive has to take them."""
    stem = PurePosixPath(name.replace("\\", "/")).stem[:100]
    return "".join(sign if sign.isalnum() or sign in "._-" else "_" for sign in stem) or "unnamed"


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
