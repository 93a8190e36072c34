"""What the commands of the studies share: checks of counts, words on the way, figures as JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from colorrt.atomic import atomic_path
from colorrt.contract import check_render_factor
from colorrt.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def check_counts(arguments: argparse.Namespace) -> None:
    """Raise UsageError for counts of threads or rounds below 1, and a render factor that there is not."""
    if arguments.threads < 1 or arguments.rounds < 1:
        raise UsageError("--threads and --rounds take 1 or more")
    try:
        check_render_factor(arguments.render_factor)
    except ValueError as error:
        raise UsageError(str(error)) from error


def say(message: str) -> None:
    """Tell how far the study is, beside its figures."""
    print(message, file=sys.stderr, flush=True)


def write_json(path: Path | None, table: dict[str, Any]) -> None:
    """Write figures, whole or not at all; None writes none."""
    if path is not None:
        with atomic_path(path, UsageError) as part:
            part.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
