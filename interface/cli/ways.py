"""The ways that pictures come and results go in `run`: folders, pipes, stores; and which of them this machine takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from colorrt.cli.pipes import Pipe, check_pipes, is_piped, open_pipe
from colorrt.cli.places import output_of
from colorrt.cli.remote import Remote, is_remote, open_remote

if TYPE_CHECKING:
    from colorrt.runtime.jobs import Job
    from colorrt.runtime.searching import LeftOut

_MOST_DIGITS = 9


@dataclass(frozen=True)
class Wish:
    """What the command line names. `files`: options that need files to read or write, and what they were given."""

    sources: Sequence[str]
    output: str | None
    shard: str | None
    files: dict[str, Path | None]


@contextmanager
def find_jobs(
    wish: Wish, max_pixels: int, on_left_out: Callable[[LeftOut], None], *, overwrite: bool
) -> Iterator[tuple[Pipe | Remote | None, Sequence[Job]]]:
    """Lend the jobs of a run, and their way where they are not of files in folders.

    Raises UsageError for what cannot be together, and what the ways raise.
    """
    from colorrt.runtime.jobs import plan_jobs, take_shard

    sources, output = wish.sources, wish.output
    if is_piped(sources, output):
        check_pipes(sources, output, {**wish.files, "--shard": wish.shard})
        with open_pipe(sources[0], output, max_pixels) as pipe:
            yield pipe, [pipe.job]
    elif is_remote(sources, output):
        with open_remote(sources, output, wish.files, on_left_out) as remote:
            yield remote, take_shard(remote.jobs, *_numbers_of(wish.shard))
    else:
        jobs = plan_jobs(sources, output_of(output), overwrite=overwrite, on_left_out=on_left_out)
        yield None, take_shard(jobs, *_numbers_of(wish.shard))


def _numbers_of(shard: str | None) -> tuple[int, int]:
    from colorrt.atomic import in_one_line
    from colorrt.errors import UsageError

    if shard is None:
        return 1, 1
    number, _, count = shard.partition("/")
    if not (number.isdecimal() and count.isdecimal()) or max(len(number), len(count)) > _MOST_DIGITS:
        raise UsageError(
            f"--shard {in_one_line(shard)}: give two numbers, such as 3/16 for the third of sixteen machines"
        )
    return int(number), int(count)
