"""`python -m colorrt.integrations.ray IN OUT`: as `colorrt run`, on a Ray cluster (RAY_ADDRESS), or on this machine."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from colorrt.atomic import printable
from colorrt.errors import ColorrtError, UsageError
from colorrt.integrations.ray.running import BATCH, Cluster, began_now, color_on_ray
from colorrt.integrations.ray.worker import Choice
from colorrt.runtime.film.suffixes import is_film
from colorrt.runtime.folder import Settings
from colorrt.runtime.jobs import plan_jobs
from colorrt.runtime.searching import LeftOut

LISTED = 20


def main() -> int:
    """Parse the command line, color, say what became of it. Returns the exit code of `colorrt run`."""
    parser = argparse.ArgumentParser(prog="python -m colorrt.integrations.ray", description=__doc__)
    parser.add_argument("source", metavar="IN", help="a folder that all machines see")
    parser.add_argument("output", metavar="OUT", type=Path, help="a folder that all machines see")
    parser.add_argument("--engine", type=Path, help="model file; the one that ships if not given")
    parser.add_argument("--render-factor", type=int)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "openvino", "cuda"))
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of each worker")
    parser.add_argument("--workers", type=int, help="actors; one for each GPU or CPU if not given")
    parser.add_argument("--gpus", type=float, default=0, help="GPUs of each worker")
    parser.add_argument("--batch", type=int, default=BATCH, help="pictures that a worker is given at a time")
    parser.add_argument("--saturation", type=float)
    parser.add_argument("--quality", type=int)
    parser.add_argument("--recolor", action="store_true")
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--max-pixels", type=int)
    arguments = parser.parse_args()
    try:
        return _run(arguments)
    except ColorrtError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted: finished results are kept; run the same command again to go on", file=sys.stderr)
        return 130


def _run(arguments: argparse.Namespace) -> int:
    if min(arguments.threads, arguments.batch, arguments.workers or 1) < 1 or arguments.gpus < 0:
        raise UsageError("--threads, --batch and --workers take 1 or more, --gpus 0 or more")
    if not Path(arguments.source).exists():
        raise UsageError(f"{printable(arguments.source)}: no such file or folder; check the path")
    left_out: list[LeftOut] = []
    absolute = [str(Path(arguments.source).absolute())]
    jobs = plan_jobs(absolute, arguments.output.absolute(), overwrite=arguments.overwrite, on_left_out=left_out.append)
    films = [job for job in jobs if is_film(job.source)]
    settings = {"max_pixels": arguments.max_pixels} if arguments.max_pixels else {}
    choice = Choice(
        None if arguments.engine is None else str(arguments.engine.absolute()),
        arguments.render_factor,
        arguments.device,
        arguments.threads,
        "guided",
        Settings(
            arguments.saturation,
            arguments.quality,
            overwrite=arguments.overwrite,
            recolor=arguments.recolor,
            **settings,
        ),
        began_now(),
    )
    cluster = Cluster(arguments.workers, arguments.threads, arguments.gpus, arguments.batch)
    counts: Counter[str] = Counter()
    for row in color_on_ray([job for job in jobs if job not in films], choice, cluster):
        counts[row["outcome"]] += 1
        if row["outcome"] == "failed" and counts["failed"] <= LISTED:
            print(f"failed: {printable(row['reason'])}", file=sys.stderr)
    print(
        f"{counts['done']} colored, in {printable(arguments.output)}; {counts['skipped']} skipped; "
        f"{counts['failed']} failed; {len(left_out)} left out; {len(films)} films are for 'colorrt run'"
    )
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
