"""Files that are whole or not there: made beside their name and moved into place."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from colorrt.errors import ColorrtError

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def printable(path: Path | str) -> str:
    """Return a path as it can stand in a one-line message: line breaks and undecodable bytes are escaped."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in str(path))


@contextmanager
def atomic_path(path: Path, failure: type[ColorrtError] = ColorrtError) -> Iterator[Path]:
    """Lend the path of an empty file to write to; it takes the place of `path` once the block has succeeded.

    The lent file lies hidden in the folder of `path`, so that moving it is one step of the file system:
    others see the old file or the new one, never a part. Its permissions follow the umask. If the block fails
    in any way (KeyboardInterrupt too), the lent file is removed and `path` stays as it was. A symbolic link
    is followed. The lent name ends in .part: a writer that goes by suffixes has to be told the format.

    Raises `failure`, "PATH: reason; advice" in one line, for every OSError, those of the block included.
    Other exceptions of the block pass through.
    """
    part: Path | None = None
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if target.exists() and not target.is_file():
            # Moving a file to the name of a device would take the device away.
            raise failure(f"{printable(path)}: cannot be written: it is not a regular file; choose another name")
        # Cut, because the longer name may not be longer than a name can be (mostly 255 bytes).
        part = target.with_name(f".{target.name[:40]}.{secrets.token_hex(6)}.part")
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        yield part
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


def in_one_line(reason: object) -> str:
    """Return what an exception says, in one line; its kind where it says nothing."""
    return " ".join(str(reason).split()) or type(reason).__name__
