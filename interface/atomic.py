"""Files that are whole or not there: made beside their name and moved into place."""

from __future__ import annotations

import errno
import os
import re
import secrets
import time
from contextlib import contextmanager, suppress
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
_MOMENT, _DAY = 5.0, 86400.0
"""Seconds after which a part that nobody has locked is abandoned, with and without locks."""

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
        part = target.with_name(f".{target.name[:40]}.{secrets.token_hex(6)}.part")
        held = _hold(part)
        yield part
        _sync(part)
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


def remove_parts(folder: Path) -> int:
    """Remove what runs that were killed have left in a folder; what a living one is writing stays. Returns how many.

    A living writer holds a lock on its file. Where the system has no such locks, files of the last day stay.
    """
    removed = 0
    with suppress(OSError):
        for path in [Path(entry.path) for entry in os.scandir(folder) if _PART.fullmatch(entry.name)]:
            with suppress(OSError):
                if _is_abandoned(path):
                    path.unlink()
                    removed += 1
    return removed


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


def _hold(part: Path) -> int | None:
    """Make the file, and lock it for as long as the returned descriptor is open."""
    held = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    if fcntl is None:
        # Windows moves no file that is open.
        os.close(held)
        return None
    # Some network drives have no locks; their files are known by their age.
    with suppress(OSError):
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return held


def _is_abandoned(part: Path) -> bool:
    age = time.time() - part.stat().st_mtime
    if fcntl is None:
        return age > _DAY
    # A file that was made just now may not be locked yet.
    if age < _MOMENT:
        return False
    with part.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return age > _DAY
    return True


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
