from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import pytest

from colorrt.kernels import luma, render_rgb, resize_luma, resize_plane, set_threads, thread_limit, warm_up
from colorrt.kernels.compiling import kernel, prange, threads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG: Any = numba.config
MOST: int = CONFIG.NUMBA_NUM_THREADS


@pytest.fixture(autouse=True)
def _restored_limit() -> Iterator[None]:
    with thread_limit(MOST):
        yield


def double(values: Any, doubled: Any) -> None:
    for i in prange(values.size):
        doubled[i] = 2 * values[i]


def run_script(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(MOST < 2, reason="one core: there is nothing to compare with")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_results_do_not_depend_on_the_number_of_threads(dtype: Any) -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, np.iinfo(dtype).max + 1, (211, 157, 3)).astype(dtype)
    chroma = rng.normal(0, 0.3, (2, 64, 300)).astype(np.float32)

    def everything() -> list[Any]:
        plane = luma(picture)
        return [plane, resize_luma(plane, 80), resize_plane(chroma[0], 17, 450), render_rgb(plane, chroma)]

    with thread_limit(1):
        alone = everything()
    with thread_limit(2):
        together = everything()
    for one, two in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, two)


def test_more_threads_than_there_are_count_as_all() -> None:
    assert set_threads(MOST + 1000) == MOST
    assert threads() == MOST


@pytest.mark.parametrize("count", [0, -1])
def test_less_than_one_thread_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="at least 1 thread"):
        set_threads(count)
    with pytest.raises(ValueError, match="at least 1 thread"), thread_limit(count):
        pass
    assert threads() == MOST


def test_part_of_a_thread_is_refused() -> None:
    with pytest.raises(TypeError):
        set_threads(1.5)  # type: ignore[arg-type]


def test_limit_ends_with_its_block() -> None:
    def fail_inside() -> None:
        with thread_limit(1):
            assert threads() == 1
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert threads() == MOST


def test_limit_holds_in_other_python_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    launched = kernel(parallel=True)(double)
    monkeypatch.setattr(launched, "_compiled", lambda *_: seen.append(numba.get_num_threads()))
    nothing = np.zeros(0)
    before = numba.get_num_threads()
    with thread_limit(1):
        worker = threading.Thread(target=launched, args=(nothing, nothing))
        worker.start()
        worker.join()
        launched(nothing, nothing)
    launched(nothing, nothing)
    assert seen == [1, 1, MOST]
    assert numba.get_num_threads() == before


def test_kernel_runs_where_no_cache_folder_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("read-only")

    # This is how Numba finds out whether a folder can be written to; a test under root could write anywhere.
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(RuntimeError, match="cannot cache"):
        numba.njit(cache=True)(double)
    doubled = np.zeros(3)
    kernel(parallel=True)(double)(np.arange(3.0), doubled)
    np.testing.assert_array_equal(doubled, [0, 2, 4])


def test_kernel_runs_where_the_cache_folder_fails_later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    monkeypatch.setattr(CONFIG, "CACHE_DIR", str(folder))
    compiled = kernel(parallel=True)(double)
    for inside in folder.iterdir():
        inside.rmdir()
    folder.rmdir()
    folder.write_text("a file where the folder was")
    doubled = np.zeros(3)
    compiled(np.arange(3.0), doubled)
    np.testing.assert_array_equal(doubled, [0, 2, 4])


def test_cut_cache_file_costs_only_the_compile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(CONFIG, "CACHE_DIR", str(tmp_path))
    doubled = np.zeros(3)
    kernel(parallel=True)(double)(np.arange(3.0), doubled)
    files = [*tmp_path.rglob("*.nbi"), *tmp_path.rglob("*.nbc")]
    assert len(files) == 2
    for file in files:
        file.write_bytes(file.read_bytes()[:20])
        doubled[:] = 0
        kernel(parallel=True)(double)(np.arange(3.0), doubled)
        np.testing.assert_array_equal(doubled, [0, 2, 4])


def test_python_threads_may_call_kernels_at_once() -> None:
    # On the workqueue layer, two launches at once end the process; hence one of its own.
    script = """
import threading
import numpy as np
from colorrt.kernels import luma
picture = np.zeros((64, 64, 3), np.uint8)
def work():
    for _ in range(300):
        luma(picture)
workers = [threading.Thread(target=work) for _ in range(4)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print("done")
"""
    result = run_script(script, NUMBA_THREADING_LAYER="workqueue")
    assert result.stdout == "done\n", result.stderr


def test_warm_up_leaves_nothing_to_compile() -> None:
    warm_up()
    kernels = {
        name: value
        for module in [sys.modules[f"colorrt.kernels.{room}"] for room in ("luma", "resize", "chroma")]
        for name, value in vars(module).items()
        if type(value).__name__ == "Kernel"
    }
    assert set(kernels) == {"_luma_rows", "_resize_rows", "_tame", "_render_rows"}
    before = {name: len(value._compiled.signatures) for name, value in kernels.items()}

    locked = np.zeros((5, 7, 3), np.uint8)
    locked.flags.writeable = False
    for picture in (locked, np.zeros((4, 5, 3), np.uint16)):
        plane = luma(picture)
        resize_luma(plane, 3)
        render_rgb(plane, np.zeros((2, 9, 3), np.float32))
    assert {name: len(value._compiled.signatures) for name, value in kernels.items()} == before


BOUNDS_SCRIPT = """
import numba
compiled = numba.njit
# An index error within a parallel loop never reaches Python.
numba.njit = lambda function, **options: compiled(function, **{**options, "parallel": False})
import numpy as np
from colorrt.kernels import luma, render_rgb, resize_luma, resize_plane
from colorrt.kernels.compiling import kernel

@kernel(parallel=True)
def beyond(values):
    values[values.size] = 1.0

try:
    beyond(np.zeros(3))
except IndexError:
    print("bounds are checked")
for height, width in [(1, 1), (1, 17), (17, 1), (2, 3), (13, 31), (64, 64), (97, 101)]:
    plane = luma(np.full((height, width, 3), 200, np.uint8))
    for size in (1, 2, 7, 64, 80):
        resize_luma(plane, size)
        render_rgb(plane, np.ones((2, size, 1 + size // 2), np.float32))
        resize_plane(np.ones((height, size), np.float32), size, width)
print("done")
"""


def test_no_kernel_reaches_beyond_its_arrays(tmp_path: Path) -> None:
    script = tmp_path / "bounds.py"
    script.write_text(BOUNDS_SCRIPT)
    result = run_script(
        f"import runpy; runpy.run_path({str(script)!r})",
        NUMBA_BOUNDSCHECK="1",
        NUMBA_CACHE_DIR=str(tmp_path / "cache"),
    )
    assert result.stdout == "bounds are checked\ndone\n", result.stderr
