"""What ends a command from outside: Ctrl-C and SIGTERM, both in one line and with their own exit code."""

from __future__ import annotations

import signal
import threading
from types import FrameType

INTERRUPTED, TERMINATED = 130, 143


class Terminated(KeyboardInterrupt):
    """SIGTERM: it unwinds like Ctrl-C, so that nothing is left half-written."""


_came: list[int] = []


def was_terminated() -> bool:
    """Whether SIGTERM came: command-line parsers turn what it raises into the exit code of Ctrl-C."""
    return bool(_came)


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """Return what the shell is told."""
    return TERMINATED if isinstance(interrupt, Terminated) else INTERRUPTED


def word(interrupt: KeyboardInterrupt) -> str:
    """Say what ended the command."""
    return "terminated" if isinstance(interrupt, Terminated) else "interrupted"


def catch_termination() -> None:
    """Let SIGTERM raise `Terminated` in the main thread; elsewhere signals cannot be caught."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: FrameType | None) -> None:
    _came.append(number)
    raise Terminated
