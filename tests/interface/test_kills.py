"""A run that is killed at any moment, and started again: nothing is broken, lost, or done twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from forked_runs import fork_run
from PIL import Image

from colorrt.runtime.journal import Identity, identify

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="only where processes can be killed")

KILLS, CHAINS, PICTURES, SIGNALS = 50, 2, 150, 30
PATIENCE = 120.0


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small pictures of four formats, in folders, some with pages."""
    folder = tmp_path_factory.mktemp("kills") / "scans"
    rng = np.random.default_rng(8)
    picture = Image.fromarray(rng.integers(0, 256, (96, 128), np.uint8))
    for number in range(PICTURES):
        path = folder / f"box {number % 3}" / f"{number:03}{('.jpg', '.png', '.tif', '.webp')[number % 4]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        more = {"save_all": True, "append_images": [picture]} if number % 8 == 2 else {}
        picture.save(path, **more)
    return folder


class Folder:
    """A folder of results that runs color into, one after another, and what was seen in it."""

    def __init__(self, scans: Path, out: Path, engine: Path, *more: object) -> None:
        self.scans, self.out = scans, out
        self.report = out.with_suffix(".json")
        self.errors = out.with_suffix(".txt")
        self.command = [
            sys.executable, "-m", "colorrt", "run", scans, "-o", out, "--engine", engine, "--render-factor", "1",
            "--threads", "1", "--report", self.report, *more,
        ]  # fmt: skip
        self.seen: dict[Path, tuple[int, int]] = {}
        """Inode and time of each result when it was first seen: one that is made again has others."""

    def fork(self) -> BaseProcess:
        """Start a run whose modules are there; its words go into `errors`."""
        return fork_run(self.command[3:], self.errors)

    def size(self) -> int:
        """Bytes of the journal."""
        journal = self.out / ".colorrt/journal.jsonl"
        return journal.stat().st_size if journal.exists() else 0

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen([str(one) for one in self.command], stderr=subprocess.PIPE, text=True)

    def results(self) -> list[Path]:
        return sorted(path for path in self.out.rglob("*") if path.is_file() and ".colorrt" not in path.parts)

    def rows(self) -> list[dict[str, Any]]:
        """Rows of the journal; only the last line may be torn."""
        journal = self.out / ".colorrt/journal.jsonl"
        lines = journal.read_text(encoding="ascii").split("\n") if journal.exists() else [""]
        return [json.loads(line) for line in lines[:-1] if line]

    def check(self) -> None:
        """Nothing is broken, and what stood stands."""
        whole = [path for path in self.results() if path.suffix != ".part"]
        for path in whole:
            status = path.stat()
            if path not in self.seen:
                with Image.open(path) as image:
                    for page in range(getattr(image, "n_frames", 1)):
                        image.seek(page)
                        image.load()
            was = self.seen.setdefault(path, (status.st_ino, status.st_mtime_ns))
            assert was == (status.st_ino, status.st_mtime_ns), f"{path} was made twice"
        assert set(self.seen) == set(whole)

    def finish(self) -> None:
        """Run to the end, and find everything there, once."""
        process = self.start()
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
        self.check()
        names = [path.relative_to(self.out).as_posix() for path in self.results()]
        assert names == sorted(path.relative_to(self.scans).as_posix() for path in self.scans.rglob("*.*"))
        done = [row for row in self.rows() if row["outcome"] == "done"]
        assert Counter(row["target"] for row in done) == Counter(names)
        for row in done:
            assert Identity(**row["target_was"]) == identify(self.out / row["target"], digest=True)
        assert [path.name for path in (self.out / ".colorrt").iterdir()] == ["journal.jsonl"]
        assert list(self.out.rglob("*.part")) == []
        assert list(self.out.parent.glob(".*.part")) == []
        reported = json.loads(self.report.read_text())
        assert Counter(row["target"] for row in reported) == Counter(str(path) for path in self.results())
        assert {row["outcome"] for row in reported} <= {"done", "skipped"}


def kill_at_random(folder: Folder, rng: random.Random) -> bool:
    """Kill a run, mostly while it writes. Returns whether it was alive."""
    # A quarter of them at any moment, while modules are loaded too; the others once there are results.
    if rng.random() < 0.25:
        started = folder.start()
        time.sleep(rng.uniform(0, 2))
        alive = started.poll() is None
        started.kill()
        _, errors = started.communicate()
    else:
        before, deadline = folder.size(), time.monotonic() + PATIENCE
        forked = folder.fork()
        while folder.size() == before and forked.is_alive() and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.25))
        alive = forked.is_alive()
        forked.kill()
        forked.join()
        errors = folder.errors.read_text()
    assert "Traceback" not in errors
    folder.check()
    return alive


def random_seed() -> int:
    """A new one each time, printed where the test fails; set COLORRT_SEED to repeat it."""
    seed = int(os.environ.get("COLORRT_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"COLORRT_SEED={seed} repeats it")
    return seed


def test_kills_at_random_moments_break_lose_and_repeat_nothing(scans: Path, tiny_onnx: Path, tmp_path: Path) -> None:
    seed = random_seed()

    def kill(number: int) -> tuple[int, int]:
        rng, kills, rounds = random.Random(seed + number), 0, 0
        while kills < KILLS // CHAINS:
            rounds += 1
            folder = Folder(scans, tmp_path / f"{number}-{rounds}", tiny_onnx)
            while kills < KILLS // CHAINS and len(folder.seen) < PICTURES and kill_at_random(folder, rng):
                kills += 1
            folder.finish()
        return kills, rounds

    with ThreadPoolExecutor(CHAINS) as threads:
        found = list(threads.map(kill, range(CHAINS)))
    assert sum(kills for kills, _ in found) == KILLS


DIES = """
import os, signal
from colorrt.runtime.journal import Journal
def dies(self, row):
    if row.target == "1.png":
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, row)
real, Journal.add = Journal.add, dies
from colorrt.cli import main
main()
"""


def test_result_whose_run_dies_before_its_row_is_written_gets_its_row_from_the_next(
    save_gray: Callable[..., Path], tiny_onnx: Path, tmp_path: Path
) -> None:
    for number in range(4):
        save_gray(tmp_path / f"scans/{number}.png")
    folder = Folder(tmp_path / "scans", tmp_path / "out", tiny_onnx)
    command = [sys.executable, "-c", DIES, *map(str, folder.command[3:])]
    died = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert died.returncode == -signal.SIGKILL
    # It died in its first second: the report is there, though of nothing yet.
    assert json.loads(folder.report.read_text()) == []
    assert (tmp_path / "out/1.png").exists()
    assert "1.png" not in {row["target"] for row in folder.rows()}
    folder.check()
    # Not once more, and not taken for a stranger's: `check` compares the inode.
    folder.finish()
    again = next(row for row in json.loads(folder.report.read_text()) if row["target"].endswith("/1.png"))
    assert "done before" in again["reason"]


def test_report_whose_run_died_as_it_was_written_leaves_no_part(
    save_gray: Callable[..., Path], tiny_onnx: Path, tmp_path: Path
) -> None:
    save_gray(tmp_path / "scans/a.png")
    left = tmp_path / ".out.json.0123456789ab.part"
    left.write_bytes(b"half of it")
    folder = Folder(tmp_path / "scans", tmp_path / "out", tiny_onnx)
    folder.finish()
    assert not left.exists()


def test_signing_that_is_killed_leaves_nothing_once_the_next_run_has_ended(
    save_gray: Callable[..., Path], tiny_onnx: Path, tmp_path: Path
) -> None:
    save_gray(tmp_path / "scans/a.png")
    left = tmp_path / "out/.colorrt-0123456789ab.part"
    left.mkdir(parents=True)
    (left / "unsigned.png").write_bytes(b"half of it")
    Folder(tmp_path / "scans", tmp_path / "out", tiny_onnx).finish()
    assert not left.exists()


CAUGHT = """
import sys
from colorrt.cli.signals import catch_signals
catch_signals()
print("caught", file=sys.stderr, flush=True)
from colorrt.cli import main
main()
"""


def test_signals_at_random_moments_of_the_first_second_are_one_line(
    scans: Path, tiny_onnx: Path, tmp_path: Path
) -> None:
    seed = random_seed()

    wanted = len(list(scans.rglob("*.*")))

    def interrupt(number: int) -> tuple[int, int, list[str], bool]:
        rng = random.Random(seed + number)
        out = tmp_path / str(number)
        sent = (signal.SIGTERM, signal.SIGINT)[number % 2]
        command = [sys.executable, "-c", CAUGHT, *map(str, Folder(scans, out, tiny_onnx).command[3:])]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts)  # noqa: PLW1509 (it only sets a signal)
        assert process.stderr is not None
        assert process.stderr.readline() == "caught\n"
        time.sleep(rng.uniform(0, 1))
        process.send_signal(sent)
        _, errors = process.communicate(timeout=PATIENCE)
        assert list(out.rglob("*.part")) == []
        # Some runs are quicker than their signal.
        ended = process.returncode in (0, -sent) and wanted == sum(
            ".colorrt" not in path.parts for path in out.rglob("*.*")
        )
        return sent, process.returncode, errors.splitlines(), ended

    with ThreadPoolExecutor(CHAINS) as threads:
        found = list(threads.map(interrupt, range(SIGNALS)))
    assert sum(ended for *_, ended in found) < SIGNALS // 2
    for sent, code, lines, ended in found:
        assert "Traceback" not in "".join(lines), lines
        if ended:
            continue
        assert code == 128 + sent, lines
        word = "terminated" if sent == signal.SIGTERM else "interrupted"
        assert lines, code
        assert lines[-1].startswith(word), lines
        # Which model runs is said before the pictures.
        assert len(lines) <= 2, lines


def hear_interrupts() -> None:
    """A parent that ignores Ctrl-C, as some runners do, would pass that on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
