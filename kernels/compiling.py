"""How kernels are compiled, cached, and launched on how many threads.

`kernel` marks a function that Python calls, `inner` one that only kernels call. Both are compiled by Numba on
first use; kernels keep their machine code in Numba's cache folder, so that the next process only loads it.
"""

from __future__ import annotations

import operator
import pickle
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

import numba

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

P = ParamSpec("P")
F = TypeVar("F", bound="Callable[..., Any]")

prange: Callable[[int], Iterable[int]] = numba.prange
_config: Any = numba.config

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}

# Numba's "workqueue" threading layer, the only one that is always there, ends the process when two Python
# threads launch parallel kernels at once. Which layer it is, is known only after the first launch; and on the
# other layers two launches at once would merely fight over the same cores. So: one launch at a time, always.
_launching = threading.Lock()

_thread_limit: int | None = None


class Kernel(Generic[P]):
    """A compiled function that Python calls; it writes its results into arrays that it is given."""

    def __init__(self, function: Callable[P, None], *, parallel: bool) -> None:
        self.function = function
        self._options = {**_OPTIONS, "parallel": parallel}
        self._compiled = self._compile()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Run the kernel; a parallel one alone, and on no more threads than `set_threads` allows."""
        if not self._options["parallel"]:
            self._launch(*args, **kwargs)
            return
        with _launching:
            # Numba keeps a thread count for each Python thread: all of them have to be given ours.
            before = numba.get_num_threads()
            numba.set_num_threads(threads())
            try:
                self._launch(*args, **kwargs)
            finally:
                numba.set_num_threads(before)

    def _launch(self, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            self._compiled(*args, **kwargs)
        except (OSError, EOFError, pickle.PickleError):
            # Kernels raise none of these themselves: the cache folder is full, cut short or not ours to read.
            # Results are only ever overwritten, so that starting over is safe.
            self._compiled = numba.njit(self.function, **self._options)
            self._compiled(*args, **kwargs)

    def _compile(self) -> Callable[P, None]:
        try:
            compiled = numba.njit(self.function, cache=True, **self._options)
        except RuntimeError:
            # "no locator available": neither the package's folder, nor the user's cache folder, nor
            # NUMBA_CACHE_DIR can be written to. A read-only install then compiles anew in each process.
            compiled = numba.njit(self.function, **self._options)
        return cast("Callable[P, None]", compiled)


def kernel(*, parallel: bool = False) -> Callable[[Callable[P, None]], Kernel[P]]:
    """Compile a function that Python calls.

    The machine code is cached on disk where any cache folder can be written to, runs without the GIL, and
    divides by zero as numpy does. With `parallel`, its `prange` loops run on the threads that `set_threads`
    allows. A kernel may call `inner` functions of its own file only: Numba's cache looks at no other file to
    see whether it is out of date.
    """

    def wrap(function: Callable[P, None]) -> Kernel[P]:
        return Kernel(function, parallel=parallel)

    return wrap


def inner(function: F) -> F:
    """Compile a function that only kernels call; it becomes part of their machine code and their cache.

    Sums may be reordered for the sake of vector instructions. NaN and infinity keep their meaning.
    """
    return cast("F", numba.njit(function, fastmath={"reassoc", "contract"}, **_OPTIONS))


def threads() -> int:
    """Threads that the next parallel kernel runs on."""
    return numba.get_num_threads() if _thread_limit is None else _thread_limit


def set_threads(count: int) -> int:
    """Let kernels of this process use at most `count` threads, whichever Python thread calls them.

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
    global _thread_limit  # noqa: PLW0603
    before = _thread_limit
    try:
        yield set_threads(count)
    finally:
        _thread_limit = before
