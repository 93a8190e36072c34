"""Color what a plan with stores names."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from colorrt.atomic import remove_parts
from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.folder import PicturePassage, Result, Settings, make_making
from colorrt.runtime.history import History, Journals
from colorrt.runtime.jobs import Job, Names
from colorrt.runtime.pipeline import run_passages
from colorrt.runtime.remote.history import StoredHistory
from colorrt.runtime.remote.passage import StoredPassage
from colorrt.runtime.remote.planning import Plan
from colorrt.runtime.remote.rows import RowSender, gather_rows, is_rows
from colorrt.runtime.remote.store import Found, Place


def color_stored(
    colorizer: Colorizer, jobs: Sequence[Job], plan: Plan, settings: Settings, journals: Journals
) -> Iterator[Result]:
    """Color jobs of a plan; yield what became of each as it ends, in their order, as `color_jobs` does.

    Raises UsageError, before the first picture, where the results' store does not answer; later, where it takes no
    rows of the journal.
    """
    making = make_making(colorizer, settings)
    sender: RowSender | None = None
    if plan.sink is None:
        history = History(journals, making, recolor=settings.recolor)
        for folder in {job.target.parent for job in jobs if job.problem is None}:
            remove_parts(folder)
    else:
        run = secrets.token_hex(8)
        listed, rows = list_results(plan.sink, jobs)
        gather_rows(plan.sink, rows, plan.results)
        sender = RowSender(plan.sink, plan.results, run)
        history = StoredHistory(
            journals, making, plan.sink, listed, run, recolor=settings.recolor, overwrite=settings.overwrite
        )
    names = Names((job.source for job in jobs), history.is_taken)
    passages = (
        StoredPassage(
            PicturePassage(colorizer, job, settings, names, history), job, plan, history, overwrite=settings.overwrite
        )
        for job in names.settle(jobs)
    )
    try:
        for result in run_passages(passages, colorizer.guess, colorizer.best_batch):
            if sender is not None:
                sender.send_now_and_then()
            yield result
    finally:
        if sender is not None:
            sender.send()


def list_results(place: Place, jobs: Sequence[Job]) -> tuple[dict[str, Found], list[str]]:
    """Return the objects that may be results of these jobs, by name, and the names of those that hold rows.

    Others are forgotten at once: of sixteen shards each has a sixteenth.
    """
    wanted = {_stem(job.name) for job in jobs if job.problem is None}
    listed: dict[str, Found] = {}
    rows = []
    for found in place.list():
        if is_rows(found.name):
            rows.append(found.name)
        elif any(stem in wanted for stem in _stems(found.name)):
            listed[found.name] = found
    return listed, rows


def _stem(name: str) -> str:
    return name.removesuffix(PurePosixPath(name).suffix)


def _stems(name: str) -> Iterator[str]:
    """Yield what a result may be named after: x-gif.png is of x.gif, or of x-gif.png."""
    stem = _stem(name)
    yield stem
    if "-" in PurePosixPath(stem).name:
        yield stem.rpartition("-")[0]
