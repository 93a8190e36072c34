"""Memory of one exported network, alone in a process: resident MB after loading, after a run, at most (Linux)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from colorrt.contract import UNIT, Device
from colorrt.runtime.artifact import read_artifact
from colorrt.runtime.sessions.opening import open_session
from colorrt.runtime.sessions.session import SessionOptions

FREE_SIZE = 16 * UNIT
THREADS = 2


def measure_session(path: Path) -> str:
    """Load the file, run it once on noise, and say what this process holds."""
    artifact = read_artifact(path)
    session = open_session(artifact, SessionOptions(device=Device.CPU, threads=THREADS))
    loaded = _megabytes("VmRSS")
    side = artifact.contract.size or FREE_SIZE
    session.run(np.random.default_rng(1).random((1, 1, side, side), np.float32))
    return f"loaded {loaded} MB, after a run {_megabytes('VmRSS')} MB, peak {_megabytes('VmHWM')} MB"


def _megabytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(f"{name}:"))
