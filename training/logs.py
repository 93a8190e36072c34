"""What a training says of itself: a live line, a table on disk, and TensorBoard where its package is."""

from __future__ import annotations

import csv
import importlib.util
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from colorrt.atomic import atomic_path
from colorrt.errors import UsageError

COLUMNS = (
    "stage",
    "step",
    "kind",
    "images",
    "size",
    "loss",
    "terms",
    "rate",
    "momentum",
    "images_per_second",
    "psnr_db",
    "gray_psnr_db",
    "mae",
    "gray_mae",
)
_REFRESH_SECONDS = 0.5
_LINE_SECONDS = 30.0


class Log:
    """`log.csv` in a folder, one row at a time, and the same figures to TensorBoard where it is installed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "log.csv"
        self._board: Any = None
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder / "tensorboard"))

    def rewind(self, stage: int, step: int) -> None:
        """Drop the rows after this step, what comes now takes their place; and any that a power cut left unfinished.

        Raises UsageError when the table cannot be written.
        """
        if not self.path.exists():
            return
        with self.path.open(newline="", encoding="utf-8", errors="replace") as stream:
            rows = [row for row in csv.DictReader(stream) if _is_until(row, stage, step)]
        with atomic_path(self.path, UsageError) as part, part.open("w", newline="", encoding="utf-8") as stream:
            writer = _writer(stream)
            writer.writeheader()
            writer.writerows(rows)

    def write(self, row: Mapping[str, object], terms: Mapping[str, float]) -> None:
        """Add a row; columns that it lacks stay empty. `terms`: parts of the loss by name."""
        said = " ".join(f"{name}={value:.5g}" for name, value in terms.items())
        self._append({**row, "terms": said})
        if self._board is not None:
            images = int(str(row["images"]))
            for name, value in {**row, **terms}.items():
                if isinstance(value, float):
                    self._board.add_scalar(name, value, images)

    def close(self) -> None:
        """Finish what TensorBoard still holds."""
        if self._board is not None:
            self._board.close()

    def _append(self, row: Mapping[str, object]) -> None:
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            writer = _writer(stream)
            if new:
                writer.writeheader()
            writer.writerow({name: f"{v:.6g}" if isinstance(v, float) else v for name, v in row.items()})


def _writer(stream: TextIO) -> csv.DictWriter[str]:
    return csv.DictWriter(stream, COLUMNS, restval="", extrasaction="ignore")


def _is_until(row: Mapping[str, str | None], stage: int, step: int) -> bool:
    numbers = [row.get("stage") or "", row.get("step") or ""]
    whole = None not in row.values() and all(number.isdecimal() for number in numbers)
    return whole and (int(numbers[0]), int(numbers[1])) <= (stage, step)


@dataclass
class Tally:
    """Terms of the loss since the last row of the log, each averaged over the steps that had it."""

    images: int
    since: float = field(default_factory=time.monotonic)
    _sums: dict[str, float] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)

    def add(self, terms: Mapping[str, float]) -> None:
        """Count in the terms of one step."""
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        """Return the mean of each term."""
        return {name: total / self._counts[name] for name, total in self._sums.items()}

    def pace(self, images: int) -> float:
        """Images a second, `images` having been seen by now."""
        return (images - self.images) / max(time.monotonic() - self.since, 1e-9)


class Progress:
    """One line that lives at the bottom of a terminal; elsewhere, a line every half minute."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self._shown = 0.0
        self._width = 0

    def show(self, line: str) -> None:
        """Put `line` in place of the last one, unless that was a moment ago."""
        now = time.monotonic()
        if self._shown and now - self._shown < (_REFRESH_SECONDS if self.live else _LINE_SECONDS):
            return
        self._shown = now
        if self.live:
            self.stream.write("\r" + line.ljust(self._width))
            self._width = len(line)
        else:
            self.stream.write(line + "\n")
        self.stream.flush()

    def say(self, line: str) -> None:
        """Print a line that stays."""
        if self.live and self._width:
            self.stream.write("\r" + " " * self._width + "\r")
            self._width = 0
        self.stream.write(line + "\n")
        self.stream.flush()


def describe_pace(done: int, total: int, seconds: float) -> str:
    """Say how far it is and how long it takes: "34%, 00:12:05 left"."""
    left = seconds / done * (total - done) if done else 0.0
    hours, rest = divmod(round(left), 3600)
    return f"{done / total:.0%}, {hours:02}:{rest // 60:02}:{rest % 60:02} left"
