"""The first picture of a fresh process: how long it takes, and how much memory the process has taken by then.

Run as `python -m colorrt.bench.cold`, this module is that process; it loads what `colorrt run` loads.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from colorrt.contract import Device
from colorrt.errors import ModelError

_PATIENCE_S = 600


@dataclass(frozen=True)
class ColdStart:
    """Medians over `processes` fresh processes, each of which colored one picture of `width` x `height`.

    `first_picture_ms`: from the start of the process to the written file, by the caller's host clock; `open_ms`: of
    that, opening the session, by the process's own. `peak_rss`: the most bytes of memory that a process held. Files
    are in the page cache and the kernels in Numba's, as on every start but the first after an install.
    """

    width: int
    height: int
    processes: int
    first_picture_ms: float
    open_ms: float
    peak_rss: int


def measure_cold(
    artifact: Path | None,
    render_factor: int | None,
    photo: Path,
    size: tuple[int, int],
    *,
    device: str = Device.AUTO,
    threads: int | None = None,
    processes: int = 3,
) -> ColdStart:
    """Color `photo`, a picture of `size` (width, height), in fresh processes, one after another.

    `artifact`: None for the model that ships. Raises ModelError when the process fails.
    """
    asked = {
        "artifact": None if artifact is None else str(artifact),
        "render_factor": render_factor,
        "photo": str(photo),
        "device": device,
        "threads": threads,
    }
    command = [sys.executable, "-m", "colorrt.bench.cold", json.dumps(asked)]
    first, opened, peaks = [], [], []
    for _ in range(processes):
        started = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 (our own program, no shell)
            assert process.stdout is not None
            # The process says this when the picture is written, so its end does not count.
            answer = process.stdout.readline()
            first.append(1000 * (time.perf_counter() - started))
            _, errors = process.communicate(timeout=_PATIENCE_S)
        if process.returncode != 0 or not answer:
            lines = errors.strip().splitlines() or [f"exit code {process.returncode}"]
            raise ModelError(f"a fresh process could not color a picture ({lines[-1][:200]}); try 'colorrt run'")
        found = json.loads(answer)
        opened.append(float(found["open_ms"]))
        peaks.append(int(found["peak_rss"]))
    return ColdStart(*size, processes, statistics.median(first), statistics.median(opened), max(peaks))


def peak_rss() -> int:
    """Return the most bytes of memory that this process has held; 0 where the system does not tell.

    On Linux this is VmHWM: what getrusage tells there includes the memory of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _color_first(asked: dict[str, object]) -> None:
    from colorrt.bench.stages import color_file
    from colorrt.runtime.colorizer import Colorizer

    started = time.perf_counter()
    colorizer = Colorizer(
        asked["artifact"],  # type: ignore[arg-type]  # from JSON that this module wrote
        render_factor=asked["render_factor"],  # type: ignore[arg-type]  # from JSON that this module wrote
        device=str(asked["device"]),
        threads=asked["threads"],  # type: ignore[arg-type]  # from JSON that this module wrote
    )
    open_ms = 1000 * (time.perf_counter() - started)
    photo = Path(str(asked["photo"]))
    color_file(colorizer, photo, photo.with_name(f"cold-{photo.name}"))
    print(json.dumps({"open_ms": open_ms, "peak_rss": peak_rss()}), flush=True)
    colorizer.close()


if __name__ == "__main__":
    _color_first(json.loads(sys.argv[1]))
