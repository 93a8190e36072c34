"""The kernels that the first picture needs last, compiled by a second process while this one compiles the rest.

Numba compiles one kernel at a time in a process. Its cache on disk is how the second process hands over what it made.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from colorrt.kernels.arrays import readonly_view
from colorrt.kernels.compiling import threads
from colorrt.kernels.field import fit_to_guide, make_axis
from colorrt.kernels.rendering import render_block_rows, render_rows

if TYPE_CHECKING:
    from colorrt.kernels.compiling import Striped

_PATIENCE_S = 60.0
_PROGRAM = "import sys; from colorrt.kernels.ahead import compile_last; compile_last(planes=sys.argv[1] == 'planes')"


def compile_ahead(*, planes: bool) -> subprocess.Popen[bytes] | None:
    """Let a second process compile the kernels that a picture needs last, if none of them lies in the cache.

    planes: whether the first picture is rendered by `render_planes`, not by `render_rgb` of uint8. The kernels wait
    for that process when they are called first; if it fails, they are compiled as ever.
    Returns the process; None where there is nothing to win: kernels are there, no cache can be written to, or there is
    one core only.
    """
    wanted = _last(planes=planes)
    if threads() < 2 or not sys.executable or any(kernel.is_cached() is not False for kernel in wanted):
        return None
    try:
        process = subprocess.Popen(  # noqa: S603 (our own program, no shell)
            [sys.executable, "-c", _PROGRAM, "planes" if planes else "rgb"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None

    def wait() -> None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_S)

    for kernel in wanted:
        kernel.wait = wait
    return process


def compile_last(*, planes: bool) -> None:
    """Compile the kernels that a picture needs last, into the cache: those of `_last`."""
    # The compiler makes millions of objects, few of which are garbage; looking for it takes a seventh of the time.
    gc.disable()
    field = np.zeros((4, 2, 2), np.float32)
    axis = make_axis(1, 1.0, 0, 1)
    luma = readonly_view(np.zeros((1, 1), np.uint8))
    if planes:
        cb, cr = np.empty((1, 1), np.uint8), np.empty((1, 1), np.uint8)
        render_block_rows(1, luma, readonly_view(field), axis, axis, (2, 2), cb, cr)
    else:
        render_rows(1, luma, readonly_view(field), axis, axis, np.empty((1, 3), np.uint8))
    fit_to_guide(1, np.zeros((3, 1, 1), np.float32), np.float32(0), np.float32(0), np.float32(1), field)


def _last(*, planes: bool) -> tuple[Striped[...], ...]:
    return (render_block_rows if planes else render_rows, fit_to_guide)
