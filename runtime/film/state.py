"""What a film that is under way leaves on disk, so that the same command goes on where it was stopped."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorrt.atomic import atomic_path, lock, printable
from colorrt.errors import PictureError
from colorrt.kernels.steady import Memory

_FORMAT = 2
_MANIFEST = "state.json"
_LOCK = "lock"
_MEMORY = tuple(field.name for field in fields(Memory))
# Enough to tell films apart without reading them whole.
_SAMPLE = 1 << 20


@dataclass(frozen=True)
class Piece:
    """A piece of the film that is done: its file, and its pictures."""

    name: str
    frames: int


@dataclass(frozen=True)
class Progress:
    """How far a film is: `pieces` done, `frames` and `shots` in them, `pts` of the picture that comes next.

    `damaged`: packets that gave no picture. `complete`: whether nothing comes next.
    """

    pieces: tuple[Piece, ...] = ()
    frames: int = 0
    shots: int = 0
    pts: int | None = None
    damaged: int = 0
    complete: bool = False


class FilmState:
    """The folder NAME.colorrt/ beside an output NAME.

    `identity`: all that the result depends on. What lies there of another film or of other settings is removed.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self.folder = folder
        self._identity = identity
        self._lock: int | None = None
        self.progress, self.stale = self._find()

    def piece_path(self, number: int) -> Path:
        """Return the file of a piece."""
        return self.folder / f"piece-{number:05d}.packets"

    def begin(self) -> None:
        """Take the folder for this run alone, made where it is not there, and see how far the film is by now.

        What lies there of another film or of other settings is removed. Raises PictureError where the folder cannot be
        made, or another run has it.
        """
        if self._lock is not None:
            return
        try:
            self._lock = self._hold()
            self.progress, self.stale = self._find()
            if self.stale:
                for path in self.folder.iterdir():
                    if path.name != _LOCK:
                        path.unlink()
        except BlockingIOError as error:
            name = printable(self.folder.with_suffix(""))
            raise PictureError(
                f"{name}: another run is coloring this film; wait for that one, or name another output with -o"
            ) from error
        except OSError as error:
            raise PictureError(
                f"{printable(self.folder)}: cannot be made ({error.strerror or error}); name another output"
            ) from error

    def close(self) -> None:
        """Let other runs have the folder; with nothing in it that is of use, it is removed."""
        if self._lock is None:
            return
        if self._is_ours(self._lock) and not (self.folder / _MANIFEST).exists():
            self.remove()
        os.close(self._lock)
        self._lock = None

    def _hold(self) -> int:
        """Make the folder and lock it, for as long as the returned descriptor is open. Raises OSError."""
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            held = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                lock(held)
            except BaseException:
                os.close(held)
                raise
            # A run that ended just now may have removed what was opened.
            if self._is_ours(held):
                return held
            os.close(held)

    def _is_ours(self, held: int) -> bool:
        try:
            return os.path.samestat(os.fstat(held), (self.folder / _LOCK).stat())
        except FileNotFoundError:
            return False

    def keep(self, progress: Progress, memory: Memory | None, sums: NDArray[np.float64]) -> None:
        """Remember that the last piece of `progress` is done, and what the filter knew then.

        Raises PictureError where it cannot be written.
        """
        number = len(progress.pieces)
        arrays: dict[str, Any] = {"sums": sums}
        if memory is not None:
            arrays |= {name: getattr(memory, name) for name in _MEMORY}
        with atomic_path(self._memory_path(number), PictureError) as part, part.open("wb") as file:
            np.savez(file, **arrays)
        text = json.dumps({"format": _FORMAT, "identity": self._identity, "progress": asdict(progress)}, indent=1)
        with atomic_path(self.folder / _MANIFEST, PictureError) as part:
            part.write_text(text, encoding="utf-8")
        self.progress = progress
        if number:
            self._memory_path(number - 1).unlink(missing_ok=True)

    def recall(self) -> tuple[Memory | None, NDArray[np.float64] | None]:
        """Return what the filter knew after the last piece, and the sums of the scores."""
        path = self._memory_path(len(self.progress.pieces))
        if not path.is_file():
            return None, None
        with np.load(path) as arrays:
            sums = arrays["sums"]
            if "planes" not in arrays:
                return None, sums
            return Memory(*(arrays[name] for name in _MEMORY)), sums

    def remove(self) -> None:
        """Remove the folder: the film is done."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _memory_path(self, number: int) -> Path:
        return self.folder / f"memory-{number:05d}.npz"

    def _find(self) -> tuple[Progress, bool]:
        """Return how far the film is, and whether what lies here is of no use."""
        try:
            found = json.loads((self.folder / _MANIFEST).read_text(encoding="utf-8"))
            if found["format"] != _FORMAT or found["identity"] != json.loads(json.dumps(self._identity)):
                return Progress(), True
            made = found["progress"]
            pieces = tuple(Piece(**piece) for piece in made.pop("pieces"))
            progress = Progress(pieces, **made)
        except FileNotFoundError:
            return Progress(), False
        except (OSError, ValueError, KeyError, TypeError):
            return Progress(), True
        whole = all((self.folder / piece.name).is_file() for piece in pieces)
        whole = whole and self._memory_path(len(pieces)).is_file()
        return (progress, False) if whole else (Progress(), True)


def identify(path: Path) -> dict[str, Any]:
    """Return what tells a file from others: its size, when it was changed, and a hash of its beginning and its end."""
    status = path.stat()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(_SAMPLE))
        file.seek(max(0, status.st_size - _SAMPLE))
        digest.update(file.read(_SAMPLE))
    return {"size": status.st_size, "changed": status.st_mtime_ns, "sample": digest.hexdigest()}
