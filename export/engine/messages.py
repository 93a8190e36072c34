"""What TensorRT says while it builds: its log and its progress, heard by objects of ours and printed by nobody."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from colorrt.runtime.sessions.trt_log import first_reason, log_of

# "IBuilder::buildSerializedNetwork: Error Code 7: BuildCanceled (Build canceled by user In next at /_src/x.cpp:92)"
PREAMBLE = re.compile(r"^(\[[^\]]*\]|[\w:]+:)?\s*Error Code \d+:\s*")
PLACES = re.compile(r"\[\w+\.(cpp|h|hpp|cu):\d+[^\]]*\]\s*|\.?\s*\b[Ii]n [\w:~]+ at [^\s()]+:\d+")
MEMORY = re.compile(r"Total (Activation|Weights) Memory: (\d+) bytes")
LONGEST = 240


class Messages:
    """What one TensorRT has logged since the last `clear`: its errors, its warnings and the memory it told of.

    TensorRT calls it from threads of its own.
    """

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.memory: dict[str, int] = {}
        """Bytes on the GPU by "Activation" and "Weights", as the builder reports them at its end."""

    def clear(self) -> None:
        """Forget everything."""
        self.errors.clear()
        self.warnings.clear()
        self.memory.clear()

    def hear(self, severity: str, message: str) -> None:
        """Take one message; `severity` is the name of TensorRT's constant ("ERROR")."""
        if severity in ("INTERNAL_ERROR", "ERROR"):
            self.errors.append(message)
        elif severity == "WARNING":
            self.warnings.append(message)
        elif severity == "INFO" and (found := MEMORY.search(message)) is not None:
            self.memory[found.group(1)] = int(found.group(2))


@functools.cache
def logger(module: ModuleType) -> tuple[Any, Messages]:
    """Return the one logger that all builders of `module` share, and what it hears.

    TensorRT keeps the logger of the first builder or runtime that lives, and ignores others as long as it does: what
    this one hears it passes on to that of the sessions, which looks there for the reason of its own failures.
    """
    messages = Messages()
    others = log_of(module)

    def log(_: Any, severity: Any, message: str) -> None:
        messages.hear(severity.name, message)
        others.log(severity, message)

    return _derive(module.ILogger, log=log), messages


def reason(module: ModuleType) -> str:
    """Say in one line why the last thing failed: the first error, without codes and places in TensorRT's source."""
    messages = logger(module)[1]
    if messages.errors:
        return tidy(messages.errors[0])
    return first_reason(log_of(module)) or "TensorRT gives no reason"


def forget(module: ModuleType) -> Messages:
    """Forget what was said until now, and return what hears from now on."""
    messages = logger(module)[1]
    messages.clear()
    log_of(module).clear()
    return messages


class Progress:
    """How far a build has come, and the way to stop it. TensorRT calls it from threads of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Phases that are under way: name -> (the phase it is a part of, its steps, those done).
        self._phases: dict[str, tuple[str | None, int, int]] = {}
        self._fraction = 0.0
        self._canceled = False

    @property
    def state(self) -> tuple[float, str]:
        """What is done, 0..1, which never falls, and the latest phase that is under way."""
        with self._lock:
            return self._fraction, next(reversed(self._phases), "")

    def cancel(self) -> None:
        """Let the build end at its next step."""
        self._canceled = True

    def phase_start(self, name: str, parent: str | None, steps: int) -> None:
        """Hear that a phase of `steps` begins, as a part of the phase `parent` or as the whole."""
        with self._lock:
            self._phases[name] = (parent or None, max(1, steps), 0)

    def step_complete(self, name: str, step: int) -> bool:
        """Hear that step 0, 1, ... of a phase is done; False asks TensorRT to stop."""
        with self._lock:
            if name in self._phases:
                parent, steps, done = self._phases[name]
                self._phases[name] = (parent, steps, max(done, min(steps, step + 1)))
                self._fraction = max(self._fraction, self._done())
        return not self._canceled

    def phase_finish(self, name: str) -> None:
        """Hear that a phase is over."""
        with self._lock:
            parent = self._phases.pop(name, (None, 1, 0))[0]
            if parent is None and not self._phases:
                self._fraction = 1.0

    def _done(self) -> float:
        wholes = [name for name, (parent, _, _) in self._phases.items() if parent not in self._phases]
        return max((self._part(name) for name in wholes), default=0.0)

    def _part(self, name: str) -> float:
        _, steps, done = self._phases[name]
        below = max((self._part(other) for other, (parent, _, _) in self._phases.items() if parent == name), default=0)
        return min(1.0, (done + below) / steps)


def monitor(module: ModuleType, progress: Progress) -> Any:
    """Return an IProgressMonitor of `module` that tells `progress`; it must live as long as the builder's config."""
    return _derive(
        module.IProgressMonitor,
        phase_start=lambda _, name, parent, steps: progress.phase_start(name, parent, steps),
        step_complete=lambda _, name, step: progress.step_complete(name, step),
        phase_finish=lambda _, name: progress.phase_finish(name),
    )


def tidy(message: str) -> str:
    """Shorten one of TensorRT's messages to a line for people: no codes in front, no places in its source."""
    line = PLACES.sub("", PREAMBLE.sub("", " ".join(message.split()))).replace("( ", "(").strip(" .;")
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


def _derive(base: Any, **methods: Callable[..., Any]) -> Any:
    """Make an object of a class under `base`, which is known at run time only."""

    def start(self: Any) -> None:
        base.__init__(self)

    return type(f"Our{base.__name__}", (base,), {"__init__": start, **methods})()
