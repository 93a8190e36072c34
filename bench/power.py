"""Electric power on a Jetson, from NVIDIA's tegrastats, which stands on every one of them.

A line of tegrastats holds, for each measured rail, its power now and on average: `VDD_IN 4956mW/4956mW`. Orin NX and
Nano measure the whole module (VDD_IN); AGX Orin measures three rails that together are the module.
Source: NVIDIA Jetson Linux Developer Guide, "tegrastats utility".
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

WHOLE_MODULE = (("VDD_IN",), ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"))
"""Rails that together are all that a module takes, by kind of module."""
INTERVAL_MS = 100
_RAIL = re.compile(r"\b([A-Z][A-Z0-9_]+) (\d+)mW/\d+mW")
_PATIENCE_S = 5


@dataclass(frozen=True)
class Power:
    """Mean milliwatts by rail over `samples` lines; `module_mw`: of the whole module, None where no rails tell."""

    rails_mw: dict[str, float]
    module_mw: float | None
    samples: int


def read_rails(line: str) -> dict[str, int]:
    """Return the milliwatts that each rail takes at the moment of a line of tegrastats; empty if it tells none."""
    return {name: int(power) for name, power in _RAIL.findall(line)}


def average_power(lines: Iterable[str]) -> Power | None:
    """Average the lines of tegrastats; None if no line tells a power."""
    rails: dict[str, list[int]] = defaultdict(list)
    samples = 0
    for line in lines:
        found = read_rails(line)
        samples += bool(found)
        for name, power in found.items():
            rails[name].append(power)
    if not samples:
        return None
    means = {name: statistics.fmean(powers) for name, powers in rails.items()}
    for names in WHOLE_MODULE:
        if all(name in means for name in names):
            return Power(means, sum(means[name] for name in names), samples)
    return Power(means, None, samples)


class PowerMeter:
    """Listens to tegrastats while its block runs; without tegrastats it does nothing.

    `power`: what was measured, after the block; None on other machines, or if the block was shorter than a sample.
    """

    def __init__(self, command: str = "tegrastats") -> None:
        self.power: Power | None = None
        self._program = shutil.which(command)
        self._process: subprocess.Popen[str] | None = None
        self._lines: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)

    @property
    def present(self) -> bool:
        """Whether this machine has tegrastats."""
        return self._program is not None

    def __enter__(self) -> PowerMeter:
        if self._program is not None:
            command = [self._program, "--interval", str(INTERVAL_MS)]
            self._process = subprocess.Popen(  # noqa: S603 (tegrastats by its full path, no shell)
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(_PATIENCE_S)
        self.power = average_power(self._lines)

    def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            self._lines.extend(lines)
