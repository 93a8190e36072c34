"""How kernels are compiled, cached, and shared out among threads.

`kernel` marks a function that Python calls, `striped` one that runs on strips of rows side by side, `inner` one
that only those call. All are compiled by Numba on first use; kernels keep their machine code in Numba's cache folder,
so that the next process only loads it.

Numba's own parallel loops are not used: they double the time of compiling, and on the threading layer that is always
there end the process when two Python threads launch them at once. Kernels run without the GIL, and so plain Python
threads do the same.
"""

from __future__ import annotations

import operator
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast

import numba
from numba.core import event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
F = TypeVar("F", bound="Callable[..., Any]")

_config: Any = numba.config

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
# Only kernels call these: an entry for Python would take long to compile. Numba's own functions do without one, too.
_INNER_OPTIONS: dict[str, Any] = {**_OPTIONS, "no_cpython_wrapper": True, "fastmath": {"reassoc", "contract", "nsz"}}

# More strips than threads, so that one that is held up is waited for less long.
_STRIPS_PER_THREAD = 4

_thread_limit: int | None = None


class _Compiled:
    """A function in machine code, compiled or loaded at its first call."""

    def __init__(self, function: Callable[..., None]) -> None:
        self.function = function
        self.wait: Callable[[], None] | None = None
        """Returns when whoever else compiles this function is done; see `colorrt.kernels.ahead`."""
        self._compiled = self._compile()

    def is_cached(self) -> bool | None:
        """Whether machine code of it lies in the cache on disk; None where there is no cache."""
        folder: str | None = self._compiled.stats.cache_path
        if folder is None:
            return None
        module = self.function.__module__.rpartition(".")[2]
        return any(Path(folder).glob(f"{module}.{self.function.__qualname__}-*.nbi"))

    def launch(self, *args: Any) -> None:
        """Run it on this thread."""
        wait = self.wait
        if wait is not None:
            wait()
            self.wait = None
        try:
            self._compiled(*args)
        except (OSError, EOFError, pickle.PickleError):
            # Kernels raise none of these themselves: the cache folder is full, cut short or not ours to read.
            # Results are only ever overwritten, so that starting over is safe.
            self._compiled = numba.njit(self.function, **_OPTIONS)
            self._compiled(*args)

    def _compile(self) -> Any:
        try:
            return numba.njit(self.function, cache=True, **_OPTIONS)
        except RuntimeError:
            # "no locator available": neither the package's folder, nor the user's cache folder, nor
            # NUMBA_CACHE_DIR can be written to. A read-only install then compiles anew in each process.
            return numba.njit(self.function, **_OPTIONS)


class Kernel(_Compiled, Generic[P]):
    """A compiled function that Python calls; it writes its results into arrays that it is given."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Run the kernel on this thread."""
        self.launch(*args, **kwargs)


class Striped(_Compiled, Generic[P]):
    """A compiled function of some rows, (start, stop, ...), that Python calls for all of them."""

    def __call__(self, rows: int, *args: P.args, **kwargs: P.kwargs) -> None:
        """Run the kernel for rows 0..rows, shared out among as many threads as `set_threads` allows.

        It runs on this thread too, and ends when all rows are done. Any number of Python threads may do so at once.
        """
        self._share_out(min(threads(), rows), rows, *args, **kwargs)

    def alone(self, rows: int, *args: P.args, **kwargs: P.kwargs) -> None:
        """Run the kernel for rows 0..rows on this thread: to wake others takes longer than to do little."""
        self._share_out(min(1, rows), rows, *args, **kwargs)

    def _share_out(self, workers: int, rows: int, *args: P.args, **kwargs: P.kwargs) -> None:
        count = workers if workers == 1 else min(rows, _STRIPS_PER_THREAD * workers)
        # An iterator over a list hands each of its members to one thread only.
        strips = iter([(index * rows // count, (index + 1) * rows // count) for index in range(count)])

        def work() -> None:
            for start, stop in strips:
                self.launch(start, stop, *args, **kwargs)

        helpers = [_pool.submit(work) for _ in range(workers - 1)]
        try:
            work()
        finally:
            # Whoever has not begun yet finds nothing left to do.
            for helper in helpers:
                helper.cancel() or helper.exception()
        for helper in helpers:
            if not helper.cancelled():
                helper.result()


def kernel(function: Callable[P, None]) -> Kernel[P]:
    """Compile a function that Python calls.

    The machine code is cached on disk where any cache folder can be written to, runs without the GIL, and
    divides by zero as numpy does. A kernel may call `inner` functions of its own file only: Numba's cache looks
    at no other file to see whether it is out of date.
    """
    return Kernel(function)


def striped(function: Callable[Concatenate[int, int, P], None]) -> Striped[P]:
    """Compile a function of rows start..stop as `kernel` does, to be run on strips of rows side by side.

    What it does to a row may not depend on where its strip begins, nor write to the rows of others.
    """
    return Striped(function)


def inner(function: F) -> F:
    """Compile a function that only kernels call; it becomes part of their machine code and their cache.

    Sums may be reordered for the sake of vector instructions, and zero has no sign. NaN and infinity keep their
    meaning.
    """
    return cast("F", numba.njit(function, **_INNER_OPTIONS))


def on_first_compile(tell: Callable[[], None]) -> None:
    """Call `tell` once, just before the first kernel of this process is compiled rather than loaded.

    It is called on the thread that needs the kernel; never if the cache on disk has all of them.
    """
    register: Callable[[str, object], None] = event.register
    register("numba:compile", _Teller(tell))


class _Teller(event.Listener):
    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell: Callable[[], None] | None = tell
        self._lock = threading.Lock()

    def on_start(self, event: Any) -> None:
        function = getattr(event.data.get("dispatcher"), "py_func", None)
        if not getattr(function, "__module__", "").startswith("colorrt.kernels"):
            return
        with self._lock:
            tell, self._tell = self._tell, None
        if tell is not None:
            tell()

    def on_end(self, event: Any) -> None:
        pass


def threads() -> int:
    """Threads that the next striped kernel runs on."""
    return cast("int", _config.NUMBA_NUM_THREADS) if _thread_limit is None else _thread_limit


def set_threads(count: int) -> int:
    """Let each kernel call of this process use at most `count` threads, whichever Python thread makes it.

    More than Numba has (the cores of this process, or NUMBA_NUM_THREADS) counts as all of them. Returns the
    number in effect. Results do not depend on it.

    Raises ValueError if `count` is below 1, TypeError if it is no integer.
    """
    global _thread_limit  # noqa: PLW0603 (the limit belongs to the process, as the cores do)
    wanted = operator.index(count)
    if wanted < 1:
        raise ValueError(f"kernels need at least 1 thread, got {wanted}; pass 1 or more")
    _thread_limit = min(wanted, _config.NUMBA_NUM_THREADS)
    return _thread_limit


@contextmanager
def thread_limit(count: int) -> Iterator[int]:
    """Bound the kernels' threads as `set_threads` does, and restore the former bound at the end.

    The bound is the process's: while one Python thread is inside, all are bound.
    """
    global _thread_limit  # noqa: PLW0603 (the limit belongs to the process, as the cores do)
    before = _thread_limit
    try:
        yield set_threads(count)
    finally:
        _thread_limit = before


def _make_pool() -> None:
    # The pool starts its threads as they are needed.
    global _pool  # noqa: PLW0603 (the threads belong to the process, and are made anew after a fork)
    _pool = ThreadPoolExecutor(max(1, _config.NUMBA_NUM_THREADS - 1), "colorrt-kernels")


_pool: ThreadPoolExecutor
_make_pool()
if hasattr(os, "register_at_fork"):
    # Threads do not come along into a forked process.
    os.register_at_fork(after_in_child=_make_pool)
