"""The actor of a cluster: one network, loaded once, that colors group after group."""

from __future__ import annotations

import json
import os
import resource
import sys
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.folder import Outcome, Result, Settings, color_jobs
from colorrt.runtime.history import Journals, Skip
from colorrt.runtime.jobs import Job


@dataclass(frozen=True)
class Choice:
    """How the actors of a run color. `engine`: None is the model that ships. `began`: when the run did, ISO 8601, UTC:
    what was made since, by an actor that died before it could tell, counts as done by this run."""

    engine: str | None
    render_factor: int | None
    device: str
    threads: int | None
    upsample: str
    settings: Settings
    began: str


class Worker:
    """What `map_batches` makes one of for each device."""

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._journals = Journals()
        self._colorizer = Colorizer(
            choice.engine,
            render_factor=choice.render_factor,
            device=choice.device,
            threads=choice.threads,
            upsample=choice.upsample,
        )

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Color the jobs of some groups, in order. Returns columns, a row for each job; raises for no picture."""
        jobs = [_job(table) for group in batch["group"] for table in json.loads(group)]
        # Read once, and not for each batch: it may have millions of rows.
        self._journals.renew()
        with closing(self._journals):
            results = color_jobs(self._colorizer, jobs, self._choice.settings, self._journals)
            rows = [self._row(result) for result in results]
        return {name: [row[name] for row in rows] for name in COLUMNS}

    def _row(self, result: Result) -> dict[str, Any]:
        outcome, row = result.outcome, result.row
        if result.skip is Skip.DONE:
            # Made by an actor of this run that was killed, and by no run before.
            row = self._journals.of(result.job).made(result.job.target)
            if row is not None and datetime.fromisoformat(row.at) >= datetime.fromisoformat(self._choice.began):
                outcome = Outcome.DONE
        return {
            "source": str(result.job.source),
            "target": str(result.job.target),
            "outcome": outcome.value,
            "reason": "" if outcome is Outcome.DONE else result.reason or "",
            "seconds": result.seconds,
            "pid": os.getpid(),
            "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 if sys.platform == "linux" else 1024),
        }


COLUMNS = ("source", "target", "outcome", "reason", "seconds", "pid", "peak_kib")


def group_jobs(jobs: list[Job]) -> list[str]:
    """Return jobs as JSON, in groups whose results may get one name: x.gif becomes x.png, if that is free.

    A group is colored by one actor, in order; so names do not depend on who is quicker.
    """
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(f"{job.folder}/{job.name.removesuffix(Path(job.name).suffix)}", []).append(job)
    return [json.dumps([asdict(job) for job in group], default=str) for group in groups.values()]


def _job(table: dict[str, Any]) -> Job:
    root = table["root"]
    return Job(Path(table["source"]), Path(table["target"]), table["problem"], None if root is None else Path(root))
