"""TensorRT's timing cache in a file that builds share: what one build has timed, the next need not."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from filelock import FileLock, Timeout

from colorrt.atomic import atomic_path
from colorrt.errors import UsageError
from colorrt.export.engine.messages import forget, tidy

# A build holds the lock while it merges: some megabytes, read and written.
PATIENCE = 60.0


def load_cache(module: ModuleType, config: Any, path: Path, say: Callable[[str], None]) -> Any:
    """Give `config` the timing cache of the file `path`, or a fresh one, and return it.

    `say` hears one sentence when the file is damaged or comes from another GPU or TensorRT: the build goes on
    without it, and `store_cache` moves it aside.
    """
    data = _read(path)
    cache, reason = _open(module, config, data)
    if reason is not None:
        say(f"warning: {path}: this timing cache cannot be used ({reason}); the build starts with a fresh one")
        cache, _ = _open(module, config, b"")
    with _without_deprecation():
        config.set_timing_cache(cache, False)
    return cache


def store_cache(module: ModuleType, config: Any, cache: Any, path: Path, say: Callable[[str], None]) -> None:
    """Merge `cache` into the file `path`: what other builds have written meanwhile stays.

    A file that cannot be used is moved to PATH.unusable. `say` hears why when nothing could be written: an engine
    is worth more than its cache.
    """
    try:
        with FileLock(f"{path}.lock", timeout=PATIENCE):
            data = _read(path)
            other, reason = _open(module, config, data)
            if data and reason is None:
                with _without_deprecation():
                    reason = None if cache.combine(other, False) else "it comes from another GPU or TensorRT"
            if data and reason is not None:
                path.replace(path.with_name(f"{path.name}.unusable"))
            with atomic_path(path, UsageError) as part, _without_deprecation():
                part.write_bytes(bytes(cache.serialize()))
    except Timeout:
        say(f"warning: {path}: another build has held it for {PATIENCE:.0f} s; the timing cache was not written")
    except (OSError, UsageError) as error:
        say(f"warning: the timing cache was not written ({error})")


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _open(module: ModuleType, config: Any, data: bytes) -> tuple[Any, str | None]:
    """Return a cache of `data` and why it cannot be used, or None: TensorRT itself says so in its log alone."""
    messages = forget(module)
    with _without_deprecation():
        cache = config.create_timing_cache(data)
        if not data:
            reason = None
        elif cache is None or messages.errors:
            reason = tidy(messages.errors[0]) if messages.errors else "TensorRT refuses it"
        elif not config.set_timing_cache(cache, False):
            reason = "it comes from another GPU or TensorRT"
        else:
            reason = next((tidy(line) for line in messages.warnings if "timing cache" in line), None)
    messages.clear()
    return cache, reason


@contextmanager
def _without_deprecation() -> Iterator[None]:
    """TensorRT for RTX warns that it takes timing caches and does nothing with them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
