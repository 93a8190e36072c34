"""`colorrt` in processes that are forked from one that has loaded its modules: they start in a moment."""

from __future__ import annotations

import multiprocessing
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.process import BaseProcess
    from pathlib import Path

_LOADED = ("colorrt.cli.run", "colorrt.runtime.folder", "colorrt.runtime.fixity", "colorrt.bench.cold", "onnxruntime")


def fork_run(words: Sequence[object], errors: Path) -> BaseProcess:
    """Start `colorrt` with these words; what it says goes into `errors`."""
    context = multiprocessing.get_context("forkserver")
    # Only the first call of a process has a say.
    context.set_forkserver_preload([__name__, *_LOADED])
    process = context.Process(target=_run, args=([str(word) for word in words], str(errors)))
    process.start()
    return process


def _run(words: list[str], errors: str) -> None:
    file = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    sys.argv = ["colorrt", *words]

    from colorrt.cli import main

    main()
