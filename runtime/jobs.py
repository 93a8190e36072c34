"""What is to be colored and where it goes: files, folders and glob patterns become jobs."""

from __future__ import annotations

import glob
import hashlib
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from colorrt.errors import UsageError
from colorrt.runtime.film.suffixes import FILM_SUFFIXES, is_film
from colorrt.runtime.pictures.formats import PICTURE_SUFFIXES
from colorrt.runtime.searching import LeftOut, is_wanted, kind_of, search

_URL = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
MARK = "-color"
"""What the names of outputs end in when no output was named."""


@dataclass(frozen=True, slots=True)
class Origin:
    """An object of a store that a job's source is a copy of. `tag`: its ETag, which changes with its content."""

    address: str
    size: int
    tag: str


@dataclass(frozen=True)
class Job:
    """One picture or film to color. `problem`: why it cannot be, when that is known before it is opened.

    `root`: the folder of the results that its journal lies in; None: the folder of its target. `origin`: where the
    source is fetched from, before it is read; None: it is a file of its own.
    """

    source: Path
    target: Path
    problem: str | None = None
    root: Path | None = None
    origin: Origin | None = None

    @property
    def known_as(self) -> str:
        """What the source is known as in journals: its address, or its absolute path."""
        return str(self.source.absolute()) if self.origin is None else self.origin.address

    @property
    def folder(self) -> Path:
        """The folder of the results that its journal lies in."""
        return self.target.parent if self.root is None else self.root

    @property
    def name(self) -> str:
        """The name of its result within that folder, with forward slashes."""
        inside = self.target.is_relative_to(self.folder)
        return (self.target.relative_to(self.folder) if inside else self.target).as_posix()


class Names:
    """The names that are spoken for: no output may take that of an input, or that of another output.

    `is_taken`: whether a target holds the result of another source than the given one, of an earlier run.
    """

    def __init__(self, inputs: Iterable[Path], is_taken: Callable[[Job], bool] = lambda _: False) -> None:
        self._inputs = {_real(path) for path in inputs}
        self._outputs: dict[Path, Path] = {}
        self._is_taken = is_taken

    def claim(self, job: Job) -> Job:
        """Give the job its target, or the nearest name that is free; a job with a problem where there is none."""
        problem = self._refuse(job.target, job.source)
        if problem is not None:
            return replace(job, problem=problem)
        for target in _apart(job):
            one = replace(job, target=target)
            real = _real(target)
            free = self._outputs.get(real, job.source) == job.source and not self._is_taken(one)
            if free and self._refuse(target, job.source) is None:
                self._outputs[real] = job.source
                return one
        raise AssertionError("names never run out")

    def settle(self, jobs: Iterable[Job]) -> list[Job]:
        """Claim the target of each job; those that cannot have one become jobs with a problem."""
        return [job if job.problem else self.claim(job) for job in jobs]

    def _refuse(self, target: Path, source: Path) -> str | None:
        real = _real(target)
        if real == _real(source):
            return "its output would overwrite it; name another folder with -o"
        if real in self._inputs:
            return f"its output would overwrite {target}, which is an input; name another folder with -o"
        return None


def _apart(job: Job) -> Iterator[Path]:
    """Names for the result: x.png, and where that is another's, x-gif.png for x.gif, then x-2.png and so on."""
    target, suffix = job.target, job.source.suffix.removeprefix(".").lower()
    yield target
    if suffix and suffix != target.suffix.removeprefix(".").lower():
        yield target.with_name(f"{target.stem}-{suffix}{target.suffix}")
    for number in itertools.count(2):
        yield target.with_name(f"{target.stem}-{number}{target.suffix}")


def plan_jobs(
    sources: Sequence[str],
    output: Path | None,
    *,
    overwrite: bool = False,
    on_left_out: Callable[[LeftOut], None] = lambda _: None,
) -> list[Job]:
    """Turn what the user named into jobs, in order, each picture once.

    `sources`: files, folders (searched recursively) or glob patterns. `output`: a folder, which then mirrors the
    folders searched, or a file name when the only source is a file; None writes NAME-color.jpg beside a file and
    FOLDER-color/ beside a folder. Sources that name nothing, and targets that would overwrite an input, become jobs
    with a problem: the others go on. Two results of one name are told apart: x.png, x-gif.png, x-2.png.
    `on_left_out` hears of everything in a folder that is not colored, and why.

    Without `output`, NAME-color.jpg is not colored when NAME.jpg is to be: a shell's *.jpg names both from the second
    run on. To `overwrite` it is a problem of NAME.jpg then, for the user has named it as an input.

    Raises UsageError when `output` names a file and the results need a folder, or a source is named "".
    """
    if "" in sources:
        raise UsageError("one of the pictures has an empty name; check the variable or the quotes that it came from")
    single = len(sources) == 1 and exists(Path(sources[0])) and not Path(sources[0]).is_dir()
    if not (len(sources) == 1 and _names_nothing(sources[0])):
        _check_output(output, single=single)
    jobs: dict[Path, Job] = {}
    for source in sources:
        for job in _expand(source, output, on_left_out, single=single):
            jobs.setdefault(_own(job.source), job)
    inputs = [_real(job.source) for job in jobs.values()]
    if output is None:
        results = {_real(result) for job in jobs.values() if job.problem is None for result in results_of(job.target)}
        named = {_real(Path(source)) for source in sources}
        jobs = {own: job for own, job in jobs.items() if _real(job.source) not in results}
        inputs = [real for real in inputs if real not in results or (overwrite and real in named)]
    return Names(inputs).settle(jobs.values())


def take_shard(jobs: Sequence[Job], number: int, count: int) -> list[Job]:
    """Return the jobs of one machine of `count`, `number` from 1: chosen by the digest of each result's name.

    So it does not depend on the order or the number of the jobs. The suffix does not count: x.gif becomes x.png, and
    only the machine that also has x.png knows that this name is another's.
    Raises UsageError when `number` is not in 1..count.
    """
    if not 1 <= number <= count:
        raise UsageError(f"shard {number}/{count}: the first number goes from 1 to the second, such as 3/16")
    return [job for job in jobs if shard_of(job.name, count) == number]


def shard_of(name: str, count: int) -> int:
    """Return which shard of 1..count a name belongs to, whatever its suffix."""
    digest = hashlib.sha256(os.fsencode(name.removesuffix(Path(name).suffix))).digest()
    return 1 + int.from_bytes(digest[:8], "big") % count


def _names_nothing(source: str) -> bool:
    """Whether there is no such file: what is said of it matters more than where its result would go."""
    return not exists(Path(source)) and not glob.has_magic(source)


def _check_output(output: Path | None, *, single: bool) -> None:
    if output is None or (exists(output) and output.is_dir()):
        return
    named = output.suffix.lower() in PICTURE_SUFFIXES or is_film(output)
    if single and named:
        return
    if output.name == "-":
        raise UsageError("-o -: results cannot be piped; name a folder, or ./- for a folder of that name")
    kind = kind_of(output)
    if single and kind is not None and not exists(output):
        raise UsageError(f"{output}: colorrt does not write this format; name the result .jpg, .png or .tif")
    # Another run into the same folder may have made it by now.
    if named or (exists(output) and not output.is_dir()):
        raise UsageError(f"{output}: this is a file name, but the results need a folder; name one with -o")


def _expand(source: str, output: Path | None, on_left_out: Callable[[LeftOut], None], *, single: bool) -> Iterator[Job]:
    path = Path(source)
    if exists(path):
        if path.is_dir():
            yield from _folder(path, output, on_left_out)
        else:
            yield _file(path, output, single=single)
    elif glob.has_magic(source):
        matches = [Path(match) for match in sorted(glob.glob(source, recursive=True))]  # noqa: PTH207 (Path.glob takes no absolute patterns)
        files = [match for match in matches if match.is_file() and is_wanted(match)]
        if not files:
            yield Job(path, path, "no such file, and no picture matches it as a pattern; check it")
        for file in files:
            yield Job(file, _target(file, output, single=False), root=_root(file, output, single=False))
    elif _URL.match(source):
        yield Job(path, path, "it is an address on the net; download the picture and name the file")
    else:
        yield Job(path, path, "no such file or folder; check the path")


def _file(path: Path, output: Path | None, *, single: bool) -> Job:
    kind = kind_of(path)
    target = _target(path, output, single=single)
    problem = None if kind is None else f"it is a file of the kind {kind[0]!r}; {kind[1]}"
    return Job(path, target, problem, _root(path, output, single=single))


def _folder(folder: Path, output: Path | None, on_left_out: Callable[[LeftOut], None]) -> Iterator[Job]:
    target = output if output is not None else _beside(folder)
    inside = _real(target)
    # An output folder inside the searched one would be colored again on the next run.
    without = inside if inside != _real(folder) else None
    empty = True
    for found in search(folder, without):
        if isinstance(found, LeftOut):
            if found.failed:
                empty = False
                yield Job(found.path, found.path, f"it is a {found.kind} ({found.advice}); check its permissions")
            else:
                on_left_out(found)
            continue
        empty = False
        yield Job(found, target / found.relative_to(folder), root=target)
    if empty:
        kinds = " ".join(sorted(suffix.removeprefix(".") for suffix in PICTURE_SUFFIXES | FILM_SUFFIXES))
        yield Job(folder, folder, f"no pictures in this folder or below it (looked for {kinds}); check the folder")


def _beside(folder: Path) -> Path:
    # "." and ".." have no name that could be made longer.
    named = folder if folder.name not in ("", "..") else folder.resolve()
    return named.parent / (named.name + MARK)


def _target(file: Path, output: Path | None, *, single: bool) -> Path:
    if output is None:
        return file.with_name(f"{file.stem}{MARK}{file.suffix}")
    named = is_film(output) if is_film(file) else output.suffix.lower() in PICTURE_SUFFIXES
    if single and named and not (exists(output) and output.is_dir()):
        return output
    return output / file.name


def _root(file: Path, output: Path | None, *, single: bool) -> Path:
    return _target(file, output, single=single).parent if single or output is None else output


def exists(path: Path) -> bool:
    """Whether there is a file or folder of this name; of names that no file can have, there is none."""
    try:
        return path.exists()
    except OSError:
        return False


def results_of(target: Path) -> tuple[Path, Path]:
    """Return the names that the output may get: PNG takes the place of formats that cannot hold it."""
    return target, target.with_suffix(".png")


def _real(path: Path) -> Path:
    # Path.resolve raises where links run in a circle.
    return Path(os.path.realpath(path))


def _own(path: Path) -> Path:
    """A file by its place: a link to a picture is another picture than the one that it leads to."""
    return _real(path.parent) / path.name if path.name not in ("", "..") else _real(path)
