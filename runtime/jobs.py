"""What is to be colored and where it goes: files, folders and glob patterns become jobs."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from colorrt.errors import UsageError
from colorrt.runtime.film.suffixes import FILM_SUFFIXES, is_film
from colorrt.runtime.pictures.formats import PICTURE_SUFFIXES

MARK = "-color"
"""What the names of outputs end in when no output was named."""


@dataclass(frozen=True)
class Job:
    """One picture or film to color. `problem`: why it cannot be, when that is known before it is opened."""

    source: Path
    target: Path
    problem: str | None = None


class Names:
    """The names that are spoken for: no output may take that of an input, or that of another output."""

    def __init__(self, inputs: Iterable[Path]) -> None:
        self._inputs = {_real(path) for path in inputs}
        self._outputs: dict[Path, Path] = {}

    def claim(self, target: Path, source: Path) -> str | None:
        """Give the name `target` to the output of `source`. Returns why not, when it is spoken for."""
        real = _real(target)
        if real == _real(source):
            return "its output would overwrite it; name another folder with -o"
        if real in self._inputs:
            return f"its output would overwrite {target}, which is an input; name another folder with -o"
        other = self._outputs.setdefault(real, source)
        if other != source:
            return f"its output {target} is already that of {other}; color one of them in a run with another -o"
        return None

    def settle(self, jobs: Iterable[Job]) -> list[Job]:
        """Claim the target of each job; those that cannot have it become jobs with a problem."""
        settled = []
        for job in jobs:
            problem = job.problem or self.claim(job.target, job.source)
            settled.append(Job(job.source, job.target, problem))
        return settled


def plan_jobs(sources: Sequence[str], output: Path | None, *, overwrite: bool = False) -> list[Job]:
    """Turn what the user named into jobs, in order, each picture once.

    `sources`: files, folders (searched recursively) or glob patterns. `output`: a folder, which then mirrors the
    folders searched, or a file name when the only source is a file; None writes NAME-color.jpg beside a file and
    FOLDER-color/ beside a folder. Sources that name nothing, and targets that would overwrite an input or each
    other, become jobs with a problem: the others go on.

    Without `output`, NAME-color.jpg is not colored when NAME.jpg is to be: a shell's *.jpg names both from the second
    run on. To `overwrite` it is a problem of NAME.jpg then, for the user has named it as an input.

    Raises UsageError when `output` names a file and the results need a folder, or a source is named "".
    """
    if "" in sources:
        raise UsageError("one of the pictures has an empty name; check the variable or the quotes that it came from")
    single = len(sources) == 1 and exists(Path(sources[0])) and not Path(sources[0]).is_dir()
    _check_output(output, single=single)
    jobs: dict[Path, Job] = {}
    for source in sources:
        for job in _expand(source, output, single=single):
            jobs.setdefault(_real(job.source), job)
    inputs = list(jobs)
    if output is None:
        results = {_real(result) for job in jobs.values() if job.problem is None for result in _results(job.target)}
        named = {_real(Path(source)) for source in sources}
        jobs = {real: job for real, job in jobs.items() if real not in results}
        inputs = [real for real in inputs if real not in results or (overwrite and real in named)]
    return Names(inputs).settle(jobs.values())


def _check_output(output: Path | None, *, single: bool) -> None:
    if output is None or (exists(output) and output.is_dir()):
        return
    named = output.suffix.lower() in PICTURE_SUFFIXES or is_film(output)
    if single and named:
        return
    if named or exists(output):
        raise UsageError(f"{output}: this is a file name, but the results need a folder; name one with -o")


def _expand(source: str, output: Path | None, *, single: bool) -> Iterator[Job]:
    path = Path(source)
    if exists(path):
        yield from _folder(path, output) if path.is_dir() else [Job(path, _target(path, output, single=single))]
    elif glob.has_magic(source):
        # Path.glob takes no absolute patterns.
        matches = [Path(match) for match in sorted(glob.glob(source, recursive=True))]  # noqa: PTH207 (Path.glob takes no absolute patterns)
        files = [match for match in matches if match.is_file() and _is_picture(match)]
        if not files:
            yield Job(path, path, "no such file, and no picture matches it as a pattern; check it")
        for file in files:
            yield Job(file, _target(file, output, single=False))
    else:
        yield Job(path, path, "no such file or folder; check the path")


def _folder(folder: Path, output: Path | None) -> Iterator[Job]:
    target = output if output is not None else _beside(folder)
    inside = _real(target)
    files = [
        file
        for file in sorted(folder.rglob("*"))
        # An output folder inside the searched one would be colored again on the next run.
        if _is_picture(file) and file.is_file() and (inside == _real(folder) or not _real(file).is_relative_to(inside))
    ]
    if not files:
        kinds = " ".join(sorted(suffix.removeprefix(".") for suffix in PICTURE_SUFFIXES | FILM_SUFFIXES))
        yield Job(folder, folder, f"no pictures in this folder or below it (looked for {kinds}); check the folder")
    for file in files:
        yield Job(file, target / file.relative_to(folder))


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


def exists(path: Path) -> bool:
    """Whether there is a file or folder of this name; of names that no file can have, there is none."""
    try:
        return path.exists()
    except OSError:
        return False


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES | FILM_SUFFIXES and not path.name.startswith(".")


def _results(target: Path) -> tuple[Path, Path]:
    """Return the names that the output may get: PNG takes the place of formats that cannot hold it."""
    return target, target.with_suffix(".png")


def _real(path: Path) -> Path:
    # Path.resolve raises where links run in a circle.
    return Path(os.path.realpath(path))
