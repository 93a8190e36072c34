"""Where photographs lie: files of folders and members of tar shards, each with its place, none of them read yet."""

from __future__ import annotations

import hashlib
import lzma
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from colorrt.errors import UsageError

PICTURE_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
TAR_FAILURES = (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError)
SHARD_ENDINGS = (".tar", ".tar.bz2", ".tar.gz", ".tar.xz", ".tgz")


@dataclass(frozen=True)
class Entry:
    """One encoded photograph.

    `name`: its path inside of the folder or shard, which decides whether it is for training or for validation.
    `offset`, `size`: where its bytes lie in `file`. `data`: the bytes themselves, where they cannot be reached singly
    (compressed shards); they are encoded photographs, and so small.
    """

    name: str
    file: Path
    offset: int = 0
    size: int = -1
    data: bytes | None = None


def find_entries(
    sources: Sequence[Path], without: Path | None = None, on_skip: Callable[[str], None] | None = None
) -> list[Entry]:
    """List every picture in `sources`, tar shards and folders with pictures and shards at any depth, in a fixed order.

    Shards are gone through once, by their headers alone, and their members read later one by one, in any order.
    `without`: a folder that is left out, for a training may write where it reads. `on_skip` is told of each file and
    folder within a folder that cannot be read, in one line; the others go on.
    Raises FileNotFoundError when a source does not exist, UsageError when one that is a file is no tar shard or a
    damaged one.
    """
    leave = None if without is None else os.path.realpath(without)
    skip = on_skip or (lambda _: None)
    return [entry for source in sources for entry in _entries_of(source, leave, skip)]


def is_held_out(name: str, share: float) -> bool:
    """Whether a photograph belongs to the `share` (0..1) kept for validation: decided by its name alone.

    So it stays on its side whatever else is in the folder, on every machine and in every run.
    """
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


def read_entry(entry: Entry) -> bytes:
    """Return an encoded photograph. Raises OSError when its file is gone or shorter than it was."""
    if entry.data is not None:
        return entry.data
    if entry.size < 0:
        return entry.file.read_bytes()
    with entry.file.open("rb") as file:
        file.seek(entry.offset)
        data = file.read(entry.size)
    if len(data) != entry.size:
        raise OSError(f"{entry.file}: ends inside of {entry.name}")
    return data


def _entries_of(source: Path, leave: str | None, skip: Callable[[str], None]) -> Iterator[Entry]:
    if not source.exists():
        raise FileNotFoundError(source)
    if not source.is_dir():
        yield from _read_shard(source)
        return
    for path in sorted(_files_below(source, leave, skip)):
        if path.suffix.lower() in PICTURE_SUFFIXES:
            yield Entry(path.relative_to(source).as_posix(), path)
        elif path.name.lower().endswith(SHARD_ENDINGS):
            try:
                # Whole before any of it counts: half a shard is none.
                yield from list(_read_shard(path))
            except UsageError as error:
                skip(f"{error}; left out")


def _files_below(folder: Path, leave: str | None, skip: Callable[[str], None]) -> Iterator[Path]:
    """Every file below a folder, through links too, but none twice by a link that leads back."""
    seen = {os.path.realpath(folder)}
    walk = os.walk(
        folder, followlinks=True, onerror=lambda error: skip(f"{error.filename}: {error.strerror}; left out")
    )
    for place, folders, files in walk:
        entered = []
        for name in sorted(folders):
            real = os.path.realpath(Path(place, name))
            if real not in seen and real != leave:
                seen.add(real)
                entered.append(name)
        folders[:] = entered
        # Path.is_file raises where a folder may be listed and not entered.
        yield from (Path(place, name) for name in files if os.path.isfile(Path(place, name)))  # noqa: PTH113


def _read_shard(source: Path) -> Iterator[Entry]:
    try:
        yield from _members_of(source)
    # KeyError: a link to a member that is not there.
    except (*TAR_FAILURES, KeyError) as error:
        # tarfile tells of each compression that it tried in a line of its own.
        reason = str(error).partition("\n")[0].rstrip(":")
        raise UsageError(
            f"{source}: no tar shard, or a damaged one ({reason}); give a folder of photographs or pack it again"
        ) from error


def _members_of(source: Path) -> Iterator[Entry]:
    with tarfile.open(source) as shard:
        plain = _is_plain(source)
        for member in shard:
            if not member.isreg() or Path(member.name).suffix.lower() not in PICTURE_SUFFIXES:
                continue
            # As folders give them: tar writes ./a.png for the members of a dot.
            name = PurePosixPath(member.name).as_posix()
            if plain and not member.issparse():
                yield Entry(name, source, member.offset_data, member.size)
                continue
            stream = shard.extractfile(member)
            if stream is not None:
                yield Entry(name, source, data=stream.read())


def _is_plain(source: Path) -> bool:
    """Whether a tar file is not compressed, so that its members lie in it as they are."""
    try:
        with tarfile.open(source, "r:"):
            return True
    except tarfile.TarError:
        return False
