"""What TensorRT says: collected, and given out in the sentences of errors, instead of printed to the terminal."""

from __future__ import annotations

import functools
import re
from collections import deque
from types import ModuleType
from typing import Any

KEPT = 20
# Severities up to this one are kept: INTERNAL_ERROR is 0, ERROR 1, WARNING 2.
ERROR = 1
# "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (...)", "[file.cpp::function::250] Error Code 1: ..."
PREAMBLE = re.compile(r"^(?:\[[^\]]*\]|[\w:]+:)?\s*Error Code \d+: ")
PLACE = re.compile(r"\s*\bIn \w+ at [^\s:]+:\d+")


OUT_OF_MEMORY = re.compile(r"out ?of ?memory|cudaError 2\b|requested size", re.IGNORECASE)
"""What TensorRT's errors of too little memory say."""


@functools.cache
def log_of(module: ModuleType) -> Any:
    """Return the one logger of a flavor.

    TensorRT keeps the first logger that it is given for many of its messages, whatever later objects bring: one for
    all is the way to hear them. Its `errors` are the latest, oldest first; `clear()` forgets them.
    """

    class Log(module.ILogger):  # type: ignore[misc, name-defined]  # the base comes from whichever TensorRT is installed
        """Keeps errors and drops the rest."""

        def __init__(self) -> None:
            module.ILogger.__init__(self)
            self.errors: deque[str] = deque(maxlen=KEPT)

        def log(self, severity: Any, message: str) -> None:
            """Hear one message; called by TensorRT from any thread."""
            if int(severity) <= ERROR:
                self.errors.append(message)

        def clear(self) -> None:
            """Forget what was said."""
            self.errors.clear()

    return Log()


def first_reason(log: Any) -> str | None:
    """Return the first error that was said since `clear`, in one line of at most 200 letters; None for none."""
    if not log.errors:
        return None
    text = " ".join(PLACE.sub("", PREAMBLE.sub("", log.errors[0])).split())
    return (text or " ".join(log.errors[0].split()))[:200]
