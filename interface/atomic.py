"""Files that are whole or not there: made beside their name and moved into place."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from colorrt.errors import ColorrtError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # absent there

if TYPE_CHECKING:
    from collections.abc import Iterator

_PART = re.compile(r"\..{0,40}\.[0-9a-f]{12}\.part", re.DOTALL)
# Folders that were named by Python's tempfile are of before they were locked.
_PART_FOLDER = re.compile(r"\.colorrt-(?:[0-9a-f]{12}|[0-9a-z_]{8})\.part")
_DAY = 86400.0
"""Seconds after which a part is abandoned where the system has no locks."""
_TRIES = 100

Told = Callable[[Path, Path], None]
_before_move: ContextVar[Told | None] = ContextVar("before_move", default=None)

_WHY_NOT_WRITTEN = {
    errno.EACCES: "there is no permission to write here; choose another folder",
    errno.EDQUOT: "the quota of the disk is used up; free some space or choose another disk",
    errno.EISDIR: "it is a folder; name a file in it",
    errno.ENAMETOOLONG: "its name is too long; choose a shorter one",
    errno.ENOENT: "its folder does not exist; create the folder first",
    errno.ENOSPC: "the disk is full; free some space or choose another disk",
    errno.ENOTDIR: "what should be its folder is a file; choose another folder",
    errno.EPERM: "there is no permission to write here; choose another folder",
    errno.EROFS: "the disk is read-only; choose another folder",
}

# Signs; some libraries put whole tables into their messages.
_LONGEST_REASON = 200


def printable(path: Path | str) -> str:
    """Return a path as it can stand in a one-line message: line breaks and undecodable bytes are escaped."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in str(path))


@contextmanager
def atomic_path(path: Path, failure: type[ColorrtError] = ColorrtError) -> Iterator[Path]:
    """Lend the path of an empty file to write to; it takes the place of `path` once the block has succeeded.

    The lent file lies hidden in the folder of `path`, so that moving it is one step of the file system:
    others see the old file or the new one, never a part. Its permissions follow the umask. If the block fails
    in any way (KeyboardInterrupt too), the lent file is removed and `path` stays as it was. A symbolic link
    is followed. The lent name ends in .part: a writer that goes by suffixes has to be told the format. What was written
    is on the disk before it is moved: after a power cut the name does not stand for an empty file.

    Raises `failure`, "PATH: reason; advice" in one line, for every OSError, those of the block included.
    Other exceptions of the block pass through.
    """
    part: Path | None = None
    held: int | None = None
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if target.exists() and not target.is_file():
            # Moving a file to the name of a device would take the device away.
            raise failure(f"{printable(path)}: cannot be written: it is not a regular file; choose another name")
        # Cut, because the longer name may not be longer than a name can be (mostly 255 bytes).
        part, held = make_held(lambda mark: target.with_name(f".{target.name[:40]}.{mark}.part"))
        yield part
        told = _before_move.get()
        if told is None:
            _sync(part)
        else:
            _tell_while_synced(part, path, told)
        part.replace(target)
        part = None
    except OSError as error:
        reason = _WHY_NOT_WRITTEN.get(error.errno or 0)
        if reason is None:
            reason = f"{in_one_line(error.strerror or error)}; check the disk or choose another folder"
        raise failure(f"{printable(path)}: cannot be written: {reason}") from error
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink()
        if held is not None:
            os.close(held)


@contextmanager
def part_folder(place: Path) -> Iterator[Path]:
    """Lend an empty hidden folder within `place` for what is on its way to a file there; it is removed in the end.

    What a killed run leaves of it is removed by `remove_parts`. Raises OSError.
    """
    folder, held = _hold_new(lambda mark: place / f".colorrt-{mark}.part", _make_folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if held is not None:
            os.close(held)


@contextmanager
def telling_moves(told: Told) -> Iterator[None]:
    """Within the block, tell of each file that `atomic_path` makes in this thread before it gets its name.

    told: called with the lent path, whose content is whole and on its way to the disk, and the path that it is about to
    take, once that content has arrived there.
    """
    token = _before_move.set(told)
    try:
        yield
    finally:
        _before_move.reset(token)


def remove_parts(folder: Path) -> int:
    """Remove what runs that were killed have left in a folder; what a living one is writing stays. Returns how many.

    A living writer holds a lock on its file or folder. Where the system has no such locks, those of the last day stay.
    """
    removed = 0
    with suppress(OSError), os.scandir(folder) as entries:
        found = [Path(entry.path) for entry in entries if entry.name.endswith(".part")]
        for path in found:
            with suppress(OSError):
                removed += _remove_abandoned(path)
    return removed


def make_held(name: Callable[[str], Path]) -> tuple[Path, int | None]:
    """Make an empty file that `let_go` leaves alone until the returned descriptor is closed.

    name: gives its path from twelve random letters. The descriptor, for reading and writing, is None where the system
    has no locks. Raises OSError.
    """
    return _hold_new(name, _make_file)


def let_go(path: Path, remove: Callable[[Path], None] = Path.unlink) -> bool:
    """Remove a file that `make_held` made, unless its maker is alive and holds it. Returns whether it was removed.

    remove: what removes it, while nobody else can hold it. Raises OSError.
    """
    age = time.time() - path.stat(follow_symlinks=False).st_mtime
    if fcntl is None:
        if age <= _DAY:
            return False
        remove(path)
        return True
    # Network drives lock only what is open for writing; folders cannot be.
    held = os.open(path, (os.O_RDONLY if path.is_dir() else os.O_RDWR) | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            if age <= _DAY:
                return False
        # Still locked: whoever made it just now and waits for the lock finds it gone, and makes another.
        remove(path)
        return True
    finally:
        os.close(held)


def _remove_abandoned(path: Path) -> bool:
    mode = path.stat(follow_symlinks=False).st_mode
    if stat.S_ISREG(mode) and _PART.fullmatch(path.name):
        return let_go(path)
    if stat.S_ISDIR(mode) and _PART_FOLDER.fullmatch(path.name):
        return let_go(path, shutil.rmtree)
    return False


def _hold_new(name: Callable[[str], Path], make: Callable[[Path], int | None]) -> tuple[Path, int | None]:
    """Make a file or folder of a random name that nobody else holds. Returns it, and what holds its lock."""
    for _ in range(_TRIES):
        part = name(secrets.token_hex(6))
        held = make(part)
        if held is None or _is_there(part, held):
            return part, held
        # Another run took it for an abandoned one in the moment before it was locked.
        os.close(held)
    raise OSError(errno.EBUSY, "other runs remove what is written here")


def lock(descriptor: int) -> None:
    """Lock an open file for this process, until it is closed. Raises BlockingIOError when another holds it.

    Where the system or the drive has no such locks, nothing is locked.
    """
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return


def _make_file(part: Path) -> int | None:
    """Make the file, and lock it for as long as the returned descriptor is open."""
    held = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    if fcntl is None:
        # Windows moves no file that is open.
        os.close(held)
        return None
    _lock(held)
    return held


def _make_folder(part: Path) -> int | None:
    part.mkdir()
    if fcntl is None:
        return None
    try:
        held = os.open(part, os.O_RDONLY)
    except FileNotFoundError:
        # Taken for an abandoned one already.
        part.mkdir(exist_ok=True)
        held = os.open(part, os.O_RDONLY)
    _lock(held)
    return held


def _lock(held: int) -> None:
    # Some network drives have no locks; their files are known by their age.
    with suppress(OSError):
        fcntl.flock(held, fcntl.LOCK_EX)


def _is_there(part: Path, held: int) -> bool:
    try:
        named, opened = part.stat(follow_symlinks=False), os.fstat(held)
    except FileNotFoundError:
        return False
    return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)


def _tell_while_synced(part: Path, path: Path, told: Told) -> None:
    # Most of what is told is a digest, for which there is time while the disk is waited for.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, "colorrt-sync") as helper:
        synced = helper.submit(_sync, part)
        told(part, path)
        synced.result()


def _sync(part: Path) -> None:
    descriptor = os.open(part, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def in_one_line(reason: object) -> str:
    """Return what an exception says, in one line of 200 signs at most; its kind where it says nothing."""
    said = " ".join(printable(" ".join(str(reason).split())).split()) or type(reason).__name__
    return said if len(said) <= _LONGEST_REASON else said[: _LONGEST_REASON - 3] + "..."
