"""Options of the study of the service: `load`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorrt.errors import UsageError
from studies.commands.reporting import write_json

if TYPE_CHECKING:
    import argparse


def add_load(commands: Any) -> None:
    """Add the options of `load`."""
    load = commands.add_parser("load", help="many clients at one service, beside colorrt run; or random files")
    load.add_argument("--clients", type=int, default=16)
    load.add_argument("--seconds", type=float, default=60.0)
    load.add_argument("--fuzz", type=int, metavar="N", help="send N random and damaged files instead")
    load.add_argument("--json", type=Path, help="write the figures here")


def run_load(arguments: argparse.Namespace) -> None:
    """Measure what `load` asks for, and print it."""
    from studies.load import fuzz_lines, load_lines, study_fuzz, study_load

    if arguments.fuzz is not None:
        print("\n".join(fuzz_lines(study_fuzz(max(1, arguments.fuzz)))))
        return
    if arguments.clients < 1 or not arguments.seconds > 0:
        raise UsageError("--clients takes 1 or more, --seconds more than 0")
    report = study_load(arguments.clients, arguments.seconds)
    print("\n".join(load_lines(report)))
    write_json(arguments.json, report.as_json())
