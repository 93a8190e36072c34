"""The timing cache in its file: merged under a lock, and never the reason why a build fails."""

from __future__ import annotations

import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from filelock import FileLock

from colorrt.export.engine import timing_cache
from colorrt.export.engine.timing_cache import load_cache, store_cache


class Cache:
    """A timing cache that holds words, written as b"GPU:one two"."""

    def __init__(self, gpu: str, words: set[str]) -> None:
        self.gpu, self.words = gpu, words

    def combine(self, other: Cache, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        if other.gpu != self.gpu:
            return False
        self.words |= other.words
        return True

    def serialize(self) -> bytes:
        return f"{self.gpu}:{' '.join(sorted(self.words))}".encode()


class Config:
    """A builder's config that tells in the log what TensorRT tells there, as measured on 1.7 of that for RTX."""

    gpu = "ada"

    def __init__(self, module: Any) -> None:
        self._log = timing_cache.forget(module).hear
        self.cache: Cache | None = None

    def create_timing_cache(self, data: bytes) -> Cache | None:
        text = data.decode(errors="replace")
        if text == "refused":
            return None
        if data and ":" not in text:
            self._log("WARNING", "Failed to deserialize timing cache. Returning an empty timing cache.")
            text = ""
        gpu, _, words = text.partition(":")
        return Cache(gpu or self.gpu, set(words.split()))

    def set_timing_cache(self, cache: Cache, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        if cache.gpu != self.gpu:
            return False
        self.cache = cache
        return True


@pytest.fixture
def module() -> ModuleType:
    class Logger:
        pass

    made: Any = ModuleType("tensorrt")
    made.ILogger = Logger
    return made  # type: ignore[no-any-return]  # a made-up module


@pytest.fixture
def build(module: ModuleType, tmp_path: Path) -> Any:
    """Build with the cache of one file: time one thing, store it, and return what was said."""
    path = tmp_path / "timing.cache"

    def one(word: str, meanwhile: Any = lambda: None) -> list[str]:
        said: list[str] = []
        config = Config(module)
        cache = load_cache(module, config, path, said.append)
        assert config.cache is cache
        cache.words.add(word)
        meanwhile()
        store_cache(module, config, cache, path, said.append)
        return said

    one.path = path  # type: ignore[attr-defined]  # a function that carries its path
    return one


def test_next_build_finds_what_the_last_one_timed(build: Any) -> None:
    assert build("conv") == []
    assert build.path.read_bytes() == b"ada:conv"
    assert build("gemm") == []
    assert build.path.read_bytes() == b"ada:conv gemm"


def test_builds_at_the_same_time_lose_nothing_of_each_other(build: Any) -> None:
    assert build("conv", meanwhile=lambda: build("gemm")) == []
    assert build.path.read_bytes() == b"ada:conv gemm"


def test_store_waits_for_the_lock_of_another_build(build: Any) -> None:
    lock = FileLock(f"{build.path}.lock")
    thread = threading.Thread(target=build, args=("conv",))
    with lock:
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        build.path.write_bytes(b"ada:gemm")
    thread.join(10)
    assert build.path.read_bytes() == b"ada:conv gemm"


@pytest.mark.parametrize("data", [b"\x00garbage", b"refused", b"turing:conv"], ids=["damaged", "refused", "foreign"])
def test_unusable_cache_is_a_warning_and_is_moved_aside(build: Any, data: bytes) -> None:
    build.path.write_bytes(data)
    (sentence,) = build("gemm")
    assert sentence.startswith(f"warning: {build.path}: this timing cache cannot be used (")
    assert sentence.endswith("; the build starts with a fresh one")
    assert build.path.read_bytes() == b"ada:gemm"
    assert build.path.with_name("timing.cache.unusable").read_bytes() == data


def test_cache_that_another_gpu_wrote_meanwhile_is_moved_aside(build: Any) -> None:
    assert build("conv", meanwhile=lambda: build.path.write_bytes(b"turing:gemm")) == []
    assert build.path.read_bytes() == b"ada:conv"
    assert build.path.with_name("timing.cache.unusable").read_bytes() == b"turing:gemm"


def test_empty_file_is_a_fresh_cache(build: Any) -> None:
    build.path.touch()
    assert build("conv") == []
    assert build.path.read_bytes() == b"ada:conv"


def test_cache_that_cannot_be_written_does_not_cost_the_engine(
    build: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(timing_cache, "PATIENCE", 0.05)
    with FileLock(f"{build.path}.lock"):
        (sentence,) = build("conv")
    assert "another build has held it for" in sentence
    build.path.mkdir()
    config: Any = None
    said: list[str] = []
    store_cache(ModuleType("tensorrt"), config, Cache("ada", set()), build.path, said.append)
    (sentence,) = said
    assert sentence.startswith("warning: the timing cache was not written (")


def test_caches_of_tensorrt_for_rtx_go_through_without_its_warnings(tmp_path: Path) -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    from colorrt.export.engine.messages import logger

    builder = trt.Builder(logger(trt)[0])
    path = tmp_path / "timing.cache"
    said: list[str] = []
    for data in (None, b"garbage"):
        if data is not None:
            path.write_bytes(data)
        config = builder.create_builder_config()
        store_cache(trt, config, load_cache(trt, config, path, said.append), path, said.append)
        assert path.stat().st_size > 100
    (sentence,) = [line for line in said if "cannot be used" in line]
    assert "a fresh one" in sentence
