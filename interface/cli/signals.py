"""What ends a command from outside: Ctrl-C and SIGTERM, both in one line and with their own exit code."""

from __future__ import annotations

import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

INTERRUPTED, TERMINATED = 130, 143
_AGAIN = 0.02
"""Seconds after which a signal comes once more that was lost in a callback of the interpreter."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: it unwinds like Ctrl-C, so that nothing is left half-written."""


_came: list[int] = []
_told: list[str] = []


def has_come() -> bool:
    """Whether a signal came to end the command."""
    return bool(_came)


def was_terminated() -> bool:
    """Whether SIGTERM came: command-line parsers turn what it raises into the exit code of Ctrl-C."""
    return signal.SIGTERM in _came


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """Return what the shell is told."""
    return TERMINATED if isinstance(interrupt, Terminated) or was_terminated() else INTERRUPTED


def was_told() -> bool:
    """Whether a command has said itself that it was interrupted: parsers end in silence."""
    return bool(_told)


def word(interrupt: KeyboardInterrupt) -> str:
    """Return what ended the command, for the one line that tells it."""
    _told.append("terminated" if exit_code(interrupt) == TERMINATED else "interrupted")
    return _told[-1]


def catch_signals() -> None:
    """Let SIGTERM raise `Terminated` and Ctrl-C KeyboardInterrupt in the main thread, wherever it is.

    Elsewhere signals cannot be caught. Ctrl-C stays ignored where the parent ignores it.
    """
    try:
        signal.signal(signal.SIGTERM, _raise)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _raise)
    except ValueError:
        # Not the main thread.
        return
    sys.unraisablehook = _unraisable


def end_catching() -> None:
    """Let signals end the process at once, in silence: nothing is left to be done."""
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is _raise:
                signal.signal(number, signal.SIG_DFL)
    except ValueError:
        return


def _raise(number: int, frame: FrameType | None) -> None:
    _came.append(number)
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


def _unraisable(found: Any) -> None:
    """In callbacks of the interpreter, of the collector and of imports, an exception is shown and dropped.

    An interrupt must be neither: it comes again a moment later, when the main thread is out of there.
    """
    if not _came or not issubclass(found.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(found)
        return
    import os
    import threading

    again = threading.Timer(_AGAIN, os.kill, (os.getpid(), _came[-1]))
    again.daemon = True
    again.start()
