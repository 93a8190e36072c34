"""Two workers of a local Ray cluster beside `colorrt run`: one is killed again and again; and how quick they are."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from colorrt.errors import ColorrtError
from colorrt.integrations.ray.running import Cluster, began_now, color_on_ray
from colorrt.integrations.ray.worker import Choice
from colorrt.runtime.folder import Settings
from colorrt.runtime.jobs import plan_jobs
from colorrt.runtime.journal import DONE, OWN_FOLDER

SIDE = 192, 256


def study_cluster(pictures: int, kills: int, workers: int = 2) -> dict[str, Any]:
    """Color made-up pictures by `colorrt run` and on a cluster, `kills` times with a worker killed; return figures.

    Seconds are those of coloring: of the cluster from its first row to its last, of `colorrt run` from its journal's
    first to last result, so that neither start counts; `wall` has all.
    """
    with tempfile.TemporaryDirectory(prefix="colorrt-cluster-") as place:
        folder = Path(place) / "scans"
        _draw(folder, pictures)
        began = time.perf_counter()
        # Each worker has one thread; so the run gets as many as there are workers.
        command = [
            sys.executable,
            "-m",
            "colorrt",
            "run",
            folder,
            "-o",
            Path(place) / "run",
            "-q",
            "--threads",
            workers,
        ]
        done = subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True)  # noqa: S603 (words of our own)
        if done.returncode:
            raise ColorrtError(f"colorrt run failed: {done.stderr.strip().splitlines()[-1]}")
        run_wall = time.perf_counter() - began
        report = _color(folder, Path(place) / "ray", kills, workers)
        one, other = _digests(Path(place) / "run"), _digests(Path(place) / "ray")
        rows = _rows(Path(place) / "ray")
        made = Counter(row["target"] for row in rows if row["outcome"] == DONE)
        run_seconds = _span(Path(place) / "run")
        return report | {
            "pictures": pictures,
            "workers": workers,
            "lost": len(one.keys() - other.keys()),
            "differ": sum(one[name] != other[name] for name in one.keys() & other.keys()),
            "written_twice": sum(count > 1 for count in made.values()),
            "rows": sum(made.values()),
            "run_seconds": round(run_seconds, 2),
            "run_wall": round(run_wall, 2),
            "of_run": round(run_seconds / report["ray_seconds"], 3),
        }


def cluster_lines(report: dict[str, Any]) -> list[str]:
    """Return the figures for people."""
    return [f"{name:<16}{value}" for name, value in report.items()]


def _color(folder: Path, out: Path, kills: int, workers: int) -> dict[str, Any]:
    choice = Choice(None, None, "cpu", 1, "guided", Settings(), began_now())
    jobs = plan_jobs([str(folder)], out)
    outcomes: Counter[str] = Counter()
    peaks: dict[int, list[int]] = {}
    began = time.perf_counter()
    killed: list[int] = []
    for row in color_on_ray(jobs, choice, Cluster(workers)):
        outcomes[row["outcome"]] += 1
        peaks.setdefault(row["pid"], []).append(row["peak_kib"])
        # Spread over the middle of the run; it dies wherever it is at work.
        due = len(jobs) * (len(killed) + 1) // (kills + 1)
        if len(killed) < kills and outcomes.total() >= due and row["pid"] not in killed:
            os.kill(row["pid"], signal.SIGKILL)
            killed.append(row["pid"])
    wall = time.perf_counter() - began
    longest = max(peaks.values(), key=len)
    return {
        "killed": len(killed),
        "outcomes": dict(outcomes),
        "ray_seconds": round(_span(out), 2),
        "ray_wall": round(wall, 2),
        "actors": len(peaks),
        "peak_mib_at_half": longest[len(longest) // 2] // 1024,
        "peak_mib_at_end": longest[-1] // 1024,
    }


def _draw(folder: Path, pictures: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(19)
    rows = np.linspace(0, 255, SIDE[0])[:, None]
    for number in range(pictures):
        noise = rng.normal(0, 12, SIDE) + rng.uniform(0.3, 1.0) * rows
        Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)).save(folder / f"{number:05}.jpg", quality=90)


def _digests(out: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.iterdir() if path.is_file()}


def _rows(out: Path) -> list[dict[str, Any]]:
    lines = (out / OWN_FOLDER / "journal.jsonl").read_text(encoding="ascii").splitlines()
    return [json.loads(line) for line in lines]


def _span(out: Path) -> float:
    """Return the seconds between the first and the last result that was written."""
    times = sorted(path.stat().st_mtime for path in out.iterdir() if path.is_file())
    return times[-1] - times[0]
