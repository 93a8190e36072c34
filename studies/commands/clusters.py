"""Options of the study of clusters: `cluster`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorrt.errors import UsageError
from studies.commands.reporting import write_json

if TYPE_CHECKING:
    import argparse


def add_cluster(commands: Any) -> None:
    """Add the options of `cluster`."""
    cluster = commands.add_parser("cluster", help="two workers of a local Ray cluster, one killed, beside colorrt run")
    cluster.add_argument("--pictures", type=int, default=2000)
    cluster.add_argument("--kills", type=int, default=3)
    cluster.add_argument("--json", type=Path, help="write the figures here")


def run_cluster(arguments: argparse.Namespace) -> None:
    """Measure what `cluster` asks for, and print it."""
    from studies.cluster import cluster_lines, study_cluster

    if arguments.pictures < 2 or arguments.kills < 0:
        raise UsageError("--pictures takes 2 or more, --kills 0 or more")
    report = study_cluster(arguments.pictures, arguments.kills)
    print("\n".join(cluster_lines(report)))
    write_json(arguments.json, report)
