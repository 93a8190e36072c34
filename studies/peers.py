"""The original DeOldify beside ours: the same pictures, weights and threads, in turns, file to file.

It runs from the user's own checkout, in a process of its own with a Python of its own, since it needs packages of its
time (fastai 1.0). How it is called is in `studies.deoldify_peer`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from colorrt.bench.machine import describe_machine, title_of
from colorrt.bench.pictures import write_scaled
from colorrt.bench.stages import color_file
from colorrt.bench.timing import Times, ratio_of, summarize_times
from colorrt.errors import BackendError, UsageError
from colorrt.evaluation.quality import gray_of, lab_errors
from colorrt.evaluation.sheet import write_sheet
from colorrt.photos.reading import decode_rgb
from colorrt.runtime.colorizer import Colorizer

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

WEIGHTS = {"artistic": "ColorizeArtistic_gen.pth", "stable": "ColorizeStable_gen.pth"}
SHEET_TITLES = ("gray", "DeOldify", "colorrt")
_SCRIPT = Path(__file__).with_name("deoldify_peer.py")
_LASTS_S = 60


@dataclass(frozen=True)
class PeerPlan:
    """What to run. `checkout`: a clone of DeOldify with its weights in models/. `python`: the Python it runs in.

    `engine`: our artifact; None exports one of the checkout's own weights for `render_factor`.
    """

    checkout: Path
    model: str = "artistic"
    python: Path | None = None
    engine: Path | None = None
    render_factor: int = 16
    device: str = "cpu"
    threads: int = 2
    size: tuple[int, int] = (1920, 1080)
    rounds: int = 6


@dataclass(frozen=True)
class PeerReport:
    """What the two took per picture by the host clock, file to file, and how far their pictures are apart.

    `ratio`: how many times as fast ours is, the median of the turns' ratios. `de2000`: mean over the pictures.
    """

    theirs_name: str
    ours_name: str
    model: str
    render_factor: int
    size: tuple[int, int]
    threads: int
    theirs: Times
    ours: Times
    ratio: float
    de2000: float
    machine: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the report as what `json.dumps` takes."""
        return {"kind": "peers", **asdict(self)}


def check_checkout(plan: PeerPlan) -> Path:
    """Return the weights file in the checkout. Raises UsageError or BackendError that says what it lacks."""
    checkout = plan.checkout
    if plan.model not in WEIGHTS:
        raise UsageError(f"DeOldify has no image model {plan.model!r}; choose one of {', '.join(WEIGHTS)}")
    if not checkout.is_dir():
        raise UsageError(f"{checkout}: there is no such folder; name a clone of DeOldify's repository")
    lacking = [name for name in ("__init__.py", "visualize.py") if not (checkout / "deoldify" / name).is_file()]
    if lacking:
        raise UsageError(
            f"{checkout}: this is no checkout of DeOldify, for it lacks deoldify/{lacking[0]}; name the folder that "
            "'git clone' made"
        )
    weights = checkout / "models" / WEIGHTS[plan.model]
    if not weights.is_file():
        raise BackendError(
            f"{weights}: the weights are missing; download them as DeOldify's README says and put them there"
        )
    return weights


def compare_with_deoldify(
    plan: PeerPlan, sheet: Path | None = None, say: Callable[[str], None] = lambda _: None
) -> PeerReport:
    """Color the photographs that ship with both, in turns, `plan.rounds` pictures each after one to warm up.

    `sheet`: where to write gray, theirs and ours beside each other (PNG), or None. Raises UsageError and BackendError
    when the checkout lacks something, ModelError when ours cannot run.
    """
    weights = check_checkout(plan)
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="colorrt-bench-")))
        say("starting DeOldify")
        peer = held.enter_context(_Peer(plan))
        engine = plan.engine
        if engine is None:
            from colorrt.export.exporting import export_network

            engine = export_network(weights, plan.render_factor, folder / "ours.onnx", say=say).path
        colorizer = held.enter_context(
            Colorizer(engine, render_factor=plan.render_factor, device=plan.device, threads=plan.threads)
        )
        photos = write_scaled(folder, plan.size)
        say(f"coloring {plan.rounds} pictures of {plan.size[0]} x {plan.size[1]} with each")
        theirs, ours = [], []
        apart: dict[str, float] = {}
        rows: list[tuple[NDArray[np.uint8], ...]] = []
        targets = folder / "theirs.jpg", folder / "ours.jpg"
        for turn in range(-1, plan.rounds):
            photo = photos[(turn + 1) % len(photos)]
            taken = peer.color(photo, targets[0])
            marks = color_file(colorizer, photo, targets[1])
            if turn >= 0:
                theirs.append(taken)
                ours.append(1000 * (marks[-1] - marks[0]))
            if photo.name not in apart:
                pictures = [decode_rgb(path.read_bytes()) for path in (photo, *targets)]
                apart[photo.name] = lab_errors(pictures[1], pictures[2])[1]
                rows.append((gray_of(pictures[0]), pictures[1], pictures[2]))
        if sheet is not None:
            write_sheet(sheet, rows, SHEET_TITLES, columns=1, height=320)
        return PeerReport(
            theirs_name=peer.name,
            ours_name=f"colorrt {colorizer.contract.model}, {colorizer.backend}",
            model=plan.model,
            render_factor=plan.render_factor,
            size=plan.size,
            threads=plan.threads,
            theirs=summarize_times(theirs),
            ours=summarize_times(ours),
            ratio=ratio_of(theirs, ours),
            de2000=float(np.mean(list(apart.values()))),
            machine=describe_machine(),
        )


class _Peer:
    """DeOldify in its own process; it colors a picture at a time, when it is told."""

    def __init__(self, plan: PeerPlan) -> None:
        python = str(plan.python) if plan.python is not None else sys.executable
        if shutil.which(python) is None:
            raise UsageError(f"{python}: there is no such program; --python takes the Python that DeOldify runs in")
        job = {
            "checkout": str(plan.checkout.resolve()),
            "artistic": plan.model == "artistic",
            "render_factor": plan.render_factor,
            "device": plan.device,
            "threads": plan.threads,
        }
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (closed in close(), with the process that writes to it)
        self._process = subprocess.Popen(  # noqa: S603 (our own program, no shell)
            [python, str(_SCRIPT), json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._checkout = plan.checkout
        self._python = python
        try:
            self.name = str(self._answer("starts")["loaded"])
        except BaseException:
            self.close()
            raise

    def color(self, source: Path, target: Path) -> float:
        """Color one picture and return the milliseconds that it took. Raises BackendError when it fails."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"source": str(source), "target": str(target)}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            # Why it ended comes out where its answer would be.
            pass
        return float(self._answer(f"colors {source.name}")["ms"])

    def _answer(self, doing: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"failed": self._last_words()}
        if "failed" in answer:
            raise BackendError(
                f"{self._checkout}: DeOldify fails as it {doing} ({answer['failed']}); --python takes the Python "
                f"of the environment that it runs in (now {self._python}), with torch and fastai 1.0 as its README says"
            )
        return answer

    def _last_words(self) -> str:
        self._process.wait(_LASTS_S)
        self._log.seek(0)
        lines = self._log.read().strip().splitlines()
        return " ".join(lines[-1].split())[:300] if lines else f"exit code {self._process.returncode}"

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                with suppress(BrokenPipeError):
                    stream.close()
        try:
            self._process.wait(_LASTS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def __enter__(self) -> _Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def peer_lines(report: PeerReport) -> list[str]:
    """Return the table of a report on the original DeOldify beside ours, line by line."""
    width, height = report.size
    wide = max(len(report.theirs_name), len(report.ours_name), len("file to file"))
    lines = [
        f"{width} x {height}, render factor {report.render_factor}, {report.threads} threads",
        title_of(report.machine),
        f"{'file to file':<{wide}} {'p50 ms':>9} {'p90 ms':>9} {'p99 ms':>9} {'ratio':>6}",
    ]
    for name, times, ratio in ((report.theirs_name, report.theirs, 1.0), (report.ours_name, report.ours, report.ratio)):
        lines.append(f"{name:<{wide}} {times.p50_ms:>9.1f} {times.p90_ms:>9.1f} {times.p99_ms:>9.1f} {ratio:>6.2f}")
    return [*lines, f"their pictures and ours: dE2000 {report.de2000:.2f} on average"]
