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

from colorrt.kernels import (
    compile_ahead,
    luma,
    render_planes,
    render_rgb,
    resize_luma,
    resize_plane,
    set_threads,
    thread_limit,
    warm_up,
)
from colorrt.kernels.ahead import compile_last
from colorrt.kernels.compiling import Striped, kernel, striped, threads
from colorrt.kernels.film import Coding, render_film, see_film
from colorrt.kernels.steadiness import Steadiness
from colorrt.kernels.steady import Steadier
from colorrt.kernels.warming import warm_up_film

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
    for i in range(values.size):
        doubled[i] = 2 * values[i]


def double_rows(start: int, stop: int, values: Any, doubled: Any) -> None:
    for i in range(start, stop):
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
        set_threads(1.5)  # type: ignore[arg-type]  # wrong on purpose


def test_limit_ends_with_its_block() -> None:
    def fail_inside() -> None:
        with thread_limit(1):
            assert threads() == 1
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert threads() == MOST


@pytest.mark.parametrize("count", sorted({1, MOST}))
def test_rows_are_each_done_once_on_the_threads_allowed(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    launched = striped(double_rows)
    seen: list[tuple[int, int, int]] = []
    everyone = threading.Barrier(count, timeout=60)

    def work(start: int, stop: int, *_: Any) -> None:
        this = threading.get_ident()
        newcomer = all(this != ident for _, _, ident in seen)
        seen.append((start, stop, this))
        if newcomer:
            everyone.wait()

    monkeypatch.setattr(launched, "_compiled", work)
    with thread_limit(count):
        launched(101, np.zeros(0), np.zeros(0))
    assert [row for start, stop, _ in sorted(seen) for row in range(start, stop)] == list(range(101))
    assert len({ident for _, _, ident in seen}) == count


def test_limit_holds_in_other_python_threads() -> None:
    seen: list[int] = []
    with thread_limit(1):
        worker = threading.Thread(target=lambda: seen.append(threads()))
        worker.start()
        worker.join()
    assert seen == [1]


def test_results_do_not_depend_on_8_threads() -> None:
    script = """
import hashlib
import numpy as np
from colorrt.kernels import luma, render_planes, render_rgb, resize_luma, set_threads
rng = np.random.default_rng(1)
for dtype in (np.uint8, np.uint16):
    picture = rng.integers(0, np.iinfo(dtype).max, (211, 157, 3)).astype(dtype)
    chroma, guide = rng.normal(0, 0.3, (2, 64, 300)).astype(np.float32), rng.random((64, 300)).astype(np.float32)
    answers = []
    for count in (1, 2, 8):
        assert set_threads(count) == count
        plane = luma(picture)
        made = [plane, resize_luma(plane, 80), render_rgb(plane, chroma), render_rgb(plane, chroma, guide=guide)]
        if dtype == np.uint8:
            made += render_planes(plane, chroma, 1.0, (2, 2), guide=guide)
        answers.append([hashlib.sha256(each).hexdigest() for each in made])
    print(answers[0] == answers[1] == answers[2])
"""
    result = run_script(script, NUMBA_NUM_THREADS="8")
    assert result.stdout == "True\nTrue\n", result.stderr


@pytest.mark.skipif(MOST < 2, reason="one core: there are no other threads")
def test_failure_in_any_strip_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    launched = striped(double_rows)

    failed = threading.Event()

    def fail_elsewhere(*_: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            assert failed.wait(60)
        else:
            failed.set()
            raise IndexError

    monkeypatch.setattr(launched, "_compiled", fail_elsewhere)
    with thread_limit(2), pytest.raises(IndexError):
        launched(64, np.zeros(0), np.zeros(0))


def test_striped_kernels_work_in_a_forked_process() -> None:
    script = """
import os, sys
import numpy as np
from colorrt.kernels import luma, set_threads
set_threads(2)
picture = np.full((64, 64, 3), 7, np.uint8)
luma(picture)
child = os.fork()
if child == 0:
    os._exit(0 if (luma(picture) == 7).all() else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    result = run_script(script, NUMBA_NUM_THREADS="2", PYTHONWARNINGS="ignore")
    assert result.stdout == "0\n", result.stderr


def test_compiling_is_told_once_and_loading_never(tmp_path: Path) -> None:
    script = """
import numpy as np
from colorrt.kernels import luma, on_first_compile, resize_luma
on_first_compile(lambda: print("compiling"))
resize_luma(luma(np.zeros((4, 4, 3), np.uint8)), 2)
print("done")
"""
    outputs = [run_script(script, NUMBA_CACHE_DIR=str(tmp_path)).stdout for _ in range(2)]
    assert outputs == ["compiling\ndone\n", "done\n"]


def test_kernel_runs_where_no_cache_folder_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("read-only")

    # This is how Numba finds out whether a folder can be written to; a test under root could write anywhere.
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(RuntimeError, match="cannot cache"):
        numba.njit(cache=True)(double)
    doubled = np.zeros(3)
    kernel(double)(np.arange(3.0), doubled)
    np.testing.assert_array_equal(doubled, [0, 2, 4])


def test_kernel_runs_where_the_cache_folder_fails_later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    monkeypatch.setattr(CONFIG, "CACHE_DIR", str(folder))
    compiled = kernel(double)
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
    kernel(double)(np.arange(3.0), doubled)
    files = [*tmp_path.rglob("*.nbi"), *tmp_path.rglob("*.nbc")]
    assert len(files) == 2
    for file in files:
        file.write_bytes(file.read_bytes()[:20])
        doubled[:] = 0
        kernel(double)(np.arange(3.0), doubled)
        np.testing.assert_array_equal(doubled, [0, 2, 4])


def test_python_threads_may_call_kernels_at_once() -> None:
    rng = np.random.default_rng(3)
    pictures = [rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(4)]
    expected = [luma(picture) for picture in pictures]
    wrong: list[int] = []

    def work(index: int) -> None:
        wrong.extend(index for _ in range(100) if not np.array_equal(luma(pictures[index]), expected[index]))

    workers = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_warm_up_for_films_leaves_nothing_to_compile() -> None:
    warm_up_film()
    rooms = ("alignment", "anchor", "cuts", "edges", "enlarging", "field", "film", "fineness", "flow", "resize")
    rooms += ("steadiness",)
    kernels = {
        (room, name): value
        for room in rooms
        for name, value in vars(sys.modules[f"colorrt.kernels.{room}"]).items()
        if type(value).__name__ in ("Kernel", "Striped")
    }
    before = {name: len(value._compiled.signatures) for name, value in kernels.items()}
    assert all(before.values())

    random = np.random.default_rng(0)
    steadier, steadiness = Steadier(256), Steadiness()
    for t in range(18):
        depth, dtype = ((8, np.uint8), (12, np.uint16))[t % 2]
        coding = Coding(depth=depth, step=((2, 2), (1, 2), (1, 1))[t % 3], full=t % 2 == 0)
        luma = random.integers(0, 2**depth, (90 + t % 2, 160)).astype(dtype)
        small = see_film(luma, 256, coding)
        chroma = random.normal(0, 0.1, (2, 256, 256)).astype(np.float32)
        for steadied in steadier.push(small, None if t % 3 else chroma):
            steadiness.add(steadied)
            render_film(luma, steadied.chroma, coding, guide=small)
            render_film(luma, steadied.chroma, coding)
    assert {name: len(value._compiled.signatures) for name, value in kernels.items()} == before


def test_warm_up_leaves_nothing_to_compile() -> None:
    warm_up()
    rooms = ("luma", "resize", "fineness", "edges", "field", "rendering")
    kernels = {
        name: value
        for module in [sys.modules[f"colorrt.kernels.{room}"] for room in rooms]
        for name, value in vars(module).items()
        if type(value).__name__ in ("Kernel", "Striped")
    }
    assert set(kernels) == {
        "_deep_luma_rows",
        "_luma_rows",
        "_resize_rows",
        "_tame",
        "_measure",
        "_add_rows",
        "_add_columns",
        "fit_to_guide",
        "render_rows",
        "render_block_rows",
    }
    before = {name: len(value._compiled.signatures) for name, value in kernels.items()}

    locked = np.zeros((5, 7, 3), np.uint8)
    locked.flags.writeable = False
    for picture in (locked, np.zeros((4, 5, 3), np.uint16)):
        plane = luma(picture)
        resize_luma(plane, 3)
        chroma = np.zeros((2, 9, 3), np.float32)
        render_rgb(plane, chroma)
        render_rgb(plane[::2], chroma, guide=chroma[0], out=np.empty((*plane[::2].shape, 3), plane.dtype))
    render_planes(luma(locked), chroma, guide=chroma[0])
    # What a second process compiles is what pictures need.
    compile_last(planes=True)
    compile_last(planes=False)
    assert {name: len(value._compiled.signatures) for name, value in kernels.items()} == before


AHEAD_SCRIPT = """
from colorrt.kernels.ahead import compile_ahead, compile_last
from colorrt.kernels.field import fit_to_guide
from colorrt.kernels.rendering import render_rows

process = compile_ahead(planes=False)
assert process is not None and fit_to_guide.is_cached() is render_rows.is_cached() is False
compile_last(planes=False)  # waits
assert process.returncode == 0
for kernel in (fit_to_guide, render_rows):
    stats = kernel._compiled.stats
    assert (sum(stats.cache_hits.values()), sum(stats.cache_misses.values())) == (1, 0), stats
assert compile_ahead(planes=False) is None
"""


def test_second_process_compiles_what_comes_last(tmp_path: Path) -> None:
    ended = run_script(AHEAD_SCRIPT, NUMBA_CACHE_DIR=str(tmp_path), NUMBA_NUM_THREADS="2")
    assert ended.returncode == 0, ended.stderr


def test_one_thread_compiles_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Striped, "is_cached", lambda self: False)
    with thread_limit(1):
        assert compile_ahead(planes=True) is None


def test_cache_is_seen_only_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(CONFIG, "CACHE_DIR", str(tmp_path))
    compiled = kernel(double)
    assert compiled.is_cached() is False
    compiled(np.arange(3.0), np.zeros(3))
    assert compiled.is_cached() is True


BOUNDS_SCRIPT = """
import numpy as np
from colorrt.kernels import luma, render_planes, render_rgb, resize_luma, resize_plane, set_threads
from colorrt.kernels.compiling import kernel

@kernel
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
        chroma = np.ones((2, size, 1 + size // 2), np.float32)
        for guide in (None, chroma[0]):
            render_rgb(plane, chroma, guide=guide)
            for step in [(1, 1), (1, 2), (2, 1), (2, 2), (4, 4), (1, 4)]:
                render_planes(plane, chroma, 1.0, step, guide=guide)
        resize_plane(np.ones((height, size), np.float32), size, width)
wide = np.full((2, 5000), 90, np.uint8)
render_rgb(wide, chroma, guide=chroma[0])
render_planes(wide, chroma, 1.0, (2, 1), guide=chroma[0])
render_rgb(wide.astype(np.uint16)[:, :9], chroma, guide=chroma[0])
print("done")
"""


def test_no_kernel_reaches_beyond_its_arrays(tmp_path: Path) -> None:
    script = tmp_path / "bounds.py"
    script.write_text(BOUNDS_SCRIPT)
    result = run_script(
        f"import runpy; runpy.run_path({str(script)!r})",
        NUMBA_BOUNDSCHECK="1",
        NUMBA_OPT="1",
        NUMBA_CACHE_DIR=str(tmp_path / "cache"),
    )
    assert result.stdout == "bounds are checked\ndone\n", result.stderr
