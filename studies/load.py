"""`python -m studies load`: many clients at one service, beside `colorrt run`; or random files.

Clients send JPEGs one after another, each waits for its answer, and those who are sent away (503) come back when they
are told to. Clients, service and network share the cores of this machine. With `--fuzz`, random and damaged files are
sent instead.
"""

from __future__ import annotations

import http.client
import io
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from colorrt.bench.machine import describe_machine
from colorrt.errors import BackendError
from colorrt.photos.reading import read_rgb_photos
from colorrt.photos.shipped import shipped_photos
from colorrt.runtime.colorizer import Colorizer
from colorrt.runtime.folder import Settings, color_jobs
from colorrt.runtime.jobs import Job

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIZE = (1732, 1155)
"""Two megapixels."""
PICTURES, ROUNDS = 8, 3
_PROGRAM = "from colorrt.cli import main; main()"


@dataclass(frozen=True)
class Load:
    """What a service did for so many seconds. `statuses`: answers by status; 0 is none. `memory_mb`: of its process, at
    the beginning, after each quarter, at the end. `slowest`, `median`: seconds of an answer with a picture."""

    clients: int
    seconds: float
    statuses: dict[int, int]
    memory_mb: tuple[float, ...]
    median: float
    slowest: float

    @property
    def per_second(self) -> float:
        """Pictures a second."""
        return self.statuses.get(200, 0) / self.seconds


@dataclass(frozen=True)
class LoadReport:
    """A load, what `colorrt run` does of the same pictures a second, and where."""

    load: Load
    run_per_second: float
    machine: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as what `json.dumps` takes."""
        return {"kind": "load", **asdict(self), "per_second": self.load.per_second}


def study_load(clients: int, seconds: float) -> LoadReport:
    """Let clients send 2-megapixel JPEGs for so many seconds. Raises BackendError when the service does not start."""
    pictures = _pictures()
    with TemporaryDirectory() as folder:
        run = _run_per_second(pictures, Path(folder))
    with _serving() as (port, pid):
        load = _press(port, pid, clients, seconds, lambda client, turn: pictures[(client + turn) % len(pictures)])
    return LoadReport(load, run, describe_machine())


def study_fuzz(files: int) -> Load:
    """Send so many random and damaged files, by four clients. Raises BackendError when the service does not start."""
    seeds = _seeds()

    def body(client: int, turn: int) -> bytes:
        rng = np.random.default_rng((18, client, turn))
        if turn % 3 == 0:
            return rng.bytes(int(rng.integers(1, 20_000)))
        damaged = bytearray(seeds[int(rng.integers(len(seeds)))])
        for _ in range(int(rng.integers(1, 30))):
            damaged[int(rng.integers(len(damaged)))] = int(rng.integers(256))
        return bytes(damaged[: int(rng.integers(1, len(damaged) + 1))] if turn % 3 == 1 else damaged)

    with _serving() as (port, pid):
        return _press(port, pid, 4, 3600.0, body, -(-files // 4))


def load_lines(report: LoadReport) -> list[str]:
    """Return the table, line by line."""
    load = report.load
    share = load.per_second / report.run_per_second
    return [
        f"{load.clients} clients, {SIZE[0]} x {SIZE[1]} JPEG, {load.seconds:.0f} s",
        f"service     {load.per_second:6.2f} pictures/s ({share:.2f} of colorrt run)",
        f"colorrt run {report.run_per_second:6.2f} pictures/s",
        f"an answer   median {load.median:.2f} s, slowest {load.slowest:.2f} s",
        *_common(load),
    ]


def fuzz_lines(load: Load) -> list[str]:
    """Return the table, line by line."""
    return [f"{sum(load.statuses.values())} random and damaged files in {load.seconds:.0f} s", *_common(load)]


def _common(load: Load) -> list[str]:
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(load.statuses.items()))
    return [f"statuses    {statuses}", f"memory      {', '.join(f'{size:.0f}' for size in load.memory_mb)} MB"]


@contextmanager
def _serving() -> Iterator[tuple[int, int]]:
    command = [sys.executable, "-c", _PROGRAM, "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 (our own program)
        assert process.stdout is not None
        found = re.match(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
        if found is None:
            raise BackendError("the service does not start; 'colorrt serve' says why")
        try:
            yield int(found[1]), process.pid
        finally:
            process.terminate()


def _press(port: int, pid: int, clients: int, seconds: float, body: Any, most: int | None = None) -> Load:
    import psutil

    process = psutil.Process(pid)
    memory = [process.memory_info().rss / 1e6]
    statuses: Counter[int] = Counter()
    times: list[float] = []
    lock = threading.Lock()
    began = time.monotonic()
    until = began + seconds

    def work(client: int) -> None:
        turn = 0
        while time.monotonic() < until and (most is None or turn < most):
            started = time.monotonic()
            status, wait = _send(port, body(client, turn))
            with lock:
                statuses[status] += 1
                if status == 200:
                    times.append(time.monotonic() - started)
            if status in (503, 0):
                time.sleep(wait)
            if status != 503:
                turn += 1

    threads = [threading.Thread(target=work, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for quarter in range(1, 5):
        while (
            any(thread.is_alive() for thread in threads) and time.monotonic() < began + quarter * min(seconds, 60) / 4
        ):
            time.sleep(0.05)
        memory.append(process.memory_info().rss / 1e6)
    for thread in threads:
        thread.join()
    memory.append(process.memory_info().rss / 1e6)
    if _alive(port) != 200:
        raise BackendError("the service does not answer any more")
    ordered = sorted(times) or [0.0]
    return Load(
        clients, time.monotonic() - began, dict(statuses), tuple(memory), ordered[len(ordered) // 2], ordered[-1]
    )


def _send(port: int, body: bytes) -> tuple[int, float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("POST", "/colorize", body)
        answer = connection.getresponse()
        content = answer.read()
        if b"Traceback" in content[:10_000]:
            raise BackendError("a traceback stands in an answer")
        return answer.status, float(answer.headers.get("Retry-After", "1"))
    except OSError:
        return 0, 1.0
    finally:
        connection.close()


def _alive(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/healthz")
    status = connection.getresponse().status
    connection.close()
    return status


def _pictures() -> list[bytes]:
    found = []
    for _, rgb in list(read_rgb_photos(shipped_photos()))[:PICTURES]:
        stream = io.BytesIO()
        Image.fromarray(rgb).convert("L").resize(SIZE, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
        found.append(stream.getvalue())
    return found


def _seeds() -> list[bytes]:
    gray = np.random.default_rng(0).integers(0, 256, (60, 80)).astype(np.uint8)
    found = []
    for kind in ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "PPM", "JPEG2000", "AVIF"):
        stream = io.BytesIO()
        Image.fromarray(gray).convert("RGB").save(stream, kind)
        found.append(stream.getvalue())
    return found


def _run_per_second(pictures: Sequence[bytes], folder: Path) -> float:
    sources = []
    for number in range(ROUNDS * len(pictures)):
        sources.append(folder / f"{number}.jpg")
        sources[-1].write_bytes(pictures[number % len(pictures)])
    with Colorizer() as colorizer:
        for name in ("warm", "timed"):
            jobs = [Job(source, folder / name / source.name) for source in sources]
            began = time.perf_counter()
            for _ in color_jobs(colorizer, jobs, Settings(recolor=True)):
                """Each is written as it ends."""
            seconds = time.perf_counter() - began
    return len(sources) / seconds
