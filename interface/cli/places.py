"""Where a run may write: checked before any work is done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from colorrt.cli.app import check_result_file
from colorrt.errors import PictureError, UsageError

if TYPE_CHECKING:
    from colorrt.runtime.jobs import Job


def output_of(output: str | None) -> Path | None:
    """Return what -o names. Raises UsageError for an empty name."""
    # Path would take it for the working folder.
    if output == "":
        raise UsageError("-o is empty; check the variable or the quotes that it came from")
    if output is None:
        return None
    from colorrt.runtime.remote.address import Address, is_address

    return Address(output) if is_address(output) else Path(output)


def check_files(files: dict[str, Path | None], jobs: Sequence[Job], folder: Path | None) -> None:
    """Raise UsageError when a file beside the results cannot be written, is an input, or would take a result's place.

    files: by the options that name them. folder: that of the results, which is made later.
    """
    for option, path in files.items():
        if path is not None and path.name == "-" and str(path) == "-":
            raise UsageError(f"{option} -: it cannot be piped; name a file")
        check_result_file(path, [job.source for job in jobs], to_be_made=folder)
        _check_no_result(path, jobs)


def _check_no_result(path: Path | None, jobs: Sequence[Job]) -> None:
    if path is None:
        return
    real = os.path.realpath(path)
    # A result may become PNG.
    if any(real in map(os.path.realpath, (job.target, job.target.with_suffix(".png"))) for job in jobs):
        raise UsageError(f"{path}: cannot be written: one of the results gets this name; choose another name")
    place = path if path.exists() else path.parent
    if place.exists() and not os.access(place, os.W_OK):
        raise UsageError(f"{path}: cannot be written: no permission to write here; choose another name")


def make_output(output: Path | None, jobs: Sequence[Job]) -> None:
    """Make the output folder. Raises UsageError when nothing can be written there."""
    from colorrt.runtime.folder import make_folder
    from colorrt.runtime.remote.address import Address

    targets = [job.target for job in jobs if job.problem is None]
    if output is None or not targets or isinstance(output, Address):
        return
    folder = output.parent if targets == [output] else output
    try:
        make_folder(folder)
    except PictureError as error:
        raise UsageError(str(error)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{folder}: no permission to write here; choose another folder with -o")
