"""The kernels that TensorRT for RTX compiles at the first run, kept on disk for the next.

Nothing here ever fails a run: a cache that cannot be read or written costs time alone.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from colorrt.atomic import atomic_path
from colorrt.contract import Contract
from colorrt.errors import ColorrtError
from colorrt.runtime.sessions.flavors import Flavor
from colorrt.runtime.sessions.gpu import Gpu


def cache_folder() -> Path:
    """Return the folder of the user for what can be made again: ~/.cache/colorrt, as the system has it."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "colorrt" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "colorrt"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "colorrt"


class JitCache:
    """The kernels of one engine on one GPU. `cache`: TensorRT's IRuntimeCache, which is filled from the file."""

    def __init__(self, cache: Any, contract: Contract, flavor: Flavor, gpu: Gpu) -> None:
        self._cache = cache
        self._written: bytes | None = None
        self._path: Path | None = None
        # Without a home folder there is no cache.
        with suppress(RuntimeError):
            parts = (contract.to_json(), flavor.name, flavor.version, gpu.name, gpu.capability)
            name = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
            self._path = cache_folder() / f"{name}.rtxcache"
            self._load(self._path)

    def _load(self, path: Path) -> None:
        # TensorRT refuses what is damaged or of another machine, and the kernels are compiled anew.
        with suppress(Exception):
            data = path.read_bytes()
            if data and self._cache.deserialize(data):
                self._written = data

    def save(self) -> None:
        """Write the kernels if there are new ones."""
        if self._path is None:
            return
        with suppress(ColorrtError, OSError, RuntimeError, TypeError, ValueError):
            data = bytes(memoryview(self._cache.serialize()))
            if data and data != self._written:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with atomic_path(self._path) as part:
                    part.write_bytes(data)
                self._written = data
