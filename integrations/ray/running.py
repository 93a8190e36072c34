"""Color pictures on a Ray cluster: list, group, `map_batches` over a pool of actors, gather what became of each.

Ray starts dead actors again and gives their batches to others. What makes that exact is the sink: a batch that is given
anew finds in the journal what was made before. Ray's own row checkpoints need a dataset that ends in Ray's writers, and
results here are pictures; the journal does what they would.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from colorrt.errors import BackendError
from colorrt.integrations.ray.worker import Choice, Worker, group_jobs
from colorrt.runtime.jobs import Job

BATCH = 32
"""Groups that an actor is given at a time: at the end of each its pipeline runs dry."""
_RETRIES = 4
"""How often Ray gives a batch to an actor again, whose actor died over it."""
_DEAD = "the worker died over it, again and again; color it alone with 'colorrt run' to see why"


@dataclass(frozen=True)
class Cluster:
    """What actors get. `workers`: how many, None: one for each GPU, or else for each CPU. `gpus`: of each."""

    workers: int | None = None
    cpus: float = 1
    gpus: float = 0
    batch: int = BATCH


def color_on_ray(jobs: Sequence[Job], choice: Choice, cluster: Cluster | None = None) -> Iterator[dict[str, Any]]:
    """Color jobs on the cluster of RAY_ADDRESS, or on one that is started here; yield a row for each as it ends.

    Rows have `source`, `target`, `outcome`, `reason`, `seconds`, `pid`, `peak_kib`; each job has exactly one.
    A batch that kills its actor again and again is colored picture by picture, and only what kills fails.
    Raises BackendError without the extra `ray`.
    """
    cluster = cluster or Cluster()
    ray = _started()
    waiting = {str(job.source): job for job in jobs}
    for batch in (cluster.batch, 1):
        if waiting:
            for row in _pass(ray, list(waiting.values()), choice, cluster, batch):
                if waiting.pop(row["source"], None) is not None:
                    yield row
    for job in waiting.values():
        yield {
            "source": str(job.source), "target": str(job.target), "outcome": "failed",
            "reason": f"{job.source}: {_DEAD}", "seconds": 0.0, "pid": 0, "peak_kib": 0,
        }  # fmt: skip


def began_now() -> str:
    """Return the time as `Choice.began` has it, which journals keep in whole seconds."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _started() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise BackendError(
            f"{error.name or 'ray'} is not installed, and clusters need it: pip install 'colorrt[ray]'"
        ) from error
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # A block whose actors keep dying is left to the second pass, and does not end the run.
    context.max_errored_blocks = -1
    context.actor_task_retry_on_errors = False
    return ray


def _pass(ray: Any, jobs: list[Job], choice: Choice, cluster: Cluster, batch: int) -> Iterator[dict[str, Any]]:
    groups = group_jobs(jobs)
    have = ray.cluster_resources()
    most = int(have.get("GPU", 0) / cluster.gpus) if cluster.gpus else int(have.get("CPU", 1) / cluster.cpus)
    workers = max(1, cluster.workers or most)
    blocks = max(1, min(len(groups), -(-len(groups) // batch)))
    listed = ray.data.from_items([{"group": group} for group in groups], override_num_blocks=blocks)
    with warnings.catch_warnings():
        # The two last have no names of their own yet; 2.64 is to take them away, and the extra ends before it.
        warnings.simplefilter("ignore")
        found = listed.map_batches(
            Worker,
            fn_constructor_args=(choice,),
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=cluster.cpus,
            num_gpus=cluster.gpus or None,
            max_restarts=-1,
            max_task_retries=_RETRIES,
        )
    yield from found.iter_rows()
