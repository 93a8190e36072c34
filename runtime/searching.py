"""What lies in a folder: pictures and films, and everything else with the reason why it is left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from colorrt.runtime.film.suffixes import FILM_SUFFIXES, NAMED_SUFFIXES
from colorrt.runtime.journal import OWN_FOLDER
from colorrt.runtime.pictures.formats import PICTURE_SUFFIXES

UNFINISHED = ".colorrt"
"""What the names of folders of unfinished films end in (`colorrt.runtime.film.state`)."""
"""Where a run keeps its journal, in the folder of its results."""

SYSTEM_FOLDERS = frozenset(
    {"@eadir", "#recycle", "#snapshot", "$recycle.bin", "__macosx", "lost+found", "system volume information"}
)
"""Folders that disks, NAS boxes and operating systems make for themselves, in lower case."""

_FORMATS = "pip install 'colorrt[formats]'"
_CONVERT = "convert it to TIFF or PNG"
# Kind, what to do, suffixes. A format that is read here is a picture and never comes to this table.
_KINDS = (
    ("HEIC", _FORMATS, (".heic", ".heif", ".hif")),
    ("JPEG XL", _FORMATS, (".jxl",)),
    ("AVIF", "upgrade Pillow", (".avif",)),
    (
        "camera RAW",
        "develop it first",
        (
            ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos",
            ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
        ),
    ),
    ("PDF", "export its pages as pictures", (".pdf",)),
    # In folders these are mostly programs.
    ("film, or a program", "name it to have it colored", tuple(sorted(NAMED_SUFFIXES - FILM_SUFFIXES))),
    ("archive", "unpack it first", (".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip")),
    (
        "picture of another format",
        _CONVERT,
        (".ai", ".djvu", ".eps", ".exr", ".hdr", ".ico", ".j2k", ".jpf", ".jpx", ".pcx", ".pfm", ".psb", ".psd", ".svg",
         ".webp", ".jp2", ".xcf"),
    ),
)  # fmt: skip
_WANTED = PICTURE_SUFFIXES | FILM_SUFFIXES
_KIND_OF = {suffix: (kind, advice) for kind, advice, suffixes in _KINDS for suffix in suffixes}


@dataclass(frozen=True)
class LeftOut:
    """A file or folder that is not colored. `kind`: what it is, for counting; `advice`: what to do, "" for nothing.

    `failed`: it may well hold pictures, and cannot be looked at; `advice` is the reason then.
    """

    path: Path
    kind: str
    advice: str = ""
    failed: bool = False


def is_wanted(path: Path) -> bool:
    """Whether a file of a folder is taken for a picture or a film, by its name."""
    return path.suffix.lower() in _WANTED and not path.name.startswith(".")


def kind_of(path: Path) -> tuple[str, str] | None:
    """Return what a file is by its suffix, and what to do with it: ("camera RAW", "develop it first").

    None for pictures and films that are read here, and for suffixes that say nothing.
    """
    suffix = path.suffix.lower()
    return None if suffix in PICTURE_SUFFIXES | NAMED_SUFFIXES else _KIND_OF.get(suffix)


def search(folder: Path, without: Path | None = None) -> Iterator[Path | LeftOut]:
    """Walk a folder at any depth in a fixed order: pictures and films as paths, and what is left out.

    without: a folder whose content is passed over: that of the results; it need not exist yet.
    Links to files are pictures like any other; links to folders are not followed. Nothing is opened.
    """
    # Not os.walk: it recurses until Python 3.12, and folders nest deeper than Python does.
    waiting: list[Path] = [folder]
    passed_over = None if without is None else _folder_inode(without)
    while waiting:
        path = waiting.pop()
        if path is not folder:
            found = _what_is(path, passed_over)
            if found is not None:
                yield found
                continue
        try:
            with os.scandir(path) as entries:
                names = sorted((entry.name for entry in entries), reverse=True)
        except OSError as error:
            yield LeftOut(path, "folder that cannot be entered", error.strerror or str(error), failed=True)
            continue
        waiting += [path / name for name in names if name != OWN_FOLDER]


def _what_is(path: Path, passed_over: tuple[int, int] | None) -> Path | LeftOut | None:
    """Return a picture, what is left out, or None for a folder to enter."""
    try:
        if path.is_dir():
            return _of_folder(path, passed_over)
        if not path.is_file():
            broken = path.is_symlink()
            return LeftOut(path, "broken link" if broken else "special file")
    except OSError as error:
        # Folders that may be listed and not entered.
        return LeftOut(path, "file that cannot be reached", error.strerror or str(error), failed=True)
    if path.name.startswith("."):
        return LeftOut(path, "hidden file")
    if path.suffix.lower() in _WANTED:
        return path
    kind, advice = _KIND_OF.get(path.suffix.lower(), ("file that is no picture", ""))
    return LeftOut(path, kind, advice)


def _of_folder(path: Path, passed_over: tuple[int, int] | None) -> LeftOut | None:
    if passed_over is not None and _inode(path) == passed_over:
        return LeftOut(path, "folder of results")
    if path.is_symlink():
        return LeftOut(path, "link to a folder", "name it to have it colored")
    if path.suffix == UNFINISHED and (path / "lock").exists():
        return LeftOut(path, "folder of an unfinished film")
    if path.name.startswith("."):
        return LeftOut(path, "hidden folder", "name it to have it colored")
    if path.name.lower() in SYSTEM_FOLDERS:
        return LeftOut(path, "system folder", "name it to have it colored")
    return None


def _folder_inode(path: Path) -> tuple[int, int] | None:
    try:
        return _inode(path) if path.is_dir() else None
    except OSError:
        # A folder that may not be entered: whether there is one in it is found out by whoever makes it.
        return None


def _inode(path: Path) -> tuple[int, int]:
    # Not by real paths: of a folder 1,500 deep each takes 1,500 looks.
    status = path.stat()
    return status.st_dev, status.st_ino
