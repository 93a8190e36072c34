"""Where photographs lie: files of folders and members of tar shards, each with its place, none of them decoded yet.

One rule for training, evaluation, parity and benchmarks. A source is a folder or a tar shard. Of a folder, every
photograph and every shard at any depth is taken, links are followed, and what is hidden (a name that begins with a dot)
is left out. A photograph is a file that ends as one of `PHOTO_SUFFIXES`, in any case of letters. Members of a shard
within a folder are named with it: `deep/shard.tar/a.jpg`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from colorrt.errors import UsageError
from colorrt.photos.shards import MOST_PHOTO_BYTES, HostileShardError, Shard, open_shard, read_member, too_large
from colorrt.runtime.pictures.formats import PICTURE_SUFFIXES

# TGA has no mark at its beginning: its reader would take damaged files of other formats for pictures.
PHOTO_SUFFIXES = PICTURE_SUFFIXES - {".tga"}
"""Files with other suffixes are passed over in silence: they do not claim to be photographs."""
SHARD_ENDINGS = (".tar", ".tar.bz2", ".tar.gz", ".tar.xz", ".tgz")


class DamagedShardError(UsageError):
    """A tar shard opens as one, and is cut off or damaged further on."""

    def __init__(self, shard: Path, error: BaseException) -> None:
        super().__init__(_describe_damage(shard, error))
        self.shard = shard
        self.reason = _first_line(error)


@dataclass(frozen=True)
class Entry:
    """One encoded photograph.

    `name`: its path inside of the source, with forward slashes; it decides whether the photograph is for training or
    for validation. `offset`, `size`: where its bytes lie in `file`; a size below 0 is the whole file. Members that
    cannot be reached singly (those of compressed shards) carry their bytes in `data`, for encoded photographs are
    small, or, where they were not to be held, their name in the shard in `member`.
    """

    name: str
    file: Path
    offset: int = 0
    size: int = -1
    data: bytes | None = None
    member: str | None = None


def find_entries(
    sources: Sequence[Path],
    without: Path | None = None,
    on_skip: Callable[[str], None] | None = None,
    *,
    hold: bool = True,
) -> list[Entry]:
    """List every photograph in `sources`, tar shards and folders with photographs and shards at any depth.

    The sources come one after the other, the photographs of each sorted by name. Shards are gone through once, by their
    headers alone, and their members read later one by one, in any order; for that, those of compressed shards are held
    in memory, unless `hold` is False.
    `without`: a folder that is left out, for a training may write where it reads. `on_skip` is told of each shard and
    folder within a folder that cannot be read, in one line, and the others go on; without it, the first raises.
    Raises FileNotFoundError when a source does not exist, UsageError when it is neither a folder nor a tar shard,
    DamagedShardError when a shard is cut off or damaged.
    """
    leave = None if without is None else os.path.realpath(without)
    found: list[Entry] = []
    for source in sources:
        found += sorted(_entries_of(source, leave, on_skip or _refuse, hold), key=lambda entry: entry.name)
    return found


def is_held_out(name: str, share: float) -> bool:
    """Whether a photograph belongs to the `share` (0..1) kept for validation: decided by its name alone.

    So it stays on its side whatever else is in the folder, on every machine and in every run.
    """
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


def read_entry(entry: Entry) -> bytes:
    """Return an encoded photograph. Raises OSError when its file is gone, shorter than it was or too large, ValueError
    when it was listed without being held and cannot be reached singly."""
    if entry.data is not None:
        return entry.data
    if entry.member is not None:
        raise ValueError(f"{entry.name} was not held and lies in a compressed shard")
    size = entry.file.stat().st_size if entry.size < 0 else entry.size
    if size > MOST_PHOTO_BYTES:
        raise OSError(f"{entry.name}: {too_large(size)}")
    if entry.size < 0:
        return entry.file.read_bytes()
    with entry.file.open("rb") as file:
        file.seek(entry.offset)
        data = file.read(entry.size)
    if len(data) != entry.size:
        raise OSError(f"{entry.file}: ends inside {entry.name}")
    return data


def _refuse(reason: str) -> None:
    raise UsageError(reason)


def _entries_of(source: Path, leave: str | None, skip: Callable[[str], None], hold: bool) -> Iterator[Entry]:
    if not source.exists():
        raise FileNotFoundError(source)
    if not source.is_dir():
        yield from _read_shard(source, hold)
        return
    for path in _files_below(source, leave, skip):
        name = path.relative_to(source).as_posix()
        if _is_photo(name):
            yield Entry(name, path)
        elif name.lower().endswith(SHARD_ENDINGS):
            try:
                # Whole before any of it counts: half a shard is none.
                members = list(_read_shard(path, hold))
            except UsageError as error:
                if skip is _refuse:
                    raise
                skip(f"{error}; left out")
                continue
            for entry in members:
                yield replace(entry, name=f"{name}/{entry.name}")


def _files_below(folder: Path, leave: str | None, skip: Callable[[str], None]) -> Iterator[Path]:
    """Every file below a folder that is not hidden, through links too, but none twice by a link that leads back."""
    seen = {os.path.realpath(folder)}
    walk = os.walk(
        folder, followlinks=True, onerror=lambda error: skip(f"{error.filename}: {error.strerror}; left out")
    )
    for place, folders, files in walk:
        entered = []
        for name in sorted(folders):
            real = os.path.realpath(Path(place, name))
            if real not in seen and real != leave and not _is_hidden(name):
                seen.add(real)
                entered.append(name)
        folders[:] = entered
        # Path.is_file raises where a folder may be listed and not entered.
        yield from (Path(place, name) for name in files if not _is_hidden(name) and os.path.isfile(Path(place, name)))  # noqa: PTH113 (Path.is_file raises)


def _read_shard(source: Path, hold: bool) -> Iterator[Entry]:
    try:
        if not stat.S_ISREG(source.stat().st_mode):
            raise UsageError(
                f"{source} is neither a folder nor a file; name a folder of photographs or a tar archive of them"
            )
    except OSError as error:
        raise UsageError(_describe_damage(source, error)) from error
    opened = False
    try:
        with open_shard(source) as shard:
            opened = True
            yield from _members_of(shard, source, hold)
    except Exception as error:
        # Headers lead tarfile into nearly every exception that there is; decompressors have their own.
        if opened:
            raise DamagedShardError(source, error) from error
        raise UsageError(_describe_damage(source, error)) from error


def _describe_damage(source: Path, error: BaseException) -> str:
    return (
        f"{source}: not a tar archive, or a damaged one ({_first_line(error)}); "
        "give a folder of photographs or pack it again"
    )


def _first_line(error: BaseException) -> str:
    # tarfile tells of each compression that it tried in a line of its own.
    return str(error).partition("\n")[0].rstrip(":") or type(error).__name__


def _members_of(shard: Shard, source: Path, hold: bool) -> Iterator[Entry]:
    # Of members of one name, the last is the one that unpacking leaves. tar writes ./a.png for the members of a dot.
    members = {PurePosixPath(member.name).as_posix(): member for member in shard.archive if member.isreg()}
    held = 0
    for name, member in members.items():
        if not _is_photo(name):
            continue
        if (shard.plain and not member.issparse()) or member.size > MOST_PHOTO_BYTES:
            # What is too large is listed, and refused when it is to be read.
            yield Entry(name, source, member.offset_data, member.size)
        elif not hold:
            yield Entry(name, source, member=member.name)
        else:
            held += member.size
            if held > shard.most:
                raise HostileShardError(f"its members unpack to more than {shard.most:,} bytes, as a bomb does")
            yield Entry(name, source, data=read_member(shard, member))


def _is_photo(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in PHOTO_SUFFIXES and not _is_hidden(name)


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)
